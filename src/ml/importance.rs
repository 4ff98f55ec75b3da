//! Permutation importance: how much worse a model becomes when a feature is shuffled (Breiman 2001).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::dataset::Dataset;
use super::features::{Feature, FeatureMatrix};
use super::model::{ModelError, TrainedModel};
use super::scores::Scores;

/// Features that are shuffled together: those that come from one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureGroup {
    /// The column, or the feature where the column is not known.
    pub name: String,
    /// The positions of its features.
    pub positions: Vec<usize>,
}

/// What the shuffling of a group costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// The group.
    pub name: String,
    /// The mean drop of the score over the repeats.
    pub mean: f64,
    /// The standard deviation of the drop.
    pub std: f64,
}

/// Groups features by the column whose name they begin with: `Contract=One year` and `Contract=Two year` are one group
/// when `Contract` is among `columns`.
pub fn feature_groups(features: &[Feature], columns: &[String]) -> Vec<FeatureGroup> {
    let mut groups: Vec<FeatureGroup> = Vec::new();
    for (position, feature) in features.iter().enumerate() {
        let is_from = |column: &&String| {
            let rest = feature.name.strip_prefix(column.as_str());
            rest.is_some_and(|rest| rest.chars().next().is_none_or(|next| !next.is_alphanumeric()))
        };
        let column = columns.iter().filter(is_from).max_by_key(|column| column.len());
        let name = column.unwrap_or(&feature.name);
        match groups.iter_mut().find(|group| group.name == *name) {
            Some(group) => group.positions.push(position),
            None => groups.push(FeatureGroup { name: name.clone(), positions: vec![position] }),
        }
    }
    groups
}

/// The drop of `score` (more is better) for each group, the largest first. Empty when the score is undefined.
pub fn permutation_importance(
    model: &TrainedModel,
    dataset: &Dataset,
    groups: &[FeatureGroup],
    score: &str,
    repeats: usize,
    seed: u64,
) -> Result<Vec<Importance>, ModelError> {
    let weight = dataset.weight.as_deref();
    let measure = |features: &FeatureMatrix| -> Result<Option<f64>, ModelError> {
        let values = Scores::new(dataset, model.predict_matrix(features)?, 0.5).values(weight);
        Ok(values.into_iter().find(|(name, _)| *name == score).and_then(|(_, value)| value))
    };
    let Some(before) = measure(&dataset.features)? else { return Ok(Vec::new()) };
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut importances = Vec::with_capacity(groups.len());
    for group in groups {
        let mut drops = Vec::with_capacity(repeats);
        for _ in 0..repeats {
            let order = shuffled(dataset.rows(), &mut random);
            drops.extend(measure(&dataset.features.permuted(&group.positions, &order))?.map(|after| before - after));
        }
        let count = drops.len().max(1) as f64;
        let mean = drops.iter().sum::<f64>() / count;
        let variance = drops.iter().map(|drop| (drop - mean).powi(2)).sum::<f64>() / count;
        importances.push(Importance { name: group.name.clone(), mean, std: variance.sqrt() });
    }
    importances.sort_by(|left, right| right.mean.total_cmp(&left.mean));
    Ok(importances)
}

/// The numbers `0..count` in random order.
pub(crate) fn shuffled(count: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for place in (1..count).rev() {
        order.swap(place, random.random_range(0..=place));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_one_hot_codes_are_one_group() {
        let features = ["Contract=One year", "Contract=Two year", "Contractor", "tenure", "charge_per_month"]
            .map(|name| Feature { name: name.to_owned(), categories: None });
        let groups = feature_groups(&features, &["Contract".to_owned(), "tenure".to_owned(), "charge".to_owned()]);
        let described: Vec<(&str, usize)> =
            groups.iter().map(|group| (group.name.as_str(), group.positions.len())).collect();
        assert_eq!(described, [("Contract", 2), ("Contractor", 1), ("tenure", 1), ("charge", 1)]);
    }

    #[test]
    fn a_shuffle_keeps_every_number() {
        let mut order = shuffled(50, &mut ChaCha8Rng::seed_from_u64(1));
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
