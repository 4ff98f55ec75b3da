//! Attempts that count as running beside the processes that run them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::report::{Check, Finding};
use super::{Patient, words};
use crate::executor::owner::host;
use crate::executor::processes_of_attempts;
use crate::id::AttemptId;
use crate::store::{RunningAttempt, Store, StoreError};
use crate::worker::{AttemptFolder, Claim};

/// A worker gives a sign every two seconds; one that has given none for so long hangs or was stopped.
const SILENCE: Duration = Duration::from_secs(60);
/// How long what happens to a process may take to be recorded, and what it leaves to be ended.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the files of an attempt tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worker {
    /// No process has begun it.
    NotBegun,
    /// It left a report.
    Reported,
    /// Its process lives; so long ago it gave a sign.
    Alive { pid: u32, silent: Duration },
    /// Its process is gone without a report; so long ago it gave a sign.
    Gone { pid: u32, silent: Duration },
}

pub(super) async fn check(store: &Store, patient: &Patient, now: DateTime<Utc>) -> Result<Check, StoreError> {
    let attempts = store.running_attempts().await?;
    let state = patient.state.clone();
    let here = host();
    let looked = tokio::task::spawn_blocking(move || {
        let workers: Vec<Worker> = attempts.iter().map(|attempt| worker(&state, attempt)).collect();
        (attempts, workers, processes_of_attempts())
    });
    // A panic in there is a mistake of ours, and the attempts are then told without their processes.
    let (attempts, workers, processes) = looked.await.unwrap_or_default();
    let mut findings: Vec<Finding> =
        attempts.iter().zip(&workers).filter_map(|(attempt, worker)| judge(attempt, *worker, &here)).collect();
    let ids: Vec<AttemptId> = processes.iter().map(|(_, attempt)| *attempt).collect();
    let ended = store.ended_attempts(&ids).await?;
    for (pid, attempt) in processes {
        let age = ended.get(&attempt).and_then(|at| words::age(at, now));
        if let Some(age) = age.filter(|age| age.to_std().is_ok_and(|age| age > PATIENCE)) {
            let message = format!("it belongs to attempt {attempt}, which ended {} ago", words::length(age));
            findings.push(Finding::warning(format!("process {pid}"), message, format!("end it: `kill {pid}`")));
        }
    }
    let running = attempts.iter().filter(|attempt| attempt.ended.is_none());
    let elsewhere = running.clone().filter(|attempt| attempt.host.as_ref().is_some_and(|host| *host != here)).count();
    let message = match (running.count() as u64, elsewhere) {
        (0, _) => "none runs".to_owned(),
        (count, 0) => format!("{} under way", words::count(count, "attempt")),
        (count, elsewhere) => format!("{} under way, {elsewhere} on other machines", words::count(count, "attempt")),
    };
    Ok(Check::new("attempts", message, findings))
}

fn worker(state: &Path, attempt: &RunningAttempt) -> Worker {
    let folder = AttemptFolder::new(state, attempt.run, attempt.attempt);
    if folder.report().exists() {
        return Worker::Reported;
    }
    let Ok(Some(claim)) = Claim::read(&folder) else { return Worker::NotBegun };
    let beat = fs::metadata(folder.beat()).or_else(|_| fs::metadata(folder.claim()));
    let silent = beat.and_then(|found| found.modified()).ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
    let pid = claim.pid;
    if claim.is_alive() { Worker::Alive { pid, silent } } else { Worker::Gone { pid, silent } }
}

fn judge(attempt: &RunningAttempt, worker: Worker, here: &str) -> Option<Finding> {
    let place = format!("{} of {} ({})", attempt.attempt, attempt.run, attempt.step);
    if let Some(state) = &attempt.ended {
        let message = format!("it counts as running, and its run has ended ({state})");
        return Some(Finding::problem(
            place,
            message,
            "this is a mistake of ours: please report it with `phaseline show`",
        ));
    }
    if attempt.host.as_ref().is_some_and(|host| host != here) {
        return None;
    }
    let ago = |silent: Duration| words::length(TimeDelta::from_std(silent).unwrap_or(TimeDelta::MAX));
    match worker {
        Worker::NotBegun | Worker::Reported => None,
        Worker::Alive { silent, .. } if silent <= SILENCE => None,
        Worker::Alive { pid, silent } => {
            let message = format!("its process {pid} lives and gave its last sign {} ago", ago(silent));
            let help = format!(
                "see whether it was stopped (`ps -o stat= -p {pid}`); `phaseline cancel {}` ends it",
                attempt.run
            );
            Some(Finding::warning(place, message, help))
        }
        // Whoever drives the run is about to find out.
        Worker::Gone { silent, .. } if attempt.is_driven && silent <= PATIENCE => None,
        Worker::Gone { pid, silent } => {
            let message = format!("its process {pid} is gone without a report, {} after its last sign", ago(silent));
            let help = format!(
                "whoever drives the run counts it as lost, and another follows: `phaseline resume {}`",
                attempt.run
            );
            Some(Finding::warning(place, message, help))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::id::RunId;

    fn attempt() -> RunningAttempt {
        RunningAttempt {
            attempt: AttemptId::from_u128(1),
            run: RunId::from_u128(2),
            step: "train".to_owned(),
            host: Some("here".to_owned()),
            is_driven: true,
            ended: None,
        }
    }

    #[test]
    fn a_process_that_hangs_or_is_gone_is_told() {
        let told = |attempt: RunningAttempt, worker| judge(&attempt, worker, "here").map(|finding| finding.level);
        let long = Duration::from_secs(300);
        let gone = Worker::Gone { pid: 7, silent: Duration::ZERO };
        assert_eq!(told(attempt(), Worker::Alive { pid: 7, silent: Duration::ZERO }), None);
        assert_eq!(told(attempt(), Worker::Alive { pid: 7, silent: long }), Some(Level::Warning));
        assert_eq!(told(attempt(), gone), None, "its driver is about to find out");
        assert_eq!(told(attempt(), Worker::Gone { pid: 7, silent: long }), Some(Level::Warning));
        assert_eq!(told(RunningAttempt { is_driven: false, ..attempt() }, gone), Some(Level::Warning));
        assert_eq!(told(RunningAttempt { is_driven: false, ..attempt() }, Worker::Reported), None);
        let elsewhere = RunningAttempt { host: Some("there".to_owned()), is_driven: false, ..attempt() };
        assert_eq!(told(elsewhere, gone), None, "another machine's processes are not ours to judge");
        let of_ended = RunningAttempt { ended: Some("succeeded".to_owned()), ..attempt() };
        assert_eq!(told(of_ended, Worker::NotBegun), Some(Level::Problem));
    }
}
