//! The target: which kind of prediction it asks for, and how its values become class indexes or numbers.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array};
use arrow::datatypes::Float64Type;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::category::{Category, Dictionary, UNKNOWN};
use super::column::{canonical, canonical_or_encoded, numbers, unusable};
use super::{ColumnType, TransformError};
use crate::table::roles::Task;

/// Whole numbers with more distinct values than this are quantities and no classes.
const MOST_NUMBER_CLASSES: usize = 20;
/// More classes than this are a mistake.
const MOST_CLASSES: usize = 1000;

/// What the model shall predict.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetSpec {
    /// The column.
    pub column: String,
    /// The positive one of two classes; the greater one if it is not given.
    #[serde(default)]
    pub positive: Option<Value>,
    /// The kind of prediction. If it is not given: two distinct values are binary; three or more texts, or up to 20
    /// distinct whole numbers, are multiclass; other numbers are regression.
    #[serde(default)]
    pub task: Option<TaskName>,
}

/// The kind of prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskName {
    /// Two classes.
    Binary,
    /// Three or more classes.
    Multiclass,
    /// A number.
    Regression,
}

/// A target whose task and classes are known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The column.
    pub column: String,
    /// Its type in the fit table.
    pub column_type: ColumnType,
    /// The classes by index, the positive one second if there are two; empty for regression.
    pub classes: Dictionary,
    /// Whether the target is a number to predict.
    is_regression: bool,
    /// How many rows of the fit table each class has.
    pub class_rows: Vec<u64>,
}

impl Target {
    /// The task as it is written into schemas.
    pub fn task(&self) -> Task {
        let labels: Vec<String> = self.classes.categories().iter().map(Category::to_string).collect();
        match <[String; 2]>::try_from(labels) {
            _ if self.is_regression => Task::Regression,
            Ok(classes) => Task::Binary { classes },
            Err(classes) => Task::Multiclass { classes },
        }
    }

    /// Which rows have a target.
    pub(super) fn present(&self, array: &ArrayRef) -> Result<BooleanArray, TransformError> {
        let array = canonical(&self.column, array, self.column_type)?;
        Ok(arrow::compute::is_not_null(&array)?)
    }

    /// The class index of each row, or its number.
    ///
    /// # Errors
    /// A missing target, or a class that the fit table does not have.
    pub fn values(&self, array: &ArrayRef) -> Result<Float64Array, TransformError> {
        let array = canonical_or_encoded(&self.column, array, self.column_type)?;
        if array.null_count() > 0 {
            return Err(nulls(&self.column, array.null_count() as u64));
        }
        if self.is_regression {
            let values = numbers(&array)?;
            if values.values().iter().any(|value| !value.is_finite()) {
                let message = format!("the target `{}` has infinite values", self.column);
                return Err(
                    TransformError::input("infinite_values", message).help("leave these rows out before the split")
                );
            }
            return Ok(values);
        }
        let codes = self.classes.codes(&array);
        if let Some(row) = codes.iter().position(|code| *code == UNKNOWN) {
            let label = arrow::util::display::array_value_to_string(&array, row).unwrap_or_default();
            let message =
                format!("the target `{}` has the class `{label}`, which the fit table does not have", self.column);
            return Err(TransformError::input("unseen_class", message)
                .help("stratify the split by the target, or leave classes this rare out before it"));
        }
        Ok(Float64Array::from_iter_values(codes.into_iter().map(f64::from)))
    }

    /// The target column as it is written: class indexes as integers, numbers as they are.
    pub fn column(&self, values: Float64Array) -> ArrayRef {
        if self.is_regression {
            return std::sync::Arc::new(values);
        }
        #[expect(clippy::cast_possible_truncation, reason = "class indexes are small whole numbers")]
        let indexes = values.values().iter().map(|value| *value as i64);
        std::sync::Arc::new(Int64Array::from_iter_values(indexes))
    }

    /// The labels of the classes; empty for regression.
    pub(super) fn labels(&self) -> Vec<String> {
        self.classes.categories().iter().map(Category::to_string).collect()
    }
}

/// Looks at the target of every row of the fit table, then decides the task.
pub(super) struct TargetLearner {
    column: String,
    column_type: ColumnType,
    values: Dictionary,
    counts: Vec<u64>,
    nulls: u64,
    /// How many rows have a target.
    pub(super) rows: u64,
    /// Whether there are too many distinct numbers to be classes, so that they are no longer counted.
    is_quantity: bool,
}

