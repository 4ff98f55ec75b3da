//! `split.random`: rows dealt to train, valid and test at random, with exact shares, also within strata.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::Deserialize;

use super::parts::{self, Part, Shares};
use super::room;
use super::strata::Strata;
use crate::phase::Phase;
use crate::step::{ParamErrors, Ports, StepContext, StepError, StepKind};

/// Deals the rows of a table to train, validation and test sets at random.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The share of rows for validation, from 0 up to but not including 1; 0 makes no `valid` output.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub valid: f64,
    /// The share of rows held out for the test, from 0 up to but not including 1; 0 makes no `test` output.
    #[serde(default = "fifth")]
    #[schemars(range(min = 0, max = 1))]
    pub test: f64,
    /// A column whose values get the same shares in every set: usually the target of a classification.
    #[serde(default)]
    pub stratify: Option<String>,
    /// Another seed than the run's.
    #[serde(default)]
    pub seed: Option<u64>,
}

fn fifth() -> f64 {
    0.2
}

/// A step that splits at random.
pub struct SplitRandom {
    params: Params,
    shares: Shares,
}

impl StepKind for SplitRandom {
    const NAME: &'static str = "split.random";
    const VERSION: u32 = 1;
    const PHASE: Phase = Phase::DataEngineering;
    const SUMMARY: &'static str = "Splits a table at random into train, valid and test, stratified if asked.";
    const EXAMPLE: &'static str = "\
uses: split.random
inputs: {table: checked}
with: {stratify: Churn, valid: 0.15, test: 0.15, seed: 7}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        let shares = Shares::new(params.valid, params.test)?;
        Ok(SplitRandom { params, shares })
    }

    fn ports(&self) -> Ports {
        parts::ports(&self.shares.sets())
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let table = context.table("table")?;
        let per_row = if self.params.stratify.is_some() { 5 } else { 1 };
        room::claim(context, "the set of each row", table.rows().saturating_mul(per_row), "split fewer rows")?;
        let strata = match &self.params.stratify {
            Some(column) => Strata::of(&table, column, context)?,
            None => Strata::single(table.rows()),
        };
        if let (Some(column), [(value, _)]) = (&self.params.stratify, strata.counts()) {
            context.log(format!(
                "warning: column `{column}` has one value only, `{value}`: nothing can be learned from it"
            ));
        }
        let seed = self.params.seed.unwrap_or_else(|| context.seed());
        let mut hands: Vec<Vec<Part>> = Vec::new();
        for (stratum, (value, rows)) in strata.counts().iter().enumerate() {
            if *rows == 1 && self.params.stratify.is_some() {
                context.log(format!("warning: `{value}` occurs once only; its row goes to train"));
            }
            // Every stratum has a stream of its own: rows of one value do not move those of another.
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(stratum as u64);
            let mut hand = self.shares.deal(*rows);
            hand.shuffle(&mut random);
            hands.push(hand);
        }
        let mut next = vec![0; hands.len()];
        parts::write(context, &table, &self.shares.sets(), &mut |row| {
            let stratum = strata.stratum(row);
            let part = hands[stratum][next[stratum]];
            next[stratum] += 1;
            Some(part)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::step::testing::{Ran, Workbench, batch, column, ints, texts};

    fn split(with: Value, classes: &[&str]) -> Result<Ran, StepError> {
        let bench = Workbench::new();
        let rows = i64::try_from(classes.len()).unwrap();
        let table = bench.table(&batch(&[("id", ints(0..rows)), ("class", texts(classes.iter().copied()))]));
        bench.run("split.random", with, &[("table", &table)])
    }

    fn ids(ran: &Ran, output: &str) -> Vec<i64> {
        if !ran.has(output) {
            return Vec::new();
        }
        column(&ran.table(output), "id").as_primitive::<Int64Type>().values().to_vec()
    }

    fn classes(rare: usize, common: usize) -> Vec<&'static str> {
        (0..rare).map(|_| "rare").chain((0..common).map(|_| "common")).collect()
    }

    #[test]
    fn shares_are_exact_within_every_stratum() {
        let ran = split(json!({"valid": 0.15, "test": 0.25, "stratify": "class"}), &classes(20, 80)).unwrap();
        for (output, rare, common) in [("train", 12, 48), ("valid", 3, 12), ("test", 5, 20)] {
            let table = ran.table(output);
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            column(&table, "class")
                .as_string::<i32>()
                .iter()
                .flatten()
                .for_each(|class| *counts.entry(class.to_owned()).or_default() += 1);
            assert_eq!(counts.into_values().collect::<Vec<_>>(), [common, rare], "{output}");
        }
        assert_eq!(ran.metric("test_rows"), Some(25.0));
    }

    #[test]
    fn the_seed_decides_and_nothing_else() {
        let run = |seed: u64| ids(&split(json!({"seed": seed}), &classes(0, 200)).unwrap(), "test");
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn a_value_that_occurs_once_goes_to_train_and_is_named() {
        let ran = split(json!({"test": 0.5, "stratify": "class"}), &classes(1, 9)).unwrap();
        assert!(ids(&ran, "train").contains(&0));
        assert_eq!(ran.log[1..], ["warning: `rare` occurs once only; its row goes to train"]);
        let one_class = split(json!({"test": 0.5, "stratify": "class"}), &classes(0, 4)).unwrap();
        assert!(one_class.log[1].contains("one value only"), "{:?}", one_class.log);
    }

    #[test]
    fn what_is_held_for_each_row_is_claimed_before() {
        let mut bench = Workbench::new();
        bench.memory_bytes = Some(60);
        let table = bench.table(&batch(&[("class", texts((0..20).map(|_| "a")))]));
        let run = |with: Value| bench.run("split.random", with, &[("table", &table)]).map(|_| ());
        run(json!({})).unwrap();
        insta::assert_snapshot!(run(json!({"stratify": "class"})).unwrap_err(), @"the set of each row needs 100 B of memory, and `resources.memory` is 60 B");
    }

    #[test]
    fn impossible_splits_are_refused() {
        let refused = |with| split(with, &classes(1, 9)).err().unwrap().to_string();
        insta::assert_snapshot!(refused(json!({"test": 1.5})), @"test: 1.5 is no share from 0 up to but not including 1");
        insta::assert_snapshot!(refused(json!({"test": 0.6, "valid": 0.4})), @"test: `valid` and `test` together leave nothing for train");
        insta::assert_snapshot!(refused(json!({"stratify": "clas"})), @"the table has no column `clas`");
        insta::assert_snapshot!(split(json!({}), &[]).err().unwrap(), @"the table has no rows to split");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_row_lands_in_exactly_one_set(rare in 0_usize..6, common in 1_usize..60, valid in 0.0..0.5, test in 0.0..0.45) {
            let ran = split(json!({"valid": valid, "test": test, "stratify": "class"}), &classes(rare, common)).unwrap();
            let mut all: Vec<i64> = ["train", "valid", "test"].iter().flat_map(|output| ids(&ran, output)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..i64::try_from(rare + common).unwrap()).collect::<Vec<_>>());
        }
    }
}
