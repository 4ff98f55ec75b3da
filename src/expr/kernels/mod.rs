//! What operators and functions do to whole columns.

pub(super) mod convert;
pub(super) mod date;
pub(super) mod logic;
pub(super) mod number;
pub(super) mod text;
