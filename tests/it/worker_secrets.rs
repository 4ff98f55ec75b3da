//! Planted secrets: whatever a step does with them, nothing that is written holds one.

use std::fs;
use std::path::Path;

use crate::harness::project::Project;

const TOKEN: &str = "c4n4ry+To/ken=42&x";
const OTHER: &str = "0ther-c4n4ry-of-another-step";

/// The forms of `TOKEN` that must be nowhere.
const FORMS: [&str; 13] = [
    "c4n4ry+To/ken=42&x",
    "YzRuNHJ5K1RvL2tlbj00MiZ4",
    "RuNHJ5K1RvL2tlbj00Mi",
    "NG40cnkrVG8va2VuPTQyJn",
    "M0bjRyeStUby9rZW49NDIm",
    "63346e3472792b546f2f6b656e3d34322678",
    "63346E3472792B546F2F6B656E3D34322678",
    "c4n4ry%2BTo%2Fken%3D42%26x",
    "c4n4ry%2bTo%2fken%3d42%26x",
    "c4n4ry%2BTo/ken%3D42%26x",
    "c4n4ry+To\\/ken=42&x",
    "c4n4ry+To/ken=42&amp;x",
    "c4n4ry+To/ken=42\\u0026x",
];

const LEAKY: &str = r"
version: 1
pipeline: leaky
data_engineering:
  steps:
    tells:
      run: python3 tells.py
      files: [tells.py]
      secrets: [TOKEN]
      retry: {attempts: 1}
    curious:
      run: env; cat /proc/self/environ | tr '\0' '\n'
      cache: false
";

const TELLS: &str = r#"
import base64, binascii, html, json, os, sys, urllib.parse
token = os.environ["TOKEN"]
raw = token.encode()
print(token)
print("user:" + token, repr(token), repr(raw))
for before in ["", "u", "us", "user:"]:
    text = (before + token).encode()
    print(base64.b64encode(text).decode(), base64.urlsafe_b64encode(text).decode(), base64.b64encode(text).decode().rstrip("="))
    print(urllib.parse.quote(base64.b64encode(text).decode(), safe=""))
print(binascii.hexlify(raw).decode(), binascii.hexlify(raw).decode().upper())
print(urllib.parse.quote(token), urllib.parse.quote(token, safe=""), urllib.parse.quote_plus(token))
print("".join("%%%02x" % byte for byte in raw), "".join("\\u%04x" % byte for byte in raw))
print(json.dumps({"token": token}), json.dumps(token).replace("/", "\\/"), html.escape(token))
print("https://ada:%s@example.org/?token=%s" % (urllib.parse.quote(token, safe=""), urllib.parse.quote_plus(token)))
for cut in range(1, len(token)):
    os.write(1, raw[:cut])
    os.write(2, raw[cut:] + b"\n")
events = open(os.environ["PHASELINE_EVENTS"], "a")
events.write(json.dumps({"progress": {"done": 1, "total": 1, "unit": "x", "note": "note " + token}}) + "\n")
events.write(json.dumps({"metric": {"name": "metric." + token, "slice": "slice=" + token, "value": 1}}) + "\n")
events.write("not JSON: " + token + "\n")
events.close()
sys.exit("the server refused the token " + token if os.path.exists("fail") else 0)
"#;

/// Every place below `folder` that holds one of `forms`, in a file or in its name.
fn places(folder: &Path, forms: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(places(&path, forms));
            continue;
        }
        let content = fs::read(&path).unwrap();
        for form in forms {
            if content.windows(form.len()).any(|part| part == form.as_bytes()) || path.to_string_lossy().contains(form)
            {
                found.push(format!("{}: {form}", path.display()));
            }
        }
    }
    found
}

#[test]
fn nothing_that_is_written_holds_a_secret_in_any_form() {
    let project = Project::with_manifest(LEAKY).env("TOKEN", TOKEN).env("PHASELINE_DATABASE_URL", "");
    project.write("tells.py", TELLS);
    let forms: Vec<&str> = FORMS.to_vec();
    let mut said = Vec::new();
    for (file, code) in [("succeed", 0), ("fail", 1)] {
        project.write(file, "");
        let ended = project.run(&["-vv", "run", "pipeline.yaml", "--json", "--refresh", "tells"]).expect(code);
        said.extend([ended.stdout(), ended.stderr()]);
        for command in [&["show", "latest"][..], &["logs", "latest", "tells"], &["logs", "latest", "curious"]] {
            let ended = project.run(command).expect(0);
            said.extend([ended.stdout(), ended.stderr()]);
        }
    }
    let dump = "select * from lineage_attempts";
    said.push(project.run(&["sql", dump]).expect(0).stdout());
    for form in &forms {
        for text in &said {
            assert!(!text.contains(form), "{form} in:\n{text}");
        }
    }
    assert_eq!(places(&project.path().join(".phaseline"), &forms), Vec::<String>::new());
    let log = said.iter().find(|text| text.contains("user:***")).expect("the log shows where secrets were");
    assert!(log.matches("***").count() > 20, "{log}");
    assert!(said[0].contains("metric.***"), "{}", said[0]);
}

#[test]
fn a_command_does_not_get_the_secrets_of_others() {
    let manifest = "
version: 1
pipeline: apart
data_engineering:
  steps:
    has: {run: 'test -n \"$OTHER\"', secrets: [OTHER]}
    has_not: {run: 'test -z \"$OTHER$PHASELINE_DATABASE_URL\" && test \"$KEPT\" = kept'}
";
    let project = Project::with_manifest(manifest).env("OTHER", OTHER).env("KEPT", "kept");
    project.run(&["run", "pipeline.yaml"]).expect(0);
}

#[test]
fn a_secret_that_is_too_short_to_be_masked_is_refused() {
    let manifest = "
version: 1
pipeline: short
data_engineering:
  steps:
    login: {run: 'true', secrets: [PIN]}
";
    let project = Project::with_manifest(manifest).env("PIN", "123");
    let ended = project.run(&["run", "pipeline.yaml", "--json"]).expect(1);
    assert_eq!(ended.json()["steps"]["login"]["error"]["code"], "secret_short");
}
