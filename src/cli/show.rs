//! `phaseline show RUN`.

use std::fmt::Write;

use super::client::ask;
use super::database::{short, time, value};
use super::{Exit, Settings, output};
use crate::store::RequestDetail;
use crate::store::queries::{AskedDecision, RunDetail, StepDetail};

/// Which run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run id, the beginning of one, or `latest`.
    run: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<Exit> {
    let detail = ask(settings, async |client| client.detail(client.find_run(&args.run).await?).await)?;
    if args.json {
        output::json(&detail)?;
    } else {
        output::write(text(&detail).as_bytes())?;
    }
    Ok(Exit::Succeeded)
}

pub(super) fn text(detail: &RunDetail) -> String {
    let mut text = String::new();
    let run = &detail.summary;
    let took = run.seconds.map_or_else(String::new, |seconds| format!(" in {}", output::seconds(seconds)));
    // Writing into a string cannot fail.
    let mut line = |words: String| writeln!(text, "{words}").expect("a string takes everything");
    line(format!("{}  {} {}{took}", run.run, run.pipeline, run.state));
    line(format!("  manifest  {} ({})", run.manifest_path, short(&detail.manifest_digest)));
    line(format!("  asked     {} UTC by {}", time(&run.created_at), run.requested_by));
    if let Some(parked) = &run.parked {
        line(format!("  parked    {parked}"));
    }
    for request in detail.requests.iter().filter(|request| request.handled_at.is_none()) {
        line(format!("  open      {}", open(request)));
    }
    let facts = detail.environment.as_object().into_iter().flatten();
    let facts: Vec<String> =
        facts.filter_map(|(name, fact)| Some(format!("{}: {}", name.replace('_', " "), fact.as_str()?))).collect();
    if !facts.is_empty() {
        line(format!("  with      {}", facts.join(", ")));
    }
    let params: Vec<String> = detail.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !params.is_empty() {
        line(format!("  params    {}", params.join(" ")));
    }
    line(String::new());
    text.push_str(&steps(&detail.steps));
    for step in &detail.steps {
        if let Some(error) = &step.error {
            write!(text, "\n{} failed ({}, {}): {}\n", step.step, error.fault, error.code, error.message)
                .expect("a string takes everything");
            if let Some(help) = &error.help {
                writeln!(text, "  help: {help}").expect("a string takes everything");
            }
        }
    }
    if !detail.gates.is_empty() {
        let rows: Vec<Vec<String>> = detail
            .gates
            .iter()
            .map(|gate| {
                let verdict = gate.verdict.clone().unwrap_or_else(|| "open".to_owned());
                let evidence = gate.evidence.as_object().into_iter().flatten();
                let evidence: Vec<String> = evidence.map(|(path, value)| format!("{path} = {value}")).collect();
                vec![gate.gate.clone(), gate.phase.clone(), verdict, gate.expression.clone(), evidence.join(", ")]
            })
            .collect();
        text.push('\n');
        text.push_str(&output::table(&["gate", "phase", "verdict", "check", "measured"], &rows));
    }
    text.push_str(&approvals(&detail.approvals));
    text.push_str(&metrics(&detail.steps));
    text
}

/// A request that nobody has carried out yet.
fn open(request: &RequestDetail) -> String {
    let subject = request.subject.as_ref().map(|subject| format!(" {subject}")).unwrap_or_default();
    let reason = request.reason.as_ref().map(|reason| format!(" because {reason}")).unwrap_or_default();
    let asked = time(&request.created_at);
    format!("{} asked to {}{subject}{reason} ({asked} UTC), which nobody has done yet", request.asked_by, request.kind)
}

