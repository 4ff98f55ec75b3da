//! Fitting: as few passes over the fit table as the chain of transforms needs.
//!
//! A transform can learn as soon as everything before it on the same column has learnt. So each round walks the chain
//! over a table without rows, finds all transforms that can learn now, and lets them share one pass, which reads only
//! the columns that they need. Transforms that keep every value of their column (medians, quantiles) are spread over
//! several passes when together they would take too much memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;

use super::column::{canonical, canonical_or_encoded, unusable};
use super::finite::is_finite;
use super::fitted::Rows;
use super::frame::{Column, Frame, Kind, missing};
use super::learn::{FitFacts, Learner, LearningRows};
use super::needs::too_large;
use super::pieces::{pieces, rows_at_once};
use super::pipeline::{FittedPipeline, InputColumn};
use super::plan::{Columns, Scope};
use super::registry::Unit;
use super::target::TargetLearner;
use super::walk::Walk;
use super::{ColumnType, FitSource, Selector, Target, TargetSpec, TransformError, TransformSpec};
use crate::ml::sentence::Models;

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

/// What a fit may do beside its spec.
#[derive(Debug, Clone, Default)]
pub struct FitOptions {
    /// The seed of everything random.
    pub seed: u64,
    /// How many bytes the fit may use, if there is a limit.
    pub memory_bytes: Option<u64>,
    /// Where relative paths start; if empty, from the working folder.
    pub base_folder: PathBuf,
}

