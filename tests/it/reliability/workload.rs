//! A pipeline whose steps tell a ledger outside of the program's reach when they begin and end, and whose every output
//! can be told beforehand.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::project::Project;

/// A step: its name, and the steps whose outputs it reads.
pub(super) type Step = (&'static str, &'static [&'static str]);

/// Twelve steps: a source, a fan-out, steps that fail once, two that do equal work, and joins.
pub(super) const STEPS: [Step; 12] = [
    ("source", &[]),
    ("left", &["source"]),
    ("middle", &["source"]),
    ("right", &["source"]),
    ("shaky_left", &["left"]),
    ("shaky_right", &["right"]),
    ("twin", &["middle"]),
    ("twin_again", &["middle"]),
    ("join_left", &["shaky_left", "twin"]),
    ("join_right", &["shaky_right", "twin_again"]),
    ("join", &["join_left", "join_right"]),
    ("last", &["join", "source"]),
];

/// What each step runs: it writes down its begin, works a moment, writes its output and its end.
const PROGRAM: &str = r#"
execution=$(cat /proc/sys/kernel/random/uuid)
tell() { read -r up _ < /proc/uptime; echo "$PHASELINE_RUN $PHASELINE_STEP $PHASELINE_ATTEMPT $execution $1 $$ $up" >> "$LEDGER"; }
tell begin
sleep "${WORK:-0.02}"
case $PHASELINE_STEP in
    shaky_*) if mkdir "$LEDGER.$PHASELINE_RUN.$PHASELINE_STEP" 2>/dev/null; then tell fail; exit 1; fi ;;
esac
{
    echo "$1 $2"
    for input in $PHASELINE_INPUT_A $PHASELINE_INPUT_B; do cat "$input"; done
} > "$PHASELINE_OUTPUT_OUT"
tell end
"#;

/// A pipeline that waits for somebody.
const ASKING: &str = "version: 1
pipeline: asking
data_engineering:
  steps:
    sign_off: {uses: approval, with: {message: May it go on?}}
";

/// The ledger of a project.
pub(super) fn ledger(project: &Project) -> PathBuf {
    project.path().join("ledger")
}

/// Writes the pipeline `work` below `pipelines/`. `salt` makes its results differ from those of other runs.
pub(super) fn lay_out(project: &Project) {
    project.write("pipelines/work.sh", PROGRAM);
    let mut manifest = String::from(
        "version: 1\npipeline: work\nparams:\n  salt: {type: string, default: none}\ndefaults:\n  \
         retry: {attempts: 3, initial: 10ms, on: [input, environment]}\n  timeout: 60s\ndata_engineering:\n  steps:\n",
    );
    for (name, inputs) in STEPS {
        // Twins carry the same words, so they are one piece of work.
        let word = name.trim_end_matches("_again");
        write!(manifest, "    {name}:\n      run: sh work.sh {word} ${{{{ params.salt }}}}\n").unwrap();
        write!(manifest, "      env: {{LEDGER: {}}}\n      outputs: {{out: file}}\n", ledger(project).display())
            .unwrap();
        if !inputs.is_empty() {
            let bound: Vec<String> =
                ["a", "b"].iter().zip(inputs).map(|(port, step)| format!("{port}: {step}.out")).collect();
            writeln!(manifest, "      inputs: {{{}}}", bound.join(", ")).unwrap();
        }
    }
    project.write("pipelines/work.yaml", manifest);
    project.write("pipelines/asking.yaml", ASKING);
}

/// Changes the text of the manifest and nothing that it says, so that daemons load it anew.
pub(super) fn touch(project: &Project, comment: &str) {
    let path = project.path().join("pipelines/work.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    fs::write(path, format!("{}\n# {comment}\n", lines.join("\n"))).unwrap();
}

/// What the output of `step` must hold.
pub(super) fn expected(step: &str, salt: &str) -> String {
    let (name, inputs) = STEPS.iter().find(|(name, _)| *name == step).unwrap();
    let mut text = format!("{} {salt}\n", name.trim_end_matches("_again"));
    for input in *inputs {
        text.push_str(&expected(input, salt));
    }
    text
}

/// One line of a ledger.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) run: String,
    pub(super) step: String,
    pub(super) attempt: String,
    pub(super) execution: String,
    pub(super) what: String,
    pub(super) at: f64,
}

/// Everything that steps wrote down.
pub(super) fn entries(ledger: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(ledger).unwrap_or_default();
    text.lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let [run, step, attempt, execution, what, _, at] = fields[..] else { panic!("a torn line: `{line}`") };
            let own = str::to_owned;
            Entry {
                run: own(run),
                step: own(step),
                attempt: own(attempt),
                execution: own(execution),
                what: own(what),
                at: at.parse().unwrap(),
            }
        })
        .collect()
}
