//! JSON rows into a batch of raw columns, with every mistake named by row and field.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::step::understanding::contract::{Contract, row_rules};
use crate::step::understanding::validate::RowScreen;

/// Rows of one request at most; more belong into a batch run.
pub(super) const MOST_ROWS: usize = 10_000;

/// Mistakes that are listed; the rest is counted.
const MOST_MISTAKES: usize = 20;

/// Why the rows of a request do not fit the model.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// The body is no JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The body is JSON of another form.
    #[error("expected one row as an object, a list of rows, or {{\"rows\": [...]}}, found {found}")]
    Form {
        /// What was found.
        found: String,
    },
    /// There is nothing to predict.
    #[error("there are no rows")]
    Empty,
    /// There are more rows than one request may hold.
    #[error("{rows} rows are more than the {MOST_ROWS} that one request may hold")]
    TooManyRows {
        /// How many were sent.
        rows: usize,
    },
    /// Fields are missing, unknown or of another type.
    #[error("{}", summary(mistakes, *more))]
    Fields {
        /// The first mistakes.
        mistakes: Vec<Mistake>,
        /// How many more there are.
        more: usize,
    },
}

/// One field of one row that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Mistake {
    /// The row, from 0.
    pub(super) row: usize,
    /// The field.
    pub(super) field: String,
    /// `missing`, `unknown`, `null`, `type` or `contract`.
    pub(super) problem: &'static str,
    /// The type that the model takes; none for an unknown field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expected: Option<&'static str>,
    /// The mistake in words.
    pub(super) message: String,
}

fn summary(mistakes: &[Mistake], more: usize) -> String {
    let first = mistakes.first().map(|mistake| mistake.message.as_str()).unwrap_or_default();
    match mistakes.len() + more {
        0 | 1 => first.to_owned(),
        all => format!("{first} (and {} more mistakes)", all - 1),
    }
}

/// The type's name in messages and metadata.
pub(super) fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "boolean",
        kind if kind.is_integer() => "integer",
        kind if kind.is_floating() => "number",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(..) => "timestamp",
        _ => "string",
    }
}

/// What a request may hold.
#[derive(Debug, Clone)]
pub struct RequestColumns {
    /// The columns that each row must have; null is taken only where the field is nullable.
    pub schema: SchemaRef,
    /// Columns that the model has seen and does not need: a row may have them.
    pub ignored: BTreeSet<String>,
    /// Columns that a row may lack; they count as null.
    optional: BTreeSet<String>,
    /// What a contract says of values.
    rules: Option<Arc<RowScreen>>,
}

impl RequestColumns {
    /// The columns of a model, without a contract.
    pub fn new(schema: SchemaRef, ignored: BTreeSet<String>) -> RequestColumns {
        RequestColumns { schema, ignored, optional: BTreeSet::new(), rules: None }
    }

    /// The same columns, whose values must keep the rules of a contract; those that are optional in it may be left out where
    /// the model takes null.
    #[must_use]
    pub fn bound_to(self, contract: &Contract) -> RequestColumns {
        let takes_null = |name: &str| self.schema.field_with_name(name).is_ok_and(Field::is_nullable);
        let optional = contract.columns.iter().filter(|column| column.optional && takes_null(&column.name));
        let optional = optional.map(|column| column.name.clone()).collect();
        let rules = Some(Arc::new(row_rules(contract, &self.schema)));
        // What the contract has and the model does not need may be sent along.
        let known = contract.columns.iter().filter(|column| self.schema.field_with_name(&column.name).is_err());
        let ignored = known.map(|column| column.name.clone()).chain(self.ignored.iter().cloned()).collect();
        RequestColumns { ignored, optional, rules, ..self }
    }
}

/// What a field takes, for messages.
fn wanted(field: &Field) -> String {
    let name = type_name(field.data_type());
    if field.is_nullable() { format!("{name} or null") } else { name.to_owned() }
}