/// Who has decided about gates and steps, or has to: the last word about each.
fn approvals(approvals: &[AskedDecision]) -> String {
    if approvals.is_empty() {
        return String::new();
    }
    let dash = || "-".to_owned();
    let rows: Vec<Vec<String>> = approvals
        .iter()
        .map(|approval| {
            let at = approval.decided_at.as_ref().or(approval.requested_at.as_ref());
            let why = approval.reason.as_ref().or(approval.message.as_ref());
            vec![
                format!("{} {}", approval.kind, approval.subject),
                approval.state.clone(),
                approval.decided_by.clone().unwrap_or_else(dash),
                at.map_or_else(dash, |at| time(at)),
                approval.expires_at.as_ref().map_or_else(dash, |until| time(until)),
                why.cloned().unwrap_or_default(),
            ]
        })
        .collect();
    format!("\n{}", output::table(&["about", "word", "by", "at (UTC)", "until (UTC)", "why"], &rows))
}

fn steps(steps: &[StepDetail]) -> String {
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|step| {
            let outputs: Vec<String> =
                step.outputs.iter().map(|output| format!("{} {}", output.output, short(&output.digest))).collect();
            let rest = step.because.clone().unwrap_or_else(|| outputs.join(", "));
            vec![
                step.step.clone(),
                step.phase.clone(),
                step.kind.clone(),
                step.state.clone(),
                step.attempts.to_string(),
                step.seconds.map_or_else(|| "-".to_owned(), output::seconds),
                rest,
            ]
        })
        .collect();
    output::table(&["step", "phase", "uses", "state", "attempts", "took", "outputs"], &rows)
}

/// The metrics over all rows; those of slices are left to `--json` and SQL.
fn metrics(steps: &[StepDetail]) -> String {
    let shown = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), value);
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut sliced = 0;
    for step in steps {
        for metric in &step.metrics {
            if metric.slice.is_some() {
                sliced += 1;
                continue;
            }
            let name = metric.metric.clone();
            rows.push(vec![step.step.clone(), name, shown(metric.value), shown(metric.low), shown(metric.high)]);
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let note = if sliced > 0 { format!("and {sliced} values of slices: see `--json`\n") } else { String::new() };
    format!("\n{}{note}", output::table(&["step", "metric", "value", "low", "high"], &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(subject: &str, state: &str) -> AskedDecision {
        AskedDecision {
            kind: "gate".to_owned(),
            subject: subject.to_owned(),
            state: state.to_owned(),
            message: Some("is the gap acceptable?".to_owned()),
            requested_at: Some("2026-03-02T08:00:00.000000Z".to_owned()),
            expires_at: None,
            decided_at: None,
            decided_by: None,
            reason: None,
        }
    }

    #[test]
    fn words_about_gates_say_who_why_when_and_until() {
        let waived = AskedDecision {
            decided_at: Some("2026-03-02T09:30:00.000000Z".to_owned()),
            decided_by: Some("ada".to_owned()),
            reason: Some("the sample is small".to_owned()),
            expires_at: Some("2026-03-04T00:00:00.000000Z".to_owned()),
            ..decision("fair", "waived")
        };
        insta::assert_snapshot!(approvals(&[waived, decision("good", "awaited")]), @r"
        about      word     by   at (UTC)             until (UTC)          why
        gate fair  waived   ada  2026-03-02 09:30:00  2026-03-04 00:00:00  the sample is small
        gate good  awaited  -    2026-03-02 08:00:00  -                    is the gap acceptable?
        ");
        assert_eq!(approvals(&[]), "");
    }

    #[test]
    fn what_nobody_has_carried_out_yet_is_said() {
        let request = RequestDetail {
            request: "req_1".to_owned(),
            run: "run_1".to_owned(),
            kind: "waive".to_owned(),
            subject: Some("fair".to_owned()),
            asked_by: "ada".to_owned(),
            reason: Some("the sample is small".to_owned()),
            expires_at: None,
            created_at: "2026-03-02T08:00:00.000000Z".to_owned(),
            handled_at: None,
            outcome: None,
        };
        let expected = "ada asked to waive fair because the sample is small (2026-03-02 08:00:00 UTC), \
            which nobody has done yet";
        assert_eq!(open(&request), expected);
    }
}
