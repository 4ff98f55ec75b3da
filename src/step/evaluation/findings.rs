//! Everything that an evaluation found, as the report and the card show it.

use serde::Serialize;
use serde_json::{Value, json};

use super::measured::{Measures, SliceReport};
use crate::ml::importance::Importance;
use crate::ml::metrics::{CalibrationBin, CurvePoint, ThresholdRow};
use crate::ml::model::ModelDescription;

/// Everything that an evaluation found.
#[derive(Debug, Clone)]
pub(super) struct Findings {
    pub(super) model: ModelDescription,
    /// The kind of the evaluation step.
    pub(super) kind: &'static str,
    pub(super) rows: usize,
    pub(super) resamples: usize,
    pub(super) metrics: Measures,
    pub(super) slices: Vec<SliceReport>,
    /// The score whose drop the importances are.
    pub(super) importance_score: &'static str,
    pub(super) importance: Vec<Importance>,
    pub(super) task: TaskFindings,
}

/// What only one kind of task has.
#[derive(Debug, Clone)]
pub(super) enum TaskFindings {
    /// Two classes.
    Binary(Box<BinaryFindings>),
    /// Three or more classes.
    Multiclass { confusion: Vec<Vec<f64>>, by_class: Vec<ClassFindings> },
    /// A number.
    Regression {
        /// Predicted against true values of some rows.
        scatter: Vec<CurvePoint>,
    },
}

/// What only a binary classifier has.
#[derive(Debug, Clone)]
pub(super) struct BinaryFindings {
    pub(super) threshold: f64,
    /// How the threshold was found, for people.
    pub(super) threshold_rule: String,
    pub(super) confusion: Vec<Vec<f64>>,
    pub(super) roc: Vec<CurvePoint>,
    pub(super) precision_recall: Vec<CurvePoint>,
    pub(super) calibration: Vec<CalibrationBin>,
    pub(super) thresholds: Vec<ThresholdRow>,
}

/// One class against all others.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ClassFindings {
    pub(super) label: String,
    pub(super) rows: f64,
    pub(super) precision: Option<f64>,
    pub(super) recall: Option<f64>,
    pub(super) f1: Option<f64>,
    pub(super) roc_auc: Option<f64>,
}

impl Findings {
    /// The report.
    pub(super) fn to_json(&self) -> Value {
        let mut report = json!({
            "kind": self.kind,
            "task": self.model.task.as_str(),
            "classes": self.model.task.classes(),
            "target": self.model.target,
            "rows": self.rows,
            "model": {"kind": self.model.kind, "params": self.model.params, "seed": self.model.seed},
            "bootstrap": self.resamples,
            "metrics": self.metrics,
        });
        let task = match &self.task {
            TaskFindings::Binary(binary) => binary.to_json(),
            TaskFindings::Multiclass { confusion, by_class } => json!({"confusion": confusion, "by_class": by_class}),
            TaskFindings::Regression { scatter } => json!({"scatter": pairs(scatter)}),
        };
        let importance = |item: &Importance| json!({"feature": item.name, "mean": item.mean, "std": item.std});
        let shared = json!({
            "slices": self.slices,
            "importance": {
                "score": self.importance_score,
                "features": self.importance.iter().map(importance).collect::<Vec<Value>>(),
            },
        });
        for part in [task, shared] {
            if let (Value::Object(report), Value::Object(part)) = (&mut report, part) {
                report.extend(part);
            }
        }
        report
    }
}

impl BinaryFindings {
    fn to_json(&self) -> Value {
        let threshold = |row: &ThresholdRow| {
            json!({
                "threshold": row.threshold,
                "precision": row.confusion.precision(),
                "recall": row.confusion.recall(),
                "f1": row.confusion.f1(),
                "specificity": row.confusion.specificity(),
                "accuracy": row.confusion.accuracy(),
                "selection_rate": row.confusion.selection_rate(),
            })
        };
        let bin = |bin: &CalibrationBin| json!({"from": bin.from, "to": bin.to, "weight": bin.weight, "predicted": bin.predicted, "observed": bin.observed});
        json!({
            "threshold": {"value": self.threshold, "rule": self.threshold_rule},
            "confusion": self.confusion,
            "thresholds": self.thresholds.iter().map(threshold).collect::<Vec<Value>>(),
            "calibration": self.calibration.iter().map(bin).collect::<Vec<Value>>(),
            "curves": {"roc": pairs(&self.roc), "precision_recall": pairs(&self.precision_recall)},
        })
    }
}

fn pairs(points: &[CurvePoint]) -> Vec<[f64; 2]> {
    points.iter().map(|point| [point.x, point.y]).collect()
}
