//! `monitor.drift`: compares the columns of a reference table with current rows, from a table or an endpoint's log.

mod contract;
mod kind;
mod page;
mod rows;

pub use kind::MonitorDrift;

#[cfg(test)]
mod tests;
