//! `split.group`: groups of rows dealt to train, valid and test at random, each group whole.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::Deserialize;

use super::codes::{Codes, Missing};
use super::parts::{self, Shares};
use super::room;
use crate::phase::Phase;
use crate::step::{ParamErrors, Ports, StepContext, StepError, StepKind};

/// A share of rows that is farther from what was asked for is told.
const FAR_OFF: f64 = 0.1;

/// Deals groups of rows to train, validation and test sets at random; rows of one group stay together.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The column that says which rows belong together, such as a customer's number.
    pub group: String,
    /// The share of groups for validation, from 0 up to but not including 1; 0 makes no `valid` output.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub valid: f64,
    /// The share of groups held out for the test, from 0 up to but not including 1; 0 makes no `test` output.
    #[serde(default = "fifth")]
    #[schemars(range(min = 0, max = 1))]
    pub test: f64,
    /// Another seed than the run's.
    #[serde(default)]
    pub seed: Option<u64>,
}

fn fifth() -> f64 {
    0.2
}

/// A step that splits whole groups.
pub struct SplitGroup {
    params: Params,
    shares: Shares,
}

impl StepKind for SplitGroup {
    const NAME: &'static str = "split.group";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Splits a table at random into train, valid and test and keeps groups of rows whole.";
    const EXAMPLE: &'static str = "\
uses: split.group
inputs: {table: checked}
with: {group: customer, valid: 0.15, test: 0.15, seed: 7}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let shares = Shares::new(params.valid, params.test)?;
        Ok(SplitGroup { params, shares })
    }

    fn ports(&self) -> Ports {
        parts::ports(&self.shares.sets())
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let table = context.table("table")?;
        room::claim(context, "the group of each row", table.rows().saturating_mul(8), "split fewer rows")?;
        let groups = Codes::of(&table, &self.params.group, "group", Missing::Refused, usize::MAX, context)?;
        let sets = self.shares.sets();
        if groups.len() < sets.len() && table.rows() > 0 {
            let message =
                format!("column `{}` has {} groups, too few for {} sets", self.params.group, groups.len(), sets.len());
            return Err(StepError::input("too_few_groups", message)
                .help("take a column with more values, or `split.random` if rows do not belong together"));
        }
        let mut hand = self.shares.deal(groups.len() as u64);
        let seed = self.params.seed.unwrap_or_else(|| context.seed());
        hand.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        context.metric("groups", groups.len() as f64);
        let mut rows = [0; 3];
        hand.iter().zip(&groups.counts).for_each(|(part, count)| rows[*part as usize] += count);
        for part in &sets {
            let (share, wanted) = (rows[*part as usize] as f64 / table.rows() as f64, self.shares.of(*part));
            if (share - wanted).abs() > FAR_OFF {
                let [share, wanted] = [share, wanted].map(|share| 100.0 * share);
                let part = part.as_str();
                context.log(format!(
                    "warning: `{part}` has {share:.0} % of the rows, not {wanted:.0} %, since groups differ in size"
                ));
            }
        }
        parts::write(context, &table, &sets, &mut |row| {
            let group = groups.of_row[usize::try_from(row).ok()?];
            Some(hand[group as usize])
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::step::testing::{Ran, Workbench, batch, column, ints};

    fn split(with: Value, groups: &[i64]) -> Result<Ran, StepError> {
        let bench = Workbench::new();
        let table = bench.table(&batch(&[("group", ints(groups.iter().copied()))]));
        bench.run("split.group", with, &[("table", &table)])
    }

    fn groups(ran: &Ran, output: &str) -> BTreeSet<i64> {
        column(&ran.table(output), "group").as_primitive::<Int64Type>().values().iter().copied().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn no_group_is_in_two_sets(rows in proptest::collection::vec(0_i64..12, 30..60), seed in 0_u64..99) {
            let rows: Vec<i64> = (0..12).chain(rows).collect();
            let ran = split(json!({"group": "group", "valid": 0.25, "test": 0.25, "seed": seed}), &rows).unwrap();
            let [train, valid, test] = ["train", "valid", "test"].map(|output| groups(&ran, output));
            prop_assert_eq!([train.len(), valid.len(), test.len()], [6, 3, 3]);
            prop_assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
            let counted: f64 = ["train", "valid", "test"].map(|it| ran.metric(&format!("{it}_rows")).unwrap()).iter().sum();
            prop_assert_eq!(counted.to_bits(), (rows.len() as f64).to_bits());
        }
    }

    #[test]
    fn a_group_that_is_larger_than_its_set_is_told() {
        let even: Vec<i64> = (0..60).map(|row| row % 12).collect();
        let warnings = |groups: &[i64]| {
            let ran = split(json!({"group": "group", "test": 0.25, "seed": 3}), groups).unwrap();
            ran.log.into_iter().filter(|line| line.starts_with("warning")).count()
        };
        assert_eq!(warnings(&even), 0);
        let uneven: Vec<i64> = even.iter().copied().chain(std::iter::repeat_n(5, 400)).collect();
        assert_eq!(warnings(&uneven), 2);
    }

    #[test]
    fn too_few_groups_are_refused() {
        let refused = split(json!({"group": "group", "valid": 0.2, "test": 0.2}), &[1, 1, 2]).err().unwrap();
        insta::assert_snapshot!(refused, @"column `group` has 2 groups, too few for 3 sets");
        assert_eq!(split(json!({"group": "group"}), &[]).err().unwrap().code(), "table_empty");
    }
}
