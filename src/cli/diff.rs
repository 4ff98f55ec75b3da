//! `phaseline diff RUN RUN`.

use super::database::{ask, short, value};
use super::{Exit, Settings, output};
use crate::store::queries::{Difference, RunDiff};

/// Which runs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run id, the beginning of one, or `latest`.
    left: String,
    /// The run to compare it with.
    right: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let diff = ask(settings, async |store| {
        store.diff(store.find_run(&args.left).await?, store.find_run(&args.right).await?).await
    })?;
    if args.json {
        output::json(&diff)?;
    } else {
        output::write(text(&diff).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

fn text(diff: &RunDiff) -> String {
    let mut text = format!("left   {}\nright  {}\n", diff.left, diff.right);
    let same = text.len();
    for (title, differences) in
        [("run", &diff.run), ("param", &diff.params), ("input", &diff.inputs), ("output", &diff.outputs)]
    {
        if !differences.is_empty() {
            let rows: Vec<Vec<String>> = differences.iter().map(row).collect();
            text.push('\n');
            text.push_str(&output::table(&[title, "left", "right"], &rows));
        }
    }
    if !diff.metrics.is_empty() {
        let shown = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), value);
        let rows: Vec<Vec<String>> = diff
            .metrics
            .iter()
            .map(|metric| {
                let slice = metric.slice.as_ref().map_or_else(String::new, |slice| format!(" [{slice}]"));
                let change = metric.change.map_or_else(
                    || "-".to_owned(),
                    |change| {
                        let sign = if change > 0.0 { "+" } else { "" };
                        format!("{sign}{}", value(change))
                    },
                );
                let name = format!("{}.{}{slice}", metric.step, metric.metric);
                vec![name, shown(metric.left), shown(metric.right), change]
            })
            .collect();
        text.push('\n');
        text.push_str(&output::table(&["metric", "left", "right", "change"], &rows));
    }
    if text.len() == same {
        text.push_str("\nparams, inputs, outputs and metrics are the same\n");
    }
    text
}

fn row(difference: &Difference) -> Vec<String> {
    let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let shown = |text: &Option<String>| match text {
        Some(text) if is_digest(text) => short(text).to_owned(),
        Some(text) => text.clone(),
        None => "-".to_owned(),
    };
    let step = difference.step.as_ref().map_or_else(String::new, |step| format!("{step}."));
    vec![format!("{step}{}", difference.name), shown(&difference.left), shown(&difference.right)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RunId;
    use crate::store::queries::MetricDifference;

    #[test]
    fn what_differs_is_shown_side_by_side() {
        let difference = |step: Option<&str>, name: &str, left: &str, right: Option<&str>| Difference {
            step: step.map(str::to_owned),
            name: name.to_owned(),
            left: Some(left.to_owned()),
            right: right.map(str::to_owned),
        };
        let diff = RunDiff {
            left: RunId::from_u128(1),
            right: RunId::from_u128(2),
            run: vec![],
            params: vec![difference(None, "epochs", "40", Some("50")), difference(Some("net"), "dropout", "0.2", None)],
            inputs: vec![difference(Some("net"), "train", &"a1".repeat(32), Some(&"b2".repeat(32)))],
            outputs: vec![],
            metrics: vec![MetricDifference {
                step: "report".to_owned(),
                metric: "roc_auc".to_owned(),
                slice: Some("senior=1".to_owned()),
                left: Some(0.8312),
                right: Some(0.8441),
                change: Some(0.0129),
            }],
        };
        insta::assert_snapshot!(text(&diff), @r"
        left   run_00000000000000000000000000000001
        right  run_00000000000000000000000000000002

        param        left  right
        epochs         40     50
        net.dropout   0.2      -

        input      left          right
        net.train  a1a1a1a1a1a1  b2b2b2b2b2b2

        metric                       left   right   change
        report.roc_auc [senior=1]  0.8312  0.8441  +0.0129
        ");
    }
}
