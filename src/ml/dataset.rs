//! A feature table in memory: features, target and weights, checked for what no training survives.

use arrow::array::Array;
use arrow::record_batch::RecordBatch;

use super::features::{Feature, FeatureError, FeatureMatrix, float_column, not_finite};
use crate::table::roles::{Role, Task};
use crate::table::{TableError, TableReader};

/// Why a feature table is not a data set.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The table could not be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A feature is unusable.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// No column has the role of a target, or the schema does not say what kind of prediction it asks for.
    #[error("the table has no column marked as the target")]
    NoTarget,
    /// No column is a feature.
    #[error("the table has no column marked as a feature")]
    NoFeatures,
    /// There is nothing to learn from or to measure on.
    #[error("the table has no rows")]
    Empty,
    /// The target has values that are missing, infinite or no class.
    #[error("the target `{column}` has {count} values that are missing or not valid")]
    BadTarget {
        /// The target column.
        column: String,
        /// How many rows have one.
        count: usize,
    },
    /// The weight of a row is missing, negative or infinite, or all are zero.
    #[error("the weight `{column}` has {count} values that are missing, negative or infinite, or only zeros")]
    BadWeight {
        /// The weight column.
        column: String,
        /// How many rows have one.
        count: usize,
    },
    /// The target never varies, so there is nothing to learn.
    #[error("all {rows} rows have the same target, {only}")]
    OneClass {
        /// How many rows there are.
        rows: usize,
        /// The only class or value.
        only: String,
    },
}

/// The rows of a feature table.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The features.
    pub features: FeatureMatrix,
    /// The name of the target column.
    pub target_name: String,
    /// The target: an index of a class, or a number. One value per row.
    pub target: Vec<f64>,
    /// The weight of each row, if the table has weights.
    pub weight: Option<Vec<f64>>,
    /// What is to be predicted.
    pub task: Task,
}

impl Dataset {
    /// Reads a whole feature table.
    ///
    /// # Errors
    /// See [`DataError`]; a target that never varies is not an error here but in [`Dataset::check_learnable`].
    pub fn load(table: &TableReader) -> Result<Dataset, DataError> {
        let mut builder = Builder::new(table)?;
        for batch in table.batches()? {
            builder.append(&batch?)?;
        }
        builder.finish()
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.target.len()
    }

    /// The class of each row.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "loading checks that these are indexes"
    )]
    pub fn labels(&self) -> Vec<usize> {
        self.target.iter().map(|value| *value as usize).collect()
    }

    /// How often each class occurs.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.task.classes().len()];
        for label in self.labels() {
            counts[label] += 1;
        }
        counts
    }

    /// The rows `indexes`, in that order.
    #[must_use]
    pub fn take(&self, indexes: &[usize]) -> Dataset {
        let pick = |values: &[f64]| indexes.iter().map(|row| values[*row]).collect();
        Dataset {
            features: self.features.take(indexes),
            target_name: self.target_name.clone(),
            target: pick(&self.target),
            weight: self.weight.as_deref().map(pick),
            task: self.task.clone(),
        }
    }

    /// Refuses a target that never varies.
    pub fn check_learnable(&self) -> Result<(), DataError> {
        let Some(first) = self.target.first() else { return Err(DataError::Empty) };
        if self.target.iter().any(|value| value.total_cmp(first).is_ne()) {
            return Ok(());
        }
        let only = match self.task.classes() {
            [] => first.to_string(),
            classes => format!("`{}`", classes[self.labels()[0]]),
        };
        Err(DataError::OneClass { rows: self.rows(), only })
    }

    /// The weight of each row, times the weight of its class; `None` where all are one.
    pub fn weights(&self, class_weights: Option<&[f64]>) -> Option<Vec<f64>> {
        match (class_weights, &self.weight) {
            (None, None) => None,
            (None, Some(weight)) => Some(weight.clone()),
            (Some(by_class), weight) => {
                let row = |index: usize| weight.as_ref().map_or(1.0, |weight| weight[index]);
                let labels = self.labels();
                Some(labels.iter().enumerate().map(|(index, label)| by_class[*label] * row(index)).collect())
            }
        }
    }
}

struct Builder {
    dataset: Dataset,
    weight_name: Option<String>,
    bad_features: Vec<usize>,
    bad_targets: usize,
    bad_weights: usize,
}

impl Builder {
    fn new(table: &TableReader) -> Result<Builder, DataError> {
        let fields = table.schema().fields();
        let named = |role| fields.iter().find(|field| Role::of(field) == Some(role)).map(|field| field.name().clone());
        let features: Vec<Feature> = fields
            .iter()
            .filter(|field| Role::of(field) == Some(Role::Feature))
            .map(|field| Feature::of(field))
            .collect();
        let target_name = named(Role::Target).ok_or(DataError::NoTarget)?;
        let task = Task::of(table.schema()).ok_or(DataError::NoTarget)?;
        if features.is_empty() {
            return Err(DataError::NoFeatures);
        }
        let weight_name = named(Role::Weight);
        Ok(Builder {
            bad_features: vec![0; features.len()],
            dataset: Dataset {
                features: FeatureMatrix::new(features),
                target_name,
                target: Vec::new(),
                weight: weight_name.is_some().then(Vec::new),
                task,
            },
            weight_name,
            bad_targets: 0,
            bad_weights: 0,
        })
    }

