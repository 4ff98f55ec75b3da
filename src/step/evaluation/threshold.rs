//! From which probability on a row counts as positive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::metrics::{BinaryScores, Confusion, threshold_table};
use crate::step::{ParamErrors, StepError};

/// From which probability on a row counts as positive: a number, or a measure to maximise.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Threshold {
    /// This probability.
    Fixed(f64),
    /// The threshold between 0.01 and 0.99 that is best by a measure, on the rows of `valid` if they are bound and
    /// else on the test rows themselves, which flatters the result.
    Best {
        /// The measure.
        maximise: ThresholdMeasure,
    },
}

/// What a threshold can be chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdMeasure {
    F1,
    Accuracy,
    BalancedAccuracy,
    Mcc,
    /// The true positive rate minus the false positive rate.
    Youden,
}

impl Threshold {
    /// Refuses what is no probability.
    pub(super) fn check(self) -> Result<(), ParamErrors> {
        match self {
            Threshold::Fixed(value) if !(0.0..=1.0).contains(&value) => {
                Err(ParamErrors::one(["threshold"], format!("{value} is not a probability from 0 to 1")))
            }
            _ => Ok(()),
        }
    }

    /// The threshold to use, given scores to choose by.
    pub(super) fn choose(self, scores: &BinaryScores, weight: Option<&[f64]>) -> Result<f64, StepError> {
        let maximise = match self {
            Threshold::Fixed(value) => return Ok(value),
            Threshold::Best { maximise } => maximise,
        };
        let mut best: Option<(f64, f64)> = None;
        for row in threshold_table(scores, weight) {
            // The first of equals: the lowest threshold.
            if let Some(value) = maximise.of(&row.confusion)
                && best.is_none_or(|(_, highest)| value > highest)
            {
                best = Some((row.threshold, value));
            }
        }
        best.map(|(threshold, _)| threshold).ok_or_else(|| {
            StepError::input("no_threshold", "the measure to maximise is undefined at every threshold")
                .help("give a fixed `threshold`, or rows of both classes")
        })
    }
}

impl ThresholdMeasure {
    fn of(self, confusion: &Confusion) -> Option<f64> {
        match self {
            Self::F1 => confusion.f1(),
            Self::Accuracy => confusion.accuracy(),
            Self::BalancedAccuracy => confusion.balanced_accuracy(),
            Self::Mcc => confusion.mcc(),
            Self::Youden => Some(confusion.recall()? + confusion.specificity()? - 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_threshold_separates_what_can_be_separated() {
        let scores = BinaryScores::new(vec![false, false, true, true], vec![0.1, 0.3, 0.4, 0.9], 0.5);
        for maximise in [ThresholdMeasure::F1, ThresholdMeasure::Mcc, ThresholdMeasure::Youden] {
            let threshold = Threshold::Best { maximise }.choose(&scores, None).unwrap();
            assert!(threshold > 0.3 && threshold <= 0.4, "{maximise:?}: {threshold}");
        }
    }

    #[test]
    fn it_is_written_as_a_number_or_as_a_wish() {
        let parse = |text: &str| serde_json::from_str::<Threshold>(text).unwrap();
        assert_eq!(parse("0.3"), Threshold::Fixed(0.3));
        assert_eq!(parse("{\"maximise\": \"f1\"}"), Threshold::Best { maximise: ThresholdMeasure::F1 });
        assert!(Threshold::Fixed(1.5).check().is_err());
    }
}
