//! What can be said about an expectation before any data is seen.

use serde_json::Value;

use super::definition::{CheckName, Target};
use super::expectation::{AnomalyStrategy, Consequence, Expectation};
use super::families::Family;
use super::{json_schema, patterns};
use crate::expr::Expr;
use crate::step::{ParamError, query};
use crate::units;

/// The arguments that every check takes, or that its target stands for.
const COMMON: &[&str] = &["check", "column", "columns", "where", "severity", "on_fail", "id"];

impl Expectation {
    /// Great Expectations' name of the check; none for those it does not have.
    pub(super) fn gx_type(&self) -> Option<&'static str> {
        Some(match self.check.as_str() {
            "unique" if self.columns.is_some() => "expect_compound_columns_to_be_unique",
            "columns_match" if self.ordered == Some(true) => "expect_table_columns_to_match_ordered_list",
            "columns_equal" if self.columns.as_ref().is_some_and(|columns| columns.len() > 2) => {
                "expect_multicolumn_values_to_be_equal"
            }
            "row_count" if self.equals.is_some() => "expect_table_row_count_to_equal",
            "column_count" if self.equals.is_some() => "expect_table_column_count_to_equal",
            "not_regex" if self.patterns.is_some() => "expect_column_values_to_not_match_regex_list",
            "not_like" if self.patterns.is_some() => "expect_column_values_to_not_match_like_pattern_list",
            _ => self.check.definition().gx,
        })
        .filter(|name| !name.is_empty())
    }

    /// Everything that is wrong with the expectation, whatever the table looks like.
    pub fn problems(&self) -> Vec<ParamError> {
        let definition = self.check.definition();
        let name = definition.name;
        let mut found = Problems { check: self.check, list: Vec::new() };
        self.check_target(definition.target, &mut found);
        let given = self.given();
        let has = |wanted: &str| given.iter().any(|given| given == wanted);
        for needed in definition.required.iter().filter(|needed| !has(needed)) {
            found.add(needed, format!("`{name}` needs `{needed}`"));
        }
        if !definition.one_of.is_empty() && !definition.one_of.iter().any(|wanted| has(wanted)) {
            let names: Vec<String> = definition.one_of.iter().map(|wanted| format!("`{wanted}`")).collect();
            found.add("check", format!("`{name}` needs one of {}", names.join(", ")));
        }
        for argument in &given {
            let lists = [definition.required, definition.one_of, definition.optional];
            if !lists.iter().any(|list| list.contains(&argument.as_str())) {
                found.add(argument, format!("`{name}` takes no `{argument}`"));
            }
        }
        if self.on_fail == Some(Consequence::Quarantine) && !definition.is_of_rows() {
            found.add("on_fail", format!("`{name}` looks at no single rows, so there is nothing to put aside"));
        }
        self.check_numbers(&mut found);
        self.check_texts(&mut found);
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
            Target::Several if many.is_none_or(|many| many < 2) || self.column.is_some() => {
                "needs two columns: `columns: [a, b]`"
            }
            Target::Columns if many.is_none() || self.column.is_some() => "needs `columns`",
            Target::AnyColumns if self.column.is_some() => "takes `columns`, not `column`",
            Target::Query => return self.check_query(found),
            _ => return,
        };
        found.add("check", format!("`{}` {wanted}", self.check.as_str()));
    }

    /// What stands in the query and nowhere else, and whether there is one.
    fn check_query(&self, found: &mut Problems) {
        let name = self.check.as_str();
        let given =
            [("column", self.column.is_some()), ("columns", self.columns.is_some()), ("where", self.filter.is_some())];
        for (argument, _) in given.iter().filter(|(_, is_given)| *is_given) {
            found.add(argument, format!("`{name}` looks at the rows that its query gives and takes no `{argument}`"));
        }
        match self.query.as_deref() {
            Some(text) if text.contains("{batch}") => {
                found.add("query", "`{batch}` is a word of Great Expectations; here the table is `table`".to_owned());
            }
            Some(text) => query::problem(text).into_iter().for_each(|reason| found.add("query", reason)),
            None => {}
        }
    }

    /// The names of the arguments that are given, apart from those that every check takes.
    fn given(&self) -> Vec<String> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => {
                fields.into_iter().map(|(name, _)| name).filter(|name| !COMMON.contains(&name.as_str())).collect()
            }
            _ => Vec::new(),
        }
    }

    fn check_numbers(&self, found: &mut Problems) {
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
        let not_negative = [
            ("threshold", self.threshold),
            ("multiplier", self.multiplier),
            ("tolerance", self.tolerance),
            ("min_ratio", self.min_ratio),
            ("max_ratio", self.max_ratio),
        ];
        for (name, _) in not_negative.iter().filter(|(_, value)| value.is_some_and(|value| value < 0.0)) {
            found.add(name, format!("`{name}` is not negative"));
        }
        for (name, share) in [
            ("tail_weight_holdout", self.tail_weight_holdout),
            ("internal_weight_holdout", self.internal_weight_holdout),
        ] {
            if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
                found.add(name, format!("`{name}` is a share between 0 and 1"));
            }
        }
        if self.max_auc.is_some_and(|auc| !(0.5..=1.0).contains(&auc)) {
            found.add("max_auc", "`max_auc` is between 0.5 and 1".to_owned());
        }
        for share in self.quantiles.iter().flat_map(|quantiles| quantiles.keys()) {
            if !share.parse::<f64>().is_ok_and(|share| (0.0..=1.0).contains(&share)) {
                found.add("quantiles", format!("the quantile `{share}` is not between 0 and 1"));
            }
        }
    }

    fn check_texts(&self, found: &mut Problems) {
        if self.values.as_ref().is_some_and(Vec::is_empty) {
            found.add("values", "`values` is empty".to_owned());
        }
        if self.patterns.as_ref().is_some_and(Vec::is_empty) {
            found.add("patterns", "`patterns` is empty".to_owned());
        }
        if self.check.as_str().contains("regex") {
            let listed = self.patterns.iter().flatten().map(|pattern| ("patterns", pattern));
            for (name, pattern) in self.pattern.iter().map(|pattern| ("pattern", pattern)).chain(listed) {
                if let Err(reason) = patterns::regex(pattern) {
                    found.add(name, format!("`{name}` is not a regular expression: {reason}"));
                }
            }
        }
        for (name, text) in [("expr", &self.expr), ("where", &self.filter)] {
            if let Some(Err(error)) = text.as_deref().map(Expr::parse) {
                found.list.push(ParamError { path: vec![name.to_owned()], message: error.message, help: error.help });
            }
        }
        if self.max_age.as_deref().is_some_and(|text| units::age(text.trim()).is_none()) {
            found.add("max_age", "`max_age` is a duration such as `30m`, `36h` or `7d`".to_owned());
        }
        if matches!(&self.data_type, Some(kind) if kind.names().is_empty()) {
            found.add("type", "`type` is empty".to_owned());
        }
        let method = match self.check.as_str() {
            "correlation" => self.correlation_method().err(),
            "no_outliers" => self.outlier_method().err(),
            "drift" => self.drift_method().err(),
            _ => None,
        };
        match self.measure.as_deref().map(CheckName::parse) {
            Some(Err(reason)) => found.add("measure", reason),
            Some(Ok(measure)) if measure.definition().target == Target::Query => {
                found.add("measure", format!("`{}` measures no single number of the table", measure.as_str()));
            }
            _ => {}
        }
        if let Some(distribution) = self.distribution
            && let Err(reason) = Family::new(distribution, &self.parameters.clone().unwrap_or_default())
        {
            found.add("parameters", reason);
        }
        if self.p_value.is_some_and(|p| !(0.0..1.0).contains(&p)) {
            found.add("p_value", "`p_value` is at least 0 and below 1".to_owned());
        }
        if self.contamination.is_some_and(|share| !(share > 0.0 && share <= 0.5)) {
            found.add("contamination", "`contamination` is a share above 0 and up to 0.5".to_owned());
        }
        if self.order == Some(0) {
            found.add("order", "`order` is at least 1".to_owned());
        }
        if self.strategy == Some(AnomalyStrategy::HoltWinters) && self.season.is_none_or(|season| season == 0) {
            found.add("season", "`holt_winters` needs `season`, how many runs make one".to_owned());
        }
        if let Some(reason) = method {
            found.add("method", reason);
        }
        if let Some(Err(reason)) = self.schema.as_ref().map(json_schema::Shape::compile) {
            found.add("schema", reason);
        }
        if let Some(Err(reason)) = self.strftime.as_deref().map(super::strptime::Format::parse) {
            found.add("strftime", reason);
        }
        if let Some(Err(reason)) = self.partition.as_ref().map(super::divergence::Expected::check) {
            found.add("partition", reason);
        }
    }
}

struct Problems {
    check: CheckName,
    list: Vec<ParamError>,
}

impl Problems {
    fn add(&mut self, name: &str, message: String) {
        let example = match self.check.as_str() {
            "between" => Some("write `{column: tenure, check: between, min: 0, max: 120}`"),
            "in_set" => Some("write `{column: plan, check: in_set, values: [basic, pro]}`"),
            "greater_than" => Some("write `{columns: [end, start], check: greater_than, or_equal: true}`"),
            "quantiles" => Some("write `{column: age, check: quantiles, quantiles: {0.5: [30, 50]}}`"),
            "sql" => Some(match name {
                "column" | "columns" => "name the columns in the query",
                "where" => "put the condition into the query",
                "mostly" => "count in the query, and give a row only where too many are wrong",
                "on_fail" => "say it of each row with `check: expr`, or let a `data.sql` step put the rows aside",
                _ => "write `{check: sql, query: SELECT * FROM table WHERE spent < 0}`",
            }),
            _ => None,
        };
        self.list.push(ParamError { path: vec![name.to_owned()], message, help: example.map(str::to_owned) });
    }
}
