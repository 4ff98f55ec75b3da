//! What is known of the rows, and what shall become of them.

use crate::ml::neighbours::{Categories, Points};

/// Why classes cannot be balanced: stable code, message and remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Stable.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The remedy.
    pub help: String,
}

impl Problem {
    /// A problem.
    pub fn new(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Problem {
        Problem { code, message: message.into(), help: help.into() }
    }
}

/// The training rows.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// The class of each row.
    pub classes: Vec<u32>,
    /// The labels by class, in their order.
    pub labels: Vec<String>,
    /// The numbers that say where a row is; without columns if the method does not look at them.
    pub points: Points,
    /// The categories of each row; without columns if there are none.
    pub categories: Categories,
}

impl Rows {
    /// How many rows each class has.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.labels.len()];
        self.classes.iter().for_each(|class| counts[*class as usize] += 1);
        counts
    }

    /// The rows of a class, in order.
    pub fn of(&self, class: usize) -> Vec<u32> {
        let rows = (0_u32..).zip(&self.classes);
        rows.filter(|(_, of_row)| **of_row as usize == class).map(|(row, _)| row).collect()
    }
}

/// A row that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Its number.
    pub row: u32,
    /// Why, in a few words.
    pub reason: &'static str,
    /// The row that is to blame, if it is one.
    pub because_of: Option<u32>,
}

/// A row that comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Added {
    /// The row it is made from, of the same class.
    pub base: u32,
    /// The row towards which it lies.
    pub toward: Option<u32>,
}

/// What shall become of the rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The rows that go, by number.
    pub dropped: Vec<Dropped>,
    /// The rows that come, by the number of their base.
    pub added: Vec<Added>,
    /// The numbers of those that come; no points where they are copies.
    pub points: Points,
    /// The categories of those that come.
    pub categories: Categories,
    /// Rows that the method itself made and dropped again.
    pub retracted: usize,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Plan {
    /// The same plan with what comes in the order of the bases.
    #[must_use]
    pub(super) fn sorted(mut self) -> Plan {
        let mut order: Vec<u32> = (0..).take(self.added.len()).collect();
        order.sort_by_key(|place| self.added[*place as usize].base);
        self.added = order.iter().map(|place| self.added[*place as usize]).collect();
        if self.points.rows() > 0 {
            self.points = self.points.take(&order);
        }
        if self.categories.width > 0 {
            self.categories = self.categories.take(&order);
        }
        self
    }
}
