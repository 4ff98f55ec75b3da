//! Whatever stands in the database, reading a run never panics: it makes sense, or is refused as corrupt.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::people_laws::Story;
use super::request::answer;
use super::{EngineError, Request, RequestKind, Run, RunEvent, StoredRun, decide};
use crate::plan::Plan;

/// A change of one place in a document.
#[derive(Debug, Clone)]
struct Mutation {
    place: Index,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    Replace(Value),
    Remove,
    Double,
    /// With what stands somewhere else in the document.
    Copy(Index),
}

fn junk() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(0), Just(1), Just(-1), Just(i64::MAX), Just(i64::MIN), any::<i64>()].prop_map(Value::from),
        prop_oneof![Just(u64::MAX), Just(u64::from(u32::MAX)), any::<u64>()].prop_map(Value::from),
        prop_oneof![Just(1e308), Just(-1e308), Just(1e-308), Just(0.5)].prop_map(Value::from),
        prop_oneof![
            Just(""),
            Just("gone"),
            Just("s0"),
            Just("s1"),
            Just("g0"),
            Just("g1"),
            Just("s0[seed=1]"),
            Just("\u{0}"),
            Just("+262142-12-31T23:59:59Z"),
            Just("-262143-01-01T00:00:00Z"),
            Just("1970-01-01T00:00:00Z"),
            Just("stop"),
            Just("approval"),
            Just("environment"),
            Just("deployment"),
            Just("understanding"),
            Just("steps.s0.metrics.m > 0"),
            Just("((((("),
            Just("artifact_missing"),
            Just("out_of_memory"),
        ]
        .prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!({"secs": u64::MAX, "nanos": 999_999_999})),
        Just(json!({"secs": 0, "nanos": 0})),
        Just(json!({"message": null, "expires": {"secs": u64::MAX, "nanos": 0}})),
        Just(json!(["s0", "gone"])),
        Just(json!({"gate": "g0"})),
        Just(json!({"step": "s0"})),
        Just(json!({"upstream": "gone"})),
        Just(json!({"earlier_phase": "gone"})),
    ]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let change = prop_oneof![
        4 => junk().prop_map(Change::Replace),
        1 => Just(Change::Remove),
        1 => Just(Change::Double),
        2 => any::<Index>().prop_map(Change::Copy),
    ];
    (any::<Index>(), change).prop_map(|(place, change)| Mutation { place, change })
}

/// The pointers to everything in a document.
fn places(document: &Value, at: &str, found: &mut Vec<String>) {
    let below = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    match document {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            found.push(below(key));
            places(value, &below(key), found);
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(place, value)| {
            found.push(below(&place.to_string()));
            places(value, &below(&place.to_string()), found);
        }),
        _ => {}
    }
}

fn mutate(document: &mut Value, mutation: &Mutation) {
    let mut found = Vec::new();
    places(document, "", &mut found);
    if found.is_empty() {
        return;
    }
    let pointer = found[mutation.place.index(found.len())].clone();
    let (above, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    match &mutation.change {
        Change::Replace(junk) => *document.pointer_mut(&pointer).unwrap() = junk.clone(),
        Change::Copy(from) => {
            let other = document.pointer(&found[from.index(found.len())]).unwrap().clone();
            *document.pointer_mut(&pointer).unwrap() = other;
        }
        Change::Remove | Change::Double => match document.pointer_mut(above).unwrap() {
            Value::Object(fields) if matches!(mutation.change, Change::Remove) => drop(fields.remove(&key)),
            Value::Object(fields) => {
                let value = fields[&key].clone();
                fields.insert(format!("{key}_too"), value);
            }
            Value::Array(items) if matches!(mutation.change, Change::Remove) => {
                drop(items.remove(key.parse().unwrap()));
            }
            Value::Array(items) => {
                let place: usize = key.parse().unwrap();
                items.insert(place, items[place].clone());
            }
            _ => {}
        },
    }
}

/// Reads a run from what is kept of it, and asks it everything that a driver asks. Tells whether it made sense.
fn read(document: &Value) -> bool {
    let plan: Result<Plan, _> = serde_json::from_value(document["plan"].clone());
    let events: Result<Vec<RunEvent>, _> = serde_json::from_value(document["events"].clone());
    let (Ok(plan), Ok(events)) = (plan, events) else { return false };
    let id = crate::id::RunId::from_u128(1);
    let (manifest_path, options) = ("test.yaml".to_owned(), document["options"].clone());
    let mut run = match Run::load(
        StoredRun { id, plan, manifest_path, environment: serde_json::Value::Null, options },
        &events,
    ) {
        Ok(run) => run,
        Err(EngineError::Corrupt { .. }) => return false,
        Err(error) => panic!("{error}"),
    };
    crate::lineage::project(&events);
    let now = super::testing::at(100_000);
    for kind in RequestKind::ALL {
        for subject in ["g0", "s0", "gone"] {
            answer(&run, &Request::new(id, kind, "ada").about(subject, "because"), now);
        }
    }
    for index in 0..run.steps.len() {
        drop((run.memory_bytes(index), run.deadline(index), run.bindings(index)));
    }
    drop((run.standstill(), run.progress()));
    for _ in 0..20 {
        for action in decide(&run, now) {
            if let super::Action::Record(what) = action
                && run.apply(&RunEvent { seq: run.next_seq(), at: now, what: *what }).is_err()
            {
                return true;
            }
        }
    }
    true
}

fn document(seed: u64) -> Value {
    let story = Story::of(seed);
    json!({
        "plan": &**story.run.plan(),
        "events": story.log,
        "options": {"from": ["s0"], "only": [], "refresh": ["s1"]},
    })
}

#[test]
fn a_run_as_it_is_kept_makes_sense() {
    for seed in 0..20 {
        assert!(read(&document(seed)), "seed {seed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn junk_in_place_of_anything_is_refused_and_never_a_panic(
        seed in 0u64..60, mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        let mut document = document(seed);
        for it in &mutations {
            mutate(&mut document, it);
        }
        read(&document);
    }

    #[test]
    fn events_in_another_order_or_twice_are_refused_and_never_a_panic(
        seed in 0u64..60, swaps in prop::collection::vec((any::<Index>(), any::<Index>()), 1..6), renumbers in any::<bool>(),
    ) {
        let mut document = document(seed);
        let Value::Array(events) = &mut document["events"] else { unreachable!() };
        for (one, other) in swaps {
            let (one, other) = (one.index(events.len()), other.index(events.len()));
            events.swap(one, other);
        }
        if renumbers {
            for (event, number) in events.iter_mut().zip(1..) {
                event["seq"] = json!(number);
            }
        }
        read(&document);
    }
}