/// The rows of a request body as a batch with the columns of the schema.
pub(super) fn read(body: &[u8], columns: &RequestColumns) -> Result<RecordBatch, RequestError> {
    let body: Value = serde_json::from_slice(body).map_err(RequestError::NotJson)?;
    let schema = &columns.schema;
    let rows = rows(body, schema)?;
    let mut mistakes = Mistakes::default();
    for (index, row) in rows.iter().enumerate() {
        check_names(index, row, columns, &mut mistakes);
    }
    let arrays: Vec<ArrayRef> = schema.fields().iter().map(|field| values_of(field, &rows, &mut mistakes)).collect();
    if !mistakes.listed.is_empty() {
        mistakes.listed.sort_by_key(|mistake| mistake.row);
        return Err(RequestError::Fields { mistakes: mistakes.listed, more: mistakes.more });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
        .expect("each column was built for its field, one value for each row");
    keep_rules(&batch, columns)?;
    Ok(batch)
}

/// Refuses rows that break a rule of the contract.
fn keep_rules(batch: &RecordBatch, columns: &RequestColumns) -> Result<(), RequestError> {
    let Some(rules) = &columns.rules else { return Ok(()) };
    let mut broken = rules.broken(batch);
    if broken.is_empty() {
        return Ok(());
    }
    broken.sort_by_key(|broken| broken.row);
    let mut mistakes = Mistakes::default();
    for broken in broken {
        mistakes.add(|| Mistake {
            row: broken.row,
            problem: "contract",
            expected: None,
            message: format!(
                "row {}: field `{}` is {}; the contract wants {}",
                broken.row,
                broken.column,
                describe(Some(&broken.value)),
                broken.rule
            ),
            field: broken.column,
        });
    }
    Err(RequestError::Fields { mistakes: mistakes.listed, more: mistakes.more })
}

fn rows(body: Value, schema: &SchemaRef) -> Result<Vec<Map<String, Value>>, RequestError> {
    let items = match body {
        Value::Array(items) => items,
        Value::Object(mut fields) if is_wrapped(&fields, schema) => match fields.remove("rows") {
            Some(Value::Array(items)) => items,
            other => return Err(RequestError::Form { found: format!("`rows` with {}", describe(other.as_ref())) }),
        },
        row @ Value::Object(_) => vec![row],
        other => return Err(RequestError::Form { found: describe(Some(&other)) }),
    };
    match items.len() {
        0 => return Err(RequestError::Empty),
        rows if rows > MOST_ROWS => return Err(RequestError::TooManyRows { rows }),
        _ => {}
    }
    let to_row = |(index, item)| match item {
        Value::Object(fields) => Ok(fields),
        other => Err(RequestError::Form { found: format!("{} as row {index}", describe(Some(&other))) }),
    };
    items.into_iter().enumerate().map(to_row).collect()
}

fn is_wrapped(fields: &Map<String, Value>, schema: &SchemaRef) -> bool {
    fields.len() == 1 && fields.contains_key("rows") && schema.index_of("rows").is_err()
}

fn describe(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "null".to_owned(),
        Some(Value::Bool(value)) => format!("the boolean {value}"),
        Some(Value::Number(value)) => format!("the number {value}"),
        Some(Value::String(value)) => {
            let short: String = value.chars().take(40).collect();
            format!("the string \"{short}\"")
        }
        Some(Value::Array(_)) => "a list".to_owned(),
        Some(Value::Object(_)) => "an object".to_owned(),
    }
}

#[derive(Default)]
struct Mistakes {
    listed: Vec<Mistake>,
    more: usize,
}

impl Mistakes {
    fn add(&mut self, make: impl FnOnce() -> Mistake) {
        if self.listed.len() < MOST_MISTAKES {
            self.listed.push(make());
        } else {
            self.more += 1;
        }
    }
}

