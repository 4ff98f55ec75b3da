//! Promises to users, each kept across modules or by running the program itself.

mod attempts;
mod deployment;
mod harness;
mod serving;
mod store_contract;
