//! From expectations to checks, against the schema of the table at hand. What does not fit becomes a failed check.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Schema};
use serde_json::{Map, Value, json};

use super::aggregate::{Aggregate, EXACT_QUANTILES, Measure, lies_between};
use super::check::{Check, Outcome, State};
use super::expectation::{CheckName, Expectation};
use super::row_check::RowCheck;
use super::row_test::{Comparison, Condition, Limits, Range, RowTest};
use super::unique::UniqueCheck;
use crate::expr::Expr;
use crate::table::keys::{KeySet, Keys};
use crate::table::sketch::{Moments, Quantiles};
use crate::table::{MICROSECONDS, TableReader, canonical, canonical_type, cast};

/// What checks are prepared against.
pub(super) struct Setting<'a> {
    pub(super) schema: &'a Schema,
    pub(super) rows: u64,
    pub(super) reference: Option<&'a TableReader>,
    /// Microseconds since 1970 that count as now.
    pub(super) now: i64,
    /// How many failing rows each row check remembers.
    pub(super) limit: usize,
}

/// The name of each expectation: its own, or check and columns, numbered where two are the same.
pub(super) fn ids(expectations: &[Expectation]) -> Vec<String> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    expectations
        .iter()
        .map(|expectation| {
            let columns = expectation.column.iter().chain(expectation.columns.iter().flatten());
            let made = || {
                let parts: Vec<&str> =
                    std::iter::once(expectation.check.as_str()).chain(columns.map(String::as_str)).collect();
                parts.join("_")
            };
            let id = expectation.id.clone().unwrap_or_else(made);
            let count = taken.entry(id.clone()).or_default();
            *count += 1;
            if *count == 1 { id } else { format!("{id}_{count}") }
        })
        .collect()
}