fn check_names(index: usize, row: &Map<String, Value>, columns: &RequestColumns, mistakes: &mut Mistakes) {
    let schema = &columns.schema;
    for field in schema.fields() {
        if !row.contains_key(field.name()) && !columns.optional.contains(field.name()) {
            let expected = type_name(field.data_type());
            mistakes.add(|| Mistake {
                row: index,
                field: field.name().clone(),
                problem: "missing",
                expected: Some(expected),
                message: format!("row {index}: field `{}` is missing; expected {}", field.name(), wanted(field)),
            });
        }
    }
    for name in row.keys() {
        if schema.index_of(name).is_err() && !columns.ignored.contains(name) {
            mistakes.add(|| {
                let nearest = schema
                    .fields()
                    .iter()
                    .filter(|field| !row.contains_key(field.name()))
                    .map(|field| (strsim::damerau_levenshtein(field.name(), name), field.name()))
                    .min()
                    .filter(|(distance, _)| *distance <= 3);
                let hint = nearest.map(|(_, name)| format!("; did you mean `{name}`?")).unwrap_or_default();
                Mistake {
                    row: index,
                    field: name.clone(),
                    problem: "unknown",
                    expected: None,
                    message: format!("row {index}: field `{name}` is not among the columns of the model{hint}"),
                }
            });
        }
    }
}

/// The values of one field in all rows. A value of another type is a mistake and becomes null.
fn values_of(field: &Field, rows: &[Map<String, Value>], mistakes: &mut Mistakes) -> ArrayRef {
    let values = || rows.iter().map(|row| row.get(field.name()).filter(|value| !value.is_null()));
    let data_type = field.data_type();
    let array: ArrayRef = match data_type {
        DataType::Boolean => Arc::new(values().map(|value| value?.as_bool()).collect::<BooleanArray>()),
        kind if kind.is_integer() => Arc::new(values().map(|value| integer(value?)).collect::<Int64Array>()),
        kind if kind.is_floating() => Arc::new(values().map(|value| value?.as_f64()).collect::<Float64Array>()),
        _ => Arc::new(values().map(|value| value?.as_str()).collect::<StringArray>()),
    };
    // Dates, timestamps and narrower numbers: what does not fit becomes null and is found below.
    let array = match cast(&array, data_type) {
        Ok(array) => array,
        Err(_) => arrow::array::new_null_array(data_type, rows.len()),
    };
    for (index, row) in rows.iter().enumerate().filter(|(index, _)| array.is_null(*index)) {
        // A missing field was found before.
        let Some(value) = row.get(field.name()) else { continue };
        let problem = match (value, field.is_nullable()) {
            (Value::Null, true) => continue,
            (Value::Null, false) => "null",
            _ => "type",
        };
        mistakes.add(|| Mistake {
            row: index,
            field: field.name().clone(),
            problem,
            expected: Some(type_name(data_type)),
            message: format!(
                "row {index}: field `{}` is {}; expected {}",
                field.name(),
                describe(Some(value)),
                wanted(field)
            ),
        });
    }
    array
}

