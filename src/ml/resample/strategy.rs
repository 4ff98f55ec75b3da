//! How many rows each class shall have: the `sampling_strategy` of imbalanced-learn.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::plan::Problem;

/// Which classes are resampled, and to how many rows: a name, for two classes the number of rows of the rare class for
/// each row of the frequent one, the number of rows by class, or for methods that clean a list of classes.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SamplingStrategy {
    /// By a rule.
    Name(StrategyName),
    /// Rows of the rare class for each row of the frequent one.
    Ratio(f64),
    /// The classes to clean.
    Classes(Vec<String>),
    /// The number of rows by class.
    Counts(BTreeMap<String, usize>),
}

/// Which classes are resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum StrategyName {
    /// All but the most frequent one where rows are added, all but the rarest one where they are dropped.
    #[serde(rename = "auto")]
    Auto,
    /// The rarest one.
    #[serde(rename = "minority")]
    Minority,
    /// All but the rarest one.
    #[serde(rename = "not minority")]
    NotMinority,
    /// All but the most frequent one.
    #[serde(rename = "not majority")]
    NotMajority,
    /// The most frequent one.
    #[serde(rename = "majority")]
    Majority,
    /// All of them.
    #[serde(rename = "all")]
    All,
}

impl Default for SamplingStrategy {
    fn default() -> SamplingStrategy {
        SamplingStrategy::Name(StrategyName::Auto)
    }
}

/// What a method does to the classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// It adds rows.
    Over,
    /// It drops rows until a number is reached.
    Under,
    /// It drops rows that stand in the way.
    Clean,
}

/// For each class: how many rows to add, or how many to keep. None leaves the class alone.
pub type Targets = Vec<Option<usize>>;

impl SamplingStrategy {
    /// What the strategy means for classes with these labels and numbers of rows.
    pub fn targets(&self, sampling: Sampling, labels: &[String], counts: &[usize]) -> Result<Targets, Problem> {
        if counts.len() < 2 {
            let message = format!("the target has one class only, `{}`", labels.first().map_or("", String::as_str));
            return Err(Problem::new("one_class", message, "look at the split and the filters before this step"));
        }
        match self {
            SamplingStrategy::Name(name) => by_name(*name, sampling, counts),
            SamplingStrategy::Ratio(ratio) => by_ratio(*ratio, sampling, counts),
            SamplingStrategy::Counts(wanted) => by_count(wanted, sampling, labels, counts),
            SamplingStrategy::Classes(classes) => {
                if sampling != Sampling::Clean {
                    return Err(wrong(
                        "a list of classes is for methods that clean",
                        "give the number of rows by class",
                    ));
                }
                let mut targets = vec![None; counts.len()];
                for class in classes {
                    targets[class_of(class, labels)?] = Some(0);
                }
                Ok(targets)
            }
        }
    }
}

fn wrong(message: impl Into<String>, help: impl Into<String>) -> Problem {
    Problem::new("sampling_strategy", format!("`sampling_strategy`: {}", message.into()), help)
}

fn class_of(label: &str, labels: &[String]) -> Result<usize, Problem> {
    labels.iter().position(|known| known == label).ok_or_else(|| {
        wrong(format!("`{label}` is no class of the target"), format!("the classes are: {}", labels.join(", ")))
    })
}

/// The first class among those with the fewest rows.
fn rarest(counts: &[usize]) -> usize {
    (0..counts.len()).min_by_key(|class| counts[*class]).unwrap_or(0)
}

/// The first class among those with the most rows.
fn commonest(counts: &[usize]) -> usize {
    (0..counts.len()).rev().max_by_key(|class| counts[*class]).unwrap_or(0)
}

fn by_name(name: StrategyName, sampling: Sampling, counts: &[usize]) -> Result<Targets, Problem> {
    let (rare, common) = (rarest(counts), commonest(counts));
    let name = match (name, sampling) {
        (StrategyName::Auto, Sampling::Over) => StrategyName::NotMajority,
        (StrategyName::Auto, _) => StrategyName::NotMinority,
        (StrategyName::Majority, Sampling::Over) => {
            return Err(wrong("`majority` cannot be added to", "take `minority` or `not majority`"));
        }
        (StrategyName::Minority, Sampling::Under | Sampling::Clean) => {
            return Err(wrong("nothing can be dropped from `minority`", "take `majority` or `not minority`"));
        }
        (name, _) => name,
    };
    let is_meant = |class: usize| match name {
        StrategyName::Minority => class == rare,
        StrategyName::NotMinority => class != rare,
        StrategyName::NotMajority => class != common,
        StrategyName::Majority => class == common,
        StrategyName::All | StrategyName::Auto => true,
    };
    let target = |class: usize| match sampling {
        Sampling::Over => counts[common] - counts[class],
        Sampling::Under | Sampling::Clean => counts[rare],
    };
    Ok((0..counts.len()).map(|class| is_meant(class).then(|| target(class))).collect())
}

fn by_ratio(ratio: f64, sampling: Sampling, counts: &[usize]) -> Result<Targets, Problem> {
    if !(ratio > 0.0 && ratio <= 1.0) {
        return Err(wrong(format!("{ratio} is no ratio above 0 and up to 1"), "1 makes both classes equally frequent"));
    }
    if counts.len() != 2 {
        let message = format!("a ratio needs two classes, and the target has {}", counts.len());
        return Err(wrong(message, "give the number of rows by class"));
    }
    let (rare, common) = (rarest(counts), commonest(counts));
    let mut targets = vec![None; 2];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of rows, cut as the oracle cuts"
    )]
    match sampling {
        Sampling::Over => {
            let missing = counts[common] as f64 * ratio - counts[1 - common] as f64;
            if missing < 1.0 {
                let message = format!("the rare class has {ratio} rows for each row of the other one already");
                return Err(wrong(message, "take a larger ratio"));
            }
            targets[1 - common] = Some(missing as usize);
        }
        Sampling::Under => {
            let kept = (counts[rare] as f64 / ratio) as usize;
            if kept > counts[1 - rare] {
                let message = format!("the frequent class has fewer rows than the ratio {ratio} asks to keep");
                return Err(wrong(message, "take a larger ratio"));
            }
            targets[1 - rare] = Some(kept);
        }
        Sampling::Clean => return Err(wrong("a method that cleans reaches no ratio", "give a list of classes")),
    }
    Ok(targets)
}

fn by_count(
    wanted: &BTreeMap<String, usize>,
    sampling: Sampling,
    labels: &[String],
    counts: &[usize],
) -> Result<Targets, Problem> {
    let mut targets = vec![None; counts.len()];
    for (label, rows) in wanted {
        let class = class_of(label, labels)?;
        let there = counts[class];
        let (is_possible, target) = match sampling {
            Sampling::Over => (*rows >= there, rows.saturating_sub(there)),
            Sampling::Under => (*rows <= there, *rows),
            Sampling::Clean => {
                return Err(wrong("a method that cleans reaches no number of rows", "give a list of classes"));
            }
        };
        if !is_possible {
            let (verb, bound) = if sampling == Sampling::Over { ("added", "least") } else { ("dropped", "most") };
            let message = format!("class `{label}` has {there} rows, so {rows} cannot be reached by rows {verb}");
            return Err(wrong(message, format!("ask for {there} at {bound}")));
        }
        targets[class] = Some(target);
    }
    Ok(targets)
}
