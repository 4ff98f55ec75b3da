//! Folds for the choice of a depth, as scikit-learn's `cv=N` makes them: in the order of the rows, by class if there are any.

use crate::ml::transform::stats::whole;

/// The fold of each row: folds of rows that follow each other, of nearly the same size.
pub(super) fn plain(rows: usize, folds: usize) -> Vec<usize> {
    let (size, longer) = (rows / folds, rows % folds);
    (0..folds).flat_map(|fold| std::iter::repeat_n(fold, size + usize::from(fold < longer))).collect()
}

/// The fold of each row: in each class, rows that follow each other, with nearly the same share of it in each fold.
pub(super) fn stratified(targets: &[f64], folds: usize) -> Vec<usize> {
    let known = targets.iter().map(|target| whole(*target) + 1).max().unwrap_or(0);
    // Classes count in the order in which they occur.
    let mut numbers = vec![usize::MAX; known];
    let mut next = 0;
    let mut classes = Vec::with_capacity(targets.len());
    for target in targets {
        let number = &mut numbers[whole(*target)];
        if *number == usize::MAX {
            *number = next;
            next += 1;
        }
        classes.push(*number);
    }
    let mut sorted = classes.clone();
    sorted.sort_unstable();
    let mut left = vec![vec![0_usize; folds]; next];
    for (place, class) in sorted.iter().enumerate() {
        left[*class][place % folds] += 1;
    }
    let fold_of = |class: usize| {
        let left: &mut Vec<usize> = &mut left[class];
        let fold = left.iter().position(|rows| *rows > 0).unwrap_or(0);
        left[fold] = left[fold].saturating_sub(1);
        fold
    };
    classes.into_iter().map(fold_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_share_rows_and_classes() {
        assert_eq!(plain(7, 3), [0, 0, 0, 1, 1, 2, 2]);
        assert_eq!(stratified(&[1.0, 0.0, 1.0, 0.0, 1.0, 0.0], 3), [0, 0, 1, 1, 2, 2]);
    }
}
