//! What every kind of step keeps: documented params, examples that build, equal outputs for equal seeds, and an end
//! when the run is cancelled.

use phaseline::id::{InputName, OutputName};
use phaseline::step::testing::{Workbench, batch, floats, ints, texts};
use phaseline::step::{Arity, InputArtifact, KindInfo, StepRegistry};
use serde_json::{Map, Value, json};

/// Checks every kind and reports all that break a rule at once.
fn check(rule: impl Fn(&KindInfo) -> Result<(), String>) {
    let registry = StepRegistry::builtin();
    let broken: Vec<String> =
        registry.kinds().filter_map(|kind| rule(kind).err().map(|why| format!("{}: {why}", kind.name))).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The example of a kind, for the first values of its matrix.
fn example(kind: &KindInfo) -> Result<Map<String, Value>, String> {
    let read = |text: &str| -> Result<Map<String, Value>, String> {
        let value: Value = serde_saphyr::from_str(text).map_err(|error| format!("the example is no YAML: {error}"))?;
        value.as_object().cloned().ok_or_else(|| "the example is no map".to_owned())
    };
    let mut text = kind.example.to_owned();
    for (name, values) in read(&text)?.get("matrix").and_then(Value::as_object).into_iter().flatten() {
        let used = format!("${{{{ matrix.{name} }}}}");
        if !text.contains(&used) {
            return Err(format!("its example has a matrix of `{name}` and does not use it"));
        }
        text = text.replace(&used, &values[0].to_string());
    }
    read(&text)
}

#[test]
fn every_kind_has_a_name_a_version_and_a_sentence() {
    check(|kind| {
        let is_word =
            |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let is_named = ["command", "approval"].contains(&kind.name)
            || kind.name.split_once('.').is_some_and(|(a, b)| is_word(a) && is_word(b));
        match kind {
            _ if !is_named => Err("its name is not `family.kind`".to_owned()),
            kind if kind.version == 0 => Err("versions begin at 1".to_owned()),
            kind if !kind.summary.ends_with('.') || kind.summary.len() > 120 => {
                Err("its summary is no short sentence".to_owned())
            }
            _ => Ok(()),
        }
    });
}

#[test]
fn every_example_builds_and_binds_ports_that_exist() {
    check(|kind| {
        let example = example(kind)?;
        if kind.name == "command" {
            return if example.contains_key("run") { Ok(()) } else { Err("its example runs nothing".to_owned()) };
        }
        if example.get("uses") != Some(&json!(kind.name)) {
            return Err("its example uses another kind".to_owned());
        }
        let step = kind.build(example.get("with").cloned().unwrap_or_default()).map_err(|errors| errors.to_string())?;
        let ports = step.ports();
        let none = Map::new();
        let inputs = example.get("inputs").and_then(Value::as_object).unwrap_or(&none);
        for name in inputs.keys() {
            ports.input(name).ok_or_else(|| format!("its example binds `{name}`, which it does not take"))?;
        }
        match ports.inputs.iter().find(|port| port.arity != Arity::Optional && !inputs.contains_key(port.name.as_ref()))
        {
            Some(port) => Err(format!("its example leaves out the input `{}`", port.name)),
            None => Ok(()),
        }
    });
}

#[test]
fn every_param_is_documented() {
    check(|kind| {
        let schema = (kind.schema)().to_value();
        if schema.get("description").is_none() {
            return Err("its params have no description".to_owned());
        }
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let silent: Vec<&str> = properties
            .iter()
            .filter(|(_, it)| it.get("description").is_none())
            .map(|(name, _)| name.as_str())
            .collect();
        if !silent.is_empty() {
            return Err(format!("these params have no description: {}", silent.join(", ")));
        }
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => Ok(()),
            _ => Err("unknown params are not refused".to_owned()),
        }
    });
}

#[test]
fn every_port_has_a_name_of_its_own() {
    check(|kind| {
        let example = example(kind)?;
        if kind.name == "command" {
            return Ok(());
        }
        let step = kind.build(example.get("with").cloned().unwrap_or_default()).map_err(|errors| errors.to_string())?;
        let ports = step.ports();
        for (index, port) in ports.inputs.iter().enumerate() {
            port.name.parse::<InputName>().map_err(|error| error.to_string())?;
            if ports.inputs[..index].iter().any(|other| other.name == port.name) || port.accepts.is_empty() {
                return Err(format!("its input `{}` is there twice or takes nothing", port.name));
            }
        }
        for (index, port) in ports.outputs.iter().enumerate() {
            port.name.parse::<OutputName>().map_err(|error| error.to_string())?;
            if ports.outputs[..index].iter().any(|other| other.name == port.name) {
                return Err(format!("its output `{}` is there twice", port.name));
            }
            if let Some(unknown) = port.from.iter().flatten().find(|input| ports.input(input).is_none()) {
                return Err(format!("its output `{}` carries `{unknown}`, which is no input", port.name));
            }
        }
        Ok(())
    });
}

#[test]
fn params_that_no_kind_has_are_refused_with_their_name() {
    check(|kind| match kind.build(json!({"no_such_param": 1})) {
        Ok(_) => Err("it takes any param".to_owned()),
        Err(errors) if errors.0.is_empty() => Err("it refuses without a reason".to_owned()),
        Err(_) => Ok(()),
    });
}