impl Setting<'_> {
    /// The check that carries `expectation` out.
    pub(super) fn check(&self, id: String, expectation: &Expectation) -> Check {
        let filter = match self.condition(expectation.filter.as_deref(), "where") {
            Ok(filter) => filter,
            Err(reason) => return Check::new(id, expectation.clone(), None, State::Raised(reason)),
        };
        let state = self.state(expectation, filter.is_some()).unwrap_or_else(State::Raised);
        Check::new(id, expectation.clone(), filter, state)
    }

    fn state(&self, expectation: &Expectation, is_filtered: bool) -> Result<State, String> {
        use CheckName as C;
        match expectation.check {
            C::RowCount if !is_filtered => {
                let observed = json!(self.rows);
                let success = lies_between(&observed, expectation)?;
                Ok(known(success, observed))
            }
            C::RowCount => Ok(State::Aggregate(Aggregate::new(None, Measure::Rows))),
            C::ColumnCount => {
                let observed = json!(self.schema.fields().len());
                let success = lies_between(&observed, expectation)?;
                Ok(known(success, observed))
            }
            C::ColumnsMatch => Ok(self.columns_match(expectation)),
            C::ColumnExists => {
                let name = expectation.column.as_deref().unwrap_or_default();
                Ok(State::Known(Outcome {
                    success: self.schema.index_of(name).is_ok(),
                    vacuous: false,
                    result: Map::new(),
                }))
            }
            C::Dtype => self.dtype(expectation),
            C::Unique => {
                let names = expectation.column.iter().chain(expectation.columns.iter().flatten());
                let names: Vec<String> = names.cloned().collect();
                names.iter().try_for_each(|name| self.column(name).map(drop))?;
                Ok(State::Unique(UniqueCheck::new(names, self.limit, self.rows)))
            }
            C::DistinctCount
            | C::DistinctRatio
            | C::NullRate
            | C::Min
            | C::Max
            | C::Mean
            | C::Median
            | C::Sum
            | C::Stdev
            | C::Quantiles
            | C::Freshness => self.aggregate(expectation),
            _ => Ok(State::Rows(RowCheck::new(self.row_test(expectation)?, self.limit))),
        }
    }

    fn row_test(&self, expectation: &Expectation) -> Result<RowTest, String> {
        use CheckName as C;
        if expectation.check == C::Expr {
            let expr = self.condition(expectation.expr.as_deref(), "expr")?.ok_or("`expr` is missing")?;
            let columns = expr.paths().iter().map(|path| Expr::column(&path.join("."))).collect();
            return Ok(RowTest { columns, condition: Condition::Holds(expr) });
        }
        if matches!(expectation.check, C::GreaterThan | C::ColumnsEqual) {
            return self.pair(expectation);
        }
        let name = expectation.column.as_deref().unwrap_or_default();
        let (column, kind) = self.column(name)?;
        let is_wanted = !matches!(expectation.check, C::NotInSet | C::NotRegex);
        let text_column = || {
            if kind == DataType::Utf8 {
                Ok(column.clone())
            } else {
                Err(format!("column `{name}` is {kind} and not text"))
            }
        };
        let (column, condition) = match expectation.check {
            C::NotNull => (column, Condition::Present),
            C::IsNull => (column, Condition::Missing),
            C::InSet | C::NotInSet => {
                let values = expectation.values.as_deref().unwrap_or_default();
                let (keys, kind) = set_of(values, name, &kind)?;
                (column, Condition::InSet { keys, kind, wanted: is_wanted })
            }
            C::Between => (column, Condition::Within(limits(expectation, name, &kind)?)),
            C::Regex | C::NotRegex => {
                let pattern = regex::Regex::new(expectation.pattern.as_deref().unwrap_or_default())
                    .map_err(|error| error.to_string())?;
                (text_column()?, Condition::Matches { pattern, wanted: is_wanted })
            }
            C::LengthBetween => match limits(expectation, name, &DataType::Int64)? {
                Limits::Whole(range) => (text_column()?, Condition::Length(range)),
                _ => return Err("`min` and `max` of a length are whole numbers".to_owned()),
            },
            C::Increasing | C::Decreasing => {
                let descending = expectation.check == C::Decreasing;
                let strict = expectation.strict.unwrap_or(false);
                (column, Condition::Ordered { descending, strict, last: None })
            }
            _ => {
                let keys = self.reference_keys(expectation, name, &kind)?;
                (column, Condition::InSet { keys, kind, wanted: true })
            }
        };
        Ok(RowTest { columns: vec![column], condition })
    }

    fn pair(&self, expectation: &Expectation) -> Result<RowTest, String> {
        let names = expectation.columns.as_deref().unwrap_or_default();
        let [left, right] = names else { return Err("two columns are needed".to_owned()) };
        let ((left_column, left_kind), (right_column, right_kind)) = (self.column(left)?, self.column(right)?);
        let is_number = |kind: &DataType| matches!(kind, DataType::Int64 | DataType::Float64);
        let is_time = |kind: &DataType| matches!(kind, DataType::Date32 | DataType::Timestamp(..));
        let columns = if left_kind == right_kind {
            vec![left_column, right_column]
        } else if is_number(&left_kind) && is_number(&right_kind) {
            vec![called("float", left), called("float", right)]
        } else if is_time(&left_kind) && is_time(&right_kind) {
            vec![called("timestamp", left), called("timestamp", right)]
        } else {
            return Err(format!("column `{left}` is {left_kind} and column `{right}` is {right_kind}"));
        };
        let comparison = match expectation.check {
            CheckName::ColumnsEqual => Comparison::Equal,
            _ if expectation.or_equal.unwrap_or(false) => Comparison::GreaterOrEqual,
            _ => Comparison::Greater,
        };
        let ignore = expectation.ignore_row_if.unwrap_or_default();
        Ok(RowTest { columns, condition: Condition::Pair { comparison, ignore } })
    }

    fn aggregate(&self, expectation: &Expectation) -> Result<State, String> {
        use CheckName as C;
        let name = expectation.column.as_deref().unwrap_or_default();
        let (column, kind) = self.column(name)?;
        let is_number = matches!(kind, DataType::Int64 | DataType::Float64 | DataType::Boolean);
        let is_date = kind == DataType::Date32;
        let is_time = is_date || matches!(kind, DataType::Timestamp(..));
        let (column, measure) = match expectation.check {
            C::DistinctCount | C::DistinctRatio => (column, Measure::Distinct(KeySet::default())),
            C::NullRate => (column, Measure::Missing),
            C::Freshness if is_time || kind == DataType::Utf8 => {
                (called("timestamp", name), Measure::Newest { newest: None, now: self.now })
            }
            C::Min | C::Max if kind == DataType::Utf8 => (column, Measure::Texts(None)),
            C::Min | C::Max if is_time => (column, Measure::Times { range: None, is_date }),
            C::Median | C::Quantiles if is_number => {
                (called("float", name), Measure::Quantiles(Quantiles::new(EXACT_QUANTILES)))
            }
            C::Min | C::Max | C::Mean | C::Sum | C::Stdev if is_number => {
                (called("float", name), Measure::Moments(Moments::default()))
            }
            // A column without a single value has no type, and nothing to measure.
            _ if kind == DataType::Null => (column, Measure::Texts(None)),
            check => return Err(format!("`{}` does not fit column `{name}`, which is {kind}", check.as_str())),
        };
        Ok(State::Aggregate(Aggregate::new(Some(column), measure)))
    }

    fn columns_match(&self, expectation: &Expectation) -> State {
        let wanted: Vec<&str> = expectation.columns.iter().flatten().map(String::as_str).collect();
        let mut found: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let missing: Vec<&str> = wanted.iter().copied().filter(|name| !found.contains(name)).collect();
        let unexpected: Vec<&str> = found.iter().copied().filter(|name| !wanted.contains(name)).collect();
        let allows_more = expectation.exact == Some(false);
        let in_order = || {
            let common: Vec<&str> = found.iter().copied().filter(|name| wanted.contains(name)).collect();
            common == wanted
        };
        let success = missing.is_empty()
            && (allows_more || unexpected.is_empty())
            && (expectation.ordered != Some(true) || in_order());
        if expectation.ordered != Some(true) {
            // A set is shown in the order of its names, as in Great Expectations.
            found.sort_unstable();
        }
        let mut result = Map::new();
        result.insert("observed_value".to_owned(), json!(found));
        result.insert("details".to_owned(), json!({"mismatched": {"missing": missing, "unexpected": unexpected}}));
        State::Known(Outcome { success, vacuous: false, result })
    }

    fn dtype(&self, expectation: &Expectation) -> Result<State, String> {
        let name = expectation.column.as_deref().unwrap_or_default();
        let index = self.index(name)?;
        let stored = self.schema.field(index).data_type();
        let short = match canonical_type(stored) {
            Some(DataType::Int64) => "int",
            Some(DataType::Float64) => "float",
            Some(DataType::Utf8) => "text",
            Some(DataType::Boolean) => "bool",
            Some(DataType::Date32) => "date",
            Some(DataType::Timestamp(..)) => "timestamp",
            Some(DataType::Null) => "null",
            _ => "other",
        };
        let arrow = stored.to_string();
        let fits = |wanted: &&str| {
            *wanted == short
                || wanted.eq_ignore_ascii_case(&arrow)
                || (*wanted == "number" && matches!(short, "int" | "float"))
        };
        let success = expectation.kind.as_ref().is_some_and(|kinds| kinds.names().iter().any(fits));
        let mut result = Map::new();
        result.insert("observed_value".to_owned(), json!(short));
        result.insert("arrow_type".to_owned(), json!(arrow));
        Ok(State::Known(Outcome { success, vacuous: false, result }))
    }

    fn reference_keys(&self, expectation: &Expectation, name: &str, kind: &DataType) -> Result<KeySet<u128>, String> {
        let Some(reference) = self.reference else {
            return Err("`foreign_key` needs a table at the input `reference`".to_owned());
        };
        let column = expectation.reference_column.as_deref().unwrap_or(name);
        let mut keys = KeySet::default();
        for batch in reference.select(&[column]).map_err(|error| format!("the reference: {error}"))? {
            let batch = batch.map_err(|error| format!("the reference: {error}"))?;
            let values = canonical(batch.column(0)).filter(|values| values.data_type() == kind).ok_or_else(|| {
                let stored = batch.column(0).data_type();
                format!("column `{name}` is {kind} and `{column}` of the reference is {stored}")
            })?;
            let batch_keys = Keys::of(&values);
            keys.extend((0..values.len()).filter(|row| values.is_valid(*row)).map(|row| batch_keys.at(row)));
        }
        Ok(keys)
    }

    /// The column and its type in computations.
    fn column(&self, name: &str) -> Result<(Expr, DataType), String> {
        let stored = self.schema.field(self.index(name)?).data_type();
        let kind =
            canonical_type(stored).ok_or_else(|| format!("column `{name}` is {stored}, which no check can read"))?;
        Ok((Expr::column(name), kind))
    }

    fn index(&self, name: &str) -> Result<usize, String> {
        self.schema.index_of(name).map_err(|_| {
            // The expression language finds the nearest name.
            match Expr::column(name).column_type(self.schema) {
                Err(error) => match error.help {
                    Some(help) => format!("{}; {help}", error.message),
                    None => error.message,
                },
                Ok(_) => format!("there is no column `{name}`"),
            }
        })
    }

    /// An expression that is true or false for each row.
    fn condition(&self, text: Option<&str>, name: &str) -> Result<Option<Expr>, String> {
        let Some(text) = text else { return Ok(None) };
        let expr = Expr::parse(text).map_err(|error| error.message)?;
        match expr.column_type(self.schema) {
            Ok(DataType::Boolean | DataType::Null) => Ok(Some(expr)),
            Ok(other) => Err(format!("`{name}` gives {other} and not true or false")),
            Err(error) => Err(error.help.map_or(error.message.clone(), |help| format!("{}; {help}", error.message))),
        }
    }
}

