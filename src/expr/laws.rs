//! The laws of the language: a scalar is a column of one, and CEL's own interpreter agrees where types are uniform.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use cel::{Context, Program, Value as CelValue};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Expr;

/// One row: ints, floats, a text and a bool, each of which may be missing.
type Row = (Option<i64>, Option<i64>, Option<f64>, Option<f64>, Option<String>, Option<bool>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let int = || prop::option::weighted(0.8, prop_oneof![4 => -9i64..10, 1 => Just(i64::MAX)]);
    let float =
        || prop::option::weighted(0.8, prop_oneof![4 => (-8i32..9).prop_map(|n| f64::from(n) / 4.0), 1 => Just(-0.0)]);
    let text = prop::option::weighted(0.8, "[abÄ ]{0,4}");
    prop::collection::vec((int(), int(), float(), float(), text, prop::option::weighted(0.8, any::<bool>())), 1..6)
}

fn batch(rows: &[Row]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([
        ("i", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()) as _, true),
        ("j", Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()) as _, true),
        ("x", Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()) as _, true),
        ("y", Arc::new(rows.iter().map(|row| row.3).collect::<Float64Array>()) as _, true),
        ("s", Arc::new(rows.iter().map(|row| row.4.clone()).collect::<StringArray>()) as _, true),
        ("p", Arc::new(rows.iter().map(|row| row.5).collect::<BooleanArray>()) as _, true),
    ])
    .unwrap()
}

fn scope(row: &Row) -> Value {
    json!({"i": row.0, "j": row.1, "x": row.2, "y": row.3, "s": row.4, "p": row.5})
}

