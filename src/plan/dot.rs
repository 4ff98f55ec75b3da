//! The plan as a graph for Graphviz.

use std::fmt::Write;

use super::Plan;
use crate::phase::Phase;

impl Plan {
    /// The plan in the DOT language: a box for each phase with steps and gates, and an edge for each input.
    pub fn dot(&self) -> String {
        let mut dot = format!(
            "digraph {} {{\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n",
            quote(self.pipeline.as_str())
        );
        for phase in Phase::ALL {
            let steps: Vec<_> = self.steps.values().filter(|step| step.phase == phase).collect();
            let gates: Vec<_> = self.gates.values().filter(|gate| gate.phase == phase).collect();
            if steps.is_empty() && gates.is_empty() {
                continue;
            }
            push(&mut dot, format_args!("  subgraph cluster_{phase} {{\n    label={};\n", quote(phase.as_str())));
            for step in steps {
                let label = quote(&format!("{}\n{}", step.name, step.kind));
                push(&mut dot, format_args!("    {} [label={label}];\n", quote(step.name.as_str())));
            }
            for gate in gates {
                let label = quote(&format!("{}\n{}", gate.name, gate.check));
                push(
                    &mut dot,
                    format_args!("    {} [label={label}, shape=diamond];\n", quote(&format!("gate {}", gate.name))),
                );
            }
            dot.push_str("  }\n");
        }
        for step in self.steps.values() {
            for (input, bindings) in &step.inputs {
                for binding in bindings {
                    let label = if binding.output.as_str() == input.as_str() {
                        input.to_string()
                    } else {
                        format!("{} -> {input}", binding.output)
                    };
                    let (from, to) = (quote(binding.step.as_str()), quote(step.name.as_str()));
                    push(&mut dot, format_args!("  {from} -> {to} [label={}];\n", quote(&label)));
                }
            }
            for need in &step.needs {
                let (from, to) = (quote(need.as_str()), quote(step.name.as_str()));
                push(&mut dot, format_args!("  {from} -> {to} [style=dashed];\n"));
            }
        }
        dot.push_str("}\n");
        dot
    }
}

fn push(dot: &mut String, text: std::fmt::Arguments<'_>) {
    dot.write_fmt(text).expect("writing to a string cannot fail");
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use crate::manifest::{Source, parse};
    use crate::plan::{Overrides, Plan};
    use crate::step::StepRegistry;

    #[test]
    fn a_plan_is_drawn_by_phase_with_its_gates() {
        let text = r#"
version: 1
pipeline: small
understanding:
  steps:
    rows: {run: "true", outputs: {rows: table}}
  gates:
    any: {check: steps.rows.metrics.rows > 0}
evaluation:
  steps:
    report: {run: "true", inputs: {table: rows}, needs: [rows]}
"#;
        let manifest = parse(Source::new("small.yaml", text)).unwrap();
        let plan = Plan::build(&manifest, &StepRegistry::builtin(), &Overrides::none()).unwrap();
        insta::assert_snapshot!(plan.dot(), @r#"
        digraph "small" {
          rankdir=LR;
          node [shape=box, fontname="sans-serif"];
          subgraph cluster_understanding {
            label="understanding";
            "rows" [label="rows\ncommand"];
            "gate any" [label="any\nsteps.rows.metrics.rows > 0", shape=diamond];
          }
          subgraph cluster_evaluation {
            label="evaluation";
            "report" [label="report\ncommand"];
          }
          "rows" -> "report" [label="rows -> table"];
          "rows" -> "report" [style=dashed];
        }
        "#);
    }
}
