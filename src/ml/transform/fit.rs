//! Fitting: as few passes over the fit table as the chain of transforms needs.
//!
//! A transform can learn as soon as everything before it on the same column has learnt. So each round walks the chain
//! over a table without rows, finds all transforms that can learn now, and lets them share one pass, which reads only
//! the columns that they need. Transforms that keep every value of their column (medians, quantiles) are spread over
//! several passes when together they would take more than [`KEPT_BYTES`].

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;

use super::column::{canonical, unusable};
use super::derive::Derive;
use super::frame::{Column, Frame, Kind, missing};
use super::hash::Hash;
use super::learn::{FitFacts, Learner, LearningRows, Plan, Promise};
use super::pipeline::{FittedPipeline, InputColumn};
use super::spec::Operation;
use super::target::TargetLearner;
use super::unit::{Rows, Unit, need_categories};
use super::{ColumnType, FitSource, Selector, Target, TargetSpec, TransformError, TransformSpec};

/// How many bytes of values one pass may keep.
const KEPT_BYTES: u64 = 512 << 20;
/// What a kept value takes: eight bytes, and as many again while its list grows.
const KEPT_BYTES_PER_VALUE: u64 = 16;

/// What a feature pipeline shall do.
#[derive(Debug, Clone)]
pub struct PipelineSpec {
    /// What the model shall predict.
    pub target: TargetSpec,
    /// Columns that are left out before the first transform.
    pub drop: Option<Selector>,
    /// The column with the weight of each row.
    pub weight: Option<String>,
    /// Whether rows without a target are left out rather than refused.
    pub drop_null_target: bool,
    /// The transforms, each after the one before.
    pub transforms: Vec<TransformSpec>,
}

/// Fits the pipeline on all rows of `source`.
///
/// # Errors
/// What the data or the manifest does not allow, with the column and the remedy.
pub fn fit(spec: &PipelineSpec, source: &dyn FitSource, seed: u64) -> Result<FittedPipeline, TransformError> {
    let (raw, dropped) = raw_columns(spec, source)?;
    let target = fit_target(spec, source)?;
    let facts = FitFacts { rows: source.rows(), classes: target.labels(), seed };
    let stages = spec.transforms.iter().map(|spec| Stage { spec, entries: None }).collect();
    let mut fitting =
        Fitting { source, drops_null: spec.drop_null_target, raw, target, facts, stages, nulls: BTreeMap::new() };
    loop {
        let walk = fitting.walk()?;
        if walk.learners.is_empty() {
            let frame = walk.frame;
            return fitting.finish(spec, &frame, dropped);
        }
        fitting.pass(walk.learners)?;
    }
}

/// The columns that transforms may use, and the names of those that the manifest drops.
fn raw_columns(spec: &PipelineSpec, source: &dyn FitSource) -> Result<(Vec<InputColumn>, Vec<String>), TransformError> {
    let schema = source.schema();
    let names = || schema.fields().iter().map(|field| field.name().as_str());
    for name in std::iter::once(&spec.target.column).chain(&spec.weight) {
        if !names().any(|known| known == name) {
            return Err(missing(name, names()));
        }
    }
    // Selectors work on frames; for `drop` it may hold columns of types that no transform knows.
    let mut all = Frame::new(0);
    let mut columns = Vec::new();
    for field in schema.fields() {
        if *field.name() == spec.target.column || Some(field.name()) == spec.weight.as_ref() {
            continue;
        }
        let known = ColumnType::of(field.data_type());
        let shown = known.unwrap_or(ColumnType::Text);
        all.set(field.name(), Column { array: shown.empty(), kind: Kind::of(shown), categories: None });
        columns.push((field.name().clone(), known, field.data_type().clone()));
    }
    let dropped = match &spec.drop {
        Some(selector) => {
            if let Some(part) = selector.parts().iter().find(|part| **part == spec.target.column) {
                let message = format!("`drop` names `{part}`, which is the target");
                return Err(TransformError::input("target", message)
                    .help("the target is never a feature; leave it out of `drop`"));
            }
            selector.select(&all)?
        }
        None => Vec::new(),
    };
    let raw = columns
        .into_iter()
        .filter(|(name, _, _)| !dropped.contains(name))
        .map(|(name, known, data_type)| match known {
            Some(column_type) => Ok(InputColumn { name, column_type, nullable: false }),
            None => Err(unusable(&name, &data_type)),
        })
        .collect::<Result<_, _>>()?;
    Ok((raw, dropped))
}

