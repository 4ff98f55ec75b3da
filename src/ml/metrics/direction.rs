//! Whether more of a measure is better.

/// Which end of a measure is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// More is better: `roc_auc`, `r2`.
    Maximise,
    /// Less is better: `log_loss`, `rmse`.
    Minimise,
}

const MINIMISED: &[&str] = &[
    "brier",
    "ece",
    "log_loss",
    "loss",
    "mae",
    "mape",
    "max_error",
    "mean_absolute_error",
    "mean_squared_error",
    "medae",
    "mse",
    "rmse",
    "smape",
];
const MAXIMISED: &[&str] = &[
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "cohen_kappa",
    "explained_variance",
    "f1",
    "ks_statistic",
    "mcc",
    "npv",
    "precision",
    "r2",
    "recall",
    "roc_auc",
    "specificity",
];

/// The good end of a metric such as `valid.roc_auc` or `f1_macro`, if the name is known.
pub fn direction(metric: &str) -> Option<Direction> {
    let name = metric.rsplit('.').next().unwrap_or(metric);
    let is_one_of = |known: &[&str]| {
        known.iter().any(|known| {
            name.strip_prefix(known).is_some_and(|rest| {
                matches!(rest, "" | "_macro" | "_micro" | "_weighted" | "_ovr" | "_ovr_weighted" | "_ovo")
            })
        })
    };
    if is_one_of(MINIMISED) {
        Some(Direction::Minimise)
    } else if is_one_of(MAXIMISED) {
        Some(Direction::Maximise)
    } else {
        None
    }
}

impl Direction {
    /// Whether `new` is better than `old`.
    pub fn is_better(self, new: f64, old: f64) -> bool {
        match self {
            Self::Maximise => new > old,
            Self::Minimise => new < old,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_good_end_is_known_by_name() {
        assert_eq!(direction("valid.roc_auc"), Some(Direction::Maximise));
        assert_eq!(direction("f1_macro"), Some(Direction::Maximise));
        assert_eq!(direction("valid.rmse"), Some(Direction::Minimise));
        assert_eq!(direction("saving_per_month"), None);
    }
}
