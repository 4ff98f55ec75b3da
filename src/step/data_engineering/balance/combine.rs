//! Kinds that add rows and then drop what stands among another class.

use super::input::Categories;
use super::kind::balance_kind;
use crate::ml::resample::{EnnKind, Method};

fn five() -> usize {
    5
}

fn three() -> usize {
    3
}

balance_kind! {
    /// SMOTE, and then Tomek links are dropped from all classes, as imbalanced-learn's `SMOTETomek`.
    smote_tomek::BalanceSmoteTomek "balance.smote_tomek",
    "Adds training rows by SMOTE, then drops pairs of nearest neighbours of different classes.",
    with "{k_neighbors: 5, seed: 7}"
    params {
        /// How many neighbours of a row lines lead to.
        #[serde(default = "five")]
        #[schemars(range(min = 1))]
        k_neighbors: usize,
        /// Another seed than the run's.
        #[serde(default)]
        seed: Option<u64>,
    }
    seed |params| params.seed, categories |_| Categories::Refused,
    method |params| Method::SmoteTomek { k_neighbors: params.k_neighbors }
}

balance_kind! {
    /// SMOTE, and then rows whose neighbours are of another class are dropped from all classes, as imbalanced-learn's
    /// `SMOTEENN`.
    smote_enn::BalanceSmoteEnn "balance.smote_enn",
    "Adds training rows by SMOTE, then drops rows whose neighbours are of another class.",
    with "{k_neighbors: 5, n_neighbors: 3, seed: 7}"
    params {
        /// How many neighbours of a row lines lead to.
        #[serde(default = "five")]
        #[schemars(range(min = 1))]
        k_neighbors: usize,
        /// How many neighbours are looked at when rows are dropped.
        #[serde(default = "three")]
        #[schemars(range(min = 1))]
        n_neighbors: usize,
        /// Whether all neighbours must be of the class of a row, or most.
        #[serde(default)]
        kind_sel: EnnKind,
        /// Another seed than the run's.
        #[serde(default)]
        seed: Option<u64>,
    }
    seed |params| params.seed, categories |_| Categories::Refused,
    method |params| Method::SmoteEnn {
        k_neighbors: params.k_neighbors, n_neighbors: params.n_neighbors, kind_sel: params.kind_sel,
    }
}
