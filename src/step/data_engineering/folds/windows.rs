//! Validation windows that move forward in time, each with the rows before it for training.

use std::ops::Range;

use crate::step::StepError;

/// What the windows look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Windows {
    pub(super) n_splits: usize,
    pub(super) gap: usize,
    pub(super) test_size: Option<usize>,
    pub(super) max_train_size: Option<usize>,
}

/// One fold by the ranks of its rows in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) train: Range<usize>,
    pub(super) valid: Range<usize>,
}

impl Windows {
    /// The windows over `rows` rows, the latest of which ends with the last row.
    pub(super) fn over(self, rows: usize) -> Result<Vec<Window>, StepError> {
        let Windows { n_splits, gap, test_size, max_train_size } = self;
        if n_splits >= rows {
            let message = format!("the table has {rows} rows, too few for {n_splits} folds and the rows before them");
            return Err(StepError::input("too_few_rows", message).help("take a smaller `n_splits`"));
        }
        let test_size = test_size.unwrap_or(rows / (n_splits + 1));
        let taken = n_splits.saturating_mul(test_size).saturating_add(gap);
        if taken >= rows {
            let message = format!(
                "{n_splits} folds of {test_size} rows and a gap of {gap} leave nothing of {rows} rows to train the first on"
            );
            return Err(
                StepError::input("too_few_rows", message).help("take a smaller `n_splits`, `test_size` or `gap`")
            );
        }
        Ok((0..n_splits)
            .map(|fold| {
                let start = rows - (n_splits - fold) * test_size;
                let end = start - gap;
                let first = max_train_size.map_or(0, |most| end.saturating_sub(most));
                Window { train: first..end, valid: start..start + test_size }
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        rows: usize,
        n_splits: usize,
        gap: usize,
        test_size: Option<usize>,
        max_train_size: Option<usize>,
        windows: Option<Vec<[usize; 4]>>,
    }

    #[derive(Deserialize)]
    struct Fixture {
        time_series: Vec<Case>,
    }

    #[test]
    fn windows_are_those_of_scikit_learn() {
        let text = include_str!("../../../../tests/fixtures/oracle/splits.json");
        let fixture: Fixture = serde_json::from_str(text).unwrap();
        assert!(fixture.time_series.len() > 50);
        for case in fixture.time_series {
            let Case { rows, n_splits, gap, test_size, max_train_size, windows } = case;
            let found = Windows { n_splits, gap, test_size, max_train_size }.over(rows).ok().map(|windows| {
                let ends =
                    |window: Window| [window.train.start, window.train.end, window.valid.start, window.valid.end];
                windows.into_iter().map(ends).collect::<Vec<_>>()
            });
            assert_eq!(found, windows, "{rows} rows, {n_splits} splits, gap {gap}, {test_size:?}, {max_train_size:?}");
        }
    }
}
