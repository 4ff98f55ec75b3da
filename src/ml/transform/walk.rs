//! The chain over a table without rows: which columns there are at each place, and which transforms can learn now.

use std::collections::BTreeSet;

use super::fit::{Entry, Scheduled};
use super::fitted::Rows;
use super::frame::{Column, Frame, Kind};
use super::learn::FitFacts;
use super::pipeline::InputColumn;
use super::plan::{Plan, Planning, Promise, Same};
use super::registry::Unit;
use super::{TransformError, TransformSpec};

/// How many bytes of values one pass may keep.
const KEPT_BYTES: u64 = 512 << 20;

/// One walk along the chain.
pub(super) struct Walk {
    /// The columns at the place that was reached.
    pub(super) frame: Frame,
    /// What can learn in the next pass.
    pub(super) learners: Vec<Scheduled>,
    /// Columns that some transform still has to learn for.
    pending: BTreeSet<String>,
    /// The kinds of columns that there may be under names that are not known yet.
    open: Vec<Kind>,
    kept_bytes: u64,
}

impl Walk {
    /// At the beginning of the chain.
    pub(super) fn new(raw: &[InputColumn]) -> Walk {
        let mut frame = Frame::new(0);
        for column in raw {
            frame.set(&column.name, Column::empty(column.column_type, Kind::of(column.column_type)));
        }
        Walk { frame, learners: Vec::new(), pending: BTreeSet::new(), open: Vec::new(), kept_bytes: 0 }
    }

    /// Whether `spec` may select columns whose names are not known yet.
    pub(super) fn may_grow(&self, spec: &TransformSpec) -> bool {
        !self.open.is_empty() && spec.may_grow(&self.frame, &self.open)
    }

    /// Plans an entry without a unit: fills it in or schedules a learner. Whether the walk can go on.
    pub(super) fn plan(
        &mut self,
        spec: &TransformSpec,
        place: (usize, usize),
        entry: &mut Entry,
        facts: &FitFacts,
    ) -> Result<bool, TransformError> {
        let (columns, is_open) = (entry.columns.as_slice(), !self.open.is_empty());
        match spec.operation.plan(&Planning { columns, frame: &self.frame, is_open, facts })? {
            Plan::Wait => return Ok(false),
            Plan::Ready(unit) => entry.unit = Some(unit),
            Plan::Learn(learner, promise) => {
                let kept = learner.kept_bytes(facts.rows);
                if let Some(limit) = facts.memory_bytes.filter(|limit| kept > *limit) {
                    return Err(needs_memory(spec.key(), columns, facts.rows, kept, limit));
                }
                let fits = kept == 0 || self.kept_bytes == 0 || self.kept_bytes.saturating_add(kept) <= most(facts);
                let mut read = columns.iter().map(String::as_str).chain(learner.reads());
                let new: Vec<&str> = promise.new.iter().map(|(name, _, _)| name.as_str()).collect();
                self.refuse_twice(spec.key(), columns, &new)?;
                if fits && !read.any(|column| self.pending.contains(column)) {
                    self.kept_bytes = self.kept_bytes.saturating_add(kept);
                    self.learners.push(Scheduled { stage: place.0, entry: place.1, learner });
                }
                self.promise(columns, promise);
            }
        }
        Ok(true)
    }

    /// Puts in place what a transform that has not learnt yet will give.
    fn promise(&mut self, columns: &[String], promise: Promise) {
        self.open.extend(promise.open);
        let new = promise.new.into_iter().map(|(name, column_type, kind)| (name, Column::empty(column_type, kind)));
        let new: Vec<(String, Column)> = new.collect();
        self.pending.extend(new.iter().map(|(name, _)| name.clone()));
        match promise.same {
            Same::Gone => {
                let Some((last, others)) = columns.split_last() else { return };
                for column in others {
                    self.frame.remove(column);
                }
                self.frame.replace(last, new);
                return;
            }
            Same::Changed(column_type, kind) => {
                for column in columns {
                    self.frame.set(column, Column::empty(column_type, kind));
                    self.pending.insert(column.clone());
                }
            }
            Same::Untouched => {}
        }
        for (name, column) in new {
            self.frame.set(&name, column);
        }
    }

    /// Applies a fitted unit; what it makes is known as soon as what it reads is.
    pub(super) fn apply(&mut self, unit: &Unit) -> Result<(), TransformError> {
        let fitted = unit.fitted();
        let (inputs, outputs) = (fitted.inputs(), fitted.outputs());
        let is_pending = inputs.iter().any(|input| self.pending.contains(*input));
        if !fitted.overwrites() {
            self.refuse_twice(unit.key(), &inputs, &outputs)?;
        }
        fitted.apply(&mut self.frame, Rows::Fresh)?;
        for output in outputs {
            if is_pending {
                self.pending.insert(output.to_owned());
            } else {
                self.pending.remove(output);
            }
        }
        Ok(())
    }

    /// Refuses a transform of `inputs` that makes a column under a name that another one has.
    fn refuse_twice<Name: AsRef<str>>(
        &self,
        key: &str,
        inputs: &[Name],
        outputs: &[&str],
    ) -> Result<(), TransformError> {
        let mut seen = BTreeSet::new();
        let mut new = outputs.iter().filter(|output| !inputs.iter().any(|input| input.as_ref() == **output));
        let Some(twice) = new.find(|name| self.frame.has(name) || !seen.insert(**name)) else { return Ok(()) };
        let message = format!("`{key}` would make a second column `{twice}`");
        Err(TransformError::input("duplicate_column", message).help(
            "rename the other column before this step, `drop` it before this transform, or give this one another `prefix` if it takes one",
        ))
    }
}

/// How many bytes one pass may keep: half of what there is, since batches and the program take some too.
fn most(facts: &FitFacts) -> u64 {
    facts.memory_bytes.map_or(KEPT_BYTES, |limit| KEPT_BYTES.min(limit / 2))
}

fn needs_memory(key: &str, columns: &[String], rows: u64, kept: u64, limit: u64) -> TransformError {
    let size = |bytes: u64| {
        if bytes < 1 << 20 { format!("{bytes} bytes") } else { format!("{} MiB", bytes.div_ceil(1 << 20)) }
    };
    let of = match columns {
        [one] => format!("column `{one}`"),
        several => format!("{} columns", several.len()),
    };
    let message = format!(
        "`{key}` of {of} keeps what it needs of all {rows} rows in memory, about {}, and the step may use {}",
        size(kept),
        size(limit)
    );
    TransformError::input("memory", message)
        .help("raise `resources.memory` of the step, fit on a sample of the rows, or choose a method that streams")
}
