//! Promises to users, each kept across modules or by running the program itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod ablation;
mod api;
mod attempts;
mod bad_data;
mod bad_luck;
mod bad_requests;
mod checks;
mod contracts;
mod control;
mod daemon;
mod daemon_triggers;
mod deployment;
mod generated;
mod harness;
mod held_out;
mod hints;
mod incremental;
mod lineage;
mod lineage_questions;
mod manifests;
mod notifications;
mod outage;
mod outbox;
mod pages;
mod pending;
mod querying;
mod reliability;
mod requests;
mod retention;
mod routes;
mod runs;
mod schedules;
mod serving;
mod shipped;
mod slots;
mod sql_steps;
mod step_contract;
mod store_contract;
mod trigger_loop;
mod triggers;
mod worker_faults;
mod worker_secrets;
