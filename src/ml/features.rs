//! Feature columns as contiguous matrices: numbers as `f32`, categories as codes.

use arrow::array::{Array, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::table::roles;

/// One input of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// The name of the column.
    pub name: String,
    /// For a category that comes as a code `0..n`: how many codes there are. None for a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<u32>,
}

impl Feature {
    /// The feature that `field` of a feature table describes.
    pub fn of(field: &Field) -> Feature {
        let categories = field.metadata().get(roles::CATEGORIES).and_then(|count| count.parse().ok());
        Feature { name: field.name().clone(), categories }
    }
}

/// Feature columns that no model can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    /// A feature that the model needs is not in the table.
    #[error("the table has no feature column `{column}`")]
    Missing {
        /// The feature.
        column: String,
    },
    /// A feature is neither a number nor a code.
    #[error("feature `{column}` is {data_type}, not a number")]
    NotNumeric {
        /// The feature.
        column: String,
        /// What it is instead.
        data_type: String,
    },
    /// Features with values that no model can use.
    #[error("{} missing or infinite: {}", values(*.total), .columns.join(", "))]
    NotFinite {
        /// The features, each with its count of such values.
        columns: Vec<String>,
        /// All such values.
        total: usize,
    },
    /// A category with a code outside its range.
    #[error("feature `{column}` has code {code}, but its categories are 0 to {last}")]
    UnknownCode {
        /// The feature.
        column: String,
        /// The code, as it stands in the table.
        code: String,
        /// The largest code.
        last: u32,
    },
}

fn values(total: usize) -> String {
    if total == 1 { "1 value of a feature is".to_owned() } else { format!("{total} values of features are") }
}

/// The features of some rows: one row-major matrix of numbers, one of codes.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMatrix {
    features: Vec<Feature>,
    rows: usize,
    numeric: Vec<f32>,
    codes: Vec<u32>,
}

impl FeatureMatrix {
    /// A matrix of no rows with these features.
    pub fn new(features: Vec<Feature>) -> FeatureMatrix {
        FeatureMatrix { features, rows: 0, numeric: Vec::new(), codes: Vec::new() }
    }

    /// A matrix of the given content; `numeric` and `codes` are row-major.
    pub(crate) fn from_parts(features: Vec<Feature>, numeric: Vec<f32>, codes: Vec<u32>) -> FeatureMatrix {
        let mut matrix = FeatureMatrix { features, rows: 0, numeric, codes };
        let (numeric_width, code_width) = (matrix.numeric_width(), matrix.code_width());
        let by_codes = matrix.codes.len() / code_width.max(1);
        matrix.rows = matrix.numeric.len().checked_div(numeric_width).unwrap_or(by_codes);
        matrix
    }

    /// The features of `batch`, found by name; other columns do not matter.
    pub fn of(features: &[Feature], batch: &RecordBatch) -> Result<FeatureMatrix, FeatureError> {
        let mut matrix = FeatureMatrix::new(features.to_vec());
        let bad = matrix.append(batch)?;
        not_finite(features, &bad)?;
        Ok(matrix)
    }

    /// Appends the rows of `batch` and says for each feature how many of its values are missing or infinite;
    /// see [`not_finite`].
    pub fn append(&mut self, batch: &RecordBatch) -> Result<Vec<usize>, FeatureError> {
        let numeric_width = self.numeric_width();
        let code_width = self.code_width();
        let rows = batch.num_rows();
        let numeric_start = self.numeric.len();
        let code_start = self.codes.len();
        self.numeric.resize(numeric_start + rows * numeric_width, 0.0);
        self.codes.resize(code_start + rows * code_width, 0);
        let mut bad = vec![0; self.features.len()];
        let (mut numeric_column, mut code_column) = (0, 0);
        for (position, feature) in self.features.iter().enumerate() {
            let values = float_column(batch, &feature.name)?;
            if let Some(count) = feature.categories {
                for row in 0..rows {
                    if values.is_null(row) {
                        bad[position] += 1;
                        continue;
                    }
                    self.codes[code_start + row * code_width + code_column] = code(values.value(row), count)
                        .ok_or_else(|| FeatureError::UnknownCode {
                            column: feature.name.clone(),
                            code: values.value(row).to_string(),
                            last: count.saturating_sub(1),
                        })?;
                }
                code_column += 1;
            } else {
                for row in 0..rows {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "what overflows becomes infinite and counts as bad"
                    )]
                    let value = values.value(row) as f32;
                    if values.is_null(row) || !value.is_finite() {
                        bad[position] += 1;
                    }
                    self.numeric[numeric_start + row * numeric_width + numeric_column] = value;
                }
                numeric_column += 1;
            }
        }
        self.rows += rows;
        Ok(bad)
    }

    /// The features, in the order of the model.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many features are numbers.
    pub fn numeric_width(&self) -> usize {
        self.features.iter().filter(|feature| feature.categories.is_none()).count()
    }

    /// How many features are categories.
    pub fn code_width(&self) -> usize {
        self.features.len() - self.numeric_width()
    }

    /// How many codes each category has.
    pub fn cardinalities(&self) -> Vec<usize> {
        self.features.iter().filter_map(|feature| feature.categories).map(|count| count as usize).collect()
    }

    /// The numbers, row by row.
    pub fn numeric(&self) -> &[f32] {
        &self.numeric
    }

    /// The codes, row by row.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The rows `indexes`, in that order.
    #[must_use]
    pub fn take(&self, indexes: &[usize]) -> FeatureMatrix {
        let mut taken = FeatureMatrix::new(self.features.clone());
        let (numeric_width, code_width) = (self.numeric_width(), self.code_width());
        for &row in indexes {
            taken.numeric.extend_from_slice(&self.numeric[row * numeric_width..(row + 1) * numeric_width]);
            taken.codes.extend_from_slice(&self.codes[row * code_width..(row + 1) * code_width]);
        }
        taken.rows = indexes.len();
        taken
    }

    /// The same rows, where row `i` has the values of row `order[i]` in the features at `positions`.
    #[must_use]
    pub fn permuted(&self, positions: &[usize], order: &[usize]) -> FeatureMatrix {
        let mut permuted = self.clone();
        let (numeric_width, code_width) = (self.numeric_width(), self.code_width());
        for &position in positions {
            let before = &self.features[..position];
            let codes_before = before.iter().filter(|feature| feature.categories.is_some()).count();
            if self.features[position].categories.is_some() {
                for (row, &from) in order.iter().enumerate() {
                    permuted.codes[row * code_width + codes_before] = self.codes[from * code_width + codes_before];
                }
            } else {
                let column = position - codes_before;
                for (row, &from) in order.iter().enumerate() {
                    permuted.numeric[row * numeric_width + column] = self.numeric[from * numeric_width + column];
                }
            }
        }
        permuted
    }
}

