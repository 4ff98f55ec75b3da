//! What a row must fulfil: a kernel over whole batches that gives true, false, or null where there is nothing to look at.

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::compute::take;
use arrow::record_batch::RecordBatch;
use serde_json::Value;

use super::column::Column;
use crate::table::encoded;

/// Says for each row whether it passes. It may remember what it saw in earlier batches.
pub(super) type Test = Box<dyn FnMut(&RecordBatch, &[ArrayRef]) -> Result<BooleanArray, String> + Send>;

/// A test of rows and the columns whose values it looks at.
pub(super) struct RowTest {
    pub(super) columns: Vec<Column>,
    pub(super) shown: Shown,
    /// Whether the report shows the value of the first column alone.
    pub(super) only_first: bool,
    /// Whether what it says of a row depends on rows before it, so that it has to begin anew on a second pass.
    pub(super) remembers: bool,
    /// Whether what it says of a row depends on nothing but the text of its one column, and is nothing for a missing one: then
    /// each different text can be asked once.
    pub(super) by_text: bool,
    pub(super) test: Test,
}

/// How the values of a failing row are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// As the value of the one column, or a list of them.
    Plain,
    /// As an object of the values by column, as Great Expectations does for lists of columns.
    ByName,
}

impl RowTest {
    /// A test of values, whatever else is in the batch.
    pub(super) fn of(
        columns: Vec<Column>,
        mut test: impl FnMut(&[ArrayRef]) -> BooleanArray + Send + 'static,
    ) -> RowTest {
        let test = Box::new(move |_: &RecordBatch, values: &[ArrayRef]| Ok(test(values)));
        RowTest { columns, shown: Shown::Plain, only_first: false, remembers: false, by_text: false, test }
    }

    /// A test of the texts of one column; it is not asked about missing ones.
    pub(super) fn of_texts(column: Column, test: impl Fn(&str) -> bool + Send + 'static) -> RowTest {
        let test = RowTest::of(vec![column], move |values| {
            values[0].as_string::<i32>().iter().map(|text| text.map(&test)).collect()
        });
        test.by_text()
    }

    /// The same test, of one column whose texts may be asked each once.
    pub(super) fn by_text(self) -> RowTest {
        RowTest { by_text: self.columns.len() == 1 && self.columns[0].is_text(), ..self }
    }

    /// The same test, whose failing rows are shown with the names of the columns.
    pub(super) fn by_name(self) -> RowTest {
        RowTest { shown: Shown::ByName, ..self }
    }

    /// The values looked at, and for each row whether it passes.
    pub(super) fn batch(&mut self, batch: &RecordBatch) -> Result<(Vec<ArrayRef>, BooleanArray), String> {
        if self.by_text
            && let Some(array) = batch.column_by_name(&self.columns[0].name)
            && let Some(encoded) = encoded(array)
        {
            let each = (self.test)(batch, std::slice::from_ref(encoded.values()))?;
            let passes = take(&each, encoded.keys(), None).map_err(|error| error.to_string())?;
            return Ok((vec![array.clone()], passes.as_boolean().clone()));
        }
        let values: Vec<ArrayRef> = self.columns.iter().map(|column| column.read(batch)).collect::<Result<_, _>>()?;
        let passes = (self.test)(batch, &values)?;
        Ok((values, passes))
    }

    /// The values of a row, for the report.
    pub(super) fn show(&self, values: &[ArrayRef], row: usize) -> Value {
        shown(&self.columns, self.shown, if self.only_first { &values[..1] } else { values }, row)
    }
}

/// The values of a row, for the report.
pub(super) fn shown(columns: &[Column], how: Shown, values: &[ArrayRef], row: usize) -> Value {
    match (how, values) {
        (Shown::Plain, [one]) => columns[0].shows()(one, row),
        (Shown::Plain, many) => columns.iter().zip(many).map(|(column, value)| column.shows()(value, row)).collect(),
        (Shown::ByName, many) => {
            columns.iter().zip(many).map(|(column, value)| (column.name.clone(), column.shows()(value, row))).collect()
        }
    }
}
