//! What differs between two runs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::connection::Session;
use super::super::{Store, StoreError};
use crate::id::RunId;

/// One thing that differs; `None` where a run does not have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The step; none for the run itself.
    pub step: Option<String>,
    /// What: a param, an input, an output, a fact about the run.
    pub name: String,
    /// Its value in the first run.
    pub left: Option<String>,
    /// Its value in the second.
    pub right: Option<String>,
}

/// A metric of two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricDifference {
    /// The step that measured it.
    pub step: String,
    /// The metric.
    pub metric: String,
    /// The slice; none for all rows.
    pub slice: Option<String>,
    /// Its value in the first run.
    pub left: Option<f64>,
    /// Its value in the second.
    pub right: Option<f64>,
    /// The second minus the first, where both are defined.
    pub change: Option<f64>,
}

/// What differs between two runs, and all metrics of which at least one value differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunDiff {
    /// The first run.
    pub left: RunId,
    /// The second.
    pub right: RunId,
    /// Manifest, git commit, program version, host and outcome.
    pub run: Vec<Difference>,
    /// Params of the pipeline and of steps.
    pub params: Vec<Difference>,
    /// Digests bound to inputs of steps.
    pub inputs: Vec<Difference>,
    /// Digests of outputs of steps.
    pub outputs: Vec<Difference>,
    /// Metrics.
    pub metrics: Vec<MetricDifference>,
}

type Facts = BTreeMap<(String, String), String>;

const RUN: &str = "select '' as step, 'manifest' as name, manifest_digest as value from runs where run_id = $1
    union all select '', 'git commit', git_commit from runs where run_id = $1
    union all select '', 'program version', program_version from runs where run_id = $1
    union all select '', 'host', host from runs where run_id = $1
    union all select '', 'state', state from runs where run_id = $1";
const PARAMS: &str = "select step, param as name, value from params where run_id = $1";
const INPUTS: &str = "select step, input || case when position = 0 then '' else '[' || position || ']' end as name,
        digest as value
    from step_inputs where run_id = $1";
const OUTPUTS: &str = "select step, output as name, digest as value from step_outputs where run_id = $1";
const METRICS: &str = "select s.step, m.metric, m.slice, m.value
    from steps s join metrics m on m.attempt_id = s.attempt_id where s.run_id = $1";

impl Store {
    /// What differs between `left` and `right`.
    pub async fn diff(&self, left: RunId, right: RunId) -> Result<RunDiff, StoreError> {
        let mut session = self.read("compare two runs").await?;
        let mut both = async |sql| -> Result<Vec<Difference>, StoreError> {
            Ok(differences(&facts(&mut session, sql, left).await?, &facts(&mut session, sql, right).await?))
        };
        let (run, params) = (both(RUN).await?, both(PARAMS).await?);
        let (inputs, outputs) = (both(INPUTS).await?, both(OUTPUTS).await?);
        let metrics = metric_differences(&measured(&mut session, left).await?, &measured(&mut session, right).await?);
        Ok(RunDiff { left, right, run, params, inputs, outputs, metrics })
    }
}

async fn facts(session: &mut Session<'_>, sql: &'static str, run: RunId) -> Result<Facts, StoreError> {
    let mut facts = Facts::new();
    for row in session.fetch(sql, vec![run.to_string().into()]).await? {
        if let Some(value) = row.get::<Option<String>>("value")? {
            facts.insert((row.get("step")?, row.get("name")?), value);
        }
    }
    Ok(facts)
}

fn differences(left: &Facts, right: &Facts) -> Vec<Difference> {
    let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
    keys.into_iter()
        .filter(|key| left.get(key) != right.get(key))
        .map(|key| Difference {
            step: (!key.0.is_empty()).then(|| key.0.clone()),
            name: key.1.clone(),
            left: left.get(key).cloned(),
            right: right.get(key).cloned(),
        })
        .collect()
}

type Measured = BTreeMap<(String, String, Option<String>), Option<f64>>;

async fn measured(session: &mut Session<'_>, run: RunId) -> Result<Measured, StoreError> {
    let mut measured = Measured::new();
    for row in session.fetch(METRICS, vec![run.to_string().into()]).await? {
        measured.insert((row.get("step")?, row.get("metric")?, row.get("slice")?), row.get("value")?);
    }
    Ok(measured)
}

fn metric_differences(left: &Measured, right: &Measured) -> Vec<MetricDifference> {
    let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
    keys.into_iter()
        .filter_map(|key| {
            let (old, new) = (left.get(key).copied(), right.get(key).copied());
            let (old, new) = if old == new { return None } else { (old.flatten(), new.flatten()) };
            let (step, metric, slice) = key.clone();
            let change = old.zip(new).map(|(old, new)| new - old);
            Some(MetricDifference { step, metric, slice, left: old, right: new, change })
        })
        .collect()
}
