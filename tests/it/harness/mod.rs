//! What the tests stand on.

pub(crate) mod daemon;
pub(crate) mod databases;
pub(crate) mod history;
pub(crate) mod postgres;
pub(crate) mod project;
