//! Which arguments each check takes, and what can be said about an expectation before any data is seen.

use std::time::Duration;

use serde_json::Value;

use super::expectation::{CheckName, Expectation};
use crate::expr::Expr;
use crate::step::ParamError;

/// What a check is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Table,
    Column,
    /// `column`, or several `columns` together.
    ColumnOrColumns,
    /// Exactly two `columns`.
    Pair,
    /// Any number of `columns`.
    Columns,
}

struct Shape {
    target: Target,
    /// The arguments it cannot do without.
    required: &'static [&'static str],
    /// Of these at least one is needed.
    one_of: &'static [&'static str],
    /// The arguments it may have besides, apart from `where`, `severity` and `id`.
    optional: &'static [&'static str],
    gx: &'static str,
}

const RANGE: &[&str] = &["min", "max"];
const COUNT: &[&str] = &["equals", "min", "max"];
const STRICT: &[&str] = &["strict_min", "strict_max"];

fn shape(check: CheckName) -> Shape {
    use CheckName as C;
    let new = |target, required, one_of, optional, gx| Shape { target, required, one_of, optional, gx };
    let mostly: &[&str] = &["mostly"];
    match check {
        C::NotNull => new(Target::Column, &[], &[], mostly, "expect_column_values_to_not_be_null"),
        C::IsNull => new(Target::Column, &[], &[], mostly, "expect_column_values_to_be_null"),
        C::Unique => new(Target::ColumnOrColumns, &[], &[], mostly, "expect_column_values_to_be_unique"),
        C::InSet => new(Target::Column, &["values"], &[], mostly, "expect_column_values_to_be_in_set"),
        C::NotInSet => new(Target::Column, &["values"], &[], mostly, "expect_column_values_to_not_be_in_set"),
        C::Between => new(
            Target::Column,
            &[],
            RANGE,
            &["strict_min", "strict_max", "mostly"],
            "expect_column_values_to_be_between",
        ),
        C::Regex => new(Target::Column, &["pattern"], &[], mostly, "expect_column_values_to_match_regex"),
        C::NotRegex => new(Target::Column, &["pattern"], &[], mostly, "expect_column_values_to_not_match_regex"),
        C::LengthBetween => new(
            Target::Column,
            &[],
            RANGE,
            &["strict_min", "strict_max", "mostly"],
            "expect_column_value_lengths_to_be_between",
        ),
        C::Increasing => new(Target::Column, &[], &[], &["strict", "mostly"], "expect_column_values_to_be_increasing"),
        C::Decreasing => new(Target::Column, &[], &[], &["strict", "mostly"], "expect_column_values_to_be_decreasing"),
        C::GreaterThan => new(
            Target::Pair,
            &[],
            &[],
            &["or_equal", "ignore_row_if", "mostly"],
            "expect_column_pair_values_a_to_be_greater_than_b",
        ),
        C::ColumnsEqual => {
            new(Target::Pair, &[], &[], &["ignore_row_if", "mostly"], "expect_column_pair_values_to_be_equal")
        }
        C::ForeignKey => new(Target::Column, &[], &[], &["reference_column", "mostly"], ""),
        C::Expr => new(Target::Table, &["expr"], &[], mostly, ""),
        C::RowCount => new(Target::Table, &[], COUNT, STRICT, "expect_table_row_count_to_be_between"),
        C::ColumnCount => new(Target::Table, &[], COUNT, STRICT, "expect_table_column_count_to_be_between"),
        C::ColumnsMatch => new(Target::Columns, &[], &[], &["ordered", "exact"], "expect_table_columns_to_match_set"),
        C::ColumnExists => new(Target::Column, &[], &[], &[], "expect_column_to_exist"),
        C::Dtype => new(Target::Column, &["type"], &[], &[], "expect_column_values_to_be_in_type_list"),
        C::DistinctCount => new(Target::Column, &[], RANGE, STRICT, "expect_column_unique_value_count_to_be_between"),
        C::DistinctRatio => {
            new(Target::Column, &[], RANGE, STRICT, "expect_column_proportion_of_unique_values_to_be_between")
        }
        C::NullRate => new(Target::Column, &[], RANGE, STRICT, ""),
        C::Min => new(Target::Column, &[], RANGE, STRICT, "expect_column_min_to_be_between"),
        C::Max => new(Target::Column, &[], RANGE, STRICT, "expect_column_max_to_be_between"),
        C::Mean => new(Target::Column, &[], RANGE, STRICT, "expect_column_mean_to_be_between"),
        C::Median => new(Target::Column, &[], RANGE, STRICT, "expect_column_median_to_be_between"),
        C::Sum => new(Target::Column, &[], RANGE, STRICT, "expect_column_sum_to_be_between"),
        C::Stdev => new(Target::Column, &[], RANGE, STRICT, "expect_column_stdev_to_be_between"),
        C::Quantiles => new(Target::Column, &["quantiles"], &[], &[], "expect_column_quantile_values_to_be_between"),
        C::Freshness => new(Target::Column, &["max_age"], &[], &[], ""),
    }
}

