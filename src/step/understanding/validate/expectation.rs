//! One expectation as the user writes it.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::definition::{CheckName, Target};
use crate::ml::drift;

/// How bad a failed check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Counts in the metric `failed`.
    #[default]
    Critical,
    /// Counts in the metric `warnings`.
    Warning,
    /// Counts in neither.
    Info,
}

/// What one failed check leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// The step fails.
    Fail,
    /// It counts as a warning, whatever its severity.
    Warn,
    /// The rows that fail go to the output `quarantine` instead of `table`, and the check counts neither as failed nor as a
    /// warning. Only checks of rows can.
    Quarantine,
    /// The step makes no output `table`, so that the steps that read it are skipped.
    SkipDownstream,
}

/// Which rows a check of several columns leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IgnoreRowIf {
    /// Rows without any of the values. A row that lacks some of them counts as failed.
    #[default]
    #[serde(alias = "all_values_are_missing")]
    BothValuesAreMissing,
    /// Rows that lack at least one value.
    #[serde(alias = "any_value_is_missing")]
    EitherValueIsMissing,
    /// No rows.
    #[serde(alias = "never")]
    Neither,
}

impl IgnoreRowIf {
    /// Whether a row that lacks so many `of` its values is left out.
    pub(super) fn leaves_out(self, missing: usize, of: usize) -> bool {
        match self {
            IgnoreRowIf::BothValuesAreMissing => missing == of,
            IgnoreRowIf::EitherValueIsMissing => missing > 0,
            IgnoreRowIf::Neither => false,
        }
    }
}

/// One text or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// A list.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The texts.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            OneOrMany::One(name) => vec![name],
            OneOrMany::Many(names) => names.iter().map(String::as_str).collect(),
        }
    }
}

/// What a text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextKind {
    /// An address such as `ada@example.org`.
    Email,
    /// An absolute URL of `http`, `https` or `ftp`.
    Url,
    /// A UUID in its usual form with hyphens.
    Uuid,
    /// Four numbers to 255.
    Ipv4,
    /// An address of IP version 6.
    Ipv6,
    /// A day: `2026-02-28`.
    Date,
    /// A moment: `2026-02-28T10:30:00Z`, also with a blank for the `T`, a fraction, an offset, or without one.
    Datetime,
    /// JSON.
    Json,
    /// A decimal number.
    Number,
    /// A number of 13 to 19 digits with a right check digit, also in groups.
    CreditCard,
}

/// How two columns, or a column and a target, are set against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CorrelationMethod {
    /// Of the values.
    #[default]
    Pearson,
    /// Of the ranks; equal values share theirs.
    Spearman,
    /// Between categories, from 0 to 1.
    CramersV,
}

/// How outliers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutlierMethod {
    /// Further than `multiplier` times the distance of the quartiles below the first or above the third.
    #[default]
    Iqr,
    /// At least `multiplier` standard deviations from the mean.
    Std,
    /// Set apart by a few random cuts.
    IsolationForest,
}

/// A family of distributions, under scipy's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Normal: `loc` is the mean, `scale` the standard deviation.
    #[serde(alias = "normal")]
    Norm,
    /// From `loc` to `loc + scale`.
    Uniform,
    /// Exponential, from `loc` on with the mean `loc + scale`.
    #[serde(alias = "exponential")]
    Expon,
    /// Log-normal: `s` is the standard deviation of the logarithm, `scale` the median above `loc`.
    #[serde(alias = "lognormal")]
    Lognorm,
    /// Gamma of shape `a`.
    Gamma,
    /// Beta of shapes `a` and `b`.
    Beta,
}

/// How the distributions of training and of serving are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkewMetric {
    /// The greatest difference between the shares of a value.
    #[default]
    Linf,
    /// The Jensen-Shannon divergence in bits.
    Js,
}

/// How a measure is held against what it was in earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyStrategy {
    /// It lies between `lower` and `upper`.
    SimpleThreshold,
    /// It differs from the number before by an amount between `lower` and `upper`; with `order` n, the n-th difference does.
    AbsoluteChange,
    /// Another name of `absolute_change`.
    RateOfChange,
    /// Its ratio to the number `order` (1) places before lies between `lower` and `upper`.
    RelativeRateOfChange,
    /// It lies within `lower` and `upper` (3) standard deviations of a running mean that leaves out earlier anomalies.
    OnlineNormal,
    /// It lies within `lower` and `upper` (3) standard deviations of the mean of the numbers before.
    BatchNormal,
    /// It is near what exponential smoothing with trend and seasons of length `season` foresees.
    HoltWinters,
}

/// A distribution that is expected: of values, or of numbers between bounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// The values of a category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Value>>,
    /// The bounds of bins in rising order, one more than weights; null at an end for no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bins: Option<Vec<Option<f64>>>,
    /// The share of each value or bin.
    pub weights: Vec<f64>,
    /// The shares below the first and above the last bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail_weights: Option<[f64; 2]>,
}

