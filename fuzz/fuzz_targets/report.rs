//! Any bytes as what a worker leaves or says, and as what stands in the log of a run.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use phaseline::engine::{Run, RunEvent, RunOptions};
use phaseline::id::RunId;
use phaseline::manifest::{Source, parse};
use phaseline::plan::{Overrides, Plan};
use phaseline::step::StepRegistry;
use phaseline::worker::{Report, WorkOrder, WorkerMessage};

const MANIFEST: &str = "version: 1
pipeline: fuzz
data_engineering:
  steps:
    load: {run: 'true', outputs: {out: file}}
    use: {run: 'true', inputs: {a: load.out}}
  gates:
    ok: {check: steps.load.metrics.x > 1, on_fail: approval}
";

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let manifest = parse(Source::new("fuzz.yaml", MANIFEST)).expect("the manifest is right");
    Arc::new(Plan::build(&manifest, &StepRegistry::builtin(), &Overrides::none()).expect("it can be planned"))
});

fuzz_target!(|bytes: &[u8]| {
    drop(serde_json::from_slice::<Report>(bytes));
    drop(serde_json::from_slice::<WorkOrder>(bytes));
    drop(serde_json::from_slice::<WorkerMessage>(bytes));
    if let Ok(events) = serde_json::from_slice::<Vec<RunEvent>>(bytes)
        && let Ok(run) = Run::replay(PLAN.clone(), RunId::from_u128(1), &RunOptions::default(), &events)
    {
        let again = Run::replay(PLAN.clone(), RunId::from_u128(1), &RunOptions::default(), &events);
        assert_eq!(again.expect("what was replayed once can be again"), run);
    }
});
