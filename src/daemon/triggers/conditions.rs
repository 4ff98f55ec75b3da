//! What the condition of a `when` trigger sees: the latest runs of the pipelines that it names.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::expr::Expr;
use crate::store::queries::EndedRun;
use crate::store::{Store, StoreError};

/// The runs that a condition reads, and its value over them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged {
    /// The latest ended run of each pipeline that it names, none where there is none yet.
    pub(super) runs: BTreeMap<String, Option<EndedRun>>,
    /// What came of it.
    pub(super) verdict: Verdict,
}

/// The value of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    True,
    False,
    /// It has none: something was not measured, or does not fit.
    Unknown(String),
}

impl Judged {
    /// What the tick is known by: the same runs fire once.
    pub(super) fn key(&self) -> String {
        let runs: Vec<String> = self.runs.values().flatten().map(|ended| ended.run.to_string()).collect();
        format!("runs:{}", runs.join("+"))
    }
}

/// The latest ended runs of the pipelines that `check` names.
pub(super) async fn latest(store: &Store, check: &Expr) -> Result<BTreeMap<String, Option<EndedRun>>, StoreError> {
    let mut runs = BTreeMap::new();
    for path in check.paths() {
        let (Some("runs"), Some(pipeline)) = (path.first().map(String::as_str), path.get(1)) else { continue };
        if !runs.contains_key(pipeline) {
            runs.insert(pipeline.clone(), store.last_ended(pipeline).await?);
        }
    }
    Ok(runs)
}

/// Whether a condition's value may change although no run has ended.
pub(super) fn reads_the_clock(check: &Expr) -> bool {
    check.paths().iter().any(|path| path.get(2).is_some_and(|field| field == "age_hours"))
}

/// Evaluates `check` over what `runs` have measured.
pub(super) async fn judge(
    store: &Store,
    check: &Expr,
    runs: BTreeMap<String, Option<EndedRun>>,
    now: DateTime<Utc>,
) -> Result<Judged, StoreError> {
    let mut scope = Map::new();
    for (pipeline, ended) in &runs {
        let Some(ended) = ended else { continue };
        let mut steps = Map::new();
        for (step, metric, value) in store.metrics_of_run(ended.run).await? {
            let step = steps.entry(step).or_insert_with(|| json!({"metrics": {}}));
            step["metrics"][metric] = json!(value);
        }
        let age = (now - ended.finished_at).num_seconds().max(0) as f64 / 3600.0;
        scope.insert(pipeline.clone(), json!({"state": ended.state, "age_hours": age, "steps": steps}));
    }
    let verdict = match check.eval_scalar(&json!({ "runs": scope })) {
        Ok(Value::Bool(true)) => Verdict::True,
        Ok(Value::Bool(false)) => Verdict::False,
        Ok(Value::Null) => Verdict::Unknown(missing(&runs)),
        Ok(other) => Verdict::Unknown(format!("the condition is {other} and not true or false")),
        Err(error) => Verdict::Unknown(error.to_string()),
    };
    Ok(Judged { runs, verdict })
}

fn missing(runs: &BTreeMap<String, Option<EndedRun>>) -> String {
    match runs.iter().find(|(_, ended)| ended.is_none()) {
        Some((pipeline, _)) => format!("no run of `{pipeline}` has ended yet"),
        None => "the latest runs have not measured what the condition reads".to_owned(),
    }
}
