//! Categories with few rows, and categories with their counts.

use crate::ml::transform::TransformError;
use crate::ml::transform::category::{Category, Dictionary};
use crate::ml::transform::frame::Frame;

/// Counts the rows of each category of one column.
pub(super) struct Counting {
    /// The transform that asks.
    key: &'static str,
    name: String,
    categories: Dictionary,
    counts: Vec<u64>,
}

impl Counting {
    /// Of the column called `name`, for the transform `key`.
    pub(super) fn of(key: &'static str, name: &str) -> Counting {
        Counting { key, name: name.to_owned(), categories: Dictionary::default(), counts: Vec::new() }
    }

    /// Takes in the next rows.
    pub(super) fn learn(&mut self, frame: &Frame) -> Result<(), TransformError> {
        let codes = self.categories.learn(self.key, &self.name, &frame.column(&self.name)?.array)?;
        self.counts.resize(self.categories.len(), 0);
        for code in codes {
            self.counts[code as usize] += 1;
        }
        Ok(())
    }

    /// The name, the categories in scikit-learn's order, and their counts.
    pub(super) fn sorted(self) -> (String, Dictionary, Vec<u64>) {
        let (categories, order) = self.categories.sorted();
        let counts = order.into_iter().map(|old| self.counts[old]).collect();
        (self.name, categories, counts)
    }

    /// The name, and the categories in the order of their first rows, the missing value last.
    pub(super) fn by_first_row(self) -> (String, Dictionary) {
        let (null, mut categories): (Vec<Category>, Vec<Category>) =
            self.categories.categories().iter().cloned().partition(|category| *category == Category::Null);
        categories.extend(null);
        (self.name, Dictionary::from(categories))
    }
}

/// Which categories are infrequent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// At most this many columns or codes: the rarest categories share one.
    pub(super) max_categories: Option<usize>,
    /// Categories with fewer rows than this share a column or code; below 1 it is a share of the rows.
    pub(super) min_frequency: Option<f64>,
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), String> {
        match (self.max_categories, self.min_frequency) {
            (Some(0), _) => Err("`max_categories` must be at least 1".to_owned()),
            (_, Some(frequency)) if !(frequency > 0.0 && (frequency < 1.0 || frequency.fract() == 0.0)) => {
                Err(format!("`min_frequency: {frequency}` must be a count, or a share between 0 and 1"))
            }
            _ => Ok(()),
        }
    }

    /// Which categories are infrequent, by scikit-learn's rule: `counts` are in the order of the sorted categories.
    pub(super) fn infrequent(&self, counts: &[u64]) -> Vec<bool> {
        let rows: u64 = counts.iter().sum();
        let least = self.min_frequency.map(|least| if least < 1.0 { least * rows as f64 } else { least });
        let mut infrequent: Vec<bool> =
            counts.iter().map(|count| least.is_some_and(|least| (*count as f64) < least)).collect();
        let columns = infrequent.iter().filter(|is_infrequent| !**is_infrequent).count() + 1;
        if let Some(most) = self.max_categories.filter(|most| *most < columns) {
            let mut rarest_first: Vec<usize> = (0..counts.len()).collect();
            rarest_first.sort_by_key(|index| counts[*index]);
            // The infrequent column is one of the columns.
            let rarest = counts.len().saturating_sub(most - 1);
            rarest_first[..rarest].iter().for_each(|index| infrequent[*index] = true);
        }
        infrequent
    }

    /// The same where the missing value, the last category if it is one, never counts as infrequent.
    pub(super) fn infrequent_present(&self, categories: &Dictionary, counts: &[u64]) -> Vec<bool> {
        let has_null = categories.categories().last() == Some(&Category::Null);
        let present = counts.len() - usize::from(has_null);
        let mut infrequent = self.infrequent(&counts[..present]);
        infrequent.resize(counts.len(), false);
        infrequent
    }
}