/// Refuses features that have missing or infinite values, given their counts by feature.
pub fn not_finite(features: &[Feature], bad: &[usize]) -> Result<(), FeatureError> {
    let total: usize = bad.iter().sum();
    if total == 0 {
        return Ok(());
    }
    let columns = features
        .iter()
        .zip(bad)
        .filter(|(_, count)| **count > 0)
        .map(|(feature, count)| format!("`{}` ({count})", feature.name))
        .collect();
    Err(FeatureError::NotFinite { columns, total })
}

/// A column as numbers; nulls stay null.
pub(super) fn float_column(batch: &RecordBatch, name: &str) -> Result<Float64Array, FeatureError> {
    let column = batch.column_by_name(name).ok_or_else(|| FeatureError::Missing { column: name.to_owned() })?;
    let not_numeric =
        || FeatureError::NotNumeric { column: name.to_owned(), data_type: column.data_type().to_string() };
    if !(column.data_type().is_numeric() || column.data_type() == &DataType::Boolean) {
        return Err(not_numeric());
    }
    let floats = cast(column, &DataType::Float64).map_err(|_| not_numeric())?;
    floats.as_any().downcast_ref::<Float64Array>().cloned().ok_or_else(not_numeric)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
fn code(value: f64, count: u32) -> Option<u32> {
    (value >= 0.0 && value < f64::from(count) && value.fract() == 0.0).then_some(value as u32)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, StringArray};

    use super::*;

    fn feature(name: &str, categories: Option<u32>) -> Feature {
        Feature { name: name.to_owned(), categories }
    }

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
    }

    #[test]
    fn columns_are_found_by_name_and_split_by_kind() {
        let batch = batch(vec![
            ("code", Arc::new(Int32Array::from(vec![2, 0]))),
            ("other", Arc::new(StringArray::from(vec!["x", "y"]))),
            ("b", Arc::new(Float64Array::from(vec![3.0, 4.0]))),
            ("a", Arc::new(Float64Array::from(vec![1.0, 2.0]))),
        ]);
        let features = [feature("a", None), feature("code", Some(3)), feature("b", None)];
        let matrix = FeatureMatrix::of(&features, &batch).unwrap();
        assert_eq!(matrix.numeric(), [1.0, 3.0, 2.0, 4.0]);
        assert_eq!(matrix.codes(), [2, 0]);
        let swapped = matrix.permuted(&[1, 2], &[1, 0]);
        assert_eq!(swapped.numeric(), [1.0, 4.0, 2.0, 3.0]);
        assert_eq!(swapped.codes(), [0, 2]);
        assert_eq!(matrix.take(&[1]).numeric(), [2.0, 4.0]);
    }

    #[test]
    fn values_that_no_model_can_use_are_counted_by_column() {
        let batch = batch(vec![
            ("a", Arc::new(Float64Array::from(vec![None, Some(f64::NAN), Some(1.0)]))),
            ("b", Arc::new(Float64Array::from(vec![1.0, 2.0, 1e300]))),
        ]);
        let error = FeatureMatrix::of(&[feature("a", None), feature("b", None)], &batch).unwrap_err();
        assert_eq!(error.to_string(), "3 values of features are missing or infinite: `a` (2), `b` (1)");
    }

    #[test]
    fn a_code_outside_its_categories_is_refused() {
        let batch = batch(vec![("a", Arc::new(Int32Array::from(vec![3])))]);
        let error = FeatureMatrix::of(&[feature("a", Some(3))], &batch).unwrap_err();
        assert_eq!(error.to_string(), "feature `a` has code 3, but its categories are 0 to 2");
    }

    #[test]
    fn text_is_not_a_feature() {
        let batch = batch(vec![("a", Arc::new(StringArray::from(vec!["x"])))]);
        let error = FeatureMatrix::of(&[feature("a", None)], &batch).unwrap_err();
        assert_eq!(error.to_string(), "feature `a` is Utf8, not a number");
    }
}
