//! Answers that come in pages: where the next one is, and all of them put together to records.

mod link;
mod pages;
mod paging;

pub use pages::{Pages, fetch};
pub use paging::{Paging, at};
