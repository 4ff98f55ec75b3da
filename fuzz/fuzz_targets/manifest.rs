//! Any text as a manifest: it is planned, or refused with a place in the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phaseline::manifest::{Source, parse};
use phaseline::plan::{Overrides, Plan};
use phaseline::step::StepRegistry;

fuzz_target!(|text: &str| {
    let source = Source::new("fuzz.yaml", text);
    let planned = parse(source).and_then(|manifest| {
        Plan::build(&manifest, &StepRegistry::builtin(), &Overrides::none())
    });
    match planned {
        Ok(plan) => {
            let json = serde_json::to_string(&plan).expect("a plan is plain data");
            let again: Plan = serde_json::from_str(&json).expect("a plan can be read again");
            assert_eq!(serde_json::to_string(&again).expect("a plan is plain data"), json);
        }
        Err(rejected) => assert!(!rejected.to_string().is_empty()),
    }
});
