//! One expectation as the user writes it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is checked. Row checks take `mostly`; the others look at the whole column or table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// Rows: the value is there.
    NotNull,
    /// Rows: the value is missing.
    IsNull,
    /// Rows: the value, or the combination of `columns`, occurs once.
    Unique,
    /// Rows: the value is one of `values`.
    InSet,
    /// Rows: the value is none of `values`.
    NotInSet,
    /// Rows: the value lies between `min` and `max`.
    Between,
    /// Rows: the regular expression `pattern` matches somewhere in the text.
    Regex,
    /// Rows: the regular expression `pattern` matches nowhere in the text.
    NotRegex,
    /// Rows: the text has between `min` and `max` characters.
    LengthBetween,
    /// Rows: each value is not less than the one before; with `strict`, greater.
    Increasing,
    /// Rows: each value is not greater than the one before; with `strict`, less.
    Decreasing,
    /// Rows: the first of `columns` is greater than the second; with `or_equal`, not less.
    GreaterThan,
    /// Rows: the two `columns` are equal.
    ColumnsEqual,
    /// Rows: the value occurs in `reference_column` of the table at the input `reference`.
    ForeignKey,
    /// Rows: the expression `expr` holds.
    Expr,
    /// Table: the number of rows equals `equals` or lies between `min` and `max`.
    RowCount,
    /// Table: the number of columns equals `equals` or lies between `min` and `max`.
    ColumnCount,
    /// Table: the columns are `columns`; `ordered` asks for their order, `exact: false` allows more.
    ColumnsMatch,
    /// Table: the column is there.
    ColumnExists,
    /// Column: the type is `type`, or one of a list: int, float, number, text, bool, date, timestamp or an Arrow name.
    Dtype,
    /// Column: the number of different values lies between `min` and `max`.
    DistinctCount,
    /// Column: the number of different values, divided by the number of values, lies between `min` and `max`.
    DistinctRatio,
    /// Column: the share of missing values lies between `min` and `max`.
    NullRate,
    /// Column: the least value lies between `min` and `max`.
    Min,
    /// Column: the greatest value lies between `min` and `max`.
    Max,
    /// Column: the mean lies between `min` and `max`.
    Mean,
    /// Column: the median lies between `min` and `max`.
    Median,
    /// Column: the sum lies between `min` and `max`.
    Sum,
    /// Column: the standard deviation of the sample lies between `min` and `max`.
    Stdev,
    /// Column: each quantile of `quantiles` lies in its range.
    Quantiles,
    /// Column: the newest timestamp is at most `max_age` old.
    Freshness,
}

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

/// Which rows a check of two columns leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IgnoreRowIf {
    /// Rows without either value. A row with one of the two counts as failed.
    #[default]
    BothValuesAreMissing,
    /// Rows that lack at least one value.
    EitherValueIsMissing,
    /// No rows.
    Neither,
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
    /// A regular expression, which may match anywhere in the text; anchor it with `^` and `$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The type, or a list of types.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<OneOrMany>,
    /// The range of each quantile: `{0.5: [10, 20], 0.95: [null, 90]}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantiles: Option<BTreeMap<String, [Option<f64>; 2]>>,
    /// Whether equal values are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub or_equal: Option<bool>,
    /// Which rows a check of two columns leaves out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_row_if: Option<IgnoreRowIf>,
    /// Whether the order of columns matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<bool>,
    /// Whether further columns are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<bool>,
    /// Whether equal neighbours are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// The column of the reference table; the name of `column` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_column: Option<String>,
    /// How old the newest value may be: `30m`, `36h`, `7d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
    /// An expression over the row that must hold; null counts as missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expr: Option<String>,
    /// Only rows for which this expression holds are looked at.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The share of rows with a value that must pass, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mostly: Option<f64>,
    /// How bad a failure is.
    #[serde(default)]
    pub severity: Severity,
    /// The check's name in the report; made of check and column if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl CheckName {
    /// The name as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotNull => "not_null",
            Self::IsNull => "is_null",
            Self::Unique => "unique",
            Self::InSet => "in_set",
            Self::NotInSet => "not_in_set",
            Self::Between => "between",
            Self::Regex => "regex",
            Self::NotRegex => "not_regex",
            Self::LengthBetween => "length_between",
            Self::Increasing => "increasing",
            Self::Decreasing => "decreasing",
            Self::GreaterThan => "greater_than",
            Self::ColumnsEqual => "columns_equal",
            Self::ForeignKey => "foreign_key",
            Self::Expr => "expr",
            Self::RowCount => "row_count",
            Self::ColumnCount => "column_count",
            Self::ColumnsMatch => "columns_match",
            Self::ColumnExists => "column_exists",
            Self::Dtype => "dtype",
            Self::DistinctCount => "distinct_count",
            Self::DistinctRatio => "distinct_ratio",
            Self::NullRate => "null_rate",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Median => "median",
            Self::Sum => "sum",
            Self::Stdev => "stdev",
            Self::Quantiles => "quantiles",
            Self::Freshness => "freshness",
        }
    }
}
