//! `phaseline init DIR`: a small project that works as it is.

mod command;

pub(super) use command::{Args, run};