fn known(success: bool, observed: Value) -> State {
    let mut result = Map::new();
    result.insert("observed_value".to_owned(), observed);
    State::Known(Outcome { success, vacuous: false, result })
}

/// A function of the expression language over one column.
fn called(function: &str, column: &str) -> Expr {
    Expr::parse(&format!("{function}({})", Expr::column(column))).expect("a quoted name parses")
}

/// The keys of the values of a set, in the type in which the column is compared with them.
fn set_of(values: &[Value], name: &str, kind: &DataType) -> Result<(KeySet<u128>, DataType), String> {
    let misfit = |value: &Value| format!("column `{name}` is {kind}, and {value} in `values` is not");
    let present: Vec<&Value> = values.iter().filter(|value| !value.is_null()).collect();
    let wants =
        |fits: fn(&Value) -> bool| present.iter().find(|value| !fits(value)).map_or(Ok(()), |value| Err(misfit(value)));
    let listed: ArrayRef = match kind {
        DataType::Int64 | DataType::Float64 => {
            wants(Value::is_number)?;
            if *kind == DataType::Int64 && present.iter().all(|value| value.is_i64()) {
                Arc::new(present.iter().map(|value| value.as_i64()).collect::<Int64Array>())
            } else {
                Arc::new(present.iter().map(|value| value.as_f64()).collect::<Float64Array>())
            }
        }
        DataType::Boolean => {
            wants(Value::is_boolean)?;
            Arc::new(present.iter().map(|value| value.as_bool()).collect::<BooleanArray>())
        }
        DataType::Utf8 | DataType::Date32 | DataType::Timestamp(..) => {
            wants(Value::is_string)?;
            let texts: ArrayRef = Arc::new(present.iter().map(|value| value.as_str()).collect::<StringArray>());
            let listed = cast(&texts, kind);
            if let Some(unreadable) = (0..listed.len()).find(|index| listed.is_null(*index)) {
                return Err(misfit(present[unreadable]));
            }
            listed
        }
        _ => Arc::new(Int64Array::from(vec![0; 0])),
    };
    let keys = Keys::of(&listed);
    Ok(((0..listed.len()).map(|index| keys.at(index)).collect(), listed.data_type().clone()))
}

