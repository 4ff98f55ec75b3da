//! [`FittedPipeline`]: what a fit leaves behind, written as `transform.json` and applied to tables and requests alike.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use super::column::{canonical, canonical_or_encoded, numbers};
use super::fit::{take_back, with_target};
use super::fitted::{Fitted, Rows};
use super::frame::{Column, Frame, Kind, missing};
use super::pieces::rows_at_once;
use super::registry::Unit;
use super::{Choice, ColumnType, Target, TransformError};
use crate::ml::sentence::Models;
use crate::table::roles::{CATEGORIES, Role};

/// The file in a transform's folder.
const FILE: &str = "transform.json";
/// The layout of that file.
const VERSION: u32 = 1;

/// A column of the fit table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputColumn {
    /// The name.
    pub name: String,
    /// What it holds.
    pub column_type: ColumnType,
    /// Whether a missing value is acceptable: the fit table has some, or a transform fills them.
    pub nullable: bool,
}

/// A column that a model learns from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// The name.
    pub name: String,
    /// For codes `0..n`: `n`; such a column is of integers and all others are of floats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<usize>,
    /// The raw columns that it comes from.
    pub sources: Vec<String>,
    /// The transforms on the way, joined by `+`; `identity` if there are none.
    pub transform: String,
}

/// A fitted feature pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedPipeline {
    version: u32,
    /// The columns of the fit table that are neither dropped nor target nor weight, in order.
    columns: Vec<InputColumn>,
    /// The names among them that the features come from.
    needed: BTreeSet<String>,
    /// Columns of the fit table that the manifest drops.
    dropped: Vec<String>,
    /// The target.
    pub target: Target,
    /// The column with the weight of each row.
    pub weight: Option<String>,
    /// How many rows it was fitted on.
    pub rows: u64,
    features: Vec<Feature>,
    units: Vec<Unit>,
    /// The columns that transforms have judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    choices: Vec<Choice>,
}

