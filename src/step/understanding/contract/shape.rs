//! The columns of a table against those of a contract: what differs, and how the table is brought into its form.

use arrow::array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use serde::Serialize;
use std::sync::Arc;

use super::document::{Contract, ContractColumn};
use super::types::{Fit, Typing, convert, fit, is_wider, type_name, type_of};
use crate::step::StepError;
use crate::step::understanding::csv::ColumnType;

/// In which way a table differs from its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// A column is not there.
    Missing,
    /// A column is there that the contract does not have.
    New,
    /// A column has another type.
    Type,
    /// Columns stand in another order.
    Order,
    /// Values break a rule.
    Values,
}

/// One difference between a table and its contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// In which way.
    pub kind: DifferenceKind,
    /// The column, if it is about one.
    pub column: Option<String>,
    /// The difference in words.
    pub message: String,
}

impl Difference {
    pub(super) fn new(kind: DifferenceKind, column: &str, message: String) -> Difference {
        Difference { kind, column: Some(column.to_owned()), message }
    }
}

/// A column of the table in the contract's form.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) name: String,
    /// Where the stored table has it; none for an optional one that is missing.
    pub(super) from: Option<usize>,
    /// As it is stored.
    pub(super) stored: DataType,
    /// The type that its values are to be brought to.
    pub(super) converts: Option<ColumnType>,
    /// Whether it may stay as it is where its values do not convert.
    pub(super) may_stay: bool,
}

/// How a table stands to its contract, as far as the schema tells.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) differences: Vec<Difference>,
    pub(super) columns: Vec<Placed>,
    stored_columns: usize,
}

impl Shape {
    pub(super) fn of(schema: &Schema, contract: &Contract, typing: Typing) -> Shape {
        let mut shape = Shape { differences: Vec::new(), columns: Vec::new(), stored_columns: schema.fields().len() };
        for wanted in &contract.columns {
            match schema.index_of(&wanted.name) {
                Ok(index) => shape.place(index, schema.field(index), wanted, contract, typing),
                Err(_) => shape.miss(wanted, schema, contract),
            }
        }
        for (index, field) in schema.fields().iter().enumerate() {
            if contract.column(field.name()).is_some() || contract.evolution.ignores() {
                continue;
            }
            if !contract.evolution.adds() {
                let found = type_name(field.data_type());
                let message = format!("column `{}` ({found}) is new", field.name());
                shape.differences.push(Difference::new(DifferenceKind::New, field.name(), message));
            }
            shape.columns.push(Placed::as_stored(index, field));
        }
        shape.check_order(schema, contract);
        shape
    }

    fn place(&mut self, index: usize, field: &Field, wanted: &ContractColumn, contract: &Contract, typing: Typing) {
        let mut placed = Placed::as_stored(index, field);
        let found = type_of(field.data_type());
        match found.map(|found| (found, fit(found, wanted.column_type, typing))) {
            Some((_, Fit::Same)) => {}
            Some((found, Fit::Converts)) => {
                placed.converts = Some(wanted.column_type);
                // Some values that are no numbers do not make a column of texts.
                let widens = found != ColumnType::Text && is_wider(found, wanted.column_type);
                placed.may_stay = contract.evolution.widens() && widens;
            }
            Some((found, Fit::Other)) if contract.evolution.widens() && is_wider(found, wanted.column_type) => {}
            _ => {
                let wider = found.is_some_and(|found| is_wider(found, wanted.column_type));
                let hint = if wider { ", a wider type" } else { "" };
                let message = format!(
                    "column `{}` is {}{hint}; the contract says {}",
                    wanted.name,
                    type_name(field.data_type()),
                    wanted.column_type
                );
                self.differences.push(Difference::new(DifferenceKind::Type, &wanted.name, message));
            }
        }
        self.columns.push(placed);
    }

