//! `phaseline lineage MODEL|DIGEST`.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::json;

use super::database::{ask, short};
use super::{Exit, Settings, output};
use crate::store::queries::{Direction, LineageGraph, LineageNode};

/// Of what, and which way.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A model (`churn`, `churn@champion`, `churn@3`), or the beginning of an artifact's digest.
    subject: String,
    /// Show what came of it instead of what went into it.
    #[arg(long)]
    down: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let direction = if args.down { Direction::Down } else { Direction::Up };
    let graph = ask(settings, async |store| store.lineage(&args.subject, direction).await)?;
    if args.json {
        let direction = if args.down { "down" } else { "up" };
        output::json(&json!({
            "subject": args.subject,
            "direction": direction,
            "root": graph.root,
            "artifacts": graph.nodes.values().collect::<Vec<_>>(),
            "edges": graph.edges,
        }))?;
    } else {
        output::write(tree(&graph).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

/// The graph as a tree; what stands above already is not unfolded again.
fn tree(graph: &LineageGraph) -> String {
    let mut text = String::new();
    let mut shown = BTreeSet::new();
    branch(graph, &graph.root, ["", ""], &mut shown, &mut text);
    text
}

/// `indents` stand before the line of the artifact and before the lines below it.
fn branch<'graph>(
    graph: &'graph LineageGraph,
    digest: &'graph str,
    indents: [&str; 2],
    shown: &mut BTreeSet<&'graph str>,
    text: &mut String,
) {
    let label = graph.nodes.get(digest).map_or_else(|| "not recorded".to_owned(), label);
    let others = graph.edges.get(digest).map_or(&[][..], Vec::as_slice);
    let is_new = shown.insert(digest);
    let above = if is_new || others.is_empty() { "" } else { "  (above)" };
    writeln!(text, "{}{}  {label}{above}", indents[0], short(digest)).expect("a string takes everything");
    if !is_new {
        return;
    }
    for (place, other) in others.iter().enumerate() {
        let [before, below] = if place + 1 == others.len() { ["└─ ", "   "] } else { ["├─ ", "│  "] };
        let indents = [format!("{}{before}", indents[1]), format!("{}{below}", indents[1])];
        branch(graph, other, [&indents[0], &indents[1]], shown, text);
    }
}

fn label(node: &LineageNode) -> String {
    let output = node.output.as_ref().map_or_else(String::new, |output| format!(".{output}"));
    let rows = node.rows.map_or_else(String::new, |rows| format!(", {rows} rows"));
    let models = if node.models.is_empty() { String::new() } else { format!("  = {}", node.models.join(", ")) };
    format!("{}{output}  {}{rows}, by {} in {}{models}", node.step, node.kind, node.uses, node.pipeline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_is_drawn_as_a_tree() {
        let node = |digest: &str, step: &str, kind: &str, rows| LineageNode {
            digest: digest.to_owned(),
            kind: kind.to_owned(),
            rows,
            bytes: 10,
            pipeline: "churn".to_owned(),
            run: "run_1".to_owned(),
            step: step.to_owned(),
            uses: "x.y".to_owned(),
            output: Some("out".to_owned()),
            models: if kind == "model" { vec!["churn@3".to_owned()] } else { vec![] },
        };
        let nodes = [
            node("m", "train", "model", None),
            node("f", "features", "table", Some(70)),
            node("t", "features", "transform", None),
            node("c", "customers", "table", Some(100)),
        ];
        let edge = |from: &str, to: &[&str]| (from.to_owned(), to.iter().map(|&text| text.to_owned()).collect());
        let graph = LineageGraph {
            root: "m".to_owned(),
            nodes: nodes.into_iter().map(|node| (node.digest.clone(), node)).collect(),
            edges: [edge("m", &["f", "t"]), edge("f", &["c"]), edge("t", &["c", "f"])].into(),
        };
        insta::assert_snapshot!(tree(&graph), @r"
        m  train.out  model, by x.y in churn  = churn@3
        ├─ f  features.out  table, 70 rows, by x.y in churn
        │  └─ c  customers.out  table, 100 rows, by x.y in churn
        └─ t  features.out  transform, by x.y in churn
           ├─ c  customers.out  table, 100 rows, by x.y in churn
           └─ f  features.out  table, 70 rows, by x.y in churn  (above)
        ");
    }
}
