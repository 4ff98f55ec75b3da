//! Promises to users, each kept across modules or by running the program itself.

mod attempts;
mod harness;
mod store_contract;
