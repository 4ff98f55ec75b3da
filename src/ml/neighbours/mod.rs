//! Exact nearest neighbours of points, by a tree where there are few dimensions and by comparing all blocks of points
//! where there are many.
//!
//! Distances are Euclidean. Among equally near points the one with the lower number comes first, so the result depends
//! neither on the way nor on the number of threads.

mod distance;
mod points;
mod search;
mod tree;

pub use points::{Categories, Points};
pub use search::{Nearest, Neighbours, farthest_sums};
