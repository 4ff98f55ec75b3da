//! From a tick to its run: the params that the trigger sets, and the plan under them.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::submit::{Params, Submission, prepare};
use super::{By, ControlError, Version};
use crate::engine::{NewRun, Origin, RunOptions};
use crate::expr::Expr;
use crate::manifest::{Node, Part, Trigger, TriggerKind, has_expression, split, whole};
use crate::store::{NewTick, Quiet, Store, Tick, TickWants, Ticked};

/// The longest report of a run that cannot be made that is kept, in characters.
const LONGEST_REPORT: usize = 4_000;
/// How long the plan of a run may take; a network drive that does not answer must hold up no other trigger.
const PLANNING: Duration = Duration::from_secs(60);

/// A trigger that is due.
#[derive(Debug, Clone)]
pub struct DueTrigger {
    /// The manifest that declares it.
    pub version: Version,
    /// The pipeline.
    pub pipeline: String,
    /// The trigger.
    pub trigger: Trigger,
    /// What makes the tick one of its kind.
    pub key: String,
    /// What its run's params are made from: the fields of `trigger` in the scope of `set`.
    pub detail: Value,
}

/// The fields that every tick has, and those of its kind.
pub fn tick_fields(trigger: &Trigger, time: DateTime<Utc>, own: Value) -> Value {
    let date = match &trigger.kind {
        TriggerKind::Cron { zone, .. } => time.with_timezone(zone).date_naive(),
        _ => time.date_naive(),
    };
    let mut fields = Map::from_iter([
        ("name".to_owned(), json!(trigger.name.value)),
        ("time".to_owned(), json!(time.to_rfc3339_opts(SecondsFormat::Secs, true))),
        ("date".to_owned(), json!(date.to_string())),
    ]);
    if let Value::Object(own) = own {
        fields.extend(own);
    }
    Value::Object(fields)
}

/// Records the tick of a trigger that is due, with its run. A run that cannot be planned is recorded as such.
///
/// # Errors
/// The database refuses.
pub async fn fire_due(store: &Store, due: DueTrigger, now: DateTime<Utc>) -> Result<Ticked, ControlError> {
    if let Some(known) = store.tick(&due.pipeline, &due.trigger.name.value, &due.key).await? {
        return Ok(Ticked::Known(known));
    }
    let quiet = match due.trigger.kind {
        TriggerKind::When { cooldown, max_per_day, .. } => Quiet { cooldown, max_per_day },
        _ => Quiet::default(),
    };
    let mut new = NewTick {
        pipeline: due.pipeline.clone(),
        trigger: due.trigger.name.value.clone(),
        key: due.key.clone(),
        detail: due.detail.clone(),
        wants: TickWants::Skip(String::new()),
    };
    let overlap = due.trigger.overlap;
    new.wants = match planned(due, now).await {
        Ok(run) => TickWants::Run { run: Box::new(run), overlap, quiet },
        Err(because) => TickWants::Failure(because),
    };
    Ok(store.record_tick(&new).await?)
}

/// Makes the run of a tick that has waited for its turn.
///
/// # Errors
/// The database refuses.
pub async fn fire_waiting(
    store: &Store,
    version: Version,
    trigger: Trigger,
    tick: &Tick,
    now: DateTime<Utc>,
) -> Result<Ticked, ControlError> {
    let due = DueTrigger {
        version,
        pipeline: tick.pipeline.clone(),
        trigger,
        key: tick.key.clone(),
        detail: tick.detail.clone(),
    };
    let run = planned(due, now).await;
    Ok(store.fire_queued(tick, run.as_ref().map_err(String::as_str)).await?)
}

/// The run of a tick, planned where it may take its time; or why there is none.
async fn planned(due: DueTrigger, now: DateTime<Utc>) -> Result<NewRun, String> {
    let planning = tokio::task::spawn_blocking(move || plan(&due, now));
    match tokio::time::timeout(PLANNING, planning).await {
        Ok(Ok(run)) => run.map_err(|because| because.chars().take(LONGEST_REPORT).collect()),
        Ok(Err(_)) => Err("the planning of its run broke off; this is a bug".to_owned()),
        Err(_) => Err(format!("its run was not planned within {} s", PLANNING.as_secs())),
    }
}