    fn miss(&mut self, wanted: &ContractColumn, schema: &Schema, contract: &Contract) {
        if wanted.optional {
            self.columns.push(Placed {
                name: wanted.name.clone(),
                from: None,
                stored: wanted.column_type.data_type(),
                converts: None,
                may_stay: false,
            });
            return;
        }
        let names = schema.fields().iter().map(|field| field.name()).filter(|name| contract.column(name).is_none());
        let nearest = names
            .map(|name| (strsim::damerau_levenshtein(&name.to_lowercase(), &wanted.name.to_lowercase()), name))
            .min()
            .filter(|(distance, _)| *distance <= 3);
        let hint = nearest.map(|(_, name)| format!("; is it `{name}` now?")).unwrap_or_default();
        let message = format!("column `{}` ({}) is missing{hint}", wanted.name, wanted.column_type);
        self.differences.push(Difference::new(DifferenceKind::Missing, &wanted.name, message));
    }

    fn check_order(&mut self, schema: &Schema, contract: &Contract) {
        if !contract.ordered {
            return;
        }
        let found: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .filter(|name| contract.column(name).is_some())
            .collect();
        let wanted: Vec<&str> =
            contract.columns.iter().map(|column| column.name.as_str()).filter(|name| found.contains(name)).collect();
        if let Some((found, wanted)) = found.iter().zip(&wanted).find(|(found, wanted)| found != wanted) {
            let message = format!("the columns come in another order: `{found}` stands where `{wanted}` should");
            self.differences.push(Difference { kind: DifferenceKind::Order, column: None, message });
        }
    }

    /// Whether the stored table already has the contract's form.
    pub(super) fn is_as_stored(&self) -> bool {
        let in_place = |(place, column): (usize, &Placed)| column.from == Some(place) && column.converts.is_none();
        self.columns.len() == self.stored_columns && self.columns.iter().enumerate().all(in_place)
    }

    /// The schema of the table in the contract's form.
    pub(super) fn schema(&self) -> SchemaRef {
        let field = |column: &Placed| {
            let data_type = column.converts.map_or_else(|| column.stored.clone(), ColumnType::data_type);
            Field::new(&column.name, data_type, true)
        };
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// A stored batch in the contract's form, and for each column that is converted which rows do not fit.
    pub(super) fn conform(&self, batch: &RecordBatch) -> Result<Conformed<'_>, StepError> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        let mut unfit = Vec::new();
        for column in &self.columns {
            let Some(from) = column.from else {
                arrays.push(new_null_array(&column.stored, batch.num_rows()));
                continue;
            };
            let Some(wanted) = column.converts else {
                arrays.push(Arc::clone(batch.column(from)));
                continue;
            };
            let (converted, rows) = brought(batch.column(from), wanted);
            arrays.push(converted);
            unfit.push(Unfit { column: &column.name, from, wanted, rows });
        }
        let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(Conformed { batch: RecordBatch::try_new_with_options(self.schema(), arrays, &options)?, unfit })
    }
}

/// A batch in the contract's form.
pub(super) struct Conformed<'a> {
    pub(super) batch: RecordBatch,
    pub(super) unfit: Vec<Unfit<'a>>,
}

/// The rows of a batch whose value in a column does not fit its type.
pub(super) struct Unfit<'a> {
    pub(super) column: &'a str,
    /// Where the stored batch has it.
    pub(super) from: usize,
    pub(super) wanted: ColumnType,
    pub(super) rows: BooleanArray,
}

impl Placed {
    fn as_stored(index: usize, field: &Field) -> Placed {
        Placed {
            name: field.name().clone(),
            from: Some(index),
            stored: field.data_type().clone(),
            converts: None,
            may_stay: false,
        }
    }
}

/// Stored values in the type that is wanted, and which of them do not fit it.
pub(super) fn brought(stored: &ArrayRef, wanted: ColumnType) -> (ArrayRef, BooleanArray) {
    let converted = convert(stored, wanted);
    let unfit = (0..stored.len()).map(|row| Some(stored.is_valid(row) && converted.is_null(row))).collect();
    (converted, unfit)
}
