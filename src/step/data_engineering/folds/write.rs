//! Writing folds: all of them as a column of the table, or the sets of one.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use serde_json::json;

use super::super::parts::{self, Part};
use super::super::room;
use super::windows::Window;
use crate::artifact::ArtifactKind;
use crate::step::{InputPort, OutputPort, ParamErrors, Ports, Progress, StepContext, StepError};
use crate::table::TableReader;

/// The column that says in which fold a row is validated.
const FOLD: &str = "fold";

/// Which rows are in which set of which fold.
pub(super) enum Folds {
    /// Each row is validated in one fold and trained on in all others.
    OfRow {
        /// The fold of each row.
        of_row: Vec<u32>,
        /// How many folds there are.
        n_splits: usize,
    },
    /// Each fold has its window of time.
    Windows {
        /// The rank of each row in time; none if rows are in their order.
        rank: Option<Vec<u32>>,
        /// The windows by rank.
        windows: Vec<Window>,
    },
}

impl Folds {
    fn count(&self) -> usize {
        match self {
            Folds::OfRow { n_splits, .. } => *n_splits,
            Folds::Windows { windows, .. } => windows.len(),
        }
    }

    /// The fold in which a row is validated, if there is one.
    fn validated_in(&self, row: usize) -> Option<usize> {
        match self {
            Folds::OfRow { of_row, .. } => of_row.get(row).map(|fold| *fold as usize),
            Folds::Windows { rank, windows } => {
                let at = rank.as_ref().map_or(row, |rank| rank[row] as usize);
                // Windows follow each other without a gap.
                let fold = windows.partition_point(|window| window.valid.end <= at);
                windows.get(fold).filter(|window| window.valid.contains(&at)).map(|_| fold)
            }
        }
    }

    /// The set in which a row is for `fold`; none if it is left out.
    fn part(&self, row: usize, fold: usize) -> Option<Part> {
        if self.validated_in(row) == Some(fold) {
            return Some(Part::Valid);
        }
        match self {
            Folds::OfRow { .. } => Some(Part::Train),
            Folds::Windows { rank, windows } => {
                let at = rank.as_ref().map_or(row, |rank| rank[row] as usize);
                windows[fold].train.contains(&at).then_some(Part::Train)
            }
        }
    }
}

/// Refuses counts and numbers of folds that make no sense.
pub(super) fn check(n_splits: usize, fold: Option<usize>) -> Result<(), ParamErrors> {
    if n_splits < 2 {
        return Err(ParamErrors::one(["n_splits"], "cross-validation needs at least 2 folds"));
    }
    match fold {
        Some(fold) if fold >= n_splits => Err(ParamErrors::one(
            ["fold"],
            format!("there is no fold {fold}: {n_splits} folds are 0 to {}", n_splits - 1),
        )),
        _ => Ok(()),
    }
}

/// Refuses a seed that nothing would be drawn from.
pub(super) fn check_seed(shuffle: bool, seed: Option<u64>) -> Result<(), ParamErrors> {
    if seed.is_some() && !shuffle {
        return Err(ParamErrors::one(["seed"], "a seed has no effect without `shuffle: true`"));
    }
    Ok(())
}

/// The ports of a step that makes all folds, or one.
pub(super) fn ports(fold: Option<usize>) -> Ports {
    let mut outputs = match fold {
        None => vec![OutputPort::new("folds", ArtifactKind::Table)],
        Some(_) => [Part::Train, Part::Valid].map(parts::output).to_vec(),
    };
    outputs.push(OutputPort::new("report", ArtifactKind::Report));
    Ports::new([InputPort::one("table", ArtifactKind::Table).measuring()], outputs)
}

/// What a row takes at most while its fold is decided: its class, its group, its time and its place in the order.
const BYTES_PER_ROW: u64 = 24;

/// The table to split, which has rows.
pub(super) fn table(context: &mut StepContext) -> Result<(TableReader, usize), StepError> {
    let table = context.table("table")?;
    let rows = usize::try_from(table.rows()).unwrap_or(usize::MAX);
    if rows == 0 {
        return Err(StepError::input("table_empty", "the table has no rows to split"));
    }
    let bytes = table.rows().saturating_mul(BYTES_PER_ROW);
    room::claim(context, "the fold of each row", bytes, "split fewer rows")?;
    Ok((table, rows))
}

/// Writes the outputs that `fold` asks for, and the report.
pub(super) fn write(
    context: &mut StepContext,
    table: &TableReader,
    folds: &Folds,
    fold: Option<usize>,
) -> Result<(), StepError> {
    match fold {
        None => write_all(context, table, folds)?,
        Some(fold) => {
            parts::write(context, table, &[Part::Train, Part::Valid], &mut |row| {
                folds.part(usize::try_from(row).unwrap_or(usize::MAX), fold)
            })?;
        }
    }
    report(context, table, folds)
}

fn write_all(context: &mut StepContext, table: &TableReader, folds: &Folds) -> Result<(), StepError> {
    if table.columns().any(|column| column == FOLD) {
        return Err(StepError::input("duplicate_column", format!("the table already has a column `{FOLD}`"))
            .help("rename or drop it before, for example with `data.sql`"));
    }
    let mut fields = table.schema().fields().to_vec();
    fields.push(Arc::new(Field::new(FOLD, DataType::Int64, true)));
    let schema = Arc::new(Schema::new_with_metadata(fields, table.schema().metadata().clone()));
    let mut output = context.create_table(&schema)?;
    let mut row = 0;
    for batch in table.batches()? {
        context.check_cancelled()?;
        let batch = batch?;
        let rows = row..row + batch.num_rows();
        let folds: Int64Array =
            rows.map(|row| folds.validated_in(row).and_then(|fold| i64::try_from(fold).ok())).collect();
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(folds) as ArrayRef);
        output.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
        row += batch.num_rows();
        context.progress(&Progress { done: row as u64, total: Some(table.rows()), unit: "rows", note: String::new() });
    }
    context.finish_table("folds", output)?;
    parts::identity(context, "folds", "table", table)
}

fn report(context: &mut StepContext, table: &TableReader, folds: &Folds) -> Result<(), StepError> {
    let rows = usize::try_from(table.rows()).unwrap_or(usize::MAX);
    let mut counts = vec![[0_u64; 2]; folds.count()];
    match folds {
        Folds::OfRow { of_row, .. } => {
            for fold in of_row {
                counts[*fold as usize][1] += 1;
            }
            for [train, valid] in &mut counts {
                *train = rows as u64 - *valid;
            }
        }
        Folds::Windows { windows, .. } => {
            for (count, window) in counts.iter_mut().zip(windows) {
                *count = [window.train.len() as u64, window.valid.len() as u64];
            }
        }
    }
    let described: Vec<_> = counts
        .iter()
        .enumerate()
        .map(|(fold, [train, valid])| json!({"fold": fold, "train_rows": train, "valid_rows": valid}))
        .collect();
    context.metric("folds", folds.count() as f64);
    context.commit_report("report", &json!({"rows": rows, "n_splits": folds.count(), "folds": described}))?;
    Ok(())
}