    fn append(&mut self, batch: &RecordBatch) -> Result<(), DataError> {
        let bad = self.dataset.features.append(batch)?;
        self.bad_features.iter_mut().zip(bad).for_each(|(sum, count)| *sum += count);
        let classes = self.dataset.task.classes().len();
        let target = float_column(batch, &self.dataset.target_name)?;
        for row in 0..target.len() {
            let value = target.value(row);
            let is_valid = !target.is_null(row)
                && value.is_finite()
                && (classes == 0 || (value >= 0.0 && value < classes as f64 && value.fract() == 0.0));
            self.bad_targets += usize::from(!is_valid);
            self.dataset.target.push(value);
        }
        if let (Some(name), Some(weights)) = (&self.weight_name, &mut self.dataset.weight) {
            let column = float_column(batch, name)?;
            for row in 0..column.len() {
                let value = column.value(row);
                self.bad_weights += usize::from(column.is_null(row) || !value.is_finite() || value < 0.0);
                weights.push(value);
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Dataset, DataError> {
        let dataset = self.dataset;
        if dataset.rows() == 0 {
            return Err(DataError::Empty);
        }
        not_finite(dataset.features.features(), &self.bad_features)?;
        if self.bad_targets > 0 {
            return Err(DataError::BadTarget { column: dataset.target_name, count: self.bad_targets });
        }
        if let (Some(name), Some(weights)) = (self.weight_name, &dataset.weight)
            && (self.bad_weights > 0 || weights.iter().sum::<f64>() <= 0.0)
        {
            return Err(DataError::BadWeight { column: name, count: self.bad_weights });
        }
        Ok(dataset)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::table::TableWriter;

    fn binary() -> Task {
        Task::Binary { classes: ["No".to_owned(), "Yes".to_owned()] }
    }

    fn field(name: &str, role: Role) -> Field {
        role.mark(Field::new(name, DataType::Float64, true))
    }

    fn write(path: &Path, fields: Vec<Field>, columns: Vec<ArrayRef>, task: Option<Task>) -> TableReader {
        let schema = Schema::new(fields);
        let schema = Arc::new(match task {
            Some(task) => task.mark(schema),
            None => schema,
        });
        let mut writer = TableWriter::create(path, &schema).unwrap();
        writer.write(&RecordBatch::try_new(schema, columns).unwrap()).unwrap();
        writer.close().unwrap();
        TableReader::open(path).unwrap()
    }

    fn floats(values: &[f64]) -> ArrayRef {
        Arc::new(Float64Array::from(values.to_vec()))
    }

    fn check(fields: Vec<Field>, columns: Vec<ArrayRef>, task: Option<Task>) -> Result<Dataset, String> {
        let folder = tempfile::tempdir().unwrap();
        let table = write(&folder.path().join("t"), fields, columns, task);
        let dataset = Dataset::load(&table).map_err(|error| error.to_string())?;
        dataset.check_learnable().map_err(|error| error.to_string())?;
        Ok(dataset)
    }

    fn one_feature() -> Vec<Field> {
        vec![field("x", Role::Feature), field("y", Role::Target)]
    }

    #[test]
    fn roles_decide_what_is_learnt_from_what() {
        let mut fields = one_feature();
        fields.push(field("w", Role::Weight));
        fields.push(Role::Raw.mark(Field::new("raw.x", DataType::Int64, true)));
        let raw: ArrayRef = Arc::new(Int64Array::from(vec![5, 6, 7]));
        let columns = vec![floats(&[1.0, 2.0, 3.0]), floats(&[0.0, 1.0, 1.0]), floats(&[1.0, 2.0, 0.5]), raw];
        let dataset = check(fields, columns, Some(binary())).unwrap();
        assert_eq!(dataset.features.numeric(), [1.0, 2.0, 3.0]);
        assert_eq!(dataset.class_counts(), [1, 2]);
        assert_eq!(dataset.weights(Some(&[10.0, 1.0])).unwrap(), [10.0, 2.0, 0.5]);
    }

    #[test]
    fn a_table_without_target_rows_or_classes_is_refused() {
        let wrong = |fields, columns, task| check(fields, columns, task).unwrap_err();
        let two = || floats(&[1.0, 2.0]);
        assert_eq!(
            wrong(vec![field("x", Role::Feature)], vec![two()], Some(binary())),
            "the table has no column marked as the target"
        );
        assert_eq!(wrong(one_feature(), vec![two(), two()], None), "the table has no column marked as the target");
        assert_eq!(wrong(one_feature(), vec![floats(&[]), floats(&[])], Some(binary())), "the table has no rows");
        assert_eq!(
            wrong(one_feature(), vec![two(), floats(&[1.0, 1.0])], Some(binary())),
            "all 2 rows have the same target, `Yes`"
        );
        assert_eq!(
            wrong(one_feature(), vec![two(), floats(&[1.0, 2.0])], Some(binary())),
            "the target `y` has 1 values that are missing or not valid"
        );
        assert_eq!(
            wrong(vec![field("y", Role::Target)], vec![two()], Some(Task::Regression)),
            "the table has no column marked as a feature"
        );
    }
}
