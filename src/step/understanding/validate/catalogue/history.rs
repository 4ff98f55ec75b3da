//! A measure of the table against what it was in earlier runs, at the input `history`.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use serde_json::json;

use super::super::check::{Outcome, State};
use super::super::definition::{CheckName, Definition, Target};
use super::super::expectation::{AnomalyStrategy, Expectation};
use super::super::setting::Setting;
use super::super::summary::{Seen, Summary};
use crate::ml::anomaly::{Bounds, Factors, Strategy};
use crate::table::{cast, present};

pub(super) const CHECKS: &[Definition] = &[Definition::new(
    "anomaly",
    "",
    "What another check measures (`measure`: row_count, mean, null_rate, ...) is in line with the last `window` numbers of \
     `history_column` (`value`) at the input `history`, by `strategy`. Without enough history it passes and is marked vacuous.",
    Target::Any,
    anomaly,
)
.needs(&["measure", "strategy"])
.takes(&["window", "lower", "upper", "order", "season", "history_column"])];

/// Standard deviations on either side, if nothing else is said.
const USUAL_FACTOR: f64 = 3.0;

fn anomaly(setting: &Setting<'_>, expectation: &Expectation) -> Result<State, String> {
    let measure = CheckName::parse(expectation.measure.as_deref().unwrap_or_default())?;
    let measured = Expectation {
        check: measure,
        column: expectation.column.clone(),
        columns: expectation.columns.clone(),
        filter: expectation.filter.clone(),
        ..Expectation::of(measure)
    };
    let judge = Judge { strategy: strategy(expectation)?, history: history(setting, expectation)?, measured };
    match (measure.definition().prepare)(setting, &judge.measured)? {
        State::Known(outcome) => judge.judge(&outcome).map(State::Known),
        State::Whole(summary) => Ok(State::Whole(summary.wrap(|inner| Box::new(Wrapped { inner, judge })))),
        _ => Err(format!("`{}` measures no single number", measure.as_str())),
    }
}

/// How the number is held against the earlier ones.
fn strategy(expectation: &Expectation) -> Result<Strategy, String> {
    let (lower, upper) = (expectation.lower, expectation.upper);
    let bounds = Bounds { lower, upper };
    let order = expectation.order.unwrap_or(1);
    // A side that is left out is not looked at, if the other is given.
    let factor = |one: Option<f64>, other: Option<f64>| {
        one.unwrap_or(if other.is_some() { f64::INFINITY } else { USUAL_FACTOR })
    };
    let factors = Factors { lower: factor(lower, upper), upper: factor(upper, lower) };
    let strategy = expectation.strategy.ok_or("`strategy` is missing")?;
    Ok(match strategy {
        AnomalyStrategy::SimpleThreshold => Strategy::SimpleThreshold(bounds),
        AnomalyStrategy::AbsoluteChange | AnomalyStrategy::RateOfChange => Strategy::AbsoluteChange { bounds, order },
        AnomalyStrategy::RelativeRateOfChange => Strategy::RelativeRateOfChange { bounds, order },
        AnomalyStrategy::OnlineNormal => Strategy::OnlineNormal(factors),
        AnomalyStrategy::BatchNormal => Strategy::BatchNormal(factors),
        AnomalyStrategy::HoltWinters => {
            let season = expectation.season.filter(|season| *season > 0);
            Strategy::HoltWinters { season: season.ok_or("`holt_winters` needs `season`, the length of one")? }
        }
    })
}

/// The last numbers of the history, oldest first.
fn history(setting: &Setting<'_>, expectation: &Expectation) -> Result<Vec<f64>, String> {
    let table = setting.history.ok_or("`anomaly` needs a table of earlier values at the input `history`")?;
    let name = expectation.history_column.as_deref().unwrap_or("value");
    let mut numbers = Vec::new();
    if table.rows() == 0 {
        // A query without rows may not know the types of its columns.
        return Ok(numbers);
    }
    for batch in table.select(&[name]).map_err(|error| format!("the history: {error}"))? {
        let batch = batch.map_err(|error| format!("the history: {error}"))?;
        let read = present(batch.column(0))
            .filter(|read| matches!(read.data_type(), DataType::Int64 | DataType::Float64 | DataType::Null));
        let read = read.ok_or_else(|| format!("`{name}` of the history is no column of numbers"))?;
        let floats = cast(&read, &DataType::Float64);
        numbers.extend(floats.as_primitive::<Float64Type>().iter().flatten().filter(|value| value.is_finite()));
    }
    let first = numbers.len().saturating_sub(expectation.window.unwrap_or(usize::MAX));
    Ok(numbers.split_off(first))
}

/// A strategy with the numbers that it compares with.
struct Judge {
    strategy: Strategy,
    history: Vec<f64>,
    /// What is measured.
    measured: Expectation,
}

impl Judge {
    fn judge(&self, outcome: &Outcome) -> Result<Outcome, String> {
        let observed = outcome.result.get("observed_value").cloned().unwrap_or_default();
        let Some(current) = observed.as_f64() else {
            return Err(format!("`{}` measures {observed}, which is no number", self.measured.check.as_str()));
        };
        let judgement = self.strategy.judge(&self.history, current);
        let success = judgement.is_none_or(|judgement| !judgement.is_anomalous);
        let range = judgement.map(|judgement| json!([judgement.range.lower, judgement.range.upper]));
        let details =
            json!({"expected_range": range, "earlier_values": self.history.len(), "needed": self.strategy.needs()});
        let verdict = Outcome::observed(success, observed).with("details", details);
        Ok(Outcome { vacuous: judgement.is_none(), ..verdict })
    }
}

/// A summary whose measure is held against the history.
struct Wrapped {
    inner: Box<dyn Summary>,
    judge: Judge,
}

impl Summary for Wrapped {
    fn take(&mut self, values: &[ArrayRef]) -> Result<(), String> {
        self.inner.take(values)
    }

    fn outcome(&self, seen: Seen, _: &Expectation) -> Result<Outcome, String> {
        self.judge.judge(&self.inner.outcome(seen, &self.judge.measured)?)
    }
}
