//! Quantiles of numbers, from sorted values or from values that are put in order only as far as it takes.

use std::collections::BTreeSet;

/// A quantile of sorted values, linear between two of them: numpy's default.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    between(sorted.len(), share, |place| sorted[place])
}

fn between(count: usize, share: f64, mut at: impl FnMut(usize) -> f64) -> f64 {
    let last = count - 1;
    let place = share * last as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let below = (place.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let part = place - below as f64;
    let (low, high) = (at(below), at(above));
    // From the nearer end, as numpy does, so that equal values stay equal.
    if part < 0.5 { low + (high - low) * part } else { high - (high - low) * (1.0 - part) }
}

/// Values by their place in ascending order. What a few places cost is a fraction of sorting.
#[derive(Debug, Clone, Default)]
pub struct Ranks {
    values: Vec<f64>,
    /// The places whose value is there: what is below comes before it, what is above comes after.
    found: BTreeSet<usize>,
}

impl Ranks {
    /// Of `values` in any order.
    pub fn of(values: Vec<f64>) -> Ranks {
        Ranks { values, found: BTreeSet::new() }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value at a place.
    ///
    /// # Panics
    /// There are not as many values.
    pub fn at(&mut self, place: usize) -> f64 {
        if !self.found.contains(&place) {
            let start = self.found.range(..place).next_back().map_or(0, |before| before + 1);
            let end = self.found.range(place..).next().copied().unwrap_or(self.values.len());
            self.values[start..end].select_nth_unstable_by(place - start, f64::total_cmp);
            self.found.insert(place);
        }
        self.values[place]
    }

    /// Finds the values at ascending places, the middle ones first, since each splits what is left to look at.
    pub fn find(&mut self, places: &[usize]) {
        let middle = places.len() / 2;
        if let Some(place) = places.get(middle) {
            self.at(*place);
            self.find(&places[..middle]);
            self.find(&places[middle + 1..]);
        }
    }

    /// All values, in no telling order.
    pub fn into_values(self) -> Vec<f64> {
        self.values
    }

    /// All values in ascending order.
    pub fn sorted(mut self) -> Vec<f64> {
        self.values.sort_unstable_by(f64::total_cmp);
        self.values
    }

    /// A quantile, linear between two values: numpy's default. There is at least one value.
    pub fn quantile(&mut self, share: f64) -> f64 {
        between(self.values.len(), share, |place| self.at(place))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "these quantiles are exact")]
    fn quantiles_are_linear_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.5);
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 1.0), 4.0);
        assert_eq!(quantile(&[7.0], 0.25), 7.0);
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_sorting_finds(
            values in proptest::collection::vec(prop_oneof![-5_i8..5, any::<i8>()], 1..200),
            places in proptest::collection::vec(0_usize..200, 1..12),
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let mut sorted = values.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            let mut ranks = Ranks::of(values.clone());
            let mut together = Ranks::of(values);
            let mut wanted: Vec<usize> = places.iter().map(|place| place % sorted.len()).collect();
            wanted.sort_unstable();
            together.find(&wanted);
            for (share, place) in places.iter().map(|place| *place as f64 / 199.0).zip(wanted) {
                prop_assert_eq!(ranks.quantile(share).to_bits(), quantile(&sorted, share).to_bits());
                prop_assert_eq!(together.at(place).to_bits(), sorted[place].to_bits());
            }
        }
    }
}
