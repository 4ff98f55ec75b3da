//! What all splits share: the three sets, their shares, and dealing a table to them in one pass.

use arrow::array::UInt32Array;
use arrow::compute::take_record_batch;
use arrow::datatypes::Field;

use crate::artifact::ArtifactKind;
use crate::step::{InputPort, OutputPort, ParamErrors, Ports, Progress, StagedTable, StepContext, StepError};
use crate::table::TableReader;
use crate::table::roles::Role;

/// One of the sets that a split makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What models learn from.
    Train,
    /// What choices between models are made on.
    Valid,
    /// What the final measurement is made on.
    Test,
}

impl Part {
    /// The sets in their order.
    pub(super) const ALL: [Part; 3] = [Part::Train, Part::Valid, Part::Test];

    /// The name of the output.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Valid => "valid",
            Part::Test => "test",
        }
    }
}

/// The shares of validation and test; train gets the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shares {
    valid: f64,
    test: f64,
}

impl Shares {
    /// These shares, if they leave something for train.
    pub(super) fn new(valid: f64, test: f64) -> Result<Shares, ParamErrors> {
        for (name, share) in [("valid", valid), ("test", test)] {
            if !(0.0..1.0).contains(&share) {
                return Err(ParamErrors::one([name], format!("{share} is no share from 0 up to but not including 1")));
            }
        }
        if valid + test > 1.0 - 1e-9 {
            return Err(ParamErrors::one(["test"], "`valid` and `test` together leave nothing for train"));
        }
        Ok(Shares { valid, test })
    }

    /// The share of a set.
    pub(super) fn of(self, part: Part) -> f64 {
        match part {
            Part::Train => 1.0 - self.valid - self.test,
            Part::Valid => self.valid,
            Part::Test => self.test,
        }
    }

    /// The sets that get any rows.
    pub(super) fn sets(self) -> Vec<Part> {
        Part::ALL.into_iter().filter(|part| *part == Part::Train || self.of(*part) > 0.0).collect()
    }

    /// How many of `rows` rows each set gets: the largest remainders are rounded up, train first among equals, and
    /// train is never left empty.
    pub(super) fn counts(self, rows: u64) -> [u64; 3] {
        let exact = Part::ALL.map(|part| self.of(part) * rows as f64);
        // Rounding errors of the product must not turn a whole number into one less.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts of rows are small and not negative"
        )]
        let mut counts = exact.map(|count| (count + 1e-9).floor() as u64);
        let mut order = [0, 1, 2];
        order.sort_by(|one, other| {
            let remainder = |index: &usize| exact[*index] - counts[*index] as f64;
            remainder(other).total_cmp(&remainder(one))
        });
        let missing = rows.saturating_sub(counts.iter().sum());
        for index in order.into_iter().cycle().take(usize::try_from(missing).unwrap_or(0)) {
            counts[index] += 1;
        }
        if counts[0] == 0 && rows > 0 {
            let donor = if counts[2] >= counts[1] { 2 } else { 1 };
            counts[donor] -= 1;
            counts[0] = 1;
        }
        counts
    }

    /// One set per row, in the order train, valid, test.
    pub(super) fn deal(self, rows: u64) -> Vec<Part> {
        let counts = self.counts(rows);
        Part::ALL
            .into_iter()
            .zip(counts)
            .flat_map(|(part, count)| std::iter::repeat_n(part, usize::try_from(count).unwrap_or(usize::MAX)))
            .collect()
    }
}

/// The ports of a split into `sets`.
pub(super) fn ports(sets: &[Part]) -> Ports {
    let outputs = sets.iter().map(|part| output(*part)).collect::<Vec<_>>();
    Ports::new([InputPort::one("table", ArtifactKind::Table).measuring()], outputs)
}

/// The output that holds a set.
pub(super) fn output(part: Part) -> OutputPort {
    let output = OutputPort::new(part.as_str(), ArtifactKind::Table);
    match part {
        Part::Train => output,
        Part::Valid => output.valid(),
        Part::Test => output.test(),
    }
}

