//! What runs by itself: triggers.

pub mod triggers;
