//! Data engineering: split, balance, query and build features.

mod augment;
mod balance;
mod codes;
mod feature_pipeline;
mod folds;
mod history;
mod moments;
mod outliers;
mod parts;
mod retyped;
pub(in crate::step) mod room;
mod rows;
mod split_group;
mod split_random;
mod split_time;
pub mod sql;
mod strata;
mod weights;

pub use augment::{AugmentMixup, AugmentNoise, AugmentText};
pub use balance::{
    BalanceAdasyn, BalanceBorderlineSmote, BalanceClassWeight, BalanceEnn, BalanceNearMiss, BalanceRandomOver,
    BalanceRandomUnder, BalanceSmote, BalanceSmoteEnn, BalanceSmoteTomek, BalanceSmotenc, BalanceTomekLinks,
};
pub use feature_pipeline::FeaturePipeline;
pub use folds::{SplitGroupKFold, SplitKFold, SplitStratifiedKFold, SplitTimeSeries};
pub use history::{DataAsOf, DataLags};
pub use outliers::{OutliersIqr, OutliersIsolationForest, OutliersLocalOutlierFactor, OutliersZscore};
pub use split_group::SplitGroup;
pub use split_random::SplitRandom;
pub use split_time::SplitTime;
pub use sql::DataSql;
