//! The order of work of all kinds of balancing.

use serde_json::json;

use super::super::room;
use super::input::{Categories, Input, Layout, classes};
use super::write;
use crate::artifact::ArtifactKind;
use crate::ml::resample::{Method, Plan, Problem, Rows, Sampling, SamplingStrategy};
use crate::step::{InputPort, OutputPort, ParamErrors, Ports, Progress, StepContext, StepError};

/// A step that balances classes.
pub(super) struct Balance {
    /// The name of the kind.
    pub(super) name: &'static str,
    pub(super) target: Option<String>,
    pub(super) columns: Option<Vec<String>>,
    pub(super) categories: Categories,
    pub(super) strategy: SamplingStrategy,
    pub(super) method: Method,
    pub(super) seed: Option<u64>,
}

impl Balance {
    /// Refuses params that make no sense whatever the rows are.
    pub(super) fn check(&self) -> Result<(), ParamErrors> {
        let counts: &[(&str, usize)] = match &self.method {
            Method::Smote { k_neighbors } | Method::SmoteTomek { k_neighbors } => &[("k_neighbors", *k_neighbors)],
            Method::BorderlineSmote { k_neighbors, m_neighbors, .. } => {
                &[("k_neighbors", *k_neighbors), ("m_neighbors", *m_neighbors)]
            }
            Method::Adasyn { n_neighbors } | Method::Enn { n_neighbors, .. } => &[("n_neighbors", *n_neighbors)],
            Method::SmoteEnn { k_neighbors, n_neighbors, .. } => {
                &[("k_neighbors", *k_neighbors), ("n_neighbors", *n_neighbors)]
            }
            Method::NearMiss { version, n_neighbors, n_neighbors_ver3 } => {
                if !(1..=3).contains(version) {
                    return Err(ParamErrors::one(
                        ["version"],
                        format!("there is no version {version}, only 1, 2 and 3"),
                    ));
                }
                &[("n_neighbors", *n_neighbors), ("n_neighbors_ver3", *n_neighbors_ver3)]
            }
            Method::RandomOver { .. } | Method::RandomUnder { .. } | Method::TomekLinks => &[],
        };
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(ParamErrors::one([*name], "a row needs at least one neighbour")),
            None => Ok(()),
        }
    }

    /// Whether rows may go.
    fn drops(&self) -> bool {
        self.method.sampling() != Sampling::Over || self.cleans_after()
    }

    /// Whether rows may go again after others have come.
    fn cleans_after(&self) -> bool {
        matches!(self.method, Method::SmoteTomek { .. } | Method::SmoteEnn { .. })
    }

    /// Whether rows may come.
    fn adds(&self) -> bool {
        self.method.sampling() == Sampling::Over || matches!(self.method, Method::RandomUnder { replacement: true })
    }

    pub(super) fn ports(&self) -> Ports {
        let mut outputs = vec![OutputPort::new("train", ArtifactKind::Table).resampled()];
        if self.adds() {
            outputs.push(OutputPort::new("added", ArtifactKind::Table));
        }
        if self.drops() {
            outputs.push(OutputPort::new("dropped", ArtifactKind::Table));
        }
        outputs.push(OutputPort::new("report", ArtifactKind::Report));
        Ports::new([InputPort::one("train", ArtifactKind::Table).training()], outputs)
    }

    pub(super) fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let table = context.table("train")?;
        if table.rows() == 0 {
            return Err(StepError::input("table_empty", "the table has no rows to balance")
                .help("look at the split and the filters before this step"));
        }
        let layout = Layout::of(
            &table,
            self.target.as_deref(),
            self.columns.as_deref(),
            &self.categories,
            self.method.needs_points(),
        )?;
        let classes = classes(&table, &layout.target, context)?;
        let need = self.need(&classes.values, &classes.counts, &layout)?;
        let what = format!(
            "`{}` over {} rows of {} columns",
            self.name,
            table.rows(),
            layout.numbers.len() + layout.categories.len()
        );
        room::claim(context, &what, need, "balance fewer rows, or name fewer `columns`")?;
        let input = Input::load(&table, classes, &layout, context)?;
        let seed = self.seed.unwrap_or_else(|| context.seed());
        let threads = context.surroundings().threads;
        let mut go_on = |done: usize| {
            context.check_cancelled()?;
            let note = "neighbours".to_owned();
            context.progress(&Progress { done: done as u64, total: None, unit: "rows", note });
            Ok::<(), StepError>(())
        };
        let plan = self.method.plan(&input.rows, &self.strategy, seed, threads, &mut go_on)?;
        for note in &plan.notes {
            context.log(format!("warning: {note}"));
        }
        write::train(context, &table, &layout, &input, &plan)?;
        if self.adds() {
            write::added(context, &input.rows, &plan)?;
        }
        if self.drops() {
            write::dropped(context, &table, &plan)?;
        }
        write::lineage(context, &table, &layout, self.name, self.adds())?;
        self.report(context, &layout, &input.rows, &plan)
    }

    /// An upper bound of the bytes that are held at once.
    fn need(&self, labels: &[String], counts: &[usize], layout: &Layout) -> Result<u64, StepError> {
        let rows: usize = counts.iter().sum();
        let targets = self.strategy.targets(self.method.sampling(), labels, counts)?;
        let added: usize = if self.method.sampling() == Sampling::Over { targets.iter().flatten().sum() } else { 0 };
        let per_row = (8 * layout.numbers.len() + 4 * layout.categories.len()) as u64;
        // The tree over points, and the neighbours of each.
        let search = 160 + 12 * self.method.neighbours().min(rows) as u64;
        // Points are there once for all rows and once for a class.
        let searched = if self.method.needs_points() { 2 * per_row + search } else { 8 };
        let bytes = (rows as u64).saturating_mul(searched);
        // New points are there once, and once more while they are put in order.
        let bytes = bytes.saturating_add((added as u64).saturating_mul(2 * per_row + 24));
        // What cleans afterwards looks at all rows again, those that came too.
        let cleaned = if self.cleans_after() { (rows as u64).saturating_add(added as u64) } else { 0 };
        Ok(bytes.saturating_add(cleaned.saturating_mul(per_row + search)))
    }

    fn report(&self, context: &mut StepContext, layout: &Layout, rows: &Rows, plan: &Plan) -> Result<(), StepError> {
        let before = rows.counts();
        let count = |rows_of: &mut dyn Iterator<Item = u32>| {
            let mut counts = vec![0; before.len()];
            rows_of.for_each(|row| counts[rows.classes[row as usize] as usize] += 1);
            counts
        };
        let added = count(&mut plan.added.iter().map(|added| added.base));
        let dropped = count(&mut plan.dropped.iter().map(|dropped| dropped.row));
        let classes: Vec<_> = (0..before.len())
            .map(|class| {
                let after = before[class] + added[class] - dropped[class];
                context.log(format!("class `{}`: {} rows, now {after}", rows.labels[class], before[class]));
                json!({
                    "class": rows.labels[class], "before": before[class], "added": added[class],
                    "dropped": dropped[class], "after": after,
                })
            })
            .collect();
        context.metric("rows_before", rows.classes.len() as f64);
        context.metric("rows_added", plan.added.len() as f64);
        context.metric("rows_dropped", plan.dropped.len() as f64);
        context.metric("rows_after", (rows.classes.len() + plan.added.len() - plan.dropped.len()) as f64);
        let mut reasons: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        plan.dropped.iter().for_each(|dropped| *reasons.entry(dropped.reason).or_default() += 1);
        context.commit_report(
            "report",
            &json!({
                "method": self.name, "target": layout.target, "columns": layout.numbers,
                "categorical_features": layout.categories, "classes": classes, "dropped_because": reasons,
                "made_and_dropped": plan.retracted, "notes": plan.notes,
            }),
        )?;
        Ok(())
    }
}

impl From<Problem> for StepError {
    fn from(problem: Problem) -> StepError {
        StepError::input(problem.code, problem.message).help(problem.help)
    }
}
