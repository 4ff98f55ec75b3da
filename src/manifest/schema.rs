//! The JSON Schema of manifests, for editors: generated from the same key lists and kinds that reading uses.

use serde_json::{Map, Value, json};

use super::param::ParamType;
use super::{document, gate, notify, param, purpose, settings, step, trigger};
use crate::phase::Phase;
use crate::step::{KindInfo, StepRegistry};

/// The JSON Schema of manifests with all kinds of `registry`.
pub fn schema(registry: &StepRegistry) -> Value {
    let mut definitions = definitions();
    let mut with = Vec::new();
    for kind in registry.kinds() {
        let name = format!("with {}", kind.name);
        definitions.insert(name.clone(), params_schema(kind, &name));
        if kind.name == step::COMMAND {
            continue;
        }
        with.push(json!({
            "if": {"properties": {"uses": {"const": kind.name}}, "required": ["uses"]},
            "then": {"properties": {"with": {"$ref": format!("#/$defs/{name}")}}},
        }));
    }
    definitions.insert("step".to_owned(), step_schema(registry, with));
    let mut properties = Map::from_iter([
        ("version".to_owned(), json!({"const": 1, "description": "The version of this form."})),
        ("pipeline".to_owned(), described(reference("name"), "The pipeline's name.")),
        ("owner".to_owned(), described(text(), "Who answers for it.")),
        ("description".to_owned(), described(text(), "What it is, in a sentence.")),
        (
            "priority".to_owned(),
            json!({
                "type": "integer", "minimum": document::PRIORITIES.start(), "maximum": document::PRIORITIES.end(),
                "description": "Runs with a higher number get slots first.",
            }),
        ),
        ("params".to_owned(), described(map_of(reference("param")), "What `--set name=value` changes.")),
        ("triggers".to_owned(), described(map_of(reference("trigger")), "When it runs by itself.")),
        (
            "notify".to_owned(),
            json!({"type": "array", "items": notify_schema(), "description": "Who is told of what."}),
        ),
        (
            "defaults".to_owned(),
            described(object(settings_properties(), &settings::KEYS, &[]), "Settings of all steps."),
        ),
    ]);
    for phase in Phase::ALL {
        let definition = if phase == Phase::Understanding { "understanding" } else { "phase" };
        properties.insert(phase.as_str().to_owned(), reference(definition));
    }
    let keys: Vec<&str> = document::KEYS.into_iter().chain(Phase::ALL.map(Phase::as_str)).collect();
    let mut schema = object(properties, &keys, &["version", "pipeline"]);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Phaseline pipeline");
    schema["$defs"] = Value::Object(definitions);
    schema
}

fn definitions() -> Map<String, Value> {
    let one_or_many = |item: Value| json!({"anyOf": [item, {"type": "array", "items": item}]});
    let retry = json!({
        "type": "integer", "minimum": 0, "maximum": 20,
        "description": "How often the phase begins again when a step of it has failed for good.",
    });
    let phase = Map::from_iter([
        ("retry".to_owned(), retry),
        ("steps".to_owned(), map_of(reference("step"))),
        ("gates".to_owned(), map_of(reference("gate"))),
    ]);
    let mut understanding = phase.clone();
    let kinds = |value: Value| {
        let properties = purpose::KINDS.map(|kind| (kind.to_owned(), value.clone()));
        object(Map::from_iter(properties), &purpose::KINDS, &[])
    };
    understanding.insert("objectives".to_owned(), kinds(text()));
    understanding.insert("success_criteria".to_owned(), kinds(map_of(reference("criterion"))));
    understanding.insert("risks".to_owned(), map_of(reference("risk")));
    let severity = json!({"enum": purpose::Weight::WORDS.map(|(word, _)| word)});
    let terms = typed(
        &[
            ("message", described(text(), "What whoever decides reads.")),
            ("expires", described(reference("duration"), "How long the question stands; then it counts as refused.")),
        ],
        &gate::TERMS_KEYS,
        &[],
    );
    let types: Vec<&str> = ParamType::words().collect();
    Map::from_iter([
        ("name".to_owned(), json!({"type": "string", "pattern": "^[a-z][a-z0-9_]{0,62}$"})),
        ("expression".to_owned(), json!({"type": "string", "pattern": "\\$\\{\\{.*\\}\\}"})),
        ("duration".to_owned(), json!({"type": "string", "pattern": "^[0-9.]+ ?(ms|s|m|h|d)$"})),
        ("size".to_owned(), json!({"type": "string", "pattern": "^[0-9.]+ ?(B|[KMGT]iB|[kKMGT]B)$"})),
        ("one_or_many_texts".to_owned(), one_or_many(text())),
        ("phase".to_owned(), object(phase, &document::PHASE_KEYS, &[])),
        ("understanding".to_owned(), object(understanding, &document::UNDERSTANDING_KEYS, &[])),
        (
            "param".to_owned(),
            typed(
                &[
                    ("type", json!({"enum": types})),
                    ("default", json!({})),
                    ("min", json!({"type": "number"})),
                    ("max", json!({"type": "number"})),
                    ("choices", json!({"type": "array"})),
                    ("description", text()),
                ],
                &param::KEYS,
                &["type"],
            ),
        ),
        ("trigger".to_owned(), trigger_schema()),
        (
            "criterion".to_owned(),
            typed(
                &[
                    ("min", json!({"type": "number"})),
                    ("max", json!({"type": "number"})),
                    ("unit", text()),
                    ("step", described(text(), "The step that measures it, if there are several.")),
                ],
                &purpose::CRITERION_KEYS,
                &[],
            ),
        ),
        ("risk".to_owned(), typed(&[("text", text()), ("severity", severity.clone())], &purpose::RISK_KEYS, &["text"])),
        (
            "gate".to_owned(),
            typed(
                &[
                    (
                        "check",
                        described(json!({"type": ["string", "boolean"]}), "An expression, true if the gate passes."),
                    ),
                    ("severity", severity),
                    ("mitigates", described(reference("one_or_many_texts"), "The risks that it watches.")),
                    (
                        "on_fail",
                        json!({
                            "anyOf": [{"enum": ["stop", "warn", "approval", "notify"]}, typed(&[("approval", terms)], &["approval"], &["approval"])],
                            "description": "What happens if it does not pass. With `approval` the run waits for somebody.",
                        }),
                    ),
                ],
                &gate::KEYS,
                &["check"],
            ),
        ),
    ])
}