/// Fits the pipeline on all rows of `source`.
///
/// # Errors
/// What the data, the manifest or the memory does not allow, with the column and the remedy.
pub fn fit(
    spec: &PipelineSpec,
    source: &dyn FitSource,
    options: &FitOptions,
) -> Result<FittedPipeline, TransformError> {
    let (raw, dropped) = raw_columns(spec, source)?;
    let (target, rows_with_target) = fit_target(spec, source)?;
    let FitOptions { seed, memory_bytes, base_folder } = options.clone();
    let (rows, classes) = (source.rows(), target.labels());
    let facts = FitFacts { rows, classes, seed, memory_bytes, base_folder, models: Models::within(memory_bytes) };
    let transforms = spec.transforms.iter().filter(|spec| spec.is_on);
    let stages = transforms.map(|spec| Stage { spec, entries: None }).collect();
    let mut fitting =
        Fitting { source, drops_null: spec.drop_null_target, raw, target, facts, stages, nulls: BTreeMap::new() };
    loop {
        let walk = fitting.walk()?;
        if walk.learners.is_empty() {
            let frame = walk.frame;
            let mut pipeline = fitting.finish(spec, &frame, dropped)?;
            pipeline.rows = rows_with_target;
            return Ok(pipeline);
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

/// The target, and how many rows have one.
fn fit_target(spec: &PipelineSpec, source: &dyn FitSource) -> Result<(Target, u64), TransformError> {
    let schema = source.schema();
    let data_type =
        schema.field_with_name(&spec.target.column).map_or(&DataType::Null, arrow::datatypes::Field::data_type);
    let mut learner = TargetLearner::new(&spec.target, data_type)?;
    source.scan_encoded(&[&spec.target.column], &|_| true, &mut |batch| learner.learn(batch.column(0)))?;
    let rows = learner.rows;
    Ok((learner.finish(&spec.target, spec.drop_null_target)?, rows))
}

/// One transform of the manifest: after it is resolved, one entry for each of its columns, or one for all.
pub(super) struct Stage<'spec> {
    pub(super) spec: &'spec TransformSpec,
    pub(super) entries: Option<Vec<Entry>>,
}

/// The columns of one fitted transform, and that transform when it has learnt.
pub(super) struct Entry {
    pub(super) columns: Vec<String>,
    pub(super) unit: Option<Unit>,
}

/// A learner and its place in the chain.
pub(super) struct Scheduled {
    pub(super) stage: usize,
    pub(super) entry: usize,
    pub(super) learner: Box<dyn Learner>,
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

impl Fitting<'_> {
    /// Walks the chain as far as the names of columns are known and schedules everything that can learn.
    fn walk(&mut self) -> Result<Walk, TransformError> {
        let mut walk = Walk::new(&self.raw);
        for (index, stage) in self.stages.iter_mut().enumerate() {
            if stage.entries.is_none() {
                if walk.may_grow(stage.spec) {
                    break;
                }
                stage.entries = Some(resolve(stage.spec, &walk.frame)?);
            }
            for (place, entry) in stage.entries.iter_mut().flatten().enumerate() {
                if entry.unit.is_none() && !walk.plan(stage.spec, (index, place), entry, &self.facts)? {
                    return Ok(walk);
                }
                if let Some(unit) = &entry.unit {
                    walk.apply(unit)?;
                }
            }
        }
        Ok(walk)
    }

    /// Reads what the learners need, as often as they ask for it, and lets them learn.
    fn pass(&mut self, mut learners: Vec<Scheduled>) -> Result<(), TransformError> {
        while !learners.is_empty() {
            self.scan(&mut learners)?;
            let mut unfinished = Vec::new();
            for mut scheduled in learners {
                if scheduled.learner.needs_another_pass()? {
                    unfinished.push(scheduled);
                    continue;
                }
                let unit = scheduled.learner.finish()?;
                // A score that is not finite is only told, and judges nothing later.
                if unit.fitted().choices().is_empty() && !is_finite(&unit) {
                    return Err(too_large(&unit.fitted().inputs(), unit.key()));
                }
                if let Some(entries) = &mut self.stages[scheduled.stage].entries {
                    entries[scheduled.entry].unit = Some(unit);
                }
            }
            learners = unfinished;
        }
        Ok(())
    }

    /// Shows all rows to the learners, each at its place in the chain.
    fn scan(&mut self, learners: &mut [Scheduled]) -> Result<(), TransformError> {
        let (applied, needed) = self.needed(learners);
        let raw: Vec<&InputColumn> = self.raw.iter().filter(|column| needed.contains(&column.name)).collect();
        let mut columns: Vec<&str> = vec![&self.target.column];
        columns.extend(raw.iter().map(|column| column.name.as_str()));
        let mut first = 0;
        let plain = self.plain(learners, &applied);
        let units = applied.iter().filter_map(|(stage, entry)| {
            let entries = self.stages[*stage].entries.as_ref()?;
            entries.get(*entry)?.unit.as_ref()
        });
        let most = rows_at_once(columns.iter().copied(), units);
        let nulls = &mut self.nulls;
        let (stages, target, drops_null) = (&self.stages, &self.target, self.drops_null);
        let mut learn = |batch: RecordBatch| {
            let batch = if drops_null { with_target(&batch, 0, target)? } else { batch };
            let targets = target.values(batch.column(0))?;
            let rows = LearningRows { targets: targets.values(), first };
            let mut frame = Frame::new(batch.num_rows());
            for (column, array) in raw.iter().zip(&batch.columns()[1..]) {
                let array = if plain.contains(&column.name) {
                    canonical(&column.name, array, column.column_type)?
                } else {
                    canonical_or_encoded(&column.name, array, column.column_type)?
                };
                *nulls.entry(column.name.clone()).or_default() |= array.null_count() > 0;
                frame.set(&column.name, Column { array, kind: Kind::of(column.column_type), categories: None });
            }
            let mut next = learners.iter_mut().peekable();
            for (index, stage) in stages.iter().enumerate() {
                for (place, entry) in stage.entries.iter().flatten().enumerate() {
                    if let Some(scheduled) = next.next_if(|next| (next.stage, next.entry) == (index, place)) {
                        scheduled.learner.learn(&frame, &rows)?;
                    } else if let Some(unit) = entry.unit.as_ref().filter(|_| applied.contains(&(index, place))) {
                        unit.fitted().apply(&mut frame, Rows::Learnt { first, targets: targets.values() })?;
                    }
                }
            }
            first += batch.num_rows() as u64;
            Ok(())
        };
        self.source.scan_encoded(&columns, &|name| !plain.contains(name), &mut |batch| {
            pieces(batch, most).try_for_each(&mut learn)
        })
    }

    /// The fitted entries whose results reach a learner, and the raw columns that they start from.
    fn needed(&self, learners: &[Scheduled]) -> (BTreeSet<(usize, usize)>, BTreeSet<String>) {
        let learning: BTreeMap<(usize, usize), &Scheduled> =
            learners.iter().map(|next| ((next.stage, next.entry), next)).collect();
        let mut applied = BTreeSet::new();
        let mut needed = BTreeSet::new();
        for (index, stage) in self.stages.iter().enumerate().rev() {
            for (place, entry) in stage.entries.as_deref().unwrap_or_default().iter().enumerate().rev() {
                if let Some(scheduled) = learning.get(&(index, place)) {
                    needed.extend(entry.columns.iter().cloned());
                    needed.extend(scheduled.learner.reads().into_iter().map(str::to_owned));
                } else if entry.unit.as_ref().is_some_and(|unit| take_back(unit, &mut needed)) {
                    applied.insert((index, place));
                }
            }
        }
        (applied, needed)
    }

    /// The columns that somebody reads who does not take texts with their dictionary.
    fn plain(&self, learners: &[Scheduled], applied: &BTreeSet<(usize, usize)>) -> BTreeSet<String> {
        let mut plain = BTreeSet::new();
        for Scheduled { stage, entry, learner } in learners.iter().filter(|next| !next.learner.takes_encoded()) {
            let entries = self.stages[*stage].entries.as_deref().unwrap_or_default();
            plain.extend(entries[*entry].columns.iter().cloned());
            plain.extend(learner.reads().into_iter().map(str::to_owned));
        }
        for (stage, entry) in applied {
            let entries = self.stages[*stage].entries.as_deref().unwrap_or_default();
            let unit = entries[*entry].unit.as_ref().map(Unit::fitted);
            let inputs = unit.filter(|fitted| !fitted.takes_encoded()).map(|fitted| fitted.inputs());
            plain.extend(inputs.into_iter().flatten().map(str::to_owned));
        }
        plain
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
        let mut unread: Vec<String> = Vec::new();
        for column in pipeline.needed_columns() {
            if self.nulls.contains_key(&column.name) {
                continue;
            }
            // A NaN is a missing value that nobody counts.
            let known = self.source.known_nulls(&column.name).filter(|_| column.column_type != ColumnType::Float);
            match known {
                Some(nulls) => drop(self.nulls.insert(column.name.clone(), nulls > 0)),
                None => unread.push(column.name.clone()),
            }
        }
        if !unread.is_empty() {
            let columns: Vec<&str> = unread.iter().map(String::as_str).collect();
            self.source.scan(&columns, &mut |batch| {
                for (column, array) in columns.iter().zip(batch.columns()) {
                    let is_null = |array: &arrow::array::ArrayRef| {
                        array.logical_null_count() > 0
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
        Ok(pipeline)
    }
}

/// The rows of `batch` whose target, in column `place`, is not null.
pub(super) fn with_target(batch: &RecordBatch, place: usize, target: &Target) -> Result<RecordBatch, TransformError> {
    if batch.column(place).logical_null_count() == 0 && !batch.column(place).data_type().is_floating() {
        return Ok(batch.clone());
    }
    Ok(arrow::compute::filter_record_batch(batch, &target.present(batch.column(place))?)?)
}

/// Goes one unit back in the chain: if it makes a needed column, its inputs are needed instead.
pub(super) fn take_back(unit: &Unit, needed: &mut BTreeSet<String>) -> bool {
    let outputs = unit.fitted().outputs();
    if !outputs.iter().any(|output| needed.contains(*output)) {
        return false;
    }
    for output in outputs {
        needed.remove(output);
    }
    needed.extend(unit.fitted().inputs().into_iter().map(str::to_owned));
    true
}

/// The entries of a transform over the columns of `frame`.
fn resolve(spec: &TransformSpec, frame: &Frame) -> Result<Vec<Entry>, TransformError> {
    let columns = spec.select(frame)?;
    let entry = |columns: Vec<String>| Entry { columns, unit: None };
    Ok(match spec.entry.scope {
        Scope::Each => columns.into_iter().map(|column| entry(vec![column])).collect(),
        Scope::Together if columns.is_empty() && matches!(spec.entry.columns, Columns::Selected(_)) => Vec::new(),
        Scope::Together => vec![entry(columns)],
    })
}