fn fit_target(spec: &PipelineSpec, source: &dyn FitSource) -> Result<Target, TransformError> {
    let schema = source.schema();
    let data_type =
        schema.field_with_name(&spec.target.column).map_or(&DataType::Null, arrow::datatypes::Field::data_type);
    let mut learner = TargetLearner::new(&spec.target, data_type)?;
    source.scan(&[&spec.target.column], &mut |batch| learner.learn(batch.column(0)))?;
    learner.finish(&spec.target, spec.drop_null_target)
}

/// One transform of the manifest: after it is resolved, one entry for each of its columns.
struct Stage<'spec> {
    spec: &'spec TransformSpec,
    entries: Option<Vec<Entry>>,
}

struct Entry {
    column: String,
    unit: Option<Unit>,
}

/// A learner and its place in the chain.
struct Scheduled {
    stage: usize,
    entry: usize,
    learner: Box<dyn Learner>,
}

struct Fitting<'spec> {
    source: &'spec dyn FitSource,
    drops_null: bool,
    raw: Vec<InputColumn>,
    target: Target,
    facts: FitFacts,
    stages: Vec<Stage<'spec>>,
    /// Whether a raw column has missing values, for the columns that were read so far.
    nulls: BTreeMap<String, bool>,
}

/// The chain over a table without rows.
struct Walk {
    frame: Frame,
    /// Columns that some transform still has to learn for.
    pending: BTreeSet<String>,
    /// Whether there may be encoded columns whose names are not known yet.
    is_open: bool,
    learners: Vec<Scheduled>,
    keepers: u64,
}

