//! `phaseline run FILE` and `phaseline resume RUN`.

mod command;
mod display;
mod document;
mod drive;
mod reports;
mod summary;

pub(super) use command::{Args, Steps, run};
pub(super) use drive::{Driver, Format, interrupted};
