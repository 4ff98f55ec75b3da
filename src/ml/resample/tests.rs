//! The methods against imbalanced-learn, and what random ones promise.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::ml::neighbours::{Categories, Neighbours, Points};

#[derive(Deserialize)]
struct Table {
    width: usize,
    points: Vec<f64>,
    classes: Vec<u32>,
}

#[derive(Deserialize)]
struct Selection {
    method: String,
    table: usize,
    strategy: SamplingStrategy,
    version: Option<u8>,
    n_neighbors: Option<usize>,
    kind_sel: Option<EnnKind>,
    kept: Option<Vec<u32>>,
}

#[derive(Deserialize)]
struct StrategyCase {
    counts: Vec<usize>,
    kind: String,
    strategy: Value,
    targets: Option<Targets>,
}

#[derive(Deserialize)]
struct PerRow {
    table: usize,
    per_row: BTreeMap<u32, usize>,
}

#[derive(Deserialize)]
struct Danger {
    table: usize,
    danger: BTreeSet<u32>,
}

#[derive(Deserialize)]
struct Mixed {
    numbers: Vec<f64>,
    codes: Vec<u32>,
    classes: Vec<u32>,
    neighbours: BTreeMap<u32, Vec<u32>>,
}

#[derive(Deserialize)]
struct Fixture {
    tables: Vec<Table>,
    selections: Vec<Selection>,
    strategies: Vec<StrategyCase>,
    adasyn: Vec<PerRow>,
    borderline: Vec<Danger>,
    smotenc: Mixed,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../../tests/fixtures/oracle/balance.json")).unwrap()
}

fn points(width: usize, values: &[f64]) -> Points {
    let mut points = Points::new(width);
    values.chunks_exact(width).for_each(|point| points.push(point));
    points
}

fn rows(width: usize, values: &[f64], classes: &[u32]) -> Rows {
    let labels = (0..=classes.iter().max().copied().unwrap_or(0)).map(|class| class.to_string()).collect();
    Rows { classes: classes.to_vec(), labels, points: points(width, values), categories: Categories::default() }
}

impl Table {
    fn rows(&self) -> Rows {
        rows(self.width, &self.points, &self.classes)
    }
}

fn plan_by(method: &Method, rows: &Rows, strategy: &SamplingStrategy, seed: u64) -> Result<Plan, Problem> {
    method.plan(rows, strategy, seed, 2, &mut |_| Ok(()))
}

fn plan(method: &Method, rows: &Rows, seed: u64) -> Result<Plan, Problem> {
    plan_by(method, rows, &SamplingStrategy::default(), seed)
}

#[test]
fn rows_are_kept_as_imbalanced_learn_keeps_them() {
    let fixture = fixture();
    assert!(fixture.selections.len() > 100);
    for case in fixture.selections {
        let rows = fixture.tables[case.table].rows();
        let n_neighbors = case.n_neighbors.unwrap_or(3);
        let method = match case.method.as_str() {
            "near_miss" => Method::NearMiss { version: case.version.unwrap(), n_neighbors, n_neighbors_ver3: 3 },
            "tomek_links" => Method::TomekLinks,
            _ => Method::Enn { n_neighbors, kind_sel: case.kind_sel.unwrap() },
        };
        let kept = plan_by(&method, &rows, &case.strategy, 0).ok().map(|plan| {
            let gone: BTreeSet<u32> = plan.dropped.iter().map(|dropped| dropped.row).collect();
            (0..).take(rows.classes.len()).filter(|row| !gone.contains(row)).collect::<Vec<u32>>()
        });
        assert_eq!(kept, case.kept, "{method:?} of table {} by {:?}", case.table, case.strategy);
    }
}

