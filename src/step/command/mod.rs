//! `run:` steps: the escape hatch, any program.
//!
//! The program finds everything in its environment: `PHASELINE_INPUT_<NAME>` holds the path of an input (several
//! inputs stand one per line), `PHASELINE_OUTPUT_<NAME>` the path where to write an output, `PHASELINE_EVENTS` a file
//! to append JSON lines to (`{"progress": {"done": 3, "total": 10, "unit": "epochs"}}`,
//! `{"metric": {"name": "valid.roc_auc", "value": 0.84}}`), `PHASELINE_SEED`, `PHASELINE_SCRATCH`,
//! `PHASELINE_CHECKPOINT`, `PHASELINE_RUN`, `PHASELINE_STEP` and `PHASELINE_ATTEMPT`. What it prints goes to the attempt's log.

mod descendants;
mod ending;
mod events;
mod kind;
mod output;
mod termination;

pub use kind::{Command, Params};
