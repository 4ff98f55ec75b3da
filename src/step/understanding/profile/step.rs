//! The step `profile.table`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use schemars::JsonSchema;
use serde::Deserialize;

use super::described::Profile;
use super::page::page;
use super::report::report;
use crate::artifact::ArtifactKind;
use crate::phase::Phase;
use crate::step::{InputPort, OutputPort, ParamErrors, Ports, Progress, StepContext, StepError, StepKind};
use crate::table::TableReader;
use crate::table::statistics::{Across, ColumnStatistics, TargetStatistics, across, against_target, statistics};

/// What `profile.table` shows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// How many of the most frequent values of each column the report lists.
    #[serde(default = "default_top")]
    pub top: usize,
    /// The column that a model shall predict; all others are held against it, and what gives it away is named.
    #[serde(default)]
    pub target: Option<String>,
}

fn default_top() -> usize {
    10
}

/// Describes every column of a table.
pub struct ProfileTable {
    params: Params,
}

impl StepKind for ProfileTable {
    const NAME: &'static str = "profile.table";
    const VERSION: u32 = 3;
    const PHASE: Phase = Phase::Understanding;
    const SUMMARY: &'static str =
        "Describes a table, its columns and how they go together: a JSON report and an HTML page.";
    const EXAMPLE: &'static str = "\
uses: profile.table
inputs: {table: customers}
with: {target: Churn, top: 10}
";
    type Params = Params;

    fn new(params: Params) -> Result<Self, ParamErrors> {
        if params.top > 64 {
            return Err(ParamErrors::one(["top"], "at most 64 frequent values are kept for each column"));
        }
        Ok(ProfileTable { params })
    }

    fn ports(&self) -> Ports {
        Ports::new(
            [InputPort::one("table", ArtifactKind::Table)],
            [OutputPort::new("report", ArtifactKind::Report), OutputPort::new("html", ArtifactKind::File)],
        )
    }

    fn run(&self, context: &mut StepContext) -> Result<(), StepError> {
        let table = context.table("table")?;
        let target = self.params.target.as_deref().map(|name| place(&table, name)).transpose()?;
        let (rows, threads) = (table.rows(), context.surroundings().threads);
        let columns = statistics(&table, threads, |done| {
            context.progress(&Progress { done, total: Some(rows), unit: "rows", note: String::new() });
            context.check_cancelled().is_ok()
        })?;
        context.check_cancelled()?;
        let columns = columns.ok_or_else(|| StepError::bug("the profile stopped although nobody asked it to"))?;
        let (across, target) = second_pass(context, &table, &columns, target)?;
        let profile = Profile { rows, columns, across, target };
        let remarks = profile.remarks();
        context.commit_report("report", &report(&profile, &remarks, self.params.top))?;
        let staged = context.stage(ArtifactKind::File)?;
        std::fs::write(staged.path(), page(&profile, &remarks))?;
        context.commit("html", staged, None)?;
        for remark in &remarks {
            context.log(format!("{}: {}", remark.about, remark.text));
        }
        context.metric("rows", rows as f64);
        context.metric("columns", profile.columns.len() as f64);
        context.metric("missing_share", profile.missing_share());
        context.metric("duplicate_rows", profile.across.duplicate_rows as f64);
        context.metric("leaks", profile.leaks().count() as f64);
        Ok(())
    }
}

/// The place of the target among the columns.
fn place(table: &TableReader, name: &str) -> Result<usize, StepError> {
    table.columns().position(|column| column == name).ok_or_else(|| {
        let available = table.columns().map(str::to_owned).collect();
        StepError::from(crate::table::TableError::NoColumn { column: name.to_owned(), available })
    })
}

/// Columns against one another and against the target, each on a thread of its own.
fn second_pass(
    context: &mut StepContext,
    table: &TableReader,
    columns: &[ColumnStatistics],
    target: Option<usize>,
) -> Result<(Across, Option<TargetStatistics>), StepError> {
    let stopped = AtomicBool::new(false);
    let (seen, goal) = thread::scope(|scope| {
        let stopped = &stopped;
        let goal = target.map(|target| {
            scope.spawn(move || against_target(table, columns, target, || !stopped.load(Ordering::Relaxed)))
        });
        let threads = context.surroundings().threads;
        let seen = across(table, columns, threads, || {
            let goes_on = context.check_cancelled().is_ok();
            stopped.store(!goes_on, Ordering::Relaxed);
            goes_on
        });
        (seen, goal.map(|goal| goal.join().expect("counting does not panic")))
    });
    let seen = seen?;
    context.check_cancelled()?;
    let stopped = || StepError::bug("the profile stopped although nobody asked it to");
    let goal = match goal.transpose()? {
        None => None,
        Some(Ok(goal)) => Some(goal.ok_or_else(stopped)?),
        Some(Err(reason)) => {
            return Err(StepError::input("no_target", reason)
                .help("name a column of numbers, or of at most 12 different values, as `target`"));
        }
    };
    Ok((seen.ok_or_else(stopped)?, goal))
}