/// Writes every row of `table` to the set that `choose` says, if to any, in order, and reports how many there are.
pub(super) fn write(
    context: &mut StepContext,
    table: &TableReader,
    wanted: &[Part],
    choose: &mut dyn FnMut(u64) -> Option<Part>,
) -> Result<(), StepError> {
    if table.rows() == 0 {
        return Err(StepError::input("table_empty", "the table has no rows to split"));
    }
    let mut sets: Vec<(Part, StagedTable, u64)> = Vec::new();
    for part in wanted {
        sets.push((*part, context.create_table(table.schema())?, 0));
    }
    let mut row = 0;
    for batch in table.batches()? {
        context.check_cancelled()?;
        let batch = batch?;
        let mut chosen = [const { Vec::new() }; 3];
        for index in 0..u32::try_from(batch.num_rows()).unwrap_or(u32::MAX) {
            if let Some(part) = choose(row) {
                chosen[part as usize].push(index);
            }
            row += 1;
        }
        for (part, set, count) in &mut sets {
            let indexes = std::mem::take(&mut chosen[*part as usize]);
            *count += indexes.len() as u64;
            set.write(&take_record_batch(&batch, &UInt32Array::from(indexes))?)?;
        }
        context.progress(&Progress { done: row, total: Some(table.rows()), unit: "rows", note: String::new() });
    }
    for (part, set, count) in sets {
        if count == 0 {
            context.log(format!("warning: the table has too few rows; `{}` is empty", part.as_str()));
        }
        context.finish_table(part.as_str(), set)?;
        context.metric(format!("{}_rows", part.as_str()), count as f64);
        identity(context, part.as_str(), "table", table)?;
    }
    Ok(())
}

/// The field of a column that the table must have.
pub(super) fn known<'table>(table: &'table TableReader, name: &str) -> Result<&'table Field, StepError> {
    // The reader's own error names the columns that there are.
    drop(table.select(&[name])?);
    Ok(table.schema().field_with_name(name)?)
}

/// The field of the target: the column that is named, or the one that is marked.
pub(super) fn target<'table>(table: &'table TableReader, named: Option<&str>) -> Result<&'table Field, StepError> {
    if let Some(name) = named {
        return known(table, name);
    }
    let marked = table.schema().fields().iter().find(|field| Role::of(field) == Some(Role::Target));
    marked.map(AsRef::as_ref).ok_or_else(|| {
        StepError::input("no_target", "no column is marked as the target").help("name it: `with: {target: ...}`")
    })
}

/// Says that every column of `output` is the column of `table`, at `input`, with the same name.
pub(super) fn identity(
    context: &mut StepContext,
    output: &str,
    input: &str,
    table: &TableReader,
) -> Result<(), StepError> {
    table.columns().try_for_each(|column| context.column_from(output, column, input, column, "identity"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_largest_remainder_gets_the_odd_row() {
        let shares = Shares::new(0.15, 0.15).unwrap();
        assert_eq!(shares.counts(100), [70, 15, 15]);
        assert_eq!(shares.counts(1), [1, 0, 0]);
        assert_eq!(shares.counts(5), [3, 1, 1]);
        assert_eq!(Shares::new(0.0, 0.9).unwrap().counts(1), [1, 0, 0]);
        assert_eq!(Shares::new(0.1, 0.2).unwrap().counts(10), [7, 1, 2]);
    }

    proptest! {
        #[test]
        fn counts_add_up_and_are_off_by_less_than_one(rows in 2_u64..100_000, valid in 0.0..0.5, test in 0.0..0.49) {
            let shares = Shares::new(valid, test).unwrap();
            let counts = shares.counts(rows);
            prop_assert_eq!(counts.iter().sum::<u64>(), rows);
            for (part, count) in Part::ALL.into_iter().zip(counts) {
                prop_assert!((count as f64 - shares.of(part) * rows as f64).abs() <= 1.0 + 1e-6);
            }
        }
    }
}
