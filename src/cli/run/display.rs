//! Live progress on standard error: on a terminal one moving line per running step above a bar for the run; elsewhere
//! one plain line per step that ends.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::output;
use crate::engine::{Happening, RunEvent, SkipReason, Verdict};
use crate::id::StepName;
use crate::plan::Plan;
use crate::units;
use crate::worker::WorkerMessage;

/// How often a moving line is redrawn.
const TICK: Duration = Duration::from_millis(120);

/// From this many steps on, reused steps are counted and not listed.
const MANY_STEPS: usize = 60;

/// Shows a run while it goes on.
pub(super) struct Display {
    screen: MultiProgress,
    total: ProgressBar,
    lines: BTreeMap<StepName, ProgressBar>,
    is_terminal: bool,
    is_long: bool,
    width: usize,
}

impl Display {
    /// A display for a run of `plan`.
    pub(super) fn new(plan: &Plan) -> Display {
        let is_terminal = io::stderr().is_terminal();
        let screen = MultiProgress::new();
        if !is_terminal {
            screen.set_draw_target(ProgressDrawTarget::hidden());
        }
        let total = screen.add(ProgressBar::new(plan.steps.len() as u64));
        total.set_style(style("{prefix} {bar:30} {pos}/{len} steps  {elapsed}"));
        total.set_prefix(plan.pipeline.to_string());
        let width = plan.steps.keys().map(|name| name.as_str().chars().count()).max().unwrap_or(0).min(48);
        Display { screen, total, lines: BTreeMap::new(), is_terminal, is_long: plan.steps.len() >= MANY_STEPS, width }
    }

    /// Shows an event of the run.
    pub(super) fn event(&mut self, event: &RunEvent) {
        match &event.what {
            Happening::AttemptStarted { step, number, why, .. } => {
                self.start(step, if *number == 1 { why.clone() } else { format!("attempt {number}") });
            }
            Happening::AttemptSucceeded { step, outcome, seconds, .. } => {
                let rows: Option<u64> = outcome.outputs.values().filter_map(|artifact| artifact.rows).max();
                let rows = rows.map_or(String::new(), |rows| format!("  {rows} rows"));
                self.end(step, "done", &format!("{}{rows}", output::seconds(*seconds)));
            }
            Happening::StepReused { step, .. } => {
                if self.is_long {
                    self.total.inc(1);
                } else {
                    self.end(step, "reused", "");
                }
            }
            Happening::StepSkipped { because: SkipReason::NotSelected, .. } => self.total.inc(1),
            Happening::StepSkipped { step, because } => self.end(step, "skipped", &because.briefly()),
            Happening::AttemptFailed { step, failure, .. } => {
                self.remove(step);
                self.print(&format!("{:>8}  {:width$}  {}", "failed", step, failure.message, width = self.width));
            }
            Happening::AttemptLost { step, why, .. } => {
                self.remove(step);
                self.print(&format!("{:>8}  {:width$}  {why}", "lost", step, width = self.width));
            }
            Happening::RetryScheduled { step, number, until } => {
                let wait = (*until - event.at).to_std().unwrap_or_default();
                self.start(step, format!("attempt {number} in {}", output::seconds(wait.as_secs_f64())));
            }
            Happening::StepFailed { step } | Happening::StepCancelled { step } => {
                self.remove(step);
                self.total.inc(1);
            }
            Happening::GateEvaluated { gate, verdict, .. } => {
                let word = match verdict {
                    Verdict::Passed => "passed",
                    Verdict::Failed => "FAILED",
                    Verdict::NotEvaluable => "unclear",
                };
                self.print(&format!("{word:>8}  gate {gate}"));
            }
            Happening::StepReopened { step, why } => self.print(&format!("{:>8}  {step}  {why}", "again")),
            Happening::CancelRequested { .. } => self.print("  cancel  ending what runs"),
            Happening::ApprovalRequested { subject, message, .. } => {
                let message = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
                self.print(&format!("{:>8}  {subject} waits for approval{message}", "asks"));
            }
            Happening::ApprovalGiven { subject, by, reason, .. } => {
                self.print(&format!("{:>8}  {subject} by {by}: {reason}", "approved"));
            }
            Happening::ApprovalRefused { subject, by, reason } => {
                self.print(&format!("{:>8}  {subject} by {by}: {reason}", "refused"));
            }
            Happening::ApprovalExpired { subject } => {
                self.print(&format!("{:>8}  nobody approved {subject} in time", "refused"));
            }
            Happening::GateWaived { gate, by, reason, .. } => {
                self.print(&format!("{:>8}  gate {gate} by {by}: {reason}", "waived"));
            }
            Happening::StepTimedOut { step, failure } => self.end(step, "failed", &failure.message),
            Happening::PhaseRestarted { phase, because, .. } => {
                self.print(&format!("{:>8}  {phase} begins again, since {because} failed", "again"));
            }
            Happening::RunPaused { by, .. } => self.print(&format!("{:>8}  by {by}; what runs goes on", "paused")),
            Happening::RunUnpaused { by } => self.print(&format!("{:>8}  by {by}", "goes on")),
            Happening::RunClaimed { .. }
            | Happening::CriteriaSealed { .. }
            | Happening::RunResumed { .. }
            | Happening::RunFinished { .. } => {}
        }
    }

    /// Shows what a running step says.
    pub(super) fn message(&mut self, step: &StepName, message: &WorkerMessage) {
        let WorkerMessage::Progress { done, total, unit, note } = message;
        let Some(line) = self.lines.get(step) else { return };
        let done_shown = if unit == "bytes" { units::size(*done) } else { done.to_string() };
        let progress = match total {
            Some(total) if *total > 0 => {
                let percent = (*done as f64 / *total as f64 * 100.0).min(100.0);
                format!("{percent:3.0} %  {done_shown} {unit}  {note}")
            }
            _ => format!("{done_shown} {unit}  {note}"),
        };
        line.set_message(progress.trim_end().to_owned());
    }

    /// Takes the moving lines away.
    pub(super) fn finish(self) {
        for line in self.lines.into_values() {
            line.finish_and_clear();
        }
        self.total.finish_and_clear();
    }

    fn start(&mut self, step: &StepName, message: String) {
        if !self.is_terminal {
            return;
        }
        let width = self.width;
        let line = self.lines.entry(step.clone()).or_insert_with(|| {
            let line = self.screen.insert_before(&self.total, ProgressBar::new_spinner());
            line.set_style(style("{spinner:>8}  {prefix}  {elapsed:>4}  {wide_msg}"));
            line.set_prefix(format!("{:width$}", step.as_str()));
            line.enable_steady_tick(TICK);
            line
        });
        line.set_message(message);
        self.total.tick();
    }

    fn end(&mut self, step: &StepName, word: &str, detail: &str) {
        self.remove(step);
        self.print(format!("{word:>8}  {:width$}  {detail}", step, width = self.width).trim_end());
        self.total.inc(1);
    }

    fn remove(&mut self, step: &StepName) {
        if let Some(line) = self.lines.remove(step) {
            line.finish_and_clear();
            self.screen.remove(&line);
        }
    }

    fn print(&self, line: &str) {
        // A display that cannot be written to is no reason to end a run.
        if self.is_terminal {
            drop(self.screen.println(line));
        } else {
            drop(writeln!(io::stderr().lock(), "{line}"));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant that was tried").progress_chars("=> ")
}
