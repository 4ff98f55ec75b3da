//! Waits for attempts, ends those that take too long or are not wanted any more, and says what their end means.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::Happening;
use crate::executor::{Ended, Executor, ExecutorError};
use crate::id::{AttemptId, OutputName, RunId, StepName};
use crate::plan::PlannedStep;
use crate::step::{Fault, StepOutcome, StepRegistry, is_disk_full};
use crate::worker::{Failure, Report, ReportedEnd, with_causes};

/// How often and after which waits an executor that cannot be asked is asked again.
const ASK_AGAIN: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(10)];

/// An attempt to wait for.
pub(super) struct Watch {
    pub(super) step: usize,
    pub(super) name: StepName,
    pub(super) run: RunId,
    pub(super) attempt: AttemptId,
    /// How long it may still take.
    pub(super) timeout: Option<Duration>,
}

/// An attempt that has ended.
pub(super) struct Finished {
    pub(super) step: usize,
    pub(super) attempt: AttemptId,
    pub(super) ended: Ended,
    pub(super) stopped: Option<Stopped>,
}

/// Why we ended an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    TimedOut,
    Cancelled,
}

/// The attempts of a run that are under way. Dropping it ends the waiting and not the attempts.
pub(super) struct Attempts {
    executor: Arc<dyn Executor>,
    grace: Duration,
    waiting: JoinSet<Finished>,
    stop: watch::Sender<bool>,
}

impl Attempts {
    pub(super) fn new(executor: Arc<dyn Executor>, grace: Duration) -> Attempts {
        Attempts { executor, grace, waiting: JoinSet::new(), stop: watch::channel(false).0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn watch(&mut self, watch: Watch) {
        let executor = Arc::clone(&self.executor);
        let span = tracing::info_span!("attempt", run.id = %watch.run, step = %watch.name, attempt = %watch.attempt);
        self.waiting.spawn(wait(executor, watch, self.stop.subscribe(), self.grace).instrument(span));
    }

    /// Ends all attempts; each is still waited for.
    pub(super) fn stop_all(&self) {
        self.stop.send_replace(true);
    }

    /// Lets attempts run again, after the run was resumed.
    pub(super) fn stop_none(&self) {
        self.stop.send_replace(false);
    }

    /// The next attempt to end, with all others that have ended meanwhile; waits for ever if there are none.
    pub(super) async fn next(&mut self) -> Vec<Finished> {
        let Some(first) = self.waiting.join_next().await else { return std::future::pending().await };
        let mut finished = vec![first];
        while let Some(next) = self.waiting.try_join_next() {
            finished.push(next);
        }
        finished.into_iter().map(|joined| joined.expect("waiting for an attempt does not panic")).collect()
    }
}

async fn wait(executor: Arc<dyn Executor>, watch: Watch, mut stop: watch::Receiver<bool>, grace: Duration) -> Finished {
    let Watch { step, run, attempt, timeout, .. } = watch;
    let limit = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let end = end_of(&*executor, run, attempt);
    tokio::pin!(end, limit);
    let stopped = tokio::select! {
        // An attempt that has ended is not ended again.
        biased;
        ended = &mut end => return Finished { step, attempt, ended, stopped: None },
        () = &mut limit => Stopped::TimedOut,
        Ok(_) = stop.wait_for(|stop| *stop) => Stopped::Cancelled,
    };
    if let Err(error) = executor.cancel(run, attempt, grace).await {
        tracing::warn!(run.id = %run, %attempt, %error, "an attempt could not be ended");
    }
    Finished { step, attempt, ended: end.await, stopped: Some(stopped) }
}

async fn end_of(executor: &dyn Executor, run: RunId, attempt: AttemptId) -> Ended {
    let mut waits = ASK_AGAIN.iter();
    loop {
        match executor.wait(run, attempt).await {
            Ok(ended) => return ended,
            Err(error) => match waits.next() {
                Some(wait) => {
                    tracing::warn!(run.id = %run, %attempt, %error, "the executor cannot be asked; trying again");
                    tokio::time::sleep(*wait).await;
                }
                None => return Ended::Vanished { why: format!("the executor cannot be asked: {error}") },
            },
        }
    }
}

/// What the end of an attempt means for its run. `required` are the outputs that a success must have.
pub(super) fn meaning(
    step: &StepName,
    finished: Finished,
    seconds_since_start: f64,
    timeout: Option<Duration>,
    required: &BTreeSet<OutputName>,
) -> Happening {
    let Finished { attempt, ended, stopped, .. } = finished;
    let step = step.clone();
    let failed =
        |failure: Failure, seconds: f64| Happening::AttemptFailed { step: step.clone(), attempt, failure, seconds };
    let stop_failure = |stopped: Stopped| match stopped {
        Stopped::TimedOut => Failure {
            fault: Fault::Environment,
            code: "timeout".to_owned(),
            message: match timeout {
                Some(timeout) if seconds_since_start + 0.5 >= timeout.as_secs_f64() => {
                    format!("the attempt took longer than its timeout of {timeout:?}")
                }
                _ => "the time for all attempts of the step was up".to_owned(),
            },
            help: Some("raise `timeout` of the step, or make its work smaller".to_owned()),
        },
        Stopped::Cancelled => Failure {
            fault: Fault::Environment,
            code: "cancelled".to_owned(),
            message: "the attempt was ended because the run was cancelled".to_owned(),
            help: None,
        },
    };
    match (ended, stopped) {
        (Ended::Reported(report), stopped) => {
            let Report { attempt: reported, end, seconds, peak_memory_bytes } = *report;
            match (end, stopped) {
                _ if reported != attempt => {
                    failed(bug(format!("the worker reported about {reported} and not about {attempt}")), seconds)
                }
                // A result that was reached before the end counts, whoever wanted to end the attempt.
                (ReportedEnd::Succeeded(outcome), _) => match missing_output(&outcome, required) {
                    None => Happening::AttemptSucceeded { step, attempt, outcome, seconds, peak_memory_bytes },
                    Some(output) => failed(bug(format!("the step ended without its output `{output}`")), seconds),
                },
                (ReportedEnd::Failed(_), Some(stopped)) => failed(stop_failure(stopped), seconds),
                (ReportedEnd::Failed(failure), None) => failed(failure, seconds),
            }
        }
        (Ended::Vanished { .. }, Some(stopped)) => failed(stop_failure(stopped), seconds_since_start),
        (Ended::Vanished { why }, None) => Happening::AttemptLost { step, attempt, why },
    }
}

fn missing_output<'names>(outcome: &StepOutcome, required: &'names BTreeSet<OutputName>) -> Option<&'names OutputName> {
    required.iter().find(|output| !outcome.outputs.contains_key(*output))
}

