//! `ingest.arrow`: Arrow IPC files, which Feather files are too, to one table.

use super::cursor::NewFiles;
use super::ipc::ArrowFile;
use super::source::SourceFile;
use super::typed::Params;
use crate::phase::Phase;
use crate::step::{Dependency, ParamErrors, Ports, StepContext, StepError, StepKind};

/// A step that reads Arrow files.
pub struct IngestArrow {
    params: Params,
}

impl StepKind for IngestArrow {
    const NAME: &'static str = "ingest.arrow";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::Understanding;
    const SUMMARY: &'static str =
        "Reads Arrow IPC files and streams, and Feather files, into a table of the types that steps work with.";
    const EXAMPLE: &'static str = "\
uses: ingest.arrow
with:
  path: data/customers.arrow
  columns: [customerID, tenure, Churn]
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        params.check()?;
        Ok(IngestArrow { params })
    }

    fn ports(&self) -> Ports {
        self.params.ports()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        self.params.dependencies()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        self.params.run::<ArrowFile>(context)
    }
}

impl IngestArrow {
    /// Reads `files` into the output `table`.
    pub(super) fn read_files(
        &self,
        context: &mut StepContext,
        files: &[SourceFile],
        new_files: Option<&NewFiles>,
    ) -> Result<(), StepError> {
        self.params.read_files::<ArrowFile>(context, files, new_files)
    }
}
