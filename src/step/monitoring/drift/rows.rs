//! Where the rows come from: a table, or the Parquet files in which an endpoint keeps its requests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Float64Type, Schema, TimestampMicrosecondType};

use crate::ml::drift::Sample;
use crate::ml::transform::{ColumnType, TransformError, canonical};
use crate::step::{StepContext, StepError};
use crate::table::roles::{RAW_PREFIX, Role};
use crate::table::{TableError, TableReader};

/// When a logged request was answered, in UTC.
const AT: &str = "_at";

/// Tables whose rows together are one sample.
pub(super) struct Rows {
    tables: Vec<TableReader>,
    /// Rows before this moment are left out, in microseconds since 1970.
    since: Option<i64>,
    /// How many rows there are.
    pub(super) count: u64,
}

/// A column as it is called in reports and in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The name in the file.
    pub(super) stored: String,
    /// What it holds.
    pub(super) column_type: ColumnType,
}

impl Rows {
    /// All rows of one table.
    pub(super) fn of(table: TableReader) -> Rows {
        Rows { count: table.rows(), tables: vec![table], since: None }
    }

    /// The rows that an endpoint has logged since a moment. Files that cannot be read are named in the log.
    pub(super) fn logged(context: &mut StepContext, endpoint: &str, since: i64) -> Result<Rows, StepError> {
        let folder = context.surroundings().state_folder.join("endpoints").join(endpoint).join("requests");
        let mut rows = Rows { tables: Vec::new(), since: Some(since), count: 0 };
        for path in parquet_files(&folder)? {
            match TableReader::open(&path).and_then(|table| Ok((rows.count_recent(&table)?, table))) {
                Ok((0, _)) => {}
                Ok((count, table)) => {
                    rows.count += count;
                    rows.tables.push(table);
                }
                Err(error) => context.log(format!("`{}` is left out: {error}", path.display())),
            }
        }
        Ok(rows)
    }

    fn count_recent(&self, table: &TableReader) -> Result<u64, TableError> {
        let mut count = 0;
        for batch in table.select(&[AT])? {
            count += self.recent(&batch?)?.num_rows() as u64;
        }
        Ok(count)
    }

    /// The rows of a batch, whose first column is the time, that are recent enough.
    fn recent(&self, batch: &RecordBatch) -> Result<RecordBatch, TableError> {
        let Some(since) = self.since else { return Ok(batch.clone()) };
        let moments =
            arrow::compute::cast(batch.column(0), &DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None))?;
        let moments: &TimestampMicrosecondArray = moments.as_primitive::<TimestampMicrosecondType>();
        let keep = moments.iter().map(|at| Some(at.is_some_and(|at| at >= since))).collect();
        Ok(filter_record_batch(batch, &keep)?)
    }

    /// The comparable columns by the name they have in reports: the raw ones of a feature table, else all but targets,
    /// weights and what an endpoint adds. Dates are left out, for they always move.
    pub(super) fn columns(&self) -> BTreeMap<String, Place> {
        let mut columns = BTreeMap::new();
        for table in &self.tables {
            for (name, place) in columns_of(table.schema()) {
                columns.entry(name).or_insert(place);
            }
        }
        columns
    }

    /// Gives every batch, its columns under the names that they have in reports, without what an endpoint adds.
    pub(super) fn each(&self, take: &mut dyn FnMut(RecordBatch) -> Result<(), StepError>) -> Result<(), StepError> {
        for table in &self.tables {
            let fields = table.schema().fields();
            let has_raw = fields.iter().any(|field| Role::of(field) == Some(Role::Raw));
            let is_wanted = |field: &&std::sync::Arc<arrow::datatypes::Field>| {
                if has_raw { Role::of(field) == Some(Role::Raw) } else { !field.name().starts_with('_') }
            };
            let stored: Vec<&str> = fields.iter().filter(is_wanted).map(|field| field.name().as_str()).collect();
            let ahead: &[&str] = if self.since.is_some() { &[AT] } else { &[] };
            for batch in table.select(&[ahead, stored.as_slice()].concat())? {
                let batch = self.recent(&batch?)?;
                let columns = stored.iter().zip(&batch.columns()[ahead.len()..]).map(|(name, column)| {
                    (name.strip_prefix(RAW_PREFIX).filter(|_| has_raw).unwrap_or(name), column.clone())
                });
                take(RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))?)?;
            }
        }
        Ok(())
    }

    /// All present values of a column, and how many rows have none. Numbers that are not finite count as missing.
    pub(super) fn sample(&self, name: &str, wanted: ColumnType) -> Result<(Sample, u64), StepError> {
        let is_number = matches!(wanted, ColumnType::Int | ColumnType::Float);
        let (mut numbers, mut counts, mut missing) = (Vec::new(), BTreeMap::<String, u64>::new(), 0);
        for table in &self.tables {
            let Some(place) = columns_of(table.schema()).remove(name) else { continue };
            let columns = if self.since.is_some() { vec![AT, &place.stored] } else { vec![place.stored.as_str()] };
            for batch in table.select(&columns)? {
                let batch = self.recent(&batch?)?;
                let array = batch.column(columns.len() - 1);
                if is_number {
                    let array = canonical(name, array, ColumnType::Float)?;
                    let values = array.as_primitive::<Float64Type>();
                    let before = numbers.len();
                    numbers.extend(values.iter().flatten().filter(|value| value.is_finite()));
                    missing += (array.len() - (numbers.len() - before)) as u64;
                } else {
                    missing += array.null_count() as u64;
                    count(name, array, wanted, &mut counts)?;
                }
            }
        }
        let sample = if is_number { Sample::Numbers(numbers) } else { Sample::Categories(counts) };
        Ok((sample.sorted(), missing))
    }
}

fn count(
    name: &str,
    array: &ArrayRef,
    wanted: ColumnType,
    counts: &mut BTreeMap<String, u64>,
) -> Result<(), TransformError> {
    let array = canonical(name, array, wanted)?;
    let mut add = |value: &str| match counts.get_mut(value) {
        Some(count) => *count += 1,
        None => drop(counts.insert(value.to_owned(), 1)),
    };
    match array.data_type() {
        DataType::Boolean => {
            array.as_boolean().iter().flatten().for_each(|value| add(if value { "true" } else { "false" }));
        }
        _ => array.as_string::<i32>().iter().flatten().for_each(add),
    }
    Ok(())
}

fn columns_of(schema: &Schema) -> BTreeMap<String, Place> {
    let has_raw = schema.fields().iter().any(|field| Role::of(field) == Some(Role::Raw));
    let mut columns = BTreeMap::new();
    for field in schema.fields() {
        let role = Role::of(field);
        let is_wanted = if has_raw {
            role == Some(Role::Raw)
        } else {
            !matches!(role, Some(Role::Target | Role::Weight)) && !field.name().starts_with('_')
        };
        let column_type = ColumnType::of(field.data_type())
            .filter(|found| is_wanted && !matches!(found, ColumnType::Date | ColumnType::Timestamp));
        if let Some(column_type) = column_type {
            let name = field.name().strip_prefix(RAW_PREFIX).filter(|_| has_raw).unwrap_or(field.name());
            columns.insert(name.to_owned(), Place { stored: field.name().clone(), column_type });
        }
    }
    columns
}

/// The Parquet files of a folder, by name; none if there is no such folder.
fn parquet_files(folder: &Path) -> Result<BTreeSet<PathBuf>, StepError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error.into()),
    };
    let mut files = BTreeSet::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            files.insert(path);
        }
    }
    Ok(files)
}