#[test]
fn strategies_mean_what_they_mean_to_imbalanced_learn() {
    for case in fixture().strategies {
        let strategy: SamplingStrategy = serde_json::from_value(case.strategy.clone()).unwrap();
        let sampling = match case.kind.as_str() {
            "over-sampling" => Sampling::Over,
            "under-sampling" => Sampling::Under,
            _ => Sampling::Clean,
        };
        let labels: Vec<String> = (0..case.counts.len()).map(|class| class.to_string()).collect();
        let found = strategy.targets(sampling, &labels, &case.counts);
        // What cleaning gets as a number of rows is read by nobody.
        let found = found.ok().map(|targets| {
            targets
                .into_iter()
                .map(|it| it.map(|it| if sampling == Sampling::Clean { 0 } else { it }))
                .collect::<Vec<_>>()
        });
        let expected = case.targets.map(|targets| {
            targets
                .into_iter()
                .map(|it| it.map(|it| if sampling == Sampling::Clean { 0 } else { it }))
                .collect::<Vec<_>>()
        });
        assert_eq!(found, expected, "{} of {:?} by {}", case.kind, case.counts, case.strategy);
    }
}

#[test]
fn adasyn_adds_as_many_rows_beside_each_row() {
    let fixture = fixture();
    assert!(fixture.adasyn.len() > 2);
    for case in fixture.adasyn {
        let rows = fixture.tables[case.table].rows();
        let plan = plan(&Method::Adasyn { n_neighbors: 5 }, &rows, 3).unwrap();
        let mut found: BTreeMap<u32, usize> = case.per_row.keys().map(|row| (*row, 0)).collect();
        plan.added.iter().for_each(|added| *found.get_mut(&added.base).unwrap() += 1);
        assert_eq!(found, case.per_row);
        assert_on_lines(&rows, &plan, 5);
    }
}

#[test]
fn borderline_smote_begins_at_the_rows_in_danger() {
    let fixture = fixture();
    for kind in [SmoteKind::Borderline1, SmoteKind::Borderline2] {
        for case in &fixture.borderline {
            let rows = fixture.tables[case.table].rows();
            let strategy =
                SamplingStrategy::Counts((0..rows.labels.len()).map(|class| (class.to_string(), 300)).collect());
            let method = Method::BorderlineSmote { k_neighbors: 4, m_neighbors: 8, kind };
            // So many rows that each row in danger is drawn; the most frequent class is left alone by the oracle.
            let common = (0..rows.labels.len()).max_by_key(|class| rows.counts()[*class]).unwrap();
            let plan = plan_by(&method, &rows, &strategy, 1).unwrap();
            let bases: BTreeSet<u32> = plan
                .added
                .iter()
                .map(|added| added.base)
                .filter(|base| rows.classes[*base as usize] as usize != common)
                .collect();
            assert_eq!(bases, case.danger, "{kind:?} of table {}", case.table);
        }
    }
}

#[test]
fn half_the_line_is_taken_towards_another_class() {
    let rows = fixture().tables[0].rows();
    let method = Method::BorderlineSmote { k_neighbors: 4, m_neighbors: 8, kind: SmoteKind::Borderline2 };
    let plan = plan(&method, &rows, 1).unwrap();
    let mut across = 0;
    for (place, added) in plan.added.iter().enumerate() {
        let toward = added.toward.unwrap();
        let step = step(&rows, &plan, place);
        let is_across = rows.classes[toward as usize] != rows.classes[added.base as usize];
        assert!(step < if is_across { 0.5 } else { 1.0 });
        across += usize::from(is_across);
    }
    assert!(across > 0);
}

#[test]
fn smote_nc_chooses_among_the_same_neighbours_and_their_categories() {
    let mixed = fixture().smotenc;
    let mut rows = rows(2, &mixed.numbers, &mixed.classes);
    rows.categories = Categories { width: 2, codes: mixed.codes };
    let plan = plan(&Method::Smote { k_neighbors: 4 }, &rows, 5).unwrap();
    assert_eq!(plan.added.len(), 30);
    for (place, added) in plan.added.iter().enumerate() {
        let neighbours = &mixed.neighbours[&added.base];
        assert!(neighbours.contains(&added.toward.unwrap()));
        step(&rows, &plan, place);
        for column in 0..2 {
            let count =
                |code: u32| neighbours.iter().filter(|row| rows.categories.row(**row as usize)[column] == code).count();
            let most = (0..3).map(count).max().unwrap();
            assert_eq!(count(plan.categories.row(place)[column]), most);
        }
    }
}

