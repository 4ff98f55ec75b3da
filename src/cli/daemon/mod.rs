//! `phaseline daemon`.

mod command;
mod settings;

pub(super) use command::{Args, run};
pub(super) use settings::DaemonFile;