fn trigger_schema() -> Value {
    let after = typed(
        &[
            ("pipeline", reference("name")),
            ("outcome", json!({"enum": trigger::AfterOutcome::words().collect::<Vec<_>>()})),
        ],
        &trigger::AFTER_KEYS,
        &["pipeline"],
    );
    let files = typed(
        &[
            ("glob", described(text(), "A path with `*` from the manifest's folder, or the URL of objects.")),
            ("settle", described(reference("duration"), "How long nothing must have changed.")),
        ],
        &trigger::FILES_KEYS,
        &["glob"],
    );
    let hmac = described(text(), "The environment variable that holds the shared secret.");
    let webhook = typed(&[("hmac", hmac)], &trigger::WEBHOOK_KEYS, &["hmac"]);
    let policy = json!({"enum": ["latest", "all", "skip"]});
    let most = json!({"type": "integer", "minimum": 1, "maximum": 1000});
    let missed = typed(&[("policy", policy.clone()), ("most", most.clone())], &trigger::MISSED_KEYS, &["policy"]);
    let at_will = json!({"type": ["object", "null"]});
    typed(
        &[
            ("cron", described(text(), "Minute, hour, day of month, month, day of week; seconds may stand in front.")),
            ("every", described(reference("duration"), "A length of time from one run to the next.")),
            (
                "after",
                json!({"anyOf": [reference("name"), after], "description": "The end of another pipeline's run."}),
            ),
            ("files", json!({"anyOf": [text(), files], "description": "Files that have come or changed."})),
            ("webhook", json!({"anyOf": [{"const": "token"}, webhook], "description": "A request from outside."})),
            ("when", described(text(), "A condition over `runs.PIPELINE.steps.STEP.metrics.NAME`.")),
            ("timezone", described(text(), "Of the cron line: a name of the tz database; UTC unless told.")),
            ("cooldown", described(reference("duration"), "How long `when` stays quiet after it has fired.")),
            ("max_per_day", described(most.clone(), "How often `when` fires in 24 hours at most.")),
            ("set", described(at_will, "Values for the run's params, which may read `${{ trigger.… }}`.")),
            ("missed", json!({"anyOf": [policy, missed], "description": "What happens with times that were missed."})),
            ("most", described(most, "How many missed times fire at most with `missed: all`.")),
            ("overlap", json!({"enum": trigger::Overlap::words().collect::<Vec<_>>()})),
            ("priority", json!({"type": "integer", "minimum": -1000, "maximum": 1000})),
        ],
        &trigger::KEYS,
        &[],
    )
}