/// How far along its line a new row lies; a panic if it is beside it.
fn step(rows: &Rows, plan: &Plan, place: usize) -> f64 {
    let added = plan.added[place];
    let (from, to) = (rows.points.row(added.base as usize), rows.points.row(added.toward.unwrap() as usize));
    let widest =
        (0..from.len()).max_by(|a, b| (to[*a] - from[*a]).abs().total_cmp(&(to[*b] - from[*b]).abs())).unwrap();
    let new = plan.points.row(place);
    let step = (new[widest] - from[widest]) / (to[widest] - from[widest]);
    assert!((0.0..1.0).contains(&step), "{step}");
    for axis in 0..from.len() {
        assert!((from[axis] + step * (to[axis] - from[axis]) - new[axis]).abs() < 1e-9);
    }
    step
}

/// Every new row lies on a line to one of the nearest rows of its class.
fn assert_on_lines(rows: &Rows, plan: &Plan, k_neighbors: usize) {
    assert_eq!(plan.points.rows(), plan.added.len());
    for (place, added) in plan.added.iter().enumerate() {
        let class = rows.of(rows.classes[added.base as usize] as usize);
        let within = rows.points.take(&class);
        let own = u32::try_from(class.iter().position(|row| *row == added.base).unwrap()).unwrap();
        let nearest = Neighbours::new(&within, 1).of_rows(&[own], k_neighbors, &mut |_| Ok::<(), Problem>(())).unwrap();
        assert!(nearest.rows(0).iter().any(|row| class[*row as usize] == added.toward.unwrap()));
        step(rows, plan, place);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn smote_makes_classes_equal_with_rows_on_lines(
        values in proptest::collection::vec(-9.0..9.0_f64, 120), rare in 6_usize..14, seed in any::<u64>(),
    ) {
        let classes: Vec<u32> = (0..40).map(|row| u32::from(row >= rare)).collect();
        let rows = rows(3, &values, &classes);
        let found = plan(&Method::Smote { k_neighbors: 5 }, &rows, seed).unwrap();
        prop_assert_eq!(found.added.len(), 40 - 2 * rare);
        prop_assert!(found.added.iter().all(|added| (added.base as usize) < rare));
        assert_on_lines(&rows, &found, 5);
        prop_assert_eq!(&found, &plan(&Method::Smote { k_neighbors: 5 }, &rows, seed).unwrap());
        let alone = Method::Smote { k_neighbors: 5 }.plan(&rows, &SamplingStrategy::default(), seed, 1, &mut |_| Ok::<(), Problem>(()));
        prop_assert_eq!(found, alone.unwrap());
    }

    #[test]
    fn random_methods_reach_their_numbers(rare in 1_usize..20, seed in any::<u64>()) {
        let classes: Vec<u32> = (0..50).map(|row| u32::from(row >= rare)).collect();
        let rows = rows(1, &(0..50).map(f64::from).collect::<Vec<_>>(), &classes);
        let over = plan(&Method::RandomOver { shrinkage: None }, &rows, seed).unwrap();
        prop_assert_eq!(over.added.len(), 50 - 2 * rare);
        let under = plan(&Method::RandomUnder { replacement: false }, &rows, seed).unwrap();
        prop_assert_eq!((under.dropped.len(), under.added.len()), (50 - 2 * rare, 0));
        let again = plan(&Method::RandomUnder { replacement: true }, &rows, seed).unwrap();
        prop_assert_eq!(again.dropped.len() - again.added.len(), 50 - 2 * rare);
        prop_assert!(again.added.iter().all(|added| again.dropped.iter().all(|dropped| dropped.row != added.base)));
        prop_assert_eq!(under, plan(&Method::RandomUnder { replacement: false }, &rows, seed).unwrap());
    }
}

#[test]
fn shrinkage_moves_copies_by_the_width_of_a_density() {
    let classes: Vec<u32> = (0..3000).map(|row| u32::from(row >= 500)).collect();
    let values: Vec<f64> = (0..3000).map(|row| f64::from(row % 100)).collect();
    let rows = rows(1, &values, &classes);
    let found = plan(&Method::RandomOver { shrinkage: Some(1.0) }, &rows, 4).unwrap();
    let moved = found.added.iter().enumerate();
    let squares: f64 = moved.map(|(place, it)| (found.points.row(place)[0] - values[it.base as usize]).powi(2)).sum();
    let expected = (4.0 / (3.0 * 3000.0_f64)).powf(0.2) * rows.points.deviations(&rows.of(0))[0];
    let deviation = (squares / found.added.len() as f64).sqrt();
    assert!((deviation / expected - 1.0).abs() < 0.05, "{deviation} {expected}");
    let still = plan(&Method::RandomOver { shrinkage: Some(0.0) }, &rows, 4).unwrap();
    assert!(
        still
            .added
            .iter()
            .enumerate()
            .all(|(place, it)| still.points.row(place)[0].to_bits() == values[it.base as usize].to_bits())
    );
}

#[test]
fn what_is_added_may_be_dropped_again() {
    let rows = fixture().tables[0].rows();
    let smote = plan(&Method::Smote { k_neighbors: 5 }, &rows, 1).unwrap();
    for method in [
        Method::SmoteTomek { k_neighbors: 5 },
        Method::SmoteEnn { k_neighbors: 5, n_neighbors: 3, kind_sel: EnnKind::All },
    ] {
        let found = plan(&method, &rows, 1).unwrap();
        assert_eq!(found.added.len() + found.retracted, smote.added.len());
        assert_eq!(found.points.rows(), found.added.len());
        assert!(found.added.iter().all(|added| smote.added.contains(added)));
        assert!(!found.dropped.is_empty());
        assert!(found.dropped.iter().all(|it| it.because_of.is_none_or(|row| (row as usize) < rows.classes.len())));
    }
}

#[test]
fn classes_that_cannot_be_balanced_are_refused_with_a_remedy() {
    let told = |method: &Method, rows: &Rows, strategy: &SamplingStrategy| {
        let problem = plan_by(method, rows, strategy, 0).unwrap_err();
        format!("{problem} ({})", problem.help)
    };
    let auto = SamplingStrategy::default();
    let few = rows(1, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[0, 0, 1, 1, 1, 1]);
    insta::assert_snapshot!(told(&Method::Smote { k_neighbors: 5 }, &few, &auto), @"class `0` has 2 rows, and `k_neighbors: 5` needs at least 6 (take `k_neighbors: 1`, or copy rows with `balance.random_over`)");
    insta::assert_snapshot!(told(&Method::Enn { n_neighbors: 6, kind_sel: EnnKind::All }, &few, &auto), @"the table has 6 rows, and `n_neighbors: 6` needs at least 7 (take a smaller `n_neighbors`)");
    let beside = rows(1, &[0.0, 10.0, 20.0, 0.1, 10.1, 20.1, 90.0], &[0, 0, 0, 1, 1, 1, 1]);
    insta::assert_snapshot!(told(&Method::Adasyn { n_neighbors: 1 }, &beside, &auto), @"the 1 rows to add to class `0` round to none for each of its rows (ask for more rows, or take `balance.smote`)");
    let apart = rows(1, &[0.0, 1.0, 70.0, 71.0, 72.0, 73.0], &[0, 0, 1, 1, 1, 1]);
    insta::assert_snapshot!(told(&Method::Adasyn { n_neighbors: 1 }, &apart, &auto), @"no row of class `0` has a neighbour of another class (take `balance.smote` instead)");
    let one = rows(1, &[0.0, 1.0], &[0, 0]);
    insta::assert_snapshot!(told(&Method::TomekLinks, &one, &auto), @"the target has one class only, `0` (look at the split and the filters before this step)");
    let list = SamplingStrategy::Classes(vec!["2".to_owned()]);
    insta::assert_snapshot!(told(&Method::TomekLinks, &few, &list), @"`sampling_strategy`: `2` is no class of the target (the classes are: 0, 1)");
}
