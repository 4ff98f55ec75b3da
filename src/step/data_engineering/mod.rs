//! Data engineering: split, query and build features.

mod feature_pipeline;
mod parts;
mod split_random;
mod split_time;
pub mod sql;
mod strata;

pub use feature_pipeline::FeaturePipeline;
pub use split_random::SplitRandom;
pub use split_time::SplitTime;
pub use sql::DataSql;