fn notify_schema() -> Value {
    let occasions: Vec<&str> = notify::Occasion::WORDS.iter().map(|(word, _)| *word).collect();
    let occasion = json!({"enum": occasions});
    let variable = |what: &str| described(text(), what);
    let webhook = typed(
        &[
            ("url", described(text(), "An `https://` address.")),
            ("url_secret", variable("The secret that holds the address.")),
            ("signing_secret", variable("The secret that signs the document.")),
        ],
        &notify::WEBHOOK_KEYS,
        &[],
    );
    let texts = json!({"anyOf": [text(), {"type": "array", "items": text()}]});
    let email = typed(&[("to", texts.clone())], &notify::EMAIL_KEYS, &["to"]);
    typed(
        &[
            ("on", json!({"anyOf": [occasion, {"type": "array", "items": occasion}]})),
            ("webhook", json!({"anyOf": [text(), webhook], "description": "A POST of a JSON document."})),
            ("email", json!({"anyOf": [texts, email], "description": "A letter."})),
            ("command", described(texts.clone(), "A program that gets the JSON document on its standard input.")),
        ],
        &notify::KEYS,
        &[],
    )
}

fn settings_properties() -> Map<String, Value> {
    let occasion = json!({"enum": crate::step::RetryOn::WORDS.map(|(word, _)| word)});
    let factor = json!({
        "anyOf": [{"type": "string", "pattern": "^[0-9.]+ ?x$"}, {"type": "number", "exclusiveMinimum": 1, "maximum": 16}],
        "description": "What the memory is multiplied by after an attempt that ran out of it.",
    });
    let timeouts = typed(
        &[
            ("run", described(reference("duration"), "One attempt.")),
            ("queue", described(reference("duration"), "The wait for room before an attempt.")),
            ("total", described(reference("duration"), "All attempts and the waits between them together.")),
        ],
        &settings::TIMEOUT_KEYS,
        &[],
    );
    let retry = typed(
        &[
            ("attempts", json!({"type": "integer", "minimum": 1, "maximum": 100})),
            ("backoff", json!({"enum": ["exponential", "fixed"]})),
            ("initial", reference("duration")),
            ("max", reference("duration")),
            ("jitter", json!({"type": "number", "minimum": 0, "maximum": 1})),
            ("on", json!({"anyOf": [occasion, {"type": "array", "items": occasion}]})),
            ("grow", typed(&[("memory", factor)], &settings::GROW_KEYS, &[])),
        ],
        &settings::RETRY_KEYS,
        &[],
    );
    let resources = typed(
        &[
            ("cpus", json!({"type": "integer", "minimum": 1})),
            ("memory", reference("size")),
            ("gpu", json!({"enum": ["optional", "required", "none"]})),
            (
                "gpu_memory",
                described(reference("size"), "Free memory that it needs on one GPU; without it, a whole GPU."),
            ),
        ],
        &settings::RESOURCE_KEYS,
        &[],
    );
    let pool = typed(
        &[("name", reference("name")), ("slots", json!({"type": "integer", "minimum": 1}))],
        &settings::POOL_KEYS,
        &["name"],
    );
    Map::from_iter([
        ("retry".to_owned(), json!({"anyOf": [{"type": "integer", "minimum": 1}, retry]})),
        (
            "timeout".to_owned(),
            json!({
                "anyOf": [reference("duration"), timeouts],
                "description": "How long one attempt may take, or how long what may take.",
            }),
        ),
        ("resources".to_owned(), described(resources, "What an attempt takes from the machine.")),
        (
            "pool".to_owned(),
            json!({
                "anyOf": [reference("name"), pool],
                "description": "A named pool whose slots the step competes for, and how many it takes.",
            }),
        ),
        ("cache".to_owned(), json!({"enum": [true, false, "reuse", "refresh", "off"]})),
        (
            "env".to_owned(),
            described(map_of(json!({"type": ["string", "number", "boolean", "null"]})), "Environment variables."),
        ),
        ("executor".to_owned(), json!({"enum": ["local"]})),
        (
            "secrets".to_owned(),
            json!({"type": "array", "items": {"type": "string"}, "description": "Environment variables that hold secrets."}),
        ),
    ])
}