fn at(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => json!(column.as_boolean().value(row)),
        DataType::Int64 => json!(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => json!(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => json!(column.as_string::<i32>().value(row)),
        other => panic!("a column of {other}"),
    }
}

/// Expressions of each type, as text.
#[derive(Clone)]
struct Exprs {
    int: BoxedStrategy<String>,
    float: BoxedStrategy<String>,
    text: BoxedStrategy<String>,
    bool: BoxedStrategy<String>,
}

fn leaves() -> Exprs {
    Exprs {
        int: prop_oneof![Just("i".to_owned()), Just("j".to_owned()), (0i64..5).prop_map(|n| n.to_string())].boxed(),
        float: prop_oneof![Just("x".to_owned()), Just("y".to_owned()), Just("1.5".to_owned()), Just("0.0".to_owned())]
            .boxed(),
        text: prop_oneof![Just("s".to_owned()), Just("'ab'".to_owned()), Just("''".to_owned())].boxed(),
        bool: prop_oneof![Just("p".to_owned()), Just("true".to_owned()), Just("false".to_owned())].boxed(),
    }
}

/// `pattern` with its `{}` filled from the strategies in turn.
fn fill(pattern: &'static str, parts: Vec<BoxedStrategy<String>>) -> BoxedStrategy<String> {
    parts
        .prop_map(move |parts| {
            let mut pieces = pattern.split("{}");
            let first = pieces.next().unwrap().to_owned();
            pieces.zip(parts).fold(first, |text, (piece, part)| text + &part + piece)
        })
        .boxed()
}

fn one_of(
    patterns: &[(&'static str, Vec<&BoxedStrategy<String>>)],
    leaf: &BoxedStrategy<String>,
) -> BoxedStrategy<String> {
    let mut options = vec![leaf.clone()];
    options.extend(
        patterns.iter().map(|(pattern, parts)| fill(pattern, parts.iter().map(|part| (*part).clone()).collect())),
    );
    prop::strategy::Union::new(options).boxed()
}

/// What CEL's interpreter knows too, with operands of one type.
fn uniform(depth: usize) -> Exprs {
    let leaf = leaves();
    if depth == 0 {
        return leaf;
    }
    let Exprs { int, float, text, bool } = &uniform(depth - 1);
    Exprs {
        int: one_of(
            &[
                ("({} + {})", vec![int, int]),
                ("({} - {})", vec![int, int]),
                ("({} * {})", vec![int, int]),
                ("({} / {})", vec![int, int]),
                ("({} % {})", vec![int, int]),
                ("(-{})", vec![int]),
                ("({} ? {} : {})", vec![bool, int, int]),
                ("size({})", vec![text]),
            ],
            &leaf.int,
        ),
        float: one_of(
            &[
                ("({} + {})", vec![float, float]),
                ("({} - {})", vec![float, float]),
                ("({} * {})", vec![float, float]),
                ("({} ? {} : {})", vec![bool, float, float]),
            ],
            &leaf.float,
        ),
        text: one_of(&[("({} + {})", vec![text, text]), ("({} ? {} : {})", vec![bool, text, text])], &leaf.text),
        bool: one_of(
            &[
                ("({} < {})", vec![int, int]),
                ("({} == {})", vec![int, int]),
                ("({} >= {})", vec![float, float]),
                ("({} != {})", vec![float, float]),
                ("({} <= {})", vec![int, float]),
                ("({} > {})", vec![text, text]),
                ("({} == {})", vec![text, text]),
                ("({} && {})", vec![bool, bool]),
                ("({} || {})", vec![bool, bool]),
                ("(!{})", vec![bool]),
                ("({} in [1, 2, 3])", vec![int]),
                ("({} in ['a', 'ab'])", vec![text]),
                ("{}.contains({})", vec![text, text]),
                ("{}.startsWith({})", vec![text, text]),
                ("{}.endsWith('b')", vec![text]),
                ("{}.matches('^a.*b$')", vec![text]),
            ],
            &leaf.bool,
        ),
    }
}

/// The whole language, with types that mix.
fn mixed(depth: usize) -> Exprs {
    let leaf = leaves();
    if depth == 0 {
        return leaf;
    }
    let Exprs { int, float, text, bool } = &mixed(depth - 1);
    let plain = uniform(1);
    Exprs {
        int: one_of(
            &[
                ("{}", vec![&plain.int]),
                ("({} / {})", vec![int, int]),
                ("abs({})", vec![int]),
                ("int({})", vec![float]),
                ("int({})", vec![text]),
                ("round({}, {})", vec![int, int]),
                ("max({}, {})", vec![int, int]),
                ("coalesce({}, {})", vec![int, int]),
                ("if({}, {}, {})", vec![bool, int, int]),
                ("(true && {} ? {} : 7)", vec![bool, int]),
            ],
            &leaf.int,
        ),
        float: one_of(
            &[
                ("({} / {})", vec![float, int]),
                ("({} % {})", vec![float, float]),
                ("({} + {})", vec![int, float]),
                ("sqrt({})", vec![float]),
                ("pow({}, {})", vec![float, int]),
                ("exp({})", vec![int]),
                ("ln({})", vec![float]),
                ("round({}, 1)", vec![float]),
                ("floor({})", vec![float]),
                ("min({}, {}, {})", vec![float, int, float]),
                ("float({})", vec![text]),
                ("coalesce({}, {})", vec![float, float]),
            ],
            &leaf.float,
        ),
        text: one_of(
            &[
                ("({} + {})", vec![text, text]),
                ("upper({})", vec![text]),
                ("trim({})", vec![text]),
                ("replace({}, 'a', {})", vec![text, text]),
                ("substring({}, {}, {})", vec![text, int, int]),
                ("split({}, 'a', {})", vec![text, int]),
                ("string({})", vec![int]),
                ("string({})", vec![float]),
                ("max({}, {})", vec![text, text]),
            ],
            &leaf.text,
        ),
        bool: one_of(
            &[
                ("{}", vec![&plain.bool]),
                ("({} < {})", vec![int, float]),
                ("({} == {})", vec![float, int]),
                ("({} && {})", vec![bool, bool]),
                ("({} || {})", vec![bool, bool]),
                ("!{}", vec![bool]),
                ("({} in [1, {}, x])", vec![int, float]),
                ("({} == null)", vec![text]),
                ("isnull({})", vec![int]),
                ("bool({})", vec![text]),
                ("{}.contains({})", vec![text, text]),
            ],
            &leaf.bool,
        ),
    }
}

fn any_of(exprs: Exprs) -> impl Strategy<Value = String> {
    prop_oneof![exprs.int, exprs.float, exprs.text, exprs.bool]
}

/// What CEL's interpreter makes of the row; an error of it is our null, and so is a float that is not finite.
fn interpreter(text: &str, row: &Row) -> Value {
    let mut context = Context::default();
    context.add_variable_from_value("i", row.0.unwrap());
    context.add_variable_from_value("j", row.1.unwrap());
    context.add_variable_from_value("x", row.2.unwrap());
    context.add_variable_from_value("y", row.3.unwrap());
    context.add_variable_from_value("s", row.4.clone().unwrap());
    context.add_variable_from_value("p", row.5.unwrap());
    match Program::compile(text).unwrap().execute(&context) {
        Ok(CelValue::Int(value)) => json!(value),
        Ok(CelValue::Float(value)) => json!(value),
        Ok(CelValue::String(value)) => json!(*value),
        Ok(CelValue::Bool(value)) => json!(value),
        Ok(other) => panic!("{text} gives {other:?}"),
        Err(_) => Value::Null,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_scalar_is_a_column_of_one(text in any_of(mixed(3)), rows in rows()) {
        let expr = Expr::parse(&text).unwrap();
        let batch = batch(&rows);
        let column = expr.eval_column(&batch).unwrap();
        prop_assert_eq!(column.len(), rows.len());
        prop_assert_eq!(column.data_type(), &expr.column_type(batch.schema_ref()).unwrap());
        for (index, row) in rows.iter().enumerate() {
            let scalar = expr.eval_scalar(&scope(row)).unwrap();
            prop_assert_eq!(&at(&column, index), &scalar, "row {} of {}", index, text);
        }
    }

    #[test]
    fn cel_agrees_where_types_are_uniform(text in any_of(uniform(3)), rows in rows()) {
        let complete = |row: Row| {
            (row.0.or(Some(1)), row.1.or(Some(0)), row.2.or(Some(0.5)), row.3.or(Some(2.0)), row.4.or(Some("ab".into())), row.5.or(Some(true)))
        };
        let rows: Vec<Row> = rows.into_iter().map(complete).collect();
        let column = Expr::parse(&text).unwrap().eval_column(&batch(&rows)).unwrap();
        for (index, row) in rows.iter().enumerate() {
            prop_assert_eq!(at(&column, index), interpreter(&text, row), "row {:?} of {}", row, text);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[ -~äß`\n]{0,40}") {
        if let Ok(expr) = Expr::parse(&text) {
            let nothing = Value::Object(serde_json::Map::new());
            let again = Expr::parse(expr.text()).unwrap();
            prop_assert_eq!(expr.eval_scalar(&nothing), again.eval_scalar(&nothing));
        }
    }
}
