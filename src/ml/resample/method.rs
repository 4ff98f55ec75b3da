//! The methods, and the one function that carries each out.

use schemars::JsonSchema;
use serde::Deserialize;

use super::clean::{self, Edited};
use super::near_miss::{self, NearMiss};
use super::plan::{Plan, Problem, Rows};
use super::smote::{self, Smote};
use super::strategy::{Sampling, SamplingStrategy, StrategyName};
use super::{adasyn, random};

/// Which neighbours of a row must be of its class for it to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnnKind {
    /// All of them.
    #[default]
    All,
    /// The most frequent class among them is that of the row.
    Mode,
}

/// Where borderline SMOTE looks for the other end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum SmoteKind {
    /// Among the rows of the same class.
    #[default]
    #[serde(rename = "borderline-1")]
    Borderline1,
    /// Among all rows; towards another class a line is cut to its first half.
    #[serde(rename = "borderline-2")]
    Borderline2,
}

/// A method of balancing with its params.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// Copies rows; with `shrinkage` each copy is moved a little.
    RandomOver {
        /// How far copies are moved, 1 for the width of a smoothed density.
        shrinkage: Option<f64>,
    },
    /// Keeps rows at random.
    RandomUnder {
        /// Whether a row may be kept more than once.
        replacement: bool,
    },
    /// New rows on lines between neighbours of one class; categories by majority if there are some.
    Smote {
        /// How many neighbours.
        k_neighbors: usize,
    },
    /// SMOTE from rows near another class only.
    BorderlineSmote {
        /// How many neighbours lines lead to.
        k_neighbors: usize,
        /// How many neighbours say whether a row is near another class.
        m_neighbors: usize,
        /// Where lines lead to.
        kind: SmoteKind,
    },
    /// More new rows where the other classes are closer.
    Adasyn {
        /// How many neighbours.
        n_neighbors: usize,
    },
    /// Keeps the rows nearest to the rarest class.
    NearMiss {
        /// 1, 2 or 3.
        version: u8,
        /// How many rows of the rarest class are looked at.
        n_neighbors: usize,
        /// How many rows of the class each row of the rarest class chooses first, in version 3.
        n_neighbors_ver3: usize,
    },
    /// Drops rows that are the nearest neighbours of a row of another class, and that row theirs.
    TomekLinks,
    /// Drops rows whose neighbours are of another class.
    Enn {
        /// How many neighbours.
        n_neighbors: usize,
        /// Which of them must be of the same class.
        kind_sel: EnnKind,
    },
    /// SMOTE, then links are dropped from all classes.
    SmoteTomek {
        /// How many neighbours.
        k_neighbors: usize,
    },
    /// SMOTE, then rows with neighbours of another class are dropped from all classes.
    SmoteEnn {
        /// How many neighbours for the lines.
        k_neighbors: usize,
        /// How many neighbours must agree.
        n_neighbors: usize,
        /// Which of them must be of the same class.
        kind_sel: EnnKind,
    },
}

/// What a method needs beside rows and strategy.
pub(super) struct Means<'run, E> {
    pub(super) seed: u64,
    pub(super) threads: usize,
    /// Asked every now and then with the number of rows compared so far.
    pub(super) go_on: &'run mut dyn FnMut(usize) -> Result<(), E>,
}

impl Method {
    /// What it does to the classes.
    pub fn sampling(&self) -> Sampling {
        match self {
            Method::RandomUnder { .. } | Method::NearMiss { .. } => Sampling::Under,
            Method::TomekLinks | Method::Enn { .. } => Sampling::Clean,
            Method::RandomOver { .. }
            | Method::Smote { .. }
            | Method::BorderlineSmote { .. }
            | Method::Adasyn { .. }
            | Method::SmoteTomek { .. }
            | Method::SmoteEnn { .. } => Sampling::Over,
        }
    }

    /// Whether it looks at where rows are.
    pub fn needs_points(&self) -> bool {
        !matches!(self, Method::RandomOver { shrinkage: None } | Method::RandomUnder { .. })
    }

    /// The most neighbours that it looks for beside one row.
    pub fn neighbours(&self) -> usize {
        match *self {
            Method::RandomOver { .. } | Method::RandomUnder { .. } => 0,
            Method::TomekLinks => 1,
            Method::Smote { k_neighbors } | Method::SmoteTomek { k_neighbors } => k_neighbors,
            Method::BorderlineSmote { k_neighbors, m_neighbors, .. } => k_neighbors.max(m_neighbors),
            Method::Adasyn { n_neighbors } | Method::Enn { n_neighbors, .. } => n_neighbors,
            Method::NearMiss { n_neighbors, n_neighbors_ver3, .. } => n_neighbors.max(n_neighbors_ver3),
            Method::SmoteEnn { k_neighbors, n_neighbors, .. } => k_neighbors.max(n_neighbors),
        }
    }

    /// What shall become of `rows`.
    ///
    /// # Errors
    /// A [`Problem`] of rows or strategy, or what `go_on` says.
    pub fn plan<E: From<Problem>>(
        &self,
        rows: &Rows,
        strategy: &SamplingStrategy,
        seed: u64,
        threads: usize,
        go_on: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<Plan, E> {
        let targets = strategy.targets(self.sampling(), &rows.labels, &rows.counts())?;
        let means = &mut Means { seed, threads, go_on };
        let plan = match *self {
            Method::RandomOver { shrinkage } => random::over(rows, &targets, shrinkage, seed)?,
            Method::RandomUnder { replacement } => random::under(rows, &targets, replacement, seed),
            Method::Smote { k_neighbors } => {
                smote::plan(rows, &targets, Smote { k_neighbors, borderline: None }, means)?
            }
            Method::BorderlineSmote { k_neighbors, m_neighbors, kind } => {
                smote::plan(rows, &targets, Smote { k_neighbors, borderline: Some((m_neighbors, kind)) }, means)?
            }
            Method::Adasyn { n_neighbors } => adasyn::plan(rows, &targets, n_neighbors, means)?,
            Method::NearMiss { version, n_neighbors, n_neighbors_ver3 } => {
                near_miss::plan(rows, &targets, NearMiss { version, n_neighbors, n_neighbors_ver3 }, means)?
            }
            Method::TomekLinks => clean::tomek_links(rows, &targets, means)?,
            Method::Enn { n_neighbors, kind_sel } => {
                clean::edited(rows, &targets, Edited { n_neighbors, kind_sel }, means)?
            }
            Method::SmoteTomek { k_neighbors } => {
                let smote = smote::plan(rows, &targets, Smote { k_neighbors, borderline: None }, means)?;
                clean::after(rows, smote, |rows, targets| clean::tomek_links(rows, targets, means))?
            }
            Method::SmoteEnn { k_neighbors, n_neighbors, kind_sel } => {
                let smote = smote::plan(rows, &targets, Smote { k_neighbors, borderline: None }, means)?;
                clean::after(rows, smote, |rows, targets| {
                    clean::edited(rows, targets, Edited { n_neighbors, kind_sel }, means)
                })?
            }
        };
        Ok(plan.sorted())
    }
}

/// The strategy of cleaning after new rows have come: all classes.
pub(super) const ALL: SamplingStrategy = SamplingStrategy::Name(StrategyName::All);
