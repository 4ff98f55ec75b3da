//! The params of a step that reads files with types, and what follows from them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::read::{TypedFile, read};
use crate::step::understanding::contract::{ContractFile, OnViolation, Typing};
use crate::step::understanding::cursor::{FileCursor, FileSource, Mode, NewFiles};
use crate::step::understanding::source::{BadRows, SourceFile, wrong_columns};
use crate::step::{ParamErrors, StepContext, StepError};

/// Reads one or more files as one table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// A file, a pattern such as `data/2026-*`, or a URL (`https`, `s3`, `gs`, `az`). Relative paths start from the
    /// manifest's folder. Files are read in the order of their names and must have the same columns.
    pub path: String,
    /// The columns to read, in this order; all of them by default.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The schema contract that the table must keep: `file:contracts/customers.yaml`.
    #[serde(default)]
    pub contract: Option<ContractFile>,
    /// What happens when it breaks the contract.
    #[serde(default)]
    pub on_violation: OnViolation,
    /// Read only files that no earlier run has read that succeeded: the output `position` says which those are. `--refresh` with the
    /// step's name reads all again.
    #[serde(default)]
    pub cursor: Option<FileCursor>,
    /// What the table holds then: all rows that were ever read, or only the new ones.
    #[serde(default)]
    pub mode: Mode,
}

/// Which decimals stay as they are; the others become doubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimals {
    /// Those that the contract calls so.
    OfContract,
    /// Every column of decimals of one type.
    All,
}

impl Params {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), ParamErrors> {
        if let Some(wrong) = wrong_columns(&self.columns) {
            return Err(ParamErrors::one(["columns"], wrong));
        }
        self.source().check()
    }

    /// What they say of files.
    pub fn source(&self) -> FileSource<'_> {
        FileSource {
            path: &self.path,
            cursor: self.cursor,
            mode: self.mode,
            contract: self.contract.as_ref(),
            on_violation: self.on_violation,
            typing: Typing::Known,
            bad_rows: BadRows::Error,
        }
    }

    /// Reads the files that the path means.
    ///
    /// # Errors
    /// They cannot be read, or are no one table.
    pub fn run<F: TypedFile>(&self, context: &mut StepContext, decimals: Decimals) -> Result<(), StepError> {
        let same = Params { contract: None, on_violation: OnViolation::default(), ..self.clone() };
        self.source().read(context, &same, |context, files, new_files| {
            self.read_files::<F>(context, &files, decimals, new_files)
        })
    }

    /// Reads `files` into the output `table`.
    ///
    /// # Errors
    /// They cannot be read, or are no one table.
    pub fn read_files<F: TypedFile>(
        &self,
        context: &mut StepContext,
        files: &[SourceFile],
        decimals: Decimals,
        new_files: Option<&NewFiles>,
    ) -> Result<(), StepError> {
        read::<F>(context, files, self, decimals, self.source().bound().among(new_files))
    }

    /// The columns that the contract calls decimals.
    pub(super) fn decimals(&self) -> Vec<String> {
        let contract = self.contract.as_ref().map(ContractFile::contract);
        contract.iter().flat_map(|contract| contract.decimals()).map(str::to_owned).collect()
    }
}