impl Fitting<'_> {
    /// Walks the chain as far as the names of columns are known and schedules everything that can learn.
    fn walk(&mut self) -> Result<Walk, TransformError> {
        let mut frame = Frame::new(0);
        for column in &self.raw {
            let array = column.column_type.empty();
            frame.set(&column.name, Column { array, kind: Kind::of(column.column_type), categories: None });
        }
        let mut walk = Walk { frame, pending: BTreeSet::new(), is_open: false, learners: Vec::new(), keepers: 0 };
        let most_keepers = (KEPT_BYTES / (KEPT_BYTES_PER_VALUE * self.facts.rows.max(1))).max(1);
        for (index, stage) in self.stages.iter_mut().enumerate() {
            if stage.entries.is_none() {
                let Some(entries) = resolve(stage.spec, &walk)? else { break };
                stage.entries = Some(entries);
            }
            for (place, entry) in stage.entries.iter_mut().flatten().enumerate() {
                if entry.unit.is_none() {
                    let column = walk.frame.column(&entry.column)?;
                    match stage.spec.operation.plan(&entry.column, column, &self.facts)? {
                        Plan::Ready(unit) => entry.unit = Some(unit),
                        Plan::Learn(learner, promise) => {
                            let scheduled = Scheduled { stage: index, entry: place, learner };
                            walk.schedule(scheduled, promise, &entry.column, most_keepers);
                        }
                    }
                }
                if let Some(unit) = &entry.unit {
                    walk.apply(unit)?;
                }
            }
        }
        Ok(walk)
    }

    /// Reads what the learners need and lets them learn.
    fn pass(&mut self, mut learners: Vec<Scheduled>) -> Result<(), TransformError> {
        let (applied, needed) = self.needed(&learners);
        let raw: Vec<&InputColumn> = self.raw.iter().filter(|column| needed.contains(&column.name)).collect();
        let mut columns: Vec<&str> = vec![&self.target.column];
        columns.extend(raw.iter().map(|column| column.name.as_str()));
        let mut first = 0;
        let nulls = &mut self.nulls;
        let (stages, target, drops_null) = (&self.stages, &self.target, self.drops_null);
        self.source.scan(&columns, &mut |batch| {
            let batch = if drops_null { with_target(batch, 0, target)? } else { batch.clone() };
            let targets = target.values(batch.column(0))?;
            let rows = LearningRows { targets: targets.values(), first };
            let mut frame = Frame::new(batch.num_rows());
            for (column, array) in raw.iter().zip(&batch.columns()[1..]) {
                let array = canonical(&column.name, array, column.column_type)?;
                *nulls.entry(column.name.clone()).or_default() |= array.null_count() > 0;
                frame.set(&column.name, Column { array, kind: Kind::of(column.column_type), categories: None });
            }
            let mut next = learners.iter_mut().peekable();
            for (index, stage) in stages.iter().enumerate() {
                for (place, entry) in stage.entries.iter().flatten().enumerate() {
                    if let Some(scheduled) = next.next_if(|next| (next.stage, next.entry) == (index, place)) {
                        scheduled.learner.learn(frame.column(&entry.column)?, &rows)?;
                    } else if let Some(unit) = entry.unit.as_ref().filter(|_| applied.contains(&(index, place))) {
                        unit.apply(&mut frame, Rows::Learnt { first })?;
                    }
                }
            }
            first += batch.num_rows() as u64;
            Ok(())
        })?;
        for Scheduled { stage, entry, learner } in learners {
            let unit = learner.finish()?;
            if let Some(entry) = self.stages[stage].entries.as_mut().and_then(|entries| entries.get_mut(entry)) {
                entry.unit = Some(unit);
            }
        }
        Ok(())
    }

    /// The fitted entries whose results reach a learner, and the raw columns that they start from.
    fn needed(&self, learners: &[Scheduled]) -> (BTreeSet<(usize, usize)>, BTreeSet<String>) {
        let learning: BTreeSet<(usize, usize)> = learners.iter().map(|next| (next.stage, next.entry)).collect();
        let mut applied = BTreeSet::new();
        let mut needed = BTreeSet::new();
        for (index, stage) in self.stages.iter().enumerate().rev() {
            for (place, entry) in stage.entries.as_deref().unwrap_or_default().iter().enumerate().rev() {
                if learning.contains(&(index, place)) {
                    needed.insert(entry.column.clone());
                } else if entry.unit.as_ref().is_some_and(|unit| take_back(unit, &mut needed)) {
                    applied.insert((index, place));
                }
            }
        }
        (applied, needed)
    }

    fn finish(
        mut self,
        spec: &PipelineSpec,
        frame: &Frame,
        dropped: Vec<String>,
    ) -> Result<FittedPipeline, TransformError> {
        let stages = std::mem::take(&mut self.stages);
        let chain: Vec<Unit> = stages
            .into_iter()
            .flat_map(|stage| stage.entries.unwrap_or_default())
            .filter_map(|entry| entry.unit)
            .collect();
        let mut pipeline = FittedPipeline::new(self.target, self.raw, dropped, spec.weight.clone(), chain, frame)?;
        // Columns that no transform had to learn from were not read yet.
        let unread: Vec<String> = pipeline
            .needed_columns()
            .filter(|column| !self.nulls.contains_key(column.name.as_str()))
            .map(|column| column.name.clone())
            .collect();
        if !unread.is_empty() {
            let columns: Vec<&str> = unread.iter().map(String::as_str).collect();
            self.source.scan(&columns, &mut |batch| {
                for (column, array) in columns.iter().zip(batch.columns()) {
                    let is_null = |array: &arrow::array::ArrayRef| {
                        array.null_count() > 0
                            || array
                                .as_primitive_opt::<arrow::datatypes::Float64Type>()
                                .is_some_and(|floats| floats.values().iter().any(|value| value.is_nan()))
                    };
                    *self.nulls.entry((*column).to_owned()).or_default() |= is_null(array);
                }
                Ok(())
            })?;
        }
        pipeline.allow_nulls(&self.nulls);
        pipeline.rows = self.facts.rows;
        Ok(pipeline)
    }
}