impl TargetLearner {
    pub(super) fn new(
        spec: &TargetSpec,
        data_type: &arrow::datatypes::DataType,
    ) -> Result<TargetLearner, TransformError> {
        let column_type = ColumnType::of(data_type).ok_or_else(|| unusable(&spec.column, data_type))?;
        if matches!(column_type, ColumnType::Date | ColumnType::Timestamp) {
            let message = format!("the target `{}` holds {}", spec.column, column_type.describe());
            return Err(TransformError::input("target", message).help("predict a number or a class"));
        }
        Ok(TargetLearner {
            column: spec.column.clone(),
            column_type,
            values: Dictionary::default(),
            counts: Vec::new(),
            nulls: 0,
            rows: 0,
            is_quantity: spec.task == Some(TaskName::Regression),
        })
    }

    pub(super) fn learn(&mut self, array: &ArrayRef) -> Result<(), TransformError> {
        let array = canonical_or_encoded(&self.column, array, self.column_type)?;
        self.nulls += array.null_count() as u64;
        self.rows += (array.len() - array.null_count()) as u64;
        let floats = array.as_primitive_opt::<Float64Type>();
        if floats.is_some_and(|floats| floats.iter().flatten().any(f64::is_infinite)) {
            let message = format!("the target `{}` has infinite values in the fit table", self.column);
            return Err(TransformError::input("infinite_values", message)
                .help("filter such rows out before, or guard the division that makes them"));
        }
        if self.is_quantity {
            return Ok(());
        }
        let array = arrow::compute::filter(&array, &arrow::compute::is_not_null(&array)?)?;
        let codes = self.values.learn("target", &self.column, &array)?;
        self.counts.resize(self.values.len(), 0);
        for code in codes {
            self.counts[code as usize] += 1;
        }
        if self.values.len() > MOST_CLASSES {
            if matches!(self.column_type, ColumnType::Text | ColumnType::Bool) {
                let message = format!("the target `{}` has more than {MOST_CLASSES} classes", self.column);
                return Err(TransformError::input("target", message).help("is it the right column?"));
            }
            self.is_quantity = true;
        }
        Ok(())
    }

    /// The decided target; `drops_null` allows rows without one.
    pub(super) fn finish(self, spec: &TargetSpec, drops_null: bool) -> Result<Target, TransformError> {
        if self.rows == 0 {
            let message = format!("the fit table has no row with a target in `{}`", self.column);
            return Err(TransformError::input("no_rows", message));
        }
        if self.nulls > 0 && !drops_null {
            return Err(nulls(&self.column, self.nulls));
        }
        let name = &self.column;
        let is_text = matches!(self.column_type, ColumnType::Text | ColumnType::Bool);
        let (classes, order) = self.values.sorted();
        let mut class_rows: Vec<u64> = order.into_iter().map(|old| self.counts[old]).collect();
        let task = match spec.task {
            Some(task) => task,
            None if self.is_quantity => TaskName::Regression,
            None if classes.len() == 2 => TaskName::Binary,
            None if is_text => TaskName::Multiclass,
            None if self.column_type == ColumnType::Int && classes.len() <= MOST_NUMBER_CLASSES => TaskName::Multiclass,
            None => TaskName::Regression,
        };
        if task == TaskName::Regression {
            if is_text {
                let message =
                    format!("the target `{name}` holds {}, which is no regression", self.column_type.describe());
                return Err(
                    TransformError::input("target", message).help("leave `task` out, or choose a number column")
                );
            }
            let none = Dictionary::default();
            return Ok(Target {
                column: self.column,
                column_type: self.column_type,
                classes: none,
                is_regression: true,
                class_rows: Vec::new(),
            });
        }
        if let [only] = classes.categories() {
            let message = format!("the target `{name}` has one class only, `{only}`, in the fit table");
            return Err(TransformError::input("one_class", message)
                .help("a model needs examples of both; look at the filter before the split, or stratify the split"));
        }
        let wanted =
            if task == TaskName::Binary { classes.len() == 2 } else { classes.len() >= 3 && !self.is_quantity };
        if !wanted {
            let asked = if task == TaskName::Binary { "binary" } else { "multiclass" };
            let message = format!("the target `{name}` has {} classes, which is not {asked}", classes.len());
            return Err(TransformError::input("target", message).help("leave `task` out, or derive the classes before"));
        }
        let mut categories = classes.categories().to_vec();
        if let Some(positive) = &spec.positive {
            let positive = positive.as_str().map_or_else(|| positive.to_string(), str::to_owned);
            let labels: Vec<String> = categories.iter().map(Category::to_string).collect();
            let listed = labels.iter().take(10).map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
            if task == TaskName::Multiclass {
                let message = format!(
                    "`positive` names one of two classes, but the target `{name}` has {}: {listed}",
                    labels.len()
                );
                return Err(TransformError::input("target", message).help("leave `positive` out"));
            }
            let Some(index) = labels.iter().position(|label| *label == positive) else {
                let message =
                    format!("the positive class `{positive}` is not in the target `{name}`, which has {listed}");
                return Err(TransformError::input("target", message).help("write `positive` as the data has it"));
            };
            if index == 0 {
                categories.swap(0, 1);
                class_rows.swap(0, 1);
            }
        }
        let classes = Dictionary::from(categories);
        Ok(Target { column: self.column, column_type: self.column_type, classes, is_regression: false, class_rows })
    }
}

