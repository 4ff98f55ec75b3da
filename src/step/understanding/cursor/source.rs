//! What every step has that reads files: where they are, which of them are read, and what the table is bound to.

use std::fmt::Debug;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mode, NewFiles};
use crate::artifact::ArtifactKind;
use crate::step::understanding::contract::{Bound, ContractFile, OnViolation, Typing};
use crate::step::understanding::source::{BadRows, Location, SourceFile};
use crate::step::{Dependency, OutputPort, ParamErrors, Ports, StepContext, StepError};

/// How files are told that were read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileCursor {
    /// By their names. A file that was read and has changed since is an error.
    Name,
}

/// The params of a step about the files that it reads.
#[derive(Clone, Copy)]
pub struct FileSource<'params> {
    /// Where they are.
    pub path: &'params str,
    /// How those are told that were read before, if only others are read.
    pub cursor: Option<FileCursor>,
    /// What the table holds then.
    pub mode: Mode,
    /// What the table is bound to.
    pub contract: Option<&'params ContractFile>,
    /// What happens when it breaks that.
    pub on_violation: OnViolation,
    /// Where the types of the table come from.
    pub typing: Typing,
    /// What is done with rows that cannot be read.
    pub bad_rows: BadRows,
}

impl<'params> FileSource<'params> {
    /// Refuses a path that is none, and a cursor where there are no files that could be told apart.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(self) -> Result<(), ParamErrors> {
        if self.path.is_empty() {
            return Err(ParamErrors::one(["path"], "the path is empty"));
        }
        match self.cursor {
            Some(_) if !Location::parse(self.path).is_listed() => {
                let message = "`cursor: name` is for files and for objects of a store; a download is read as a whole";
                Err(ParamErrors::one(["cursor"], message))
            }
            None if self.mode == Mode::Delta => {
                Err(ParamErrors::one(["mode"], "`mode: delta` needs `cursor: name`, which tells what is new"))
            }
            _ => Ok(()),
        }
    }

    /// The ports of the step.
    pub fn ports(self) -> Ports {
        let mut ports = self.bad_rows.ports(self.on_violation);
        if self.cursor.is_none() {
            return ports;
        }
        ports.outputs.push(OutputPort::new("position", ArtifactKind::Report).from_inputs(&["former_position"]));
        if self.mode == Mode::Delta {
            // Only its columns are needed of the former table, for when there is nothing new.
            ports.outputs[0] = ports.outputs[0].clone().from_inputs(&["former_position"]);
        }
        ports.continuing(&["table", "position"])
    }

    /// What the step reads beside its inputs.
    pub fn dependencies(self) -> Vec<Dependency> {
        vec![Location::parse(self.path).dependency()]
    }

    /// What the table is bound to.
    pub fn bound(self) -> Bound<'params> {
        Bound::of(self.contract, self.on_violation, self.typing)
    }

    /// Reads the files with `read`: with a cursor only those that no earlier run has read. `params` are all that say what is read
    /// and how, which tell this source from others.
    ///
    /// # Errors
    /// Those of `read`, and where the new files cannot be told.
    pub fn read(
        self,
        context: &mut StepContext,
        params: &impl Debug,
        read: impl FnOnce(&mut StepContext, Vec<SourceFile>, Option<&NewFiles>) -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        let location = Location::parse(self.path);
        if self.cursor.is_none() {
            let files = location.files(context)?;
            return read(context, files, None);
        }
        let how = format!("{params:?} {:?}", self.bound().reading());
        let found = location.list(context)?;
        let (new_files, files) = NewFiles::among(context, &how, self.mode, found)?;
        if files.is_empty() {
            return self.bound().finish_without(context, &new_files, self.bad_rows);
        }
        read(context, files, Some(&new_files))
    }
}
