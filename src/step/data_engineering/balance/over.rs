//! Kinds that add rows to the rare classes.

use super::input::Categories;
use super::kind::balance_kind;
use crate::ml::resample::{Method, SmoteKind};

fn five() -> usize {
    5
}

fn ten() -> usize {
    10
}

balance_kind! {
    /// Copies rows of the rare classes at random, as imbalanced-learn's `RandomOverSampler`.
    random_over::BalanceRandomOver "balance.random_over",
    "Copies training rows of the rare classes until the classes are balanced.",
    with "{sampling_strategy: 0.5, seed: 7}"
    params {
        /// Move each copy a little within `columns`: 0 not at all, 1 by the width of a smoothed density.
        #[serde(default)]
        shrinkage: Option<f64>,
        /// Another seed than the run's.
        #[serde(default)]
        seed: Option<u64>,
    }
    seed |params| params.seed, categories |_| Categories::Carried,
    method |params| Method::RandomOver { shrinkage: params.shrinkage }
}

balance_kind! {
    /// Adds rows on the lines between neighbours of a rare class, as imbalanced-learn's `SMOTE`.
    smote::BalanceSmote "balance.smote",
    "Adds training rows between neighbours of the rare classes (SMOTE); all columns are numbers.",
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
    method |params| Method::Smote { k_neighbors: params.k_neighbors }
}

balance_kind! {
    /// SMOTE for numbers beside categories, as imbalanced-learn's `SMOTENC`: a category of a new row is the most
    /// frequent one among the neighbours.
    smotenc::BalanceSmotenc "balance.smotenc",
    "Adds training rows between neighbours of the rare classes where some columns are categories (SMOTE-NC).",
    with "{categorical_features: [contract, city], k_neighbors: 5, seed: 7}"
    params {
        /// The columns that are categories; by default texts, booleans and features that are codes.
        #[serde(default)]
        categorical_features: Option<Vec<String>>,
        /// How many neighbours of a row lines lead to.
        #[serde(default = "five")]
        #[schemars(range(min = 1))]
        k_neighbors: usize,
        /// Another seed than the run's.
        #[serde(default)]
        seed: Option<u64>,
    }
    seed |params| params.seed, categories |params| Categories::Used(params.categorical_features.clone()),
    method |params| Method::Smote { k_neighbors: params.k_neighbors }
}

balance_kind! {
    /// SMOTE from rows near the border to another class only, as imbalanced-learn's `BorderlineSMOTE`.
    borderline_smote::BalanceBorderlineSmote "balance.borderline_smote",
    "Adds training rows of the rare classes near their border to other classes (borderline SMOTE).",
    with "{k_neighbors: 5, m_neighbors: 10, seed: 7}"
    params {
        /// How many neighbours of a row lines lead to.
        #[serde(default = "five")]
        #[schemars(range(min = 1))]
        k_neighbors: usize,
        /// How many neighbours say whether a row is near the border: at least half of them, but not all, are of other
        /// classes.
        #[serde(default = "ten")]
        #[schemars(range(min = 1))]
        m_neighbors: usize,
        /// Whether lines lead to rows of the same class, or to any.
        #[serde(default)]
        kind: SmoteKind,
        /// Another seed than the run's.
        #[serde(default)]
        seed: Option<u64>,
    }
    seed |params| params.seed, categories |_| Categories::Refused,
    method |params| Method::BorderlineSmote {
        k_neighbors: params.k_neighbors, m_neighbors: params.m_neighbors, kind: params.kind,
    }
}

balance_kind! {
    /// Adds the more rows beside a row the more of its neighbours are of other classes, as imbalanced-learn's `ADASYN`.
    adasyn::BalanceAdasyn "balance.adasyn",
    "Adds training rows of the rare classes, most where other classes are close (ADASYN).",
    with "{n_neighbors: 5, seed: 7}"
    params {
        /// How many neighbours are looked at.
        #[serde(default = "five")]
        #[schemars(range(min = 1))]
        n_neighbors: usize,
        /// Another seed than the run's.
        #[serde(default)]
        seed: Option<u64>,
    }
    seed |params| params.seed, categories |_| Categories::Refused,
    method |params| Method::Adasyn { n_neighbors: params.n_neighbors }
}
