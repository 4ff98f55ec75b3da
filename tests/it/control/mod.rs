//! Operations on runs and pipelines: the store's side of them on both databases, and all of them by the program itself.

mod alike;
mod cli;
mod doctor;
mod operations;
mod why;
