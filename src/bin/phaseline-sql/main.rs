//! The worker program that carries DataFusion: runs `data.sql` steps, and `validate.table` steps that ask queries, by the same
//! work orders as `phaseline worker`.
//!
//! A query sees the inputs of its step and nothing else: no DDL, no files, no URLs. One partition makes the order of rows
//! a matter of the inputs alone; what does not fit in memory spills to the scratch folder.

mod checks;
mod data_sql;
mod engine;
mod failure;
mod origins;
mod statement;
mod warnings;

use std::process::ExitCode;

use phaseline::step::StepRegistry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stderr, reason = "the one thing this program says by itself")]
fn main() -> ExitCode {
    phaseline::worker::main_if_worker(registry).unwrap_or_else(|| {
        eprintln!("phaseline-sql runs steps with queries for phaseline and is not started by hand");
        ExitCode::from(2)
    })
}

/// The kinds of steps that ask queries.
fn registry() -> StepRegistry {
    let mut registry = StepRegistry::of::<data_sql::Query>();
    registry.register::<checks::Checks>();
    registry
}
