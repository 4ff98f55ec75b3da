//! The fold of each row, as pure functions of classes and groups.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::super::codes::Codes;
use crate::step::StepError;

/// How many of `items` each of `n_splits` folds gets: the first ones one more than the last.
fn sizes(items: usize, n_splits: usize) -> Vec<usize> {
    (0..n_splits).map(|fold| items / n_splits + usize::from(fold < items % n_splits)).collect()
}

/// One fold number per item, in blocks of the given sizes.
fn blocks(sizes: impl IntoIterator<Item = usize>) -> Vec<u32> {
    (0_u32..).zip(sizes).flat_map(|(fold, size)| std::iter::repeat_n(fold, size)).collect()
}

/// Equal blocks of rows, shuffled if there is a seed.
pub(super) fn k_fold(rows: usize, n_splits: usize, seed: Option<u64>) -> Result<Vec<u32>, StepError> {
    if n_splits > rows {
        let message = format!("the table has {rows} rows, too few for {n_splits} folds");
        return Err(StepError::input("too_few_rows", message).help("take a smaller `n_splits`"));
    }
    let mut folds = blocks(sizes(rows, n_splits));
    if let Some(seed) = seed {
        folds.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    }
    Ok(folds)
}

/// Folds with the same share of each class. Classes get their folds by turns, in the order in which they appear.
pub(super) fn stratified(classes: &Codes, n_splits: usize, seed: Option<u64>) -> Result<Vec<u32>, StepError> {
    check_classes(classes, n_splits)?;
    let mut order: Vec<usize> = Vec::new();
    let mut is_known = vec![false; classes.len()];
    for code in &classes.of_row {
        if !std::mem::replace(&mut is_known[*code as usize], true) {
            order.push(*code as usize);
        }
    }
    let mut hands: Vec<Vec<u32>> = vec![Vec::new(); classes.len()];
    let mut dealt = 0;
    for (stream, class) in order.into_iter().enumerate() {
        let count = classes.counts[class];
        // In the list of all rows by class, place p goes to fold p % n_splits.
        let turns_before = |fold: usize| (fold + n_splits - dealt % n_splits) % n_splits;
        let of_fold = |fold: usize| count / n_splits + usize::from(turns_before(fold) < count % n_splits);
        let mut hand = blocks((0..n_splits).map(of_fold));
        if let Some(seed) = seed {
            // Every class has a stream of its own: rows of one do not move those of another.
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(stream as u64);
            hand.shuffle(&mut random);
        }
        hands[class] = hand;
        dealt += count;
    }
    let mut next = vec![0; classes.len()];
    Ok(classes
        .of_row
        .iter()
        .map(|code| {
            let class = *code as usize;
            next[class] += 1;
            hands[class][next[class] - 1]
        })
        .collect())
}

/// Whole groups to folds: the largest group first, each to the fold with the fewest rows. With a seed, groups are
/// dealt at random instead, in equal numbers.
pub(super) fn group(groups: &Codes, n_splits: usize, seed: Option<u64>) -> Result<Vec<u32>, StepError> {
    check_groups(groups, n_splits)?;
    let mut of_group = vec![0; groups.len()];
    if let Some(seed) = seed {
        of_group = blocks(sizes(groups.len(), n_splits));
        of_group.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    } else {
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_by_key(|group| groups.counts[*group]);
        let mut rows = vec![0; n_splits];
        for group in order.into_iter().rev() {
            let lightest = (0..n_splits).min_by_key(|fold| rows[*fold]).unwrap_or(0);
            rows[lightest] += groups.counts[group];
            of_group[group] = u32::try_from(lightest).unwrap_or(u32::MAX);
        }
    }
    Ok(groups.of_row.iter().map(|group| of_group[*group as usize]).collect())
}

/// Whole groups to folds such that classes keep about the same shares: the most uneven group first, each to the fold
/// where the shares then differ the least between folds.
pub(super) fn stratified_group(
    classes: &Codes,
    groups: &Codes,
    n_splits: usize,
    seed: Option<u64>,
) -> Result<Vec<u32>, StepError> {
    check_classes(classes, n_splits)?;
    check_groups(groups, n_splits)?;
    let mut counts = vec![vec![0.0; classes.len()]; groups.len()];
    for (class, group) in classes.of_row.iter().zip(&groups.of_row) {
        counts[*group as usize][*class as usize] += 1.0;
    }
    let mut order: Vec<usize> = (0..groups.len()).collect();
    if let Some(seed) = seed {
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    }
    let spread: Vec<f64> = counts.iter().map(|counts| deviation(counts.iter().copied(), counts.len())).collect();
    order.sort_by(|one, other| spread[*other].total_cmp(&spread[*one]));
    let mut of_fold = vec![vec![0.0; classes.len()]; n_splits];
    let mut of_group = vec![0; groups.len()];
    for group in order {
        let mut best: Option<(usize, f64, f64)> = None;
        for fold in 0..n_splits {
            let rows: f64 = of_fold[fold].iter().sum();
            let uneven = unevenness(&of_fold, fold, &counts[group], &classes.counts);
            let is_better = best.is_none_or(|(_, least, fewest)| {
                uneven < least || ((uneven - least).abs() <= 1e-8 + 1e-5 * least.abs() && rows < fewest)
            });
            if is_better {
                best = Some((fold, uneven, rows));
            }
        }
        let fold = best.map_or(0, |(fold, ..)| fold);
        of_fold[fold].iter_mut().zip(&counts[group]).for_each(|(sum, count)| *sum += count);
        of_group[group] = u32::try_from(fold).unwrap_or(u32::MAX);
    }
    Ok(groups.of_row.iter().map(|group| of_group[*group as usize]).collect())
}