/// One expectation: a check and what it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// What is checked.
    pub check: CheckName,
    /// The column that is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The columns that are checked together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The least value that is accepted: a number, or text for dates and texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    /// The greatest value that is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
    /// Whether `min` itself is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_min: Option<bool>,
    /// Whether `max` itself is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_max: Option<bool>,
    /// The count that is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<u64>,
    /// The values of a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Value>>,
    /// The pairs of values that may stand together in two columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<Vec<[Value; 2]>>,
    /// A pattern. A regular expression may match anywhere in the text: anchor it with `^` and `$`. A pattern of `like` fits
    /// the whole text: `%` stands for any characters, `_` for one, `[ab]` for one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Several patterns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patterns: Option<Vec<String>>,
    /// The type, or a list of types.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub data_type: Option<OneOrMany>,
    /// What the text stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TextKind>,
    /// How a date is written, in the letters of `strftime`: `%d.%m.%Y`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strftime: Option<String>,
    /// A JSON Schema that the JSON in a text must fulfil.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// The range of each quantile: `{0.5: [10, 20], 0.95: [null, 90]}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<BTreeMap<String, [Option<f64>; 2]>>,
    /// Whether equal values are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub or_equal: Option<bool>,
    /// Which rows a check of several columns leaves out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_row_if: Option<IgnoreRowIf>,
    /// Whether the order of columns matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<bool>,
    /// Whether further columns are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<bool>,
    /// The place of the column, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// The columns that may be there; those of the table at the input `reference` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// Whether equal neighbours are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// The columns whose values tell apart the groups within which the order is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_by: Option<OneOrMany>,
    /// The column of the reference table; the name of `column` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_column: Option<String>,
    /// How old the newest value may be: `30m`, `36h`, `7d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
    /// An expression over the row that must hold; null counts as missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expr: Option<String>,
    /// One `SELECT` over the table at each input, under its name: `table`, `reference`, `history`. Every row that it gives is
    /// unexpected. Long queries are kept beside the manifest: `query: file:checks/orders.sql`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The bound that is measured against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Whether values far below the mean count as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub double_sided: Option<bool>,
    /// How it is measured: `iqr`, `std` or `isolation_forest`; `pearson`, `spearman` or `cramers_v`; or a method of `monitor.drift`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How many times the spread a value may be away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiplier: Option<f64>,
    /// The share of values that are outliers, above 0 and up to 0.5; the line of the method if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contamination: Option<f64>,
    /// The seed of what is random; 0 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The p-value that must be exceeded; 0.05 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// The distribution that values are expected to come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// The parameters of the distribution, under scipy's names: `{loc: 0, scale: 1}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, f64>>,
    /// What the values of a row must add up to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// How far a sum may be from `total`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// The least ratio that is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ratio: Option<f64>,
    /// The greatest ratio that is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ratio: Option<f64>,
    /// The column that a model shall predict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How well a single column may predict the target, as area under the ROC curve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_auc: Option<f64>,
    /// Whether it is enough that one of several most frequent values is in the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ties_ok: Option<bool>,
    /// The distribution that is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
    /// The share that is expected outside of the bins, or of other values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail_weight_holdout: Option<f64>,
    /// The share that is expected in bins of weight zero together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_weight_holdout: Option<f64>,
    /// How serving is compared with training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<SkewMetric>,
    /// The check whose measure is held against earlier runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// How it is held against them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<AnomalyStrategy>,
    /// How many of the last numbers count; all if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// The lower end of what is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<f64>,
    /// The upper end of what is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper: Option<f64>,
    /// How many places back, or how often differences are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<usize>,
    /// How many runs make a season.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub season: Option<usize>,
    /// The column of the history; `value` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_column: Option<String>,
    /// Only rows for which this expression holds are looked at.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The share of rows with a value that must pass, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mostly: Option<f64>,
    /// How bad a failure is.
    #[serde(default)]
    pub severity: Severity,
    /// What a failure leads to; what `on_fail` of the step says if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_fail: Option<Consequence>,
    /// The check's name in the report; made of check and column if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// The schema of a list of expectations, each under our names of arguments or, if its check has Great Expectations' name,
/// under those of Great Expectations.
pub(super) fn list_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "if": {"properties": {"check": {"pattern": "^(expect_|unexpected_rows_expectation$)"}}, "required": ["check"]},
            "then": {
                "type": "object",
                "description": "A check under Great Expectations' name, with its arguments under its names or ours.",
            },
            "else": generator.subschema_for::<Expectation>(),
        },
    })
}

impl Expectation {
    /// A check without any arguments.
    pub(super) fn of(check: CheckName) -> Expectation {
        let bare = serde_json::json!({"check": check.as_str()});
        serde_json::from_value(bare).expect("a check without arguments is an expectation")
    }

    /// The columns that it names, in order.
    pub fn named_columns(&self) -> Vec<&str> {
        self.column.iter().chain(self.columns.iter().flatten()).map(String::as_str).collect()
    }

    /// Whether it asks a query, which only some programs can answer.
    pub fn asks_query(&self) -> bool {
        self.check.definition().target == Target::Query
    }

    /// `method` as a way to measure correlation.
    pub(super) fn correlation_method(&self) -> Result<CorrelationMethod, String> {
        read_method(self.method.as_deref(), "`pearson`, `spearman` or `cramers_v`")
    }

    /// `method` as a way to tell outliers.
    pub(super) fn outlier_method(&self) -> Result<OutlierMethod, String> {
        read_method(self.method.as_deref(), "`iqr`, `std` or `isolation_forest`")
    }

    /// `method` as a way to measure drift; none for the usual one.
    pub(super) fn drift_method(&self) -> Result<Option<drift::Method>, String> {
        match self.method.as_deref() {
            None | Some("auto") => Ok(None),
            Some(name) => serde_json::from_value(Value::from(name))
                .map(Some)
                .map_err(|_| format!("there is no drift method `{name}`")),
        }
    }
}

fn read_method<M: Default + serde::de::DeserializeOwned>(name: Option<&str>, known: &str) -> Result<M, String> {
    match name {
        None => Ok(M::default()),
        Some(name) => {
            serde_json::from_value(Value::from(name)).map_err(|_| format!("`method` is {known}, not `{name}`"))
        }
    }
}
