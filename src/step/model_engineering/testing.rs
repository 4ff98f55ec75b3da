//! Small feature tables with a signal, for the tests of training and evaluation.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::step::testing::Ran;
use crate::table::roles::{CATEGORIES, Role, Task};

/// Makes feature tables: numbers `x0` to `x2`, the coded category `group` of 3, the target `y`, and `raw.group`.
pub(in crate::step) struct Sample;

impl Sample {
    pub(in crate::step) fn binary(rows: usize, seed: u64) -> RecordBatch {
        let task = Task::Binary { classes: ["No".to_owned(), "Yes".to_owned()] };
        Sample::table(rows, seed, &task, |signal| f64::from(signal > 0.0))
    }

    pub(in crate::step) fn multiclass(rows: usize, seed: u64) -> RecordBatch {
        let task = Task::Multiclass { classes: ["low", "middle", "high"].map(str::to_owned).to_vec() };
        Sample::table(rows, seed, &task, |signal| f64::from(signal > -1.0) + f64::from(signal > 1.0))
    }

    pub(in crate::step) fn regression(rows: usize, seed: u64) -> RecordBatch {
        Sample::table(rows, seed, &Task::Regression, |signal| 100.0 + 10.0 * signal)
    }

    pub(in crate::step) fn table(rows: usize, seed: u64, task: &Task, target: impl Fn(f64) -> f64) -> RecordBatch {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut numbers = vec![Vec::new(); 3];
        let (mut group, mut targets) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let row: Vec<f64> = (0..3).map(|_| random.random_range(-1.0..1.0)).collect();
            let code = random.random_range(0..3_u32);
            let noise = random.random_range(-0.3..0.3);
            targets.push(target(2.0 * row[0] - row[1] + (f64::from(code) - 1.0) + noise));
            numbers.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
            group.push(code);
        }
        let feature = |name: &str, data_type| Role::Feature.mark(Field::new(name, data_type, false));
        let mut category = feature("group", DataType::UInt32);
        let mut metadata = category.metadata().clone();
        metadata.insert(CATEGORIES.to_owned(), "3".to_owned());
        category.set_metadata(metadata);
        let fields = vec![
            feature("x0", DataType::Float64),
            feature("x1", DataType::Float64),
            feature("x2", DataType::Float64),
            category,
            Role::Target.mark(Field::new("y", DataType::Float64, false)),
            Role::Raw.mark(Field::new("raw.group", DataType::Utf8, false)),
        ];
        let labels: StringArray = group.iter().map(|code| Some(["a", "b", "c"][*code as usize])).collect();
        let mut columns: Vec<ArrayRef> =
            numbers.into_iter().map(|values| Arc::new(Float64Array::from(values)) as ArrayRef).collect();
        columns.push(Arc::new(UInt32Array::from(group)));
        columns.push(Arc::new(Float64Array::from(targets)));
        columns.push(Arc::new(labels));
        RecordBatch::try_new(Arc::new(task.mark(Schema::new(fields))), columns).expect("columns that fit their fields")
    }
}

/// A metric over all rows that a step reported.
pub(in crate::step) fn metric(ran: &Ran, name: &str) -> Option<f64> {
    let metrics = &ran.outcome.metrics;
    let found = metrics.iter().find(|metric| metric.name == name && metric.slice.is_none());
    found.unwrap_or_else(|| panic!("there is no metric `{name}`")).value
}
