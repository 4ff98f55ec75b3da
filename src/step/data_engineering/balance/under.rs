//! Kinds that drop rows of the frequent classes.

use super::input::Categories;
use super::kind::balance_kind;
use crate::ml::resample::{EnnKind, Method};

fn one() -> u8 {
    1
}

fn three() -> usize {
    3
}

balance_kind! {
    /// Keeps rows of the frequent classes at random, as imbalanced-learn's `RandomUnderSampler`.
    random_under::BalanceRandomUnder "balance.random_under",
    "Keeps training rows of the frequent classes at random until the classes are balanced.",
    with "{sampling_strategy: 0.5, seed: 7}"
    params {
        /// Draw with replacement, so that a row may be kept more than once.
        #[serde(default)]
        replacement: bool,
        /// Another seed than the run's.
        #[serde(default)]
        seed: Option<u64>,
    }
    seed |params| params.seed, categories |_| Categories::Carried,
    method |params| Method::RandomUnder { replacement: params.replacement }
}

balance_kind! {
    /// Keeps the rows of the frequent classes that are nearest to the rarest one, as imbalanced-learn's `NearMiss`.
    near_miss::BalanceNearMiss "balance.near_miss",
    "Keeps the training rows of the frequent classes that are nearest to the rarest class (NearMiss 1, 2, 3).",
    with "{version: 1, n_neighbors: 3}"
    params {
        /// 1 keeps rows by the distance to their nearest rows of the rarest class, 2 by that to the farthest ones, and
        /// 3 first takes the neighbours of each row of the rarest class, and of those the ones that are far from it.
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 3))]
        version: u8,
        /// How many rows of the rarest class a distance counts.
        #[serde(default = "three")]
        #[schemars(range(min = 1))]
        n_neighbors: usize,
        /// How many neighbours each row of the rarest class takes, in version 3.
        #[serde(default = "three")]
        #[schemars(range(min = 1))]
        n_neighbors_ver3: usize,
    }
    seed |_| None, categories |_| Categories::Carried,
    method |params| Method::NearMiss {
        version: params.version, n_neighbors: params.n_neighbors, n_neighbors_ver3: params.n_neighbors_ver3,
    }
}

balance_kind! {
    /// Drops rows that form a pair of nearest neighbours with a row of another class, as imbalanced-learn's `TomekLinks`.
    tomek_links::BalanceTomekLinks "balance.tomek_links",
    "Drops training rows that form a pair of nearest neighbours with a row of another class.",
    with "{sampling_strategy: majority}"
    params {}
    seed |_| None, categories |_| Categories::Carried,
    method |_| Method::TomekLinks
}

balance_kind! {
    /// Drops rows whose neighbours are of another class, as imbalanced-learn's `EditedNearestNeighbours`.
    enn::BalanceEnn "balance.enn",
    "Drops training rows whose neighbours are of another class (edited nearest neighbours).",
    with "{n_neighbors: 3, kind_sel: all}"
    params {
        /// How many neighbours are looked at.
        #[serde(default = "three")]
        #[schemars(range(min = 1))]
        n_neighbors: usize,
        /// Whether all neighbours must be of the class of a row, or most.
        #[serde(default)]
        kind_sel: EnnKind,
    }
    seed |_| None, categories |_| Categories::Carried,
    method |params| Method::Enn { n_neighbors: params.n_neighbors, kind_sel: params.kind_sel }
}
