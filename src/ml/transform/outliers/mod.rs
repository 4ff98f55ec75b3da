//! Values far out: cut to limits.

pub(super) mod winsorize;