impl FittedPipeline {
    /// The pipeline with these units, whose result over a table without rows is `frame`.
    ///
    /// # Errors
    /// When a column is left that is no numbers.
    pub(super) fn new(
        target: Target,
        columns: Vec<InputColumn>,
        dropped: Vec<String>,
        weight: Option<String>,
        chain: Vec<Unit>,
        frame: &Frame,
    ) -> Result<FittedPipeline, TransformError> {
        let not_numbers: Vec<String> = frame
            .columns()
            .filter(|(_, column)| {
                matches!(column.column_type(), ColumnType::Text | ColumnType::Date | ColumnType::Timestamp)
            })
            .map(|(name, column)| format!("`{name}` ({})", column.column_type().describe()))
            .collect();
        if !not_numbers.is_empty() {
            let message = format!("after the last transform these columns are not numbers: {}", not_numbers.join(", "));
            return Err(TransformError::input("not_numeric", message).help(
                "encode text with `one_hot`, `ordinal`, `target` or `hash`, dates with `date_parts`, or put them under `drop`",
            ));
        }
        if frame.columns().next().is_none() {
            let message = "no feature is left after the last transform";
            return Err(TransformError::input("no_features", message).help("drop fewer columns"));
        }
        let mut lineage: BTreeMap<&str, (BTreeSet<String>, Vec<&'static str>)> = columns
            .iter()
            .map(|column| (column.name.as_str(), (BTreeSet::from([column.name.clone()]), Vec::new())))
            .collect();
        for unit in &chain {
            let mut sources = BTreeSet::new();
            let mut names = Vec::new();
            for (from, through) in unit.fitted().inputs().into_iter().filter_map(|input| lineage.get(input)) {
                sources.extend(from.iter().cloned());
                for name in through {
                    if !names.contains(name) {
                        names.push(*name);
                    }
                }
            }
            names.push(unit.key());
            unit.fitted()
                .outputs()
                .into_iter()
                .for_each(|output| drop(lineage.insert(output, (sources.clone(), names.clone()))));
        }
        let features: Vec<Feature> = frame
            .columns()
            .map(|(name, column)| {
                let (sources, names) = lineage.get(name).cloned().unwrap_or_default();
                let transform = if names.is_empty() { "identity".to_owned() } else { names.join("+") };
                Feature {
                    name: name.to_owned(),
                    categories: column.categories,
                    sources: sources.into_iter().collect(),
                    transform,
                }
            })
            .collect();
        let choices = chain.iter().flat_map(|unit| unit.fitted().choices()).cloned().collect();
        let mut needed: BTreeSet<String> = features.iter().map(|feature| feature.name.clone()).collect();
        let mut units: Vec<Unit> = chain.into_iter().rev().filter(|unit| take_back(unit, &mut needed)).collect();
        units.reverse();
        Ok(FittedPipeline {
            version: VERSION,
            columns,
            needed,
            dropped,
            target,
            weight,
            rows: 0,
            features,
            units,
            choices,
        })
    }

    /// Lets columns be null that were so in the fit table or that a transform fills.
    pub(super) fn allow_nulls(&mut self, nulls: &BTreeMap<String, bool>) {
        let is_filled: Vec<bool> = self.columns.iter().map(|column| self.is_filled(&column.name)).collect();
        for (column, is_filled) in self.columns.iter_mut().zip(is_filled) {
            column.nullable = is_filled || nulls.get(&column.name).copied().unwrap_or(false);
        }
    }

    /// Whether a missing value of the raw column `name` leaves none in any feature, since transforms fill it and all
    /// that was made of it before.
    fn is_filled(&self, name: &str) -> bool {
        let mut missing = BTreeSet::from([name]);
        for fitted in self.units.iter().map(Unit::fitted) {
            let reaches = fitted.inputs().iter().any(|input| missing.contains(input));
            for output in fitted.outputs() {
                if reaches && !fitted.fills(output) {
                    missing.insert(output);
                } else {
                    missing.remove(output);
                }
            }
        }
        !self.features.iter().any(|feature| missing.contains(feature.name.as_str()))
    }

    /// Reads `transform.json` from `folder`, with models that may take `memory_bytes` if there is a limit.
    ///
    /// # Errors
    /// When it is not there, is damaged, or comes from another version of the program.
    pub fn load(folder: &Path, memory_bytes: Option<u64>) -> Result<FittedPipeline, TransformError> {
        let unreadable = |reason: String| TransformError::Unreadable { reason };
        let path = folder.join(FILE);
        let text = std::fs::read(&path).map_err(|error| unreadable(format!("`{}`: {error}", path.display())))?;
        let mut pipeline: FittedPipeline =
            serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        if pipeline.version != VERSION {
            return Err(unreadable(format!("it has version {}, and this program reads {VERSION}", pipeline.version)));
        }
        let models = Models::within(memory_bytes);
        pipeline.units.iter_mut().try_for_each(|unit| unit.fitted_mut().open_files(folder, &models))?;
        Ok(pipeline)
    }

    /// Writes `transform.json` into `folder`, and what transforms keep beside it.
    pub fn save(&self, folder: &Path) -> std::io::Result<()> {
        self.units.iter().try_for_each(|unit| unit.fitted().save_files(folder))?;
        std::fs::write(folder.join(FILE), serde_json::to_vec_pretty(self)?)
    }

    /// The raw columns that [`FittedPipeline::transform`] needs, in order, as Arrow fields.
    pub fn input_schema(&self) -> SchemaRef {
        let field = |column: &InputColumn| Field::new(&column.name, column.column_type.arrow(), column.nullable);
        Schema::new(self.needed_columns().map(field).collect::<Vec<_>>()).into()
    }

    /// The raw columns that the features come from, in the fit table's order.
    pub fn needed_columns(&self) -> impl Iterator<Item = &InputColumn> {
        self.columns.iter().filter(|column| self.needed.contains(&column.name))
    }

    /// The columns of the fit table that are neither dropped nor target nor weight, in order.
    pub fn raw_columns(&self) -> &[InputColumn] {
        &self.columns
    }

    /// The columns of the fit table that no feature comes from, by name; a request may leave them in.
    pub fn ignored_columns(&self) -> Vec<String> {
        let columns = self.columns.iter().map(|column| &column.name).chain(&self.dropped);
        let all = columns.chain([&self.target.column]).chain(&self.weight);
        let ignored: BTreeSet<&String> = all.filter(|name| !self.needed.contains(*name)).collect();
        ignored.into_iter().cloned().collect()
    }

    /// How many rows should be transformed at once, where many take long or much room.
    pub fn rows_at_once(&self) -> Option<usize> {
        rows_at_once(self.needed.iter().map(String::as_str), self.units.iter())
    }

    /// The features, in order.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The columns that transforms have judged, and why they stay or go.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// The schema of the features, with their roles.
    pub fn feature_schema(&self) -> SchemaRef {
        Schema::new(self.feature_fields()).into()
    }

    /// The fields of the features, with their roles.
    pub fn feature_fields(&self) -> Vec<Field> {
        let field = |feature: &Feature| {
            let field = match feature.categories {
                None => Field::new(&feature.name, DataType::Float64, true),
                Some(count) => Field::new(&feature.name, DataType::Int64, true)
                    .with_metadata([(CATEGORIES.to_owned(), count.to_string())].into()),
            };
            Role::Feature.mark(field)
        };
        self.features.iter().map(field).collect()
    }

    /// The features of each row of `batch`, which may have further columns.
    ///
    /// # Errors
    /// A column that is missing or of another type, or a value that a transform refuses.
    pub fn transform(&self, batch: &RecordBatch) -> Result<RecordBatch, TransformError> {
        self.apply(batch, Rows::Fresh)
    }

    /// The features of rows of the fit table itself, from row number `first` on: encoders that learnt from the target
    /// use for each row only what they learnt from others. Only for the pipeline that [`super::fit`] gave, before it
    /// is saved.
    /// The rows come in the fit table's order and have their target.
    pub fn transform_learnt(&self, batch: &RecordBatch, first: u64) -> Result<RecordBatch, TransformError> {
        let place = batch.schema_ref().index_of(&self.target.column)?;
        let targets = self.target.values(batch.column(place))?;
        self.apply(batch, Rows::Learnt { first, targets: targets.values() })
    }

    /// The rows of `batch` that have a target.
    pub fn with_target(&self, batch: &RecordBatch) -> Result<RecordBatch, TransformError> {
        let place = batch.schema_ref().index_of(&self.target.column)?;
        with_target(batch, place, &self.target)
    }

    fn apply(&self, batch: &RecordBatch, rows: Rows<'_>) -> Result<RecordBatch, TransformError> {
        let mut frame = Frame::new(batch.num_rows());
        for column in self.needed_columns() {
            let array = self.raw(batch, column)?;
            frame.set(&column.name, Column { array, kind: Kind::of(column.column_type), categories: None });
        }
        for unit in &self.units {
            unit.fitted().apply(&mut frame, rows)?;
        }
        let arrays = self.features.iter().map(|feature| {
            let array = &frame.column(&feature.name)?.array;
            match feature.categories {
                None if array.data_type() == &DataType::Float64 => Ok(Arc::clone(array)),
                None => Ok(Arc::new(numbers(array)?) as ArrayRef),
                Some(_) => Ok(Arc::clone(array)),
            }
        });
        let arrays = arrays.collect::<Result<_, TransformError>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.feature_schema(), arrays, &options)?)
    }

    /// Whether the column `name` may come as texts with their dictionary.
    pub fn takes_encoded(&self, name: &str) -> bool {
        let mut readers = self.units.iter().map(Unit::fitted).filter(|fitted| fitted.inputs().contains(&name));
        readers.all(Fitted::takes_encoded)
    }

    /// A column of `batch` in its canonical type, or with its dictionary where it may.
    fn raw(&self, batch: &RecordBatch, column: &InputColumn) -> Result<ArrayRef, TransformError> {
        let schema = batch.schema_ref();
        let array = batch
            .column_by_name(&column.name)
            .ok_or_else(|| missing(&column.name, schema.fields().iter().map(|field| field.name().as_str())))?;
        let is_encoded = matches!(array.data_type(), DataType::Dictionary(..)) && self.takes_encoded(&column.name);
        let canonical = if is_encoded { canonical_or_encoded } else { canonical };
        canonical(&column.name, array, column.column_type)
    }
}
