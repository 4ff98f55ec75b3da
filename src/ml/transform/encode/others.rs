//! `leave_one_out` and `catboost`: means of the target in a category over other rows than the one that is encoded.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::Float64Array;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hash::murmur3;
use super::means::{columns, promise, target_value};
use super::target::check_weight;
use crate::ml::transform::TransformError;
use crate::ml::transform::category::Dictionary;
use crate::ml::transform::chance::normal;
use crate::ml::transform::fitted::{Fitted, Rows, names};
use crate::ml::transform::frame::{Column, Frame};
use crate::ml::transform::learn::{BYTES_PER_CATEGORY, Learner, LearningRows, refuse_beyond};
use crate::ml::transform::needs::need_categories;
use crate::ml::transform::plan::{Columns, Plan, Planning, Transform};
use crate::ml::transform::registry::Unit;

/// Replaces each category by the mean of the target in it (category_encoders' `LeaveOneOutEncoder`); a row of the fit
/// table gets the mean of the other rows of its category. Categories of a single row and values that the fit table does
/// not have get the mean of all rows. With three or more classes each gives a column `NAME_CLASS`. Within a category the
/// rows of the fit table differ only by their own targets, which a tree can use; `target` does not have that weakness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::ml::transform) struct LeaveOneOut {
    /// The deviation of normal noise around 1 that the encodings of the fit table's own rows are multiplied by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    sigma: Option<f64>,
}

/// Replaces each category by the mean of the target in it, where the mean of all rows counts for `a` further rows
/// (category_encoders' `CatBoostEncoder`). A row of the fit table gets the mean of the rows before it, so the table
/// should be in no telling order. Values that the fit table does not have get the mean of all rows. With three or more
/// classes each gives a column `NAME_CLASS`. A bare number is `a`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::ml::transform) struct CatBoost {
    /// How many rows the mean of all rows counts for.
    #[serde(default = "one")]
    a: f64,
    /// The deviation of normal noise around 1 that the encodings of the fit table's own rows are multiplied by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    sigma: Option<f64>,
}

fn one() -> f64 {
    1.0
}

impl Transform for LeaveOneOut {
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{leave_one_out: {}, columns: [town]}";

    fn check(&self) -> Result<(), String> {
        check_sigma(self.sigma)
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        plan("leave_one_out", planning, Others::AllOthers, self.sigma, Unit::LeaveOneOut)
    }
}

impl Transform for CatBoost {
    const BARE: Option<&'static str> = Some("a");
    const COLUMNS: Columns = Columns::Selected("@categorical");
    const EXAMPLE: &'static str = "{catboost: {a: 2}, columns: [town]}";

    fn check(&self) -> Result<(), String> {
        check_weight("a", self.a)?;
        check_sigma(self.sigma)?;
        if self.a == 0.0 { Err("`a` must be greater than 0".to_owned()) } else { Ok(()) }
    }

    fn plan(&self, planning: &Planning<'_>) -> Result<Plan, TransformError> {
        plan("catboost", planning, Others::Before { a: self.a }, self.sigma, Unit::CatBoost)
    }
}

fn check_sigma(sigma: Option<f64>) -> Result<(), String> {
    match sigma {
        Some(sigma) if !(sigma >= 0.0 && sigma.is_finite()) => Err(format!("`sigma: {sigma}` must be 0 or more")),
        _ => Ok(()),
    }
}

/// Which rows a row of the fit table is encoded by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Others {
    AllOthers,
    Before { a: f64 },
}

fn plan(
    key: &'static str,
    planning: &Planning<'_>,
    others: Others,
    sigma: Option<f64>,
    unit: fn(Encoding) -> Unit,
) -> Result<Plan, TransformError> {
    let (name, column) = planning.one()?;
    need_categories(key, name, column)?;
    let columns = columns(name, planning.facts);
    let promise = promise(&columns);
    let learner = Sums {
        key,
        memory_bytes: planning.facts.memory_bytes,
        name: name.to_owned(),
        columns,
        others,
        noise: Noise { sigma: sigma.unwrap_or(0.0), seed: planning.facts.seed ^ u64::from(murmur3(name.as_bytes())) },
        unit,
        categories: Dictionary::default(),
        tally: Tally::default(),
        rows: 0.0,
    };
    Ok(Plan::Learn(Box::new(learner), promise))
}

/// Counts of rows by category, and sums of the target by category and output column.
#[derive(Debug, Clone, Default, PartialEq)]
struct Tally {
    counts: Vec<f64>,
    sums: Vec<f64>,
}

impl Tally {
    fn grow(&mut self, categories: usize, width: usize) {
        self.counts.resize(categories, 0.0);
        self.sums.resize(categories * width, 0.0);
    }

    fn add(&mut self, category: usize, target: f64, width: usize) {
        self.counts[category] += 1.0;
        for place in 0..width {
            self.sums[category * width + place] += target_value(target, place, width);
        }
    }
}

struct Sums {
    key: &'static str,
    memory_bytes: Option<u64>,
    name: String,
    columns: Vec<String>,
    others: Others,
    noise: Noise,
    unit: fn(Encoding) -> Unit,
    categories: Dictionary,
    tally: Tally,
    rows: f64,
}

