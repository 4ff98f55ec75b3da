//! Counts of rows that pass and fail, with the first failures, under Great Expectations' keys.

use arrow::array::{Array, BooleanArray};
use serde_json::{Map, Value, json};

use super::check::{Outcome, Part};
use super::row_test::RowTest;

/// How many failures the report itself shows, as in Great Expectations.
pub(super) const SHOWN: usize = 20;

/// A check that looks at rows one by one.
pub(super) struct RowCheck {
    test: RowTest,
    pub(super) tally: Tally,
}

/// What was counted.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    rows: u64,
    missing: u64,
    pub(super) unexpected: u64,
    /// How many failing rows are remembered at most.
    limit: usize,
    /// The numbers of the first failing rows, in order.
    pub(super) failing: Vec<u64>,
    shown: Vec<Value>,
}

impl RowCheck {
    pub(super) fn new(test: RowTest, limit: usize) -> RowCheck {
        RowCheck { test, tally: Tally::new(limit) }
    }

    pub(super) fn columns(&self) -> Vec<String> {
        self.test.columns.iter().map(|column| column.name.clone()).collect()
    }

    pub(super) fn batch(&mut self, part: &Part) -> Result<(), String> {
        let (values, passes) = self.test.batch(&part.batch)?;
        let test = &self.test;
        self.tally.count(part, &passes, |row| test.show(&values, row));
        Ok(())
    }

    /// Whether its test asks for each different text once.
    pub(super) fn is_by_text(&self) -> bool {
        self.test.by_text
    }

    /// Whether its test remembers rows.
    pub(super) fn remembers(&self) -> bool {
        self.test.remembers
    }

    /// Begins anew with a test that has not seen anything, and keeps the counts.
    pub(super) fn rewind(&mut self, fresh: RowTest) {
        self.test = fresh;
    }

    /// For each row whether it passes, on the second pass.
    pub(super) fn again(&mut self, part: &Part) -> Result<BooleanArray, String> {
        self.test.batch(&part.batch).map(|(_, passes)| passes)
    }

    /// The test alone.
    pub(super) fn into_test(self) -> RowTest {
        self.test
    }
}

impl Tally {
    pub(super) fn new(limit: usize) -> Tally {
        Tally { rows: 0, missing: 0, unexpected: 0, limit: limit.max(SHOWN), failing: Vec::new(), shown: Vec::new() }
    }

    /// Counts rows: true passes, false fails, null has no value to look at.
    /// `show` gives the values of a row.
    pub(super) fn count(&mut self, part: &Part, passes: &BooleanArray, show: impl Fn(usize) -> Value) {
        let missing = passes.null_count() as u64;
        self.rows += passes.len() as u64;
        self.missing += missing;
        let unexpected = passes.len() as u64 - missing - passes.true_count() as u64;
        self.unexpected += unexpected;
        if unexpected == 0 || self.failing.len() >= self.limit {
            return;
        }
        for row in 0..passes.len() {
            if passes.is_valid(row) && !passes.value(row) && self.failing.len() < self.limit {
                self.failing.push(part.row(row));
                if self.shown.len() < SHOWN {
                    self.shown.push(show(row));
                }
            }
        }
    }

    /// Counts rows of which only the number of failures is known; which they are comes later by [`Tally::show`].
    pub(super) fn count_known(&mut self, rows: u64, missing: u64, unexpected: u64) {
        self.rows += rows;
        self.missing += missing;
        self.unexpected += unexpected;
    }

    /// Remembers a failing row; says whether there is room for more.
    pub(super) fn show(&mut self, row: u64, value: impl FnOnce() -> Value) -> bool {
        if self.failing.len() < self.limit {
            self.failing.push(row);
            if self.shown.len() < SHOWN {
                self.shown.push(value());
            }
        }
        self.failing.len() < self.limit
    }

    pub(super) fn outcome(&self, mostly: f64) -> Outcome {
        let present = self.rows - self.missing;
        let success = present == 0 || (present - self.unexpected) as f64 / present as f64 >= mostly;
        let percent =
            |part: u64, whole: u64| if whole == 0 { Value::Null } else { json!(part as f64 / whole as f64 * 100.0) };
        let mut result = Map::new();
        result.insert("element_count".to_owned(), json!(self.rows));
        result.insert("unexpected_count".to_owned(), json!(self.unexpected));
        result.insert("unexpected_percent".to_owned(), percent(self.unexpected, present));
        result.insert("partial_unexpected_list".to_owned(), json!(self.shown));
        result.insert("missing_count".to_owned(), json!(self.missing));
        result.insert("missing_percent".to_owned(), percent(self.missing, self.rows));
        result.insert("unexpected_percent_total".to_owned(), percent(self.unexpected, self.rows));
        result.insert("unexpected_percent_nonmissing".to_owned(), percent(self.unexpected, present));
        result.insert("partial_unexpected_counts".to_owned(), self.shown_counts());
        let rows = &self.failing[..self.failing.len().min(SHOWN)];
        result.insert("partial_unexpected_index_list".to_owned(), json!(rows));
        Outcome { success, vacuous: present == 0, result }
    }

    /// The shown values with how often each is shown, the most frequent first.
    fn shown_counts(&self) -> Value {
        let mut counts: Vec<(&Value, u64)> = Vec::new();
        for value in &self.shown {
            match counts.iter_mut().find(|(known, _)| *known == value) {
                Some((_, count)) => *count += 1,
                None => counts.push((value, 1)),
            }
        }
        counts.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| compare(left.0, right.0)));
        counts.into_iter().map(|(value, count)| json!({"value": value, "count": count})).collect()
    }
}

fn compare(left: &Value, right: &Value) -> std::cmp::Ordering {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left.total_cmp(&right),
        _ => left.to_string().cmp(&right.to_string()),
    }
}