/// The rows of `batch` whose target, in column `place`, is not null.
pub(super) fn with_target(batch: &RecordBatch, place: usize, target: &Target) -> Result<RecordBatch, TransformError> {
    if batch.column(place).null_count() == 0 && !batch.column(place).data_type().is_floating() {
        return Ok(batch.clone());
    }
    Ok(arrow::compute::filter_record_batch(batch, &target.present(batch.column(place))?)?)
}

/// Goes one unit back in the chain: if it makes a needed column, its inputs are needed instead.
pub(super) fn take_back(unit: &Unit, needed: &mut BTreeSet<String>) -> bool {
    let outputs = unit.outputs();
    if !outputs.iter().any(|output| needed.contains(*output)) {
        return false;
    }
    for output in outputs {
        needed.remove(output);
    }
    needed.extend(unit.inputs().into_iter().map(str::to_owned));
    true
}

/// The entries of a transform, or none if the columns it selects are not all known yet.
fn resolve(spec: &TransformSpec, walk: &Walk) -> Result<Option<Vec<Entry>>, TransformError> {
    if walk.is_open && spec.may_grow(&walk.frame) {
        return Ok(None);
    }
    let unit = |unit: Unit| Ok(Some(vec![Entry { column: String::new(), unit: Some(unit) }]));
    match &spec.operation {
        Operation::Derive { name, expression } => {
            let derive = Derive::new(name, expression)?;
            if walk.is_open && derive.reads.iter().any(|read| !walk.frame.has(read)) {
                return Ok(None);
            }
            unit(Unit::Derive(derive))
        }
        Operation::Hash(params) => {
            let columns = spec.select(&walk.frame)?;
            columns.iter().try_for_each(|name| need_categories("hash", name, walk.frame.column(name)?))?;
            if columns.is_empty() { Ok(Some(Vec::new())) } else { unit(Unit::Hash(Hash::new(params, columns))) }
        }
        Operation::Drop => unit(Unit::Drop { columns: spec.select(&walk.frame)? }),
        Operation::Select => {
            let selected = spec.select(&walk.frame)?;
            let others = walk.frame.columns().map(|(name, _)| name.to_owned());
            unit(Unit::Drop { columns: others.filter(|name| !selected.contains(name)).collect() })
        }
        _ => {
            let columns = spec.select(&walk.frame)?;
            Ok(Some(columns.into_iter().map(|column| Entry { column, unit: None }).collect()))
        }
    }
}

impl Walk {
    /// Applies a fitted unit; what it makes is known as soon as what it reads is.
    fn apply(&mut self, unit: &Unit) -> Result<(), TransformError> {
        let is_pending = unit.inputs().into_iter().any(|input| self.pending.contains(input));
        let new: Vec<&str> = unit.outputs().into_iter().filter(|output| !unit.inputs().contains(output)).collect();
        if !matches!(unit, Unit::Derive(_)) {
            let mut seen = BTreeSet::new();
            if let Some(twice) = new.iter().find(|name| self.frame.has(name) || !seen.insert(**name)) {
                let message = format!("`{}` would make a second column `{twice}`", unit.name());
                return Err(TransformError::input("duplicate_column", message)
                    .help("rename the other column before this step, or `drop` it before this transform"));
            }
        }
        unit.apply(&mut self.frame, Rows::Fresh)?;
        for output in unit.outputs() {
            if is_pending {
                self.pending.insert(output.to_owned());
            } else {
                self.pending.remove(output);
            }
        }
        Ok(())
    }

    /// Schedules a learner if it can learn now, and puts in place what its transform promises to give.
    fn schedule(&mut self, scheduled: Scheduled, promise: Promise, column: &str, most_keepers: u64) {
        let keeps = scheduled.learner.keeps_values();
        if !self.pending.contains(column) && (!keeps || self.keepers < most_keepers) {
            self.keepers += u64::from(keeps);
            self.learners.push(scheduled);
        }
        self.is_open |= promise.is_open;
        match promise.same {
            Some((column_type, kind)) => {
                self.frame.set(column, Column { array: column_type.empty(), kind, categories: None });
                self.pending.insert(column.to_owned());
            }
            None => self.frame.remove(column),
        }
    }
}