/// How much the share of a class differs between folds, on the mean over classes, once `fold` has `added`.
fn unevenness(of_fold: &[Vec<f64>], fold: usize, added: &[f64], class_counts: &[usize]) -> f64 {
    let of_class = |(class, count): (usize, &usize)| {
        let share = |(index, counts): (usize, &Vec<f64>)| {
            (counts[class] + if index == fold { added[class] } else { 0.0 }) / *count as f64
        };
        deviation(of_fold.iter().enumerate().map(share), of_fold.len())
    };
    class_counts.iter().enumerate().map(of_class).sum::<f64>() / class_counts.len() as f64
}

/// The standard deviation of the population.
fn deviation(values: impl Iterator<Item = f64> + Clone, count: usize) -> f64 {
    let mean = values.clone().sum::<f64>() / count as f64;
    (values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / count as f64).sqrt()
}

fn check_classes(classes: &Codes, n_splits: usize) -> Result<(), StepError> {
    if classes.counts.iter().all(|count| *count < n_splits) {
        let most = classes.counts.iter().max().copied().unwrap_or(0);
        let message = format!("no class has {n_splits} rows, one for each fold; the most frequent has {most}");
        return Err(StepError::input("too_few_rows", message).help("take a smaller `n_splits`, or `split.k_fold`"));
    }
    Ok(())
}

fn check_groups(groups: &Codes, n_splits: usize) -> Result<(), StepError> {
    if groups.len() < n_splits {
        let message = format!("there are {} groups, too few for {n_splits} folds", groups.len());
        return Err(StepError::input("too_few_groups", message).help("take a smaller `n_splits`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    fn codes(of_row: &[u32]) -> Codes {
        let len = of_row.iter().max().map_or(0, |most| *most as usize + 1);
        let mut counts = vec![0; len];
        for code in of_row {
            counts[*code as usize] += 1;
        }
        Codes {
            of_row: of_row.to_vec(),
            values: (0..len).map(|code| code.to_string()).collect(),
            missing: None,
            counts,
        }
    }

    #[derive(Deserialize)]
    struct Case {
        kind: String,
        n_splits: usize,
        rows: usize,
        #[serde(default)]
        classes: Vec<u32>,
        #[serde(default)]
        groups: Vec<u32>,
        folds: Option<Vec<u32>>,
    }

    #[derive(Deserialize)]
    struct Fixture {
        folds: Vec<Case>,
    }

    #[test]
    fn unshuffled_folds_are_those_of_scikit_learn() {
        let text = include_str!("../../../../tests/fixtures/oracle/splits.json");
        let fixture: Fixture = serde_json::from_str(text).unwrap();
        assert!(fixture.folds.len() > 20);
        for case in fixture.folds {
            let (classes, groups) = (codes(&case.classes), codes(&case.groups));
            let found = match case.kind.as_str() {
                "k_fold" => k_fold(case.rows, case.n_splits, None),
                "stratified" => stratified(&classes, case.n_splits, None),
                "group" => group(&groups, case.n_splits, None),
                _ => stratified_group(&classes, &groups, case.n_splits, None),
            };
            assert_eq!(found.ok(), case.folds, "{} of {} rows in {}", case.kind, case.rows, case.n_splits);
        }
    }

    proptest! {
        #[test]
        fn shuffled_folds_have_the_sizes_of_unshuffled_ones(
            classes in proptest::collection::vec(0_u32..3, 12..80), n_splits in 2_usize..5, seed in 0_u64..50,
        ) {
            let per_fold = |folds: &[u32], wanted: Option<u32>| {
                let mut sizes = vec![0; n_splits];
                let rows = folds.iter().zip(&classes).filter(|(_, class)| wanted.is_none_or(|wanted| **class == wanted));
                rows.for_each(|(fold, _)| sizes[*fold as usize] += 1);
                sizes
            };
            let plain = k_fold(classes.len(), n_splits, None).unwrap();
            let shuffled = k_fold(classes.len(), n_splits, Some(seed)).unwrap();
            prop_assert_eq!(per_fold(&plain, None), per_fold(&shuffled, None));
            let known: std::collections::BTreeSet<u32> = classes.iter().copied().collect();
            let dense: Vec<u32> =
                classes.iter().map(|class| u32::try_from(known.range(..class).count()).unwrap()).collect();
            if let Ok(plain) = stratified(&codes(&dense), n_splits, None) {
                let shuffled = stratified(&codes(&dense), n_splits, Some(seed)).unwrap();
                for class in known {
                    prop_assert_eq!(per_fold(&plain, Some(class)), per_fold(&shuffled, Some(class)));
                }
            }
        }

        #[test]
        fn a_group_is_never_torn(groups in proptest::collection::vec(0_u32..9, 20..60), seed in 0_u64..20) {
            let mut of_row = groups;
            of_row.extend(0..9);
            let classes = codes(&of_row.iter().map(|group| group % 2).collect::<Vec<_>>());
            let groups = codes(&of_row);
            for folds in [
                group(&groups, 3, None), group(&groups, 3, Some(seed)),
                stratified_group(&classes, &groups, 3, None), stratified_group(&classes, &groups, 3, Some(seed)),
            ] {
                let folds = folds.unwrap();
                for (row, group) in of_row.iter().enumerate() {
                    let first = of_row.iter().position(|other| other == group).unwrap();
                    prop_assert_eq!(folds[row], folds[first]);
                }
                prop_assert!((0..3).all(|fold| folds.contains(&fold)));
            }
        }
    }

    #[test]
    fn equal_seeds_shuffle_equally() {
        let run = |seed| k_fold(100, 5, Some(seed)).unwrap();
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
