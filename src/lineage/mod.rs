//! What came from what: a pure projection of events into rows.
//!
//! Main functions: [`project`] for everything that events tell by themselves, and [`edges`] for what came from what. They
//! know no database: `store` writes what they return, in the transaction of the events.

mod edges;
mod project;
mod rows;
mod seed;

pub use edges::{Edge, Intake, edges};
pub(crate) use project::LEFT_OUT;
pub use project::project;
pub use rows::{
    AttemptEnd, AttemptStart, ColumnRow, DecisionChange, GateResult, InputRow, MetricRow, OutputRow, Projection,
    Registered, RunChange, StepChange,
};
pub use seed::{ParamRow, params};