fn bug(message: String) -> Failure {
    Failure { fault: Fault::Bug, code: "bug".to_owned(), message, help: None }
}

/// A step that asks for what the machine has not.
pub(super) fn no_gpu() -> Failure {
    Failure {
        fault: Fault::Input,
        code: "no_gpu".to_owned(),
        message: "the step requires a GPU, and there is none".to_owned(),
        help: Some("set `resources: {gpu: optional}` to let it run on the CPU".to_owned()),
    }
}

/// An attempt that the executor could not start.
pub(super) fn not_started(error: &ExecutorError) -> Failure {
    let ExecutorError::Io { source, .. } = error;
    let (code, help) = if is_disk_full(source) {
        ("disk_full", Some("make room in the state folder".to_owned()))
    } else {
        ("not_started", None)
    };
    Failure { fault: Fault::Environment, code: code.to_owned(), message: with_causes(error), help }
}

/// The outputs that a step must not end without: all planned ones that its kind does not call optional.
pub(super) fn required(planned: &PlannedStep, registry: &StepRegistry) -> BTreeSet<OutputName> {
    let ports = registry.kind(&planned.kind).ok().and_then(|kind| kind.build(planned.params.clone()).ok());
    let ports = ports.map(|step| step.ports());
    let is_optional = |output: &OutputName| {
        ports.as_ref().and_then(|ports| ports.output(output.as_str())).is_some_and(|port| port.is_optional)
    };
    planned.outputs.keys().filter(|output| !is_optional(output)).cloned().collect()
}