fn nulls(column: &str, count: u64) -> TransformError {
    let message = format!("the target `{column}` is null in {count} row{}", if count == 1 { "" } else { "s" });
    TransformError::input("null_target", message).help("set `drop_null_target: true` to leave these rows out")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, StringArray};
    use serde_json::json;

    use super::*;

    fn decide(spec: Value, array: ArrayRef) -> Result<Target, TransformError> {
        let spec: TargetSpec = serde_json::from_value(spec).unwrap();
        let mut learner = TargetLearner::new(&spec, array.data_type())?;
        learner.learn(&array)?;
        learner.finish(&spec, false)
    }

    fn texts(values: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    fn integers(values: impl IntoIterator<Item = i64>) -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(values))
    }

    #[test]
    fn the_task_follows_from_the_values() {
        let target = decide(json!({"column": "y"}), texts(&["Yes", "No", "No"])).unwrap();
        assert_eq!(target.task(), Task::Binary { classes: ["No".to_owned(), "Yes".to_owned()] });
        assert_eq!(target.class_rows, [2, 1]);
        let target = decide(json!({"column": "y", "positive": "No"}), texts(&["Yes", "No", "No"])).unwrap();
        assert_eq!(target.task(), Task::Binary { classes: ["Yes".to_owned(), "No".to_owned()] });
        let target =
            decide(json!({"column": "y", "positive": true}), Arc::new(BooleanArray::from(vec![true, false]))).unwrap();
        assert_eq!(target.task().as_str(), "binary");
        assert_eq!(decide(json!({"column": "y"}), integers([1, 2, 3])).unwrap().task().as_str(), "multiclass");
        assert_eq!(decide(json!({"column": "y"}), integers(0..30)).unwrap().task(), Task::Regression);
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 1.0, 2.0]));
        assert_eq!(decide(json!({"column": "y"}), numbers).unwrap().task(), Task::Regression);
        assert_eq!(
            decide(json!({"column": "y", "task": "regression"}), integers([1, 2, 3])).unwrap().task(),
            Task::Regression
        );
    }

    #[test]
    fn a_target_that_cannot_be_learnt_is_refused() {
        let message = |spec, array| decide(spec, array).unwrap_err().to_string();
        insta::assert_snapshot!(message(json!({"column": "y"}), texts(&["No", "No"])), @"the target `y` has one class only, `No`, in the fit table");
        insta::assert_snapshot!(message(json!({"column": "y", "positive": "yes"}), texts(&["No", "Yes"])), @"the positive class `yes` is not in the target `y`, which has `No`, `Yes`");
        insta::assert_snapshot!(message(json!({"column": "y", "positive": "a"}), texts(&["a", "b", "c"])), @"`positive` names one of two classes, but the target `y` has 3: `a`, `b`, `c`");
        insta::assert_snapshot!(message(json!({"column": "y"}), Arc::new(StringArray::from(vec![Some("a"), None]))), @"the target `y` is null in 1 row");
        insta::assert_snapshot!(message(json!({"column": "y", "task": "binary"}), texts(&["a", "b", "c"])), @"the target `y` has 3 classes, which is not binary");
        insta::assert_snapshot!(message(json!({"column": "y", "task": "regression"}), texts(&["a", "b", "c"])), @"the target `y` holds text, which is no regression");
    }

    #[test]
    fn a_class_that_the_fit_table_lacks_is_named() {
        let target = decide(json!({"column": "y"}), texts(&["a", "b", "c"])).unwrap();
        assert_eq!(target.values(&texts(&["c", "a"])).unwrap().values(), &[2.0, 0.0]);
        let error = target.values(&texts(&["d"])).unwrap_err();
        insta::assert_snapshot!(error, @"the target `y` has the class `d`, which the fit table does not have");
    }
}
