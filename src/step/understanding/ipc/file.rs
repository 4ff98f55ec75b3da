//! An Arrow file that is open, and its rows.

use std::fs::File;
use std::io::BufReader;

use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow::record_batch::RecordBatch;

use super::survey::{Flaw, Format, Survey, survey};
use crate::step::data_engineering::room;
use crate::step::understanding::source::{self, NONSENSE, SourceFile};
use crate::step::understanding::typed::TypedFile;
use crate::step::{StepContext, StepError};

/// Needs below this are not worth a line in the log.
const SMALL: u64 = 64 << 20;

/// An Arrow file.
pub struct ArrowFile {
    file: SourceFile,
    survey: Survey,
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;

impl TypedFile for ArrowFile {
    const NAME: &'static str = "ingest.arrow";
    const VERSION: u32 = 3;
    const SUMMARY: &'static str =
        "Reads Arrow IPC files and streams, and Feather files, into a table of the types that steps work with.";
    const EXAMPLE: &'static str = "\
uses: ingest.arrow
with:
  path: data/customers.arrow
  columns: [customerID, tenure, Churn]
";
    const COLUMNS: &'static str = "arrow_columns";

    fn open(file: &SourceFile, context: &mut StepContext) -> Result<ArrowFile, StepError> {
        let name = &file.name;
        let mut raw = file.open()?;
        if file.bytes == 0 {
            return Err(StepError::input("arrow_damaged", format!("`{name}` is empty"))
                .help("check that whatever wrote it ended well"));
        }
        let survey = guarded(name, || Ok(survey(&mut raw)))?.map_err(|flaw| refused(name, flaw))?;
        if !survey.has_end {
            context.log(format!("warning: `{name}` does not say where it ends; if it was cut off, rows are missing"));
        }
        let limit = context.surroundings().memory_bytes;
        if survey.bytes > SMALL || limit.is_some_and(|limit| survey.bytes > limit) {
            let what = format!("holding the largest batches of `{name}`");
            room::claim(context, &what, survey.bytes, "write the file in smaller batches")?;
        }
        Ok(ArrowFile { file: file.clone(), survey })
    }

    fn schema(&self) -> &Schema {
        &self.survey.schema
    }

    fn rows(&self) -> u64 {
        self.survey.rows
    }

    fn batches(&self, columns: &[&str]) -> Result<impl Iterator<Item = Result<RecordBatch, StepError>>, StepError> {
        let places = columns.iter().map(|name| self.survey.schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let raw = BufReader::new(self.file.open()?);
        let name = self.file.name.clone();
        let format = self.survey.format;
        let mut batches = guarded(&name, || reader(format, raw, places))?;
        Ok(std::iter::from_fn(move || guarded(&name, || batches.next().transpose()).transpose()))
    }
}

fn reader(format: Format, raw: BufReader<File>, places: Vec<usize>) -> Result<Batches, ArrowError> {
    Ok(match format {
        Format::File => Box::new(FileReader::try_new(raw, Some(places))?),
        Format::Stream => Box::new(StreamReader::try_new(raw, Some(places))?),
    })
}

/// Runs code that may stumble over damaged bytes.
fn guarded<T>(name: &str, read: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, StepError> {
    source::guarded(name, read, |error| damaged(name, &error.map_or(NONSENSE.to_owned(), |error| error.to_string())))
}

fn refused(name: &str, flaw: Flaw) -> StepError {
    match flaw {
        Flaw::Io(error) => StepError::environment("io", format!("`{name}` cannot be read")).caused_by(error),
        Flaw::Other(what) => {
            StepError::input("arrow_format", format!("`{name}` cannot be read as an Arrow file: {what}"))
                .help("Arrow files are written by `pyarrow.feather.write_feather` and by `pyarrow.ipc`")
        }
        Flaw::Damaged(reason) => damaged(name, &reason),
    }
}

fn damaged(name: &str, reason: &str) -> StepError {
    StepError::input("arrow_damaged", format!("`{name}` is not a whole Arrow file: {reason}"))
        .help("check that whatever wrote it ended well, and write it again")
}
