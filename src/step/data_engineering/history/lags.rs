//! `data.lags`: what earlier rows of the same group had.

use schemars::JsonSchema;
use serde::Deserialize;

use super::run;
use super::series::Look;
use super::span::{Reach, Span};
use super::tally::{Function, Tally};
use crate::artifact::ArtifactKind;
use crate::phase::Phase;
use crate::step::{InputPort, OutputPort, ParamErrors, Ports, StepContext, StepError, StepKind};

/// Adds columns of what earlier rows of the same group had, by feature-engine's `LagFeatures`, `WindowFeatures` and
/// `ExpandingWindowFeatures`. A row never sees itself or a later one. Rows stay as they are and where they are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The column that says when a row was: a date, a moment, a number that grows with time, or a text such as `2026-02-28`.
    pub time: String,
    /// The columns whose values make a group, such as a customer; without any, all rows are one group. Rows without a
    /// value are a group too.
    #[serde(default)]
    pub group_by: Vec<String>,
    /// The columns of numbers to look at.
    #[schemars(length(min = 1))]
    pub columns: Vec<String>,
    /// How far back to take values from: a number of rows (`1`), or a length of time (`7d`), where there must be a row at
    /// exactly that time. Makes `COLUMN_lag_1`.
    #[serde(default)]
    pub lag: Vec<Span>,
    /// Statistics of the last rows before each row. Makes `COLUMN_window_7_mean`.
    #[serde(default)]
    pub window: Vec<WindowParams>,
    /// Statistics of all rows before each row. Makes `COLUMN_expanding_mean`.
    #[serde(default)]
    pub expanding: Option<ExpandingParams>,
    /// What becomes of rows of one group at the same time.
    #[serde(default)]
    pub ties: Ties,
}

/// One window.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LagsWindow")]
pub struct WindowParams {
    /// A number of rows (`7`), or a length of time (`7d`): rows from that long before on, up to but without the row's own
    /// time.
    pub size: Span,
    /// What is made of the values.
    #[serde(default = "mean")]
    #[schemars(length(min = 1))]
    pub functions: Vec<Function>,
    /// How many rows back the window ends; 1 is the row before. For windows of rows.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub periods: usize,
    /// The least values for a result (for `count`, the least rows); all of a window of rows, one of a window of time.
    #[serde(default)]
    pub min_periods: Option<u32>,
}

/// All rows before.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LagsExpanding")]
pub struct ExpandingParams {
    /// What is made of the values.
    #[serde(default = "mean")]
    #[schemars(length(min = 1))]
    pub functions: Vec<Function>,
    /// How many rows back the last value is; 1 is the row before.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub periods: usize,
    /// The least values for a result.
    #[serde(default = "one_value")]
    pub min_periods: u32,
}

/// What becomes of rows of one group at the same time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "LagsTies")]
pub enum Ties {
    /// They are refused: which one is before the other is not known.
    #[default]
    Refuse,
    /// They follow each other in the order of the table, so that the later one sees the earlier one. A window of time sees
    /// neither.
    InOrder,
}

fn mean() -> Vec<Function> {
    vec![Function::Mean]
}

fn one() -> usize {
    1
}

fn one_value() -> u32 {
    1
}

/// A look with the columns that it makes for each column it looks at.
#[derive(Debug, Clone)]
pub(super) struct Made {
    /// What is looked at.
    pub(super) look: Look,
    /// The ends of the names, each with what is made of the values; none for the value itself.
    pub(super) columns: Vec<(String, Option<Function>)>,
    /// The least values for a result.
    pub(super) least: f64,
    /// What it is in lineage.
    pub(super) transform: &'static str,
}

impl Made {
    /// What `function` makes of values from so many rows, if they are enough. A count of values asks for enough rows, as
    /// in pandas.
    pub(super) fn result(&self, tally: &Tally, rows: usize, function: Function) -> f64 {
        let enough = if function == Function::Count { rows as f64 } else { tally.count };
        if enough >= self.least { tally.get(function) } else { f64::NAN }
    }
}

/// A step that looks back.
pub struct DataLags {
    pub(super) params: Params,
    pub(super) made: Vec<Made>,
}

impl StepKind for DataLags {
    const NAME: &'static str = "data.lags";
    const VERSION: u32 = 2;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str =
        "Adds what earlier rows of the same group had: lags, windows and expanding statistics.";
    const EXAMPLE: &'static str = "\
uses: data.lags
inputs: {table: checked}
with:
  time: day
  group_by: [store]
  columns: [sales]
  lag: [1, 7d]
  window: [{size: 7, functions: [mean, max]}]
  expanding: {functions: [mean, count]}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let made = made(&params)?;
        if params.columns.is_empty() {
            return Err(ParamErrors::one(["columns"], "name at least one column of numbers"));
        }
        if made.is_empty() {
            return Err(ParamErrors::one(["lag"], "give at least one of `lag`, `window` and `expanding`"));
        }
        Ok(DataLags { params, made })
    }

    fn ports(&self) -> Ports {
        Ports::new([InputPort::one("table", ArtifactKind::Table)], [OutputPort::new("table", ArtifactKind::Table)])
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        run::run(self, context)
    }
}

fn made(params: &Params) -> Result<Vec<Made>, ParamErrors> {
    let mut all = Vec::new();
    for (place, span) in params.lag.iter().enumerate() {
        let reach = span.reach().map_err(|message| ParamErrors::one(["lag", &place.to_string()], message))?;
        let columns = vec![(format!("lag_{}", span.name()), None)];
        all.push(Made { look: Look::Lag(reach), columns, least: 0.0, transform: "lag" });
    }
    for (place, window) in params.window.iter().enumerate() {
        let place = place.to_string();
        let refused = |key: &str, message: String| ParamErrors::one(["window", &place, key], message);
        let size = window.size.reach().map_err(|message| refused("size", message))?;
        let least = match (size, window.min_periods) {
            (Reach::Rows(rows), Some(least)) if least as usize > rows => {
                return Err(refused("min_periods", format!("{least} is more than the window has rows")));
            }
            (Reach::Time(_), _) if window.periods != 1 => {
                return Err(refused(
                    "periods",
                    "it is for windows of rows; a window of time ends before the row".to_owned(),
                ));
            }
            (_, Some(least)) => f64::from(least),
            (Reach::Rows(rows), None) => rows as f64,
            (Reach::Time(_), None) => 1.0,
        };
        if window.periods == 0 {
            return Err(refused("periods", "with 0 the row would see itself; give 1 or more".to_owned()));
        }
        let start = format!("window_{}", window.size.name());
        let look = Look::Window { size, periods: window.periods };
        all.push(Made { look, columns: named(&start, &window.functions), least, transform: "window" });
    }
    if let Some(expanding) = &params.expanding {
        if expanding.periods == 0 {
            let message = "with 0 the row would see itself; give 1 or more";
            return Err(ParamErrors::one(["expanding", "periods"], message));
        }
        let look = Look::Expanding { periods: expanding.periods };
        let (columns, least) = (named("expanding", &expanding.functions), f64::from(expanding.min_periods));
        all.push(Made { look, columns, least, transform: "window" });
    }
    Ok(all)
}

fn named(start: &str, functions: &[Function]) -> Vec<(String, Option<Function>)> {
    functions.iter().map(|function| (format!("{start}_{}", function.name()), Some(*function))).collect()
}