fn step_schema(registry: &StepRegistry, with: Vec<Value>) -> Value {
    let kinds: Vec<Value> = registry
        .kinds()
        .filter(|kind| kind.name != step::COMMAND)
        .map(|kind| json!({"const": kind.name, "description": kind.summary}))
        .chain([reference("expression")])
        .collect();
    let of_command = |key: &str| reference(&format!("with {}/properties/{key}", step::COMMAND));
    let values = json!({"anyOf": [{"type": "array", "minItems": 1}, reference("expression")]});
    let mut properties = settings_properties();
    properties.extend([
        ("uses".to_owned(), json!({"anyOf": kinds, "description": "The kind of step."})),
        ("with".to_owned(), json!({"type": "object", "description": "The params of the kind."})),
        ("run".to_owned(), described(text(), "A command line, given to `sh -c`.")),
        ("outputs".to_owned(), of_command("outputs")),
        ("files".to_owned(), of_command("files")),
        (
            "inputs".to_owned(),
            described(map_of(reference("one_or_many_texts")), "Outputs of other steps: `step` or `step.output`."),
        ),
        ("needs".to_owned(), described(reference("one_or_many_texts"), "Steps that must end before it.")),
        ("when".to_owned(), described(json!({"type": ["string", "boolean"]}), "Run only if this expression is true.")),
        ("foreach".to_owned(), described(values.clone(), "One instance for each value, read as `${{ item }}`.")),
        (
            "matrix".to_owned(),
            described(map_of(values), "One instance for each combination, read as `${{ matrix.KEY }}`."),
        ),
        (
            "compare".to_owned(),
            json!({
                "const": ["with", "without"],
                "description": "Train every model a second time without this step, and say what it is worth on validation rows.",
            }),
        ),
    ]);
    let keys: Vec<&str> = step::KEYS.iter().chain(&settings::KEYS).copied().collect();
    let mut schema = object(properties, &keys, &[]);
    schema["oneOf"] = json!([{"required": ["uses"]}, {"required": ["run"]}]);
    schema["allOf"] = Value::Array(with);
    schema
}

/// The schema of a kind's params, which may hold expressions in place of values, with its own definitions inside.
fn params_schema(kind: &KindInfo, name: &str) -> Value {
    let mut schema = (kind.schema)().to_value();
    relax(&mut schema, name, true);
    if let Value::Object(fields) = &mut schema {
        fields.remove("$schema");
        fields.remove("title");
    }
    schema
}

/// Lets an expression stand wherever a value does, and points references at the definitions' new place.
fn relax(schema: &mut Value, name: &str, is_root: bool) {
    let Value::Object(fields) = schema else { return };
    if let Some(Value::String(reference)) = fields.get_mut("$ref")
        && let Some(path) = reference.strip_prefix("#/")
    {
        *reference = format!("#/$defs/{name}/{path}");
    }
    for key in ["properties", "$defs", "patternProperties"] {
        if let Some(Value::Object(inner)) = fields.get_mut(key) {
            for schema in inner.values_mut() {
                relax(schema, name, false);
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(key) {
            relax(inner, name, false);
        }
    }
    for key in ["then", "else", "not"] {
        if let Some(inner) = fields.get_mut(key) {
            relax(inner, name, true);
        }
    }
    for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        if let Some(Value::Array(inner)) = fields.get_mut(key) {
            for schema in inner {
                relax(schema, name, true);
            }
        }
    }
    if is_root {
        return;
    }
    if let Some(Value::Array(alternatives)) = fields.get_mut("anyOf") {
        alternatives.push(reference("expression"));
        return;
    }
    let is_text = fields.get("type").is_some_and(|name| *name == "string") && !fields.contains_key("enum");
    let is_value = fields.contains_key("type") || fields.contains_key("enum") || fields.contains_key("oneOf");
    if is_value && !is_text {
        let description = fields.remove("description");
        let default = fields.remove("default");
        let mut relaxed = json!({"anyOf": [Value::Object(std::mem::take(fields)), reference("expression")]});
        if let Some(description) = description {
            relaxed["description"] = description;
        }
        if let Some(default) = default {
            relaxed["default"] = default;
        }
        *schema = relaxed;
    }
}

fn text() -> Value {
    json!({"type": "string"})
}

fn reference(definition: &str) -> Value {
    json!({"$ref": format!("#/$defs/{definition}")})
}

fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

fn map_of(values: Value) -> Value {
    json!({"type": ["object", "null"], "additionalProperties": values})
}

fn typed(properties: &[(&str, Value)], keys: &[&str], required: &[&str]) -> Value {
    object(properties.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(), keys, required)
}

/// A map with these properties, which must be exactly the keys that reading knows.
fn object(properties: Map<String, Value>, keys: &[&str], required: &[&str]) -> Value {
    debug_assert!(
        keys.len() == properties.len() && keys.iter().all(|key| properties.contains_key(*key)),
        "the schema has other keys than the reader: {keys:?}"
    );
    let mut object = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_in_the_schema_leads_somewhere() {
        fn references<'value>(value: &'value Value, found: &mut Vec<&'value str>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str));
                    fields.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let schema = schema(&StepRegistry::builtin());
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert!(found.len() > 20);
        for reference in found {
            assert!(schema.pointer(&reference[1..]).is_some(), "{reference}");
        }
    }
}
