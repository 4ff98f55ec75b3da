//! The step that reads files of one format, whichever it is.

use std::marker::PhantomData;

use super::params::Decimals;
use super::{Params, TypedFile};
use crate::phase::Phase;
use crate::step::understanding::cursor::NewFiles;
use crate::step::understanding::source::SourceFile;
use crate::step::{Dependency, ParamErrors, Ports, StepContext, StepError, StepKind};

/// A step that reads files of the format `F`, and keeps all decimals if it shall find out which there are.
pub struct IngestTyped<F, const KEEPS_DECIMALS: bool = false> {
    params: Params,
    format: PhantomData<fn() -> F>,
}

impl<F: TypedFile, const KEEPS_DECIMALS: bool> StepKind for IngestTyped<F, KEEPS_DECIMALS> {
    const NAME: &'static str = F::NAME;
    const VERSION: u32 = F::VERSION;
    const PHASE: Phase = Phase::Understanding;
    const SUMMARY: &'static str = F::SUMMARY;
    const EXAMPLE: &'static str = F::EXAMPLE;
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        params.check()?;
        Ok(IngestTyped { params, format: PhantomData })
    }

    fn ports(&self) -> Ports {
        self.params.source().ports()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        self.params.source().dependencies()
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        self.params.run::<F>(context, Self::DECIMALS)
    }
}

impl<F: TypedFile, const KEEPS_DECIMALS: bool> IngestTyped<F, KEEPS_DECIMALS> {
    const DECIMALS: Decimals = if KEEPS_DECIMALS { Decimals::All } else { Decimals::OfContract };

    /// Reads `files` into the output `table`.
    pub fn read_files(
        &self,
        context: &mut StepContext,
        files: &[SourceFile],
        new_files: Option<&NewFiles>,
    ) -> Result<(), StepError> {
        self.params.read_files::<F>(context, files, Self::DECIMALS, new_files)
    }
}