/// `min` and `max` in the type in which the column is compared with them.
fn limits(expectation: &Expectation, name: &str, kind: &DataType) -> Result<Limits, String> {
    let bounds = [&expectation.min, &expectation.max];
    let stricts = [expectation.strict_min.unwrap_or(false), expectation.strict_max.unwrap_or(false)];
    let misfit = |value: &Value| format!("column `{name}` is {kind}, and the bound {value} is not");
    match kind {
        DataType::Int64 if bounds.iter().all(|bound| bound.as_ref().is_none_or(Value::is_i64)) => {
            Ok(Limits::Whole(range(bounds, stricts, Value::as_i64, misfit)?))
        }
        DataType::Int64 | DataType::Float64 => Ok(Limits::Real(range(bounds, stricts, Value::as_f64, misfit)?)),
        DataType::Utf8 => Ok(Limits::Text(range(bounds, stricts, |value| value.as_str().map(str::to_owned), misfit)?)),
        DataType::Date32 | DataType::Timestamp(..) => {
            Ok(Limits::Time(range(bounds, stricts, |value| microseconds(value.as_str()?), misfit)?))
        }
        // A column without a single value fits every range.
        DataType::Null => Ok(Limits::Real(Range { min: None, max: None })),
        _ => Err(format!("`between` does not fit column `{name}`, which is {kind}")),
    }
}

/// The bounds as `read` understands them.
fn range<T>(
    bounds: [&Option<Value>; 2],
    stricts: [bool; 2],
    read: impl Fn(&Value) -> Option<T>,
    misfit: impl Fn(&Value) -> String,
) -> Result<Range<T>, String> {
    let one = |index: usize| match bounds[index] {
        None => Ok(None),
        Some(value) => read(value).map(|bound| Some((bound, stricts[index]))).ok_or_else(|| misfit(value)),
    };
    Ok(Range { min: one(0)?, max: one(1)? })
}

/// ISO text as microseconds since 1970.
pub(super) fn microseconds(text: &str) -> Option<i64> {
    use arrow::array::AsArray;
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let times = cast(&texts, &MICROSECONDS);
    times.is_valid(0).then(|| times.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(0))
}