fn plan(due: &DueTrigger, now: DateTime<Utc>) -> Result<NewRun, String> {
    let name = &due.trigger.name.value;
    let submission = Submission {
        version: due.version.clone(),
        params: Params::Values(values(&due.trigger, &due.detail)?),
        options: RunOptions::default(),
        origin: Origin { priority: due.trigger.priority, trigger: Some(name.clone()), ..Origin::default() },
        idempotency_key: None,
    };
    let by = By { who: format!("trigger {name}"), role: None, remote: None };
    prepare(submission, &by, now).map_err(|error| match error.details["report"].as_str() {
        Some(report) => report.to_owned(),
        None => error.message,
    })
}

/// The values that `set` gives to params. One that is a whole expression without a value leaves the param its default.
fn values(trigger: &Trigger, detail: &Value) -> Result<Vec<(String, Value)>, String> {
    let scope = json!({"trigger": detail});
    let mut values = Vec::new();
    for (name, node) in &trigger.set {
        if let Some(value) = value(&name.value, node, &scope)? {
            values.push((name.value.clone(), value));
        }
    }
    Ok(values)
}

fn value(param: &str, node: &Node, scope: &Value) -> Result<Option<Value>, String> {
    let constant = node.to_json();
    let Some(text) = constant.as_str().filter(|text| has_expression(text)) else { return Ok(Some(constant)) };
    let evaluate = |text: &str| {
        let parsed = Expr::parse(text).map_err(|error| format!("cannot set param `{param}`: {error}"))?;
        parsed.eval_scalar(scope).map_err(|error| format!("cannot set param `{param}` to `{text}`: {error}"))
    };
    let parts = split(text, &(0..text.len()), text).map_err(|mistake| mistake.message)?;
    if let Some(expression) = whole(&parts) {
        let value = evaluate(&expression.value)?;
        return Ok(Some(value).filter(|value| !value.is_null()));
    }
    let mut made = String::new();
    for part in &parts {
        match part {
            Part::Text(text) => made.push_str(text),
            Part::Expression(expression) => match evaluate(&expression.value)? {
                Value::Null => {
                    return Err(format!("cannot set param `{param}`: this tick has no `{}`", expression.value));
                }
                Value::String(text) => made.push_str(&text),
                Value::Array(_) | Value::Object(_) => {
                    return Err(format!("cannot set param `{param}`: `{}` is not one value", expression.value));
                }
                other => made.push_str(&other.to_string()),
            },
        }
    }
    Ok(Some(Value::String(made)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(set: &str, detail: Value) -> Result<Value, String> {
        let text = format!(
            "version: 1\npipeline: p\nparams:\n  data: {{type: path, default: x.csv}}\n  n: {{type: int, default: 3}}\n\
             triggers:\n  hook: {{webhook: token, set: {{{set}}}}}\nunderstanding:\n  steps: {{a: {{run: \"true\"}}}}\n"
        );
        let version = Version::new("/p/p.yaml".to_owned(), text);
        let manifest = version.manifest().unwrap();
        assert!(manifest.mistakes().is_empty(), "{:?}", manifest.mistakes());
        let trigger = manifest.triggers[0].clone();
        let due = DueTrigger { version, pipeline: "p".to_owned(), trigger, key: "k".to_owned(), detail };
        plan(&due, DateTime::UNIX_EPOCH).map(|run| json!(run.plan.params))
    }

    #[test]
    fn a_run_gets_its_params_from_the_tick() {
        let body = json!({"body": {"key": "in/a.csv", "n": 7}});
        assert_eq!(
            check("data: \"s3://b/${{ trigger.body.key }}\", n: \"${{ trigger.body.n }}\"", body.clone()).unwrap(),
            json!({"data": "s3://b/in/a.csv", "n": 7})
        );
        assert_eq!(check("n: \"${{ trigger.body.none }}\"", body.clone()).unwrap(), json!({"data": "x.csv", "n": 3}));
        let error = check("data: \"s3://b/${{ trigger.body.none }}\"", body).unwrap_err();
        assert_eq!(error, "cannot set param `data`: this tick has no `trigger.body.none`");
    }

    #[test]
    fn a_value_that_a_param_does_not_take_is_told_as_ever() {
        let error = check("n: \"${{ trigger.body.n }}\"", json!({"body": {"n": "seven"}})).unwrap_err();
        assert!(error.contains("error[wrong_type]: param `n` must be a whole number, not text"), "{error}");
    }
}
