//! What came from what: a pure projection of events into rows.
//!
//! Main function: [`project`]. It knows no database: `store` writes what it returns, in the transaction of the events.

mod project;
mod rows;
mod seed;

pub use project::project;
pub use rows::{
    AttemptEnd, AttemptStart, ColumnRow, GateResult, InputRow, MetricRow, OutputRow, Projection, Registered, RunChange,
    StepChange,
};
pub use seed::{ParamRow, params};