impl Learner for Sums {
    fn learn(&mut self, frame: &Frame, rows: &LearningRows<'_>) -> Result<(), TransformError> {
        let codes = self.categories.learn(self.key, &self.name, &frame.column(&self.name)?.array)?;
        let width = self.columns.len();
        // A count and sums, once over all rows and once while they are encoded, then an encoding, and the category itself.
        let bytes = size_of::<f64>() * (2 * (1 + width) + width) + BYTES_PER_CATEGORY;
        refuse_beyond(self.memory_bytes, (self.key, &self.name), self.categories.len(), bytes)?;
        self.tally.grow(self.categories.len(), width);
        for (code, target) in codes.into_iter().zip(rows.targets) {
            self.tally.add(code as usize, *target, width);
            self.rows += 1.0;
        }
        Ok(())
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn finish(self: Box<Self>) -> Result<Unit, TransformError> {
        let width = self.columns.len();
        let mean = |place: usize| self.tally.sums.iter().skip(place).step_by(width).sum::<f64>() / self.rows;
        let means: Vec<f64> = (0..width).map(mean).collect();
        let encodings = (0..width).map(|place| {
            let categories = self.tally.counts.iter().zip(self.tally.sums.chunks(width));
            categories
                .map(|(count, sums)| match self.others {
                    // One row says too little, category_encoders' rule.
                    _ if *count <= 1.0 => means[place],
                    Others::AllOthers => sums[place] / count,
                    Others::Before { a } => (sums[place] + means[place] * a) / (count + a),
                })
                .collect()
        });
        Ok((self.unit)(Encoding {
            encodings: encodings.collect(),
            column: self.name,
            columns: self.columns,
            categories: self.categories,
            means,
            learnt: Some(Learnt {
                others: self.others,
                noise: self.noise,
                tally: self.tally,
                running: Running::default(),
            }),
        }))
    }
}

/// A fitted encoding of one column by the targets of other rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::ml::transform) struct Encoding {
    column: String,
    columns: Vec<String>,
    categories: Dictionary,
    /// By output column and category.
    encodings: Vec<Vec<f64>>,
    /// By output column, for values that are no categories.
    means: Vec<f64>,
    /// What the rows of the fit table need; of no use later, so it is not saved.
    #[serde(skip)]
    learnt: Option<Learnt>,
}

#[derive(Debug, Clone, PartialEq)]
struct Learnt {
    others: Others,
    noise: Noise,
    tally: Tally,
    running: Running,
}

/// What the encodings of the fit table's own rows are multiplied by.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Noise {
    sigma: f64,
    seed: u64,
}

impl Noise {
    /// The factor of one row.
    fn factor(self, row: u64) -> f64 {
        if self.sigma > 0.0 { 1.0 + self.sigma * normal(self.seed, row) } else { 1.0 }
    }
}

/// The rows of the fit table that were encoded so far in this pass, which come in order.
#[derive(Debug, Default)]
struct Running(Mutex<(u64, Tally)>);

impl Clone for Running {
    fn clone(&self) -> Running {
        Running::default()
    }
}

impl PartialEq for Running {
    fn eq(&self, _: &Running) -> bool {
        true
    }
}

impl Encoding {
    /// By output column, the encodings of rows of the fit table.
    fn learnt(&self, learnt: &Learnt, codes: &[u32], first: u64, targets: &[f64]) -> Vec<Vec<f64>> {
        let width = self.columns.len();
        let mut columns = vec![Vec::with_capacity(codes.len()); width];
        let mut running = learnt.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, before) = &mut *running;
        if first == 0 {
            *next = 0;
            before.counts.clear();
            before.sums.clear();
            before.grow(self.categories.len(), width);
        }
        assert_eq!(*next, first, "the rows of a fit table come in order");
        *next += codes.len() as u64;
        for ((code, target), row) in codes.iter().zip(targets).zip(first..) {
            let code = *code as usize;
            let factor = learnt.noise.factor(row);
            for (place, column) in columns.iter_mut().enumerate() {
                let encoding = match learnt.others {
                    Others::AllOthers if learnt.tally.counts[code] <= 1.0 => self.means[place],
                    Others::AllOthers => {
                        let own = target_value(*target, place, width);
                        (learnt.tally.sums[code * width + place] - own) / (learnt.tally.counts[code] - 1.0)
                    }
                    Others::Before { a } => {
                        (before.sums[code * width + place] + self.means[place] * a) / (before.counts[code] + a)
                    }
                };
                column.push(encoding * factor);
            }
            before.add(code, *target, width);
        }
        columns
    }
}

impl Fitted for Encoding {
    fn apply(&self, frame: &mut Frame, rows: Rows<'_>) -> Result<(), TransformError> {
        let codes = self.categories.codes(&frame.column(&self.column)?.array);
        let columns = match (rows, &self.learnt) {
            (Rows::Learnt { first, targets }, Some(learnt)) => self.learnt(learnt, &codes, first, targets),
            _ => {
                let pick = |(encodings, mean): (&Vec<f64>, &f64)| {
                    codes.iter().map(|code| encodings.get(*code as usize).copied().unwrap_or(*mean)).collect()
                };
                self.encodings.iter().zip(&self.means).map(pick).collect()
            }
        };
        let columns = self.columns.iter().zip(columns);
        let columns: Vec<(String, Column)> = columns
            .map(|(name, values)| (name.clone(), Column::number(Arc::new(Float64Array::from(values)))))
            .collect();
        frame.replace(&self.column, columns);
        Ok(())
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn inputs(&self) -> Vec<&str> {
        vec![&self.column]
    }

    fn outputs(&self) -> Vec<&str> {
        names(&self.columns)
    }
}