/// An integer, also when written as `3.0`.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let float = value.as_f64()?;
        let fits = float.fract() == 0.0 && float.abs() < 9.0e15;
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the range that f64 holds exactly")]
        fits.then_some(float as i64)
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Date32Type, Int64Type, Schema};

    use super::*;

    fn columns() -> RequestColumns {
        let fields = vec![
            Field::new("tenure", DataType::Int64, false),
            Field::new("charge", DataType::Float64, true),
            Field::new("contract", DataType::Utf8, true),
            Field::new("since", DataType::Date32, true),
        ];
        RequestColumns::new(Arc::new(Schema::new(fields)), ["id".to_owned()].into())
    }

    fn check(body: &str, expected: &str) {
        let found = match read(body.as_bytes(), &columns()) {
            Ok(batch) => format!("{} rows", batch.num_rows()),
            Err(RequestError::Fields { mistakes, .. }) => {
                let messages: Vec<String> = mistakes.into_iter().map(|mistake| mistake.message).collect();
                messages.join("\n")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{body}");
    }

    const ROW: &str = r#"{"tenure": 3, "charge": 20, "contract": "One year", "since": "2024-02-29"}"#;

    #[test]
    fn a_row_a_list_and_wrapped_rows_are_all_taken() {
        check(ROW, "1 rows");
        check(&format!("[{ROW}, {ROW}]"), "2 rows");
        check(&format!("{{\"rows\": [{ROW}, {ROW}, {ROW}]}}"), "3 rows");
    }

    #[test]
    fn values_arrive_in_the_types_of_the_columns() {
        let batch = read(ROW.as_bytes(), &columns()).unwrap();
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), 3);
        assert_eq!(batch.column(3).as_primitive::<Date32Type>().value(0), 19_782);
        let open = r#"{"since": null, "contract": null, "charge": null, "tenure": 3.0}"#;
        let batch = read(open.as_bytes(), &columns()).unwrap();
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), 3);
        assert!(batch.column(1).is_null(0));
    }

    #[test]
    fn every_mistake_names_row_field_and_type() {
        let bad = r#"{"tenure": "three", "charge": true, "contrat": "One year", "since": "soon"}"#;
        check(
            &format!("[{ROW}, {bad}]"),
            "row 1: field `contract` is missing; expected string or null\n\
             row 1: field `contrat` is not among the columns of the model; did you mean `contract`?\n\
             row 1: field `tenure` is the string \"three\"; expected integer\n\
             row 1: field `charge` is the boolean true; expected number or null\n\
             row 1: field `since` is the string \"soon\"; expected date or null",
        );
        check(
            r#"{"tenure": 3.5, "charge": [1], "contract": 7, "since": null}"#,
            "row 0: field `tenure` is the number 3.5; expected integer\n\
             row 0: field `charge` is a list; expected number or null\n\
             row 0: field `contract` is the number 7; expected string or null",
        );
    }

    #[test]
    fn null_is_taken_only_where_it_can_be_filled_and_unused_columns_may_stay() {
        let row = r#"{"id": 7, "tenure": null, "charge": null, "contract": null, "since": null}"#;
        check(row, "row 0: field `tenure` is null; expected integer");
        check(&row.replace(r#""tenure": null"#, r#""tenure": 1"#), "1 rows");
    }

    #[test]
    fn rows_that_break_the_contract_of_the_source_are_refused() {
        let contract = Contract::parse(
            "contract: customers\ncolumns:\n  - {name: tenure, type: int64, min: 0, max: 120}\n  - {name: note, type: text}\n  \
             - {name: charge, type: float64, nullable: true, optional: true}\n  \
             - {name: contract, type: text, allowed: [One year, Two year]}\n",
        );
        let columns = columns().bound_to(&contract.unwrap());
        let check = |body: &str| match read(body.as_bytes(), &columns) {
            Ok(batch) => format!("{} rows", batch.num_rows()),
            Err(error) => error.to_string(),
        };
        assert_eq!(check(ROW), "1 rows");
        let row = r#"{"tenure": 121, "note": "x", "contract": null, "since": null}"#;
        assert_eq!(
            check(&format!("[{ROW}, {row}]")),
            "row 1: field `tenure` is the number 121; the contract wants between {min: 0, max: 120} (and 1 more mistakes)"
        );
        let row = r#"{"tenure": 1, "contract": "Weekly", "since": null}"#;
        assert!(check(row).starts_with("row 0: field `contract` is the string \"Weekly\"; the contract wants in_set"));
    }

    #[test]
    fn a_body_of_another_form_is_refused() {
        check("[]", "there are no rows");
        check("7", "expected one row as an object, a list of rows, or {\"rows\": [...]}, found the number 7");
        check(
            "[7]",
            "expected one row as an object, a list of rows, or {\"rows\": [...]}, found the number 7 as row 0",
        );
        check(
            r#"{"rows": 7}"#,
            "expected one row as an object, a list of rows, or {\"rows\": [...]}, found `rows` with the number 7",
        );
        assert!(matches!(read(b"{", &columns()), Err(RequestError::NotJson(_))));
        let many = format!("[{}]", vec!["{}"; MOST_ROWS + 1].join(","));
        assert!(
            matches!(read(many.as_bytes(), &columns()), Err(RequestError::TooManyRows { rows }) if rows > MOST_ROWS)
        );
    }

    #[test]
    fn a_request_with_many_mistakes_lists_the_first_and_counts_the_rest() {
        let body = format!("[{}]", ["{}"; 10].join(","));
        let Err(RequestError::Fields { mistakes, more }) = read(body.as_bytes(), &columns()) else { panic!() };
        assert_eq!((mistakes.len(), more), (MOST_MISTAKES, 40 - MOST_MISTAKES));
    }
}
