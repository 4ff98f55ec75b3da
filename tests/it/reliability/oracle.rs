//! What must hold whatever went wrong: compares the ledger, the database and the artifacts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use phaseline::artifact::Digest;
use phaseline::store::Store;
use serde_json::Value;

use super::workload::{Entry, STEPS, entries, expected};

/// A run that somebody was told to exist, and the salt that it was given.
#[derive(Debug, Clone)]
pub(super) struct Acknowledged {
    pub(super) run: String,
    pub(super) salt: String,
}

/// Where to look.
pub(super) struct Scene<'scene> {
    pub(super) store: &'scene Store,
    pub(super) artifacts: PathBuf,
    pub(super) ledger: PathBuf,
    /// What daemons said on standard error.
    pub(super) log: String,
    pub(super) state: PathBuf,
}

/// Everything that is wrong, each as a sentence that begins with the invariant.
pub(super) async fn violations(scene: &Scene<'_>, acknowledged: &[Acknowledged]) -> Vec<String> {
    let mut wrong = Vec::new();
    for it in acknowledged {
        wrong.extend(counted_once(scene, it).await);
    }
    wrong.extend(no_overlap(&entries(&scene.ledger)));
    wrong.extend(nothing_left(scene).await);
    if let Some(line) = scene.log.lines().find(|line| line.contains("panicked at")) {
        wrong.push(format!("I5: a panic: {line}"));
    }
    wrong
}

/// The rows of a query, each as a map from column to value.
pub(super) async fn rows(store: &Store, query: &str) -> Vec<BTreeMap<String, Value>> {
    let result = store.sql(query).await.unwrap();
    let columns: Vec<String> = result.columns.clone();
    result.rows.iter().map(|row| columns.iter().cloned().zip(row.iter().cloned()).collect()).collect()
}

fn text<'row>(row: &'row BTreeMap<String, Value>, column: &str) -> &'row str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

/// I1 and I2: the run has ended well, and each step has one counted result with the content that it must have.
async fn counted_once(scene: &Scene<'_>, it: &Acknowledged) -> Vec<String> {
    let Acknowledged { run, salt } = it;
    let mut wrong = Vec::new();
    let states = rows(scene.store, &format!("select state from lineage_runs where run_id = '{run}'")).await;
    match states.first().map(|row| text(row, "state")) {
        None => return vec![format!("I1: run {run} was acknowledged and does not exist")],
        Some("succeeded") => {}
        Some(state) => return vec![format!("I1: run {run} is {state}")],
    }
    let steps = rows(scene.store, &format!("select step, state from lineage_steps where run_id = '{run}'")).await;
    if steps.len() != STEPS.len() {
        wrong.push(format!("I1: run {run} has {} steps", steps.len()));
    }
    let counted = format!(
        "select step, count(*) as n from lineage_attempts where run_id = '{run}' and state = 'succeeded' group by step"
    );
    for row in rows(scene.store, &counted).await {
        if row["n"] != 1 {
            wrong.push(format!("I2: step {} of {run} counted {} attempts", text(&row, "step"), row["n"]));
        }
    }
    let mut made = BTreeMap::new();
    for row in rows(scene.store, &format!("select step, digest from lineage_outputs where run_id = '{run}'")).await {
        let (step, digest) = (text(&row, "step").to_owned(), text(&row, "digest").to_owned());
        let should_be = expected(&step, salt);
        if digest != Digest::of(&should_be).to_string() {
            wrong.push(format!("I2: the output of {step} of {run} is recorded as {digest}"));
        }
        match fs::read_to_string(scene.artifacts.join("blobs").join(&digest[..2]).join(&digest)) {
            Ok(content) if content == should_be => {}
            Ok(content) => wrong.push(format!("I2: the bytes of {step} of {run} are wrong: {content:?}")),
            Err(error) => wrong.push(format!("I2: the bytes of {step} of {run}: {error}")),
        }
        made.insert(step, digest);
    }
    for (step, _) in STEPS {
        if !made.contains_key(step) {
            wrong.push(format!("I2: step {step} of {run} left no output"));
        }
    }
    let inputs = format!("select step, source_step, digest from lineage_inputs where run_id = '{run}'");
    for row in rows(scene.store, &inputs).await {
        if made.get(text(&row, "source_step")).map(String::as_str) != Some(text(&row, "digest")) {
            wrong.push(format!(
                "I2: {} of {run} read something else than {} made",
                text(&row, "step"),
                text(&row, "source_step")
            ));
        }
    }
    wrong
}

/// Executions: from when to when, and which.
type Spans<'a> = Vec<(f64, f64, &'a str)>;

/// I3: an attempt starts at most once, and two executions of a step of a run never overlap.
fn no_overlap(entries: &[Entry]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut executions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in entries {
        executions.entry(&entry.attempt).or_default().insert(&entry.execution);
    }
    for (attempt, executions) in executions {
        if executions.len() > 1 {
            wrong.push(format!("I3: attempt {attempt} was begun {} times", executions.len()));
        }
    }
    let mut spans: BTreeMap<(&str, &str), Spans<'_>> = BTreeMap::new();
    for begin in entries.iter().filter(|entry| entry.what == "begin") {
        let end = entries.iter().find(|entry| entry.execution == begin.execution && entry.what != "begin");
        // One that was killed has no end; it is known not to have gone on from its begin at least.
        let until = end.map_or(begin.at, |end| end.at);
        spans.entry((&begin.run, &begin.step)).or_default().push((begin.at, until, &begin.attempt));
    }
    for ((run, step), mut spans) in spans {
        spans.sort_by(|left, right| left.0.total_cmp(&right.0));
        for pair in spans.windows(2) {
            if pair[1].0 < pair[0].1 {
                wrong.push(format!("I3: attempts {} and {} of {step} of {run} overlapped", pair[0].2, pair[1].2));
            }
        }
    }
    wrong
}

/// I4: no worker, slot, reservation or staged file is left.
async fn nothing_left(scene: &Scene<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    for table in ["slots", "slot_waits", "reservations"] {
        let left = rows(scene.store, &format!("select count(*) as n from {table}")).await;
        if left[0]["n"] != 0 {
            wrong.push(format!("I4: {} rows are left in {table}", left[0]["n"]));
        }
    }
    wrong.extend(workers(&scene.state).iter().map(|arguments| format!("I4: a worker is left: {arguments}")));
    wrong
}

/// The command lines of workers that run for the state in a folder.
pub(super) fn workers(state: &Path) -> Vec<String> {
    let state = state.to_string_lossy().into_owned();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|arguments| String::from_utf8_lossy(&arguments).replace('\0', " "))
        .filter(|arguments| arguments.contains(" worker ") && arguments.contains(&state))
        .collect()
}