impl Expectation {
    /// Great Expectations' name of the check; none for those it does not have.
    pub(super) fn gx_type(&self) -> Option<&'static str> {
        Some(match self.check {
            CheckName::Unique if self.columns.is_some() => "expect_compound_columns_to_be_unique",
            CheckName::ColumnsMatch if self.ordered == Some(true) => "expect_table_columns_to_match_ordered_list",
            check => shape(check).gx,
        })
        .filter(|name| !name.is_empty())
    }

    /// Everything that is wrong with the expectation, whatever the table looks like.
    pub(super) fn problems(&self) -> Vec<ParamError> {
        let mut found = Problems { check: self.check, list: Vec::new() };
        let shape = shape(self.check);
        self.check_target(shape.target, &mut found);
        let given = self.given();
        for name in shape.required {
            if !given.contains(name) {
                found.add(name, format!("`{}` needs `{name}`", self.check.as_str()));
            }
        }
        if !shape.one_of.is_empty() && !shape.one_of.iter().any(|name| given.contains(name)) {
            let names: Vec<String> = shape.one_of.iter().map(|name| format!("`{name}`")).collect();
            found.add("check", format!("`{}` needs one of {}", self.check.as_str(), names.join(", ")));
        }
        for name in given {
            if !shape.required.contains(&name) && !shape.one_of.contains(&name) && !shape.optional.contains(&name) {
                found.add(name, format!("`{}` takes no `{name}`", self.check.as_str()));
            }
        }
        self.check_values(&mut found);
        found.list
    }

    fn check_target(&self, target: Target, found: &mut Problems) {
        let many = self.columns.as_ref().map(Vec::len);
        let wanted = match target {
            Target::Table if self.column.is_some() || many.is_some() => "looks at the whole table and takes no column",
            Target::Column if self.column.is_none() => "needs `column`",
            Target::Column if many.is_some() => "takes one `column`, not `columns`",
            Target::ColumnOrColumns if self.column.is_some() == many.is_some() => "needs either `column` or `columns`",
            Target::ColumnOrColumns if many == Some(0) => "needs at least one column in `columns`",
            Target::Pair if many != Some(2) || self.column.is_some() => "needs two columns: `columns: [a, b]`",
            Target::Columns if many.is_none() || self.column.is_some() => "needs `columns`",
            _ => return,
        };
        found.add("check", format!("`{}` {wanted}", self.check.as_str()));
    }

    /// The names of the arguments that are given, apart from those that every check takes.
    fn given(&self) -> Vec<&'static str> {
        [
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("strict_min", self.strict_min.is_some()),
            ("strict_max", self.strict_max.is_some()),
            ("equals", self.equals.is_some()),
            ("values", self.values.is_some()),
            ("pattern", self.pattern.is_some()),
            ("type", self.kind.is_some()),
            ("quantiles", self.quantiles.is_some()),
            ("or_equal", self.or_equal.is_some()),
            ("ignore_row_if", self.ignore_row_if.is_some()),
            ("ordered", self.ordered.is_some()),
            ("exact", self.exact.is_some()),
            ("strict", self.strict.is_some()),
            ("reference_column", self.reference_column.is_some()),
            ("max_age", self.max_age.is_some()),
            ("expr", self.expr.is_some()),
            ("mostly", self.mostly.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is_given)| is_given.then_some(name))
        .collect()
    }

    fn check_values(&self, found: &mut Problems) {
        if self.mostly.is_some_and(|mostly| !(0.0..=1.0).contains(&mostly)) {
            found.add("mostly", "`mostly` is a share between 0 and 1".to_owned());
        }
        for (name, bound) in [("min", &self.min), ("max", &self.max)] {
            if bound.as_ref().is_some_and(|bound| !bound.is_number() && !bound.is_string()) {
                found.add(name, format!("`{name}` is a number or a text"));
            }
        }
        if let (Some(min), Some(max)) =
            (self.min.as_ref().and_then(Value::as_f64), self.max.as_ref().and_then(Value::as_f64))
            && min > max
        {
            found.add("min", format!("`min` {min} is greater than `max` {max}"));
        }
        if self.values.as_ref().is_some_and(Vec::is_empty) {
            found.add("values", "`values` is empty".to_owned());
        }
        if let Some(pattern) = &self.pattern
            && let Err(error) = regex::Regex::new(pattern)
        {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
            found.add("pattern", format!("`pattern` is not a regular expression: {reason}"));
        }
        for (name, text) in [("expr", &self.expr), ("where", &self.filter)] {
            if let Some(Err(error)) = text.as_deref().map(Expr::parse) {
                found.list.push(ParamError { path: vec![name.to_owned()], message: error.message, help: error.help });
            }
        }
        if self.max_age.as_deref().is_some_and(|text| parse_age(text).is_none()) {
            found.add("max_age", "`max_age` is a duration such as `30m`, `36h` or `7d`".to_owned());
        }
        for share in self.quantiles.iter().flat_map(|quantiles| quantiles.keys()) {
            if !share.parse::<f64>().is_ok_and(|share| (0.0..=1.0).contains(&share)) {
                found.add("quantiles", format!("the quantile `{share}` is not between 0 and 1"));
            }
        }
        if matches!(&self.kind, Some(kind) if kind.names().is_empty()) {
            found.add("type", "`type` is empty".to_owned());
        }
    }
}

impl super::OneOrMany {
    /// The texts.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            super::OneOrMany::One(name) => vec![name],
            super::OneOrMany::Many(names) => names.iter().map(String::as_str).collect(),
        }
    }
}

struct Problems {
    check: CheckName,
    list: Vec<ParamError>,
}

impl Problems {
    fn add(&mut self, name: &str, message: String) {
        let example = match self.check {
            CheckName::Between => Some("write `{column: tenure, check: between, min: 0, max: 120}`"),
            CheckName::InSet => Some("write `{column: plan, check: in_set, values: [basic, pro]}`"),
            CheckName::GreaterThan => Some("write `{columns: [end, start], check: greater_than, or_equal: true}`"),
            CheckName::Quantiles => Some("write `{column: age, check: quantiles, quantiles: {0.5: [30, 50]}}`"),
            _ => None,
        };
        self.list.push(ParamError { path: vec![name.to_owned()], message, help: example.map(str::to_owned) });
    }
}

/// A duration such as `90s`, `30m`, `36h`, `7d` or `2w`.
pub(super) fn parse_age(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
    let amount: f64 = text[..digits].parse().ok()?;
    let seconds = match text[digits..].trim() {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(amount * seconds).ok()
}