/// Params and inputs for a kind that can run on a small table.
fn case(bench: &Workbench, kind: &str) -> Option<(Value, Vec<(&'static str, InputArtifact)>)> {
    let rows = 60_i64;
    let table = || {
        let columns = [
            ("id", ints(0..rows)),
            ("amount", floats((0..rows).map(|row| (row % 7 != 0).then_some(row as f64 * 1.5)))),
            (
                "city",
                texts(
                    (0..rows)
                        .map(|row| ["Bern", "Basel", "Genf"][usize::from(row % 3 == 0) + usize::from(row % 2 == 0)]),
                ),
            ),
            ("day", texts((0..rows).map(|row| ["2026-01-01", "2026-01-02"][usize::from(row > 40)]))),
            ("left", texts((0..rows).map(|row| ["no", "yes"][usize::from(row % 4 == 0)]))),
        ];
        bench.table(&batch(&columns))
    };
    let text = "id,amount,city\n1,2.5,Bern\n2,,Basel\n";
    Some(match kind {
        "ingest.arrow" => {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/arrow/plain.arrow");
            (json!({"path": file}), vec![])
        }
        "ingest.csv" => (json!({"path": bench.file("t.csv", text)}), vec![]),
        "ingest.excel" => {
            let book = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/workbooks/book.xlsx");
            (json!({"path": book}), vec![])
        }
        "ingest.json" => {
            (json!({"path": bench.file("t.json", "[{\"a\": 1}, {\"a\": 2.5, \"b\": {\"c\": \"x\"}}]")}), vec![])
        }
        "ingest.parquet" => {
            let path = bench.store().path(&table().artifact).expect("a stored table");
            (json!({"path": path}), vec![])
        }
        "split.random" => (json!({"stratify": "left", "valid": 0.2, "test": 0.2}), vec![("table", table())]),
        "split.group" => (json!({"group": "city", "test": 0.3}), vec![("table", table())]),
        "split.k_fold" => (json!({"shuffle": true, "fold": 1}), vec![("table", table())]),
        "split.stratified_k_fold" => (json!({"stratify": "left"}), vec![("table", table())]),
        "split.group_k_fold" => (json!({"group": "day", "n_splits": 2}), vec![("table", table())]),
        "split.time_series" => (json!({"column": "day", "fold": 0}), vec![("table", table())]),
        "split.time" => (json!({"column": "day", "test": 0.3}), vec![("table", table())]),
        "balance.random_over" | "balance.random_under" | "balance.class_weight" => {
            (json!({"target": "left"}), vec![("train", table())])
        }
        "balance.smotenc" => (json!({"target": "left", "columns": ["id", "city"]}), vec![("train", table())]),
        "augment.noise" => (json!({"columns": ["id"]}), vec![("train", table())]),
        "augment.mixup" => (json!({"columns": ["id"], "target": "left"}), vec![("train", table())]),
        "augment.text" => (json!({"columns": ["city"], "method": "swap"}), vec![("train", table())]),
        "data.lags" => {
            let with = json!({"time": "id", "group_by": ["city"], "columns": ["amount"], "lag": [1], "expanding": {}});
            (with, vec![("table", table())])
        }
        "data.as_of" => {
            let with = json!({"key": "city", "time": "id", "aggregates": [{"column": "amount", "functions": ["sum", "last"]}]});
            (with, vec![("table", table()), ("events", table())])
        }
        name if name.starts_with("outliers.") => (json!({"columns": ["id"]}), vec![("fit", table())]),
        name if name.starts_with("balance.") => {
            (json!({"target": "left", "columns": ["id"]}), vec![("train", table())])
        }
        "validate.table" => (json!({"expect": [{"column": "id", "check": "unique"}]}), vec![("table", table())]),
        "profile.table" => (json!({}), vec![("table", table())]),
        "feature.pipeline" => {
            let with = json!({
                "target": {"column": "left", "positive": "yes"}, "drop": ["id", "day"],
                "transforms": [{"impute": "median", "columns": ["amount"]}, {"one_hot": {}, "columns": ["city"]}],
            });
            (with, vec![("fit", table())])
        }
        "train.logistic" => {
            let (with, inputs) = case(bench, "feature.pipeline")?;
            let inputs: Vec<(&str, &InputArtifact)> = inputs.iter().map(|(name, it)| (*name, it)).collect();
            let features = bench.run("feature.pipeline", with, &inputs).expect("features");
            (json!({}), vec![("train", features.input("fit"))])
        }
        _ => return None,
    })
}

fn run(bench: &Workbench, kind: &str) -> Option<Result<Vec<String>, String>> {
    let (with, inputs) = case(bench, kind)?;
    let inputs: Vec<(&str, &InputArtifact)> = inputs.iter().map(|(name, it)| (*name, it)).collect();
    Some(match bench.run(kind, with, &inputs) {
        Ok(ran) => Ok(ran.outcome.outputs.iter().map(|(name, it)| format!("{name} {}", it.digest)).collect()),
        Err(error) => Err(format!("{}: {error}", error.code())),
    })
}

#[test]
fn equal_inputs_and_seeds_give_equal_bytes() {
    check(|kind| {
        let Some(one) = run(&Workbench::new(), kind.name) else { return Ok(()) };
        let other = run(&Workbench::new(), kind.name);
        match (one, other) {
            (Err(error), _) => Err(error),
            (one, other) if Some(&one) != other.as_ref() => Err(format!("{one:?} and {other:?}")),
            _ => Ok(()),
        }
    });
}

#[test]
fn a_cancelled_step_ends_without_outputs() {
    check(|kind| {
        let bench = Workbench::new();
        let Some((with, inputs)) = case(&bench, kind.name) else { return Ok(()) };
        let inputs: Vec<(&str, &InputArtifact)> = inputs.iter().map(|(name, it)| (*name, it)).collect();
        bench.cancel();
        match bench.run(kind.name, with, &inputs) {
            Err(error) if error.code() == "cancelled" => Ok(()),
            Err(error) => Err(format!("it ends with {}: {error}", error.code())),
            Ok(_) => Err("it goes on to its end".to_owned()),
        }
    });
}
