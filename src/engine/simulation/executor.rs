//! An executor that nobody should trust.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::artifact::Digest;
use crate::engine::CacheKey;
use crate::executor::{Ended, Found};
use crate::id::{AttemptId, RunId, StepName};
use crate::step::{Fault, StepOutcome};
use crate::worker::{Failure, Report, ReportedEnd};

/// How long a message is repeated: longer than a daemon is frozen that may have heard it in vain.
const SAID_FOR_MS: i64 = 120_000;

/// One execution of a step, as a ledger out of everybody's reach has it.
#[derive(Debug, Clone)]
pub(super) struct Execution {
    pub(super) run: RunId,
    pub(super) step: StepName,
    pub(super) attempt: AttemptId,
    pub(super) began_ms: i64,
    pub(super) ended_ms: i64,
    /// The epoch of the lease under which it was started.
    pub(super) epoch: u64,
    /// What names its result to other runs.
    pub(super) key: Option<CacheKey>,
}

#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) at_ms: i64,
    pub(super) run: RunId,
    pub(super) step: StepName,
    pub(super) attempt: AttemptId,
    pub(super) ended: Ended,
}

/// What is to be executed.
pub(super) struct Job {
    pub(super) run: RunId,
    pub(super) step: StepName,
    pub(super) attempt: AttemptId,
    pub(super) epoch: u64,
    pub(super) key: Option<CacheKey>,
    pub(super) inputs: Vec<Digest>,
    pub(super) outcome: StepOutcome,
    /// How likely a fault of each kind is.
    pub(super) trouble: f64,
    pub(super) fails_for_good: bool,
    /// Whether its worker vanishes, whatever is tried.
    pub(super) is_cursed: bool,
}

#[derive(Default)]
pub(super) struct Executor {
    pub(super) ledger: Vec<Execution>,
    pub(super) messages: Vec<Message>,
    barred: BTreeSet<AttemptId>,
    ends: BTreeMap<AttemptId, (i64, Ended)>,
    /// Artifacts whose bytes are not what they were.
    pub(super) damaged: BTreeSet<Digest>,
    pub(super) fired: BTreeMap<&'static str, u64>,
}

impl Executor {
    pub(super) fn fire(&mut self, fault: &'static str) {
        *self.fired.entry(fault).or_default() += 1;
    }

    pub(super) fn submit(&mut self, now_ms: i64, job: Job, rng: &mut ChaCha8Rng) {
        let Job { run, step, attempt, epoch, key, inputs, mut outcome, trouble, fails_for_good, is_cursed } = job;
        assert!(!self.ends.contains_key(&attempt), "attempt {attempt} of {step} is started twice");
        if self.barred.contains(&attempt) {
            return;
        }
        let mut is_hit = |share: f64| rng.random_bool(trouble * share);
        let (never, lost, lies, fails, delays, doubles, stalls) =
            (is_hit(0.3), is_hit(0.6), is_hit(0.2), is_hit(1.0), is_hit(1.0), is_hit(0.8), is_hit(0.3));
        if lies {
            outcome.outputs.values_mut().for_each(|artifact| artifact.digest = Digest::of("somebody else's"));
        }
        let takes_ms = if stalls { 60_000 } else { rng.random_range(50..6000) };
        let failed = |fault, code: &str| {
            ReportedEnd::Failed(Failure { fault, code: code.to_owned(), message: String::new(), help: None })
        };
        let end = if inputs.iter().any(|input| self.damaged.contains(input)) {
            self.fire("damage was noticed");
            failed(Fault::Environment, "artifact_corrupt")
        } else if fails_for_good || fails {
            self.fire("failed");
            failed(if fails_for_good { Fault::Input } else { Fault::Environment }, "io")
        } else {
            ReportedEnd::Succeeded(outcome)
        };
        let about = if lies { AttemptId::from_u128(7) } else { attempt };
        let report = Report { attempt: about, end, seconds: 1.0, peak_memory_bytes: 1 };
        let lost = lost || is_cursed;
        let ended = if never || lost {
            Ended::Vanished { why: "signal 9".to_owned() }
        } else {
            Ended::Reported(Box::new(report))
        };
        let end_ms = now_ms + takes_ms;
        self.ends.insert(attempt, (end_ms, ended.clone()));
        if never {
            self.fire("never started");
        } else {
            let step = step.clone();
            self.ledger.push(Execution { run, step, attempt, began_ms: now_ms, ended_ms: end_ms, epoch, key });
            for (kind, is_so) in [("lost", lost), ("reported about another attempt", lies && !lost)] {
                if is_so {
                    self.fire(kind);
                }
            }
        }
        let mut at_ms = end_ms;
        if delays {
            self.fire("delayed");
            at_ms += rng.random_range(1..15_000);
        }
        if doubles {
            self.fire("duplicated");
            let again_ms = at_ms + rng.random_range(0..20_000);
            self.messages.push(Message { at_ms: again_ms, run, step: step.clone(), attempt, ended: ended.clone() });
        }
        self.messages.push(Message { at_ms, run, step, attempt, ended });
    }

    /// What is said about an attempt to a daemon that did not start it.
    pub(super) fn find(&mut self, now_ms: i64, attempt: AttemptId, trouble: f64, rng: &mut ChaCha8Rng) -> Found {
        let Some((end_ms, ended)) = self.ends.get(&attempt).cloned() else {
            // Whoever wanted to start it comes too late.
            self.barred.insert(attempt);
            return Found::NeverStarted;
        };
        if rng.random_bool(trouble * 0.5) {
            self.fire("said never started though it did");
            return Found::NeverStarted;
        }
        if rng.random_bool(trouble * 0.5) {
            self.fire("found nothing");
            return Found::Ended(Ended::Vanished { why: "there is no trace of it".to_owned() });
        }
        if end_ms <= now_ms { Found::Ended(ended) } else { Found::Running { age: None } }
    }

    /// The attempts that compute what `key` names, others than those of `run`.
    pub(super) fn computing(&self, now_ms: i64, run: RunId, key: CacheKey) -> impl Iterator<Item = &Execution> {
        self.ledger.iter().filter(move |it| it.key == Some(key) && it.run != run && it.ended_ms > now_ms)
    }

    /// Whether an attempt has ended with a result of its own.
    pub(super) fn has_made(&self, attempt: AttemptId) -> bool {
        let has_made = |report: &Report| report.attempt == attempt && matches!(report.end, ReportedEnd::Succeeded(_));
        matches!(self.ends.get(&attempt), Some((_, Ended::Reported(report))) if has_made(report))
    }

    /// Ends an attempt now.
    pub(super) fn cancel(&mut self, now_ms: i64, run: RunId, step: StepName, attempt: AttemptId) {
        let vanished = Ended::Vanished { why: "signal 15".to_owned() };
        let Some((end_ms, ended)) = self.ends.get_mut(&attempt) else { return };
        if *end_ms <= now_ms {
            return;
        }
        (*end_ms, *ended) = (now_ms, vanished.clone());
        for execution in self.ledger.iter_mut().filter(|execution| execution.attempt == attempt) {
            execution.ended_ms = now_ms;
        }
        self.messages.retain(|message| message.attempt != attempt);
        self.messages.push(Message { at_ms: now_ms, run, step, attempt, ended: vanished });
    }

    /// What has been said about the attempts of a run by now, in any order and more than once.
    pub(super) fn said(&mut self, now_ms: i64, run: RunId) -> Vec<Message> {
        self.messages.retain(|message| message.at_ms > now_ms - SAID_FOR_MS);
        self.messages.iter().filter(|it| it.run == run && it.at_ms <= now_ms).cloned().collect()
    }
}
