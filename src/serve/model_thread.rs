//! A model on a thread of its own behind a bounded queue.
//!
//! The thread takes whatever waits in the queue as one batch: an idle server answers at once, a busy one batches more
//! the busier it is, and no delay has to be configured. A full queue refuses instead of making everybody wait.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use tokio::sync::oneshot;

use super::{Prediction, ScoreError, Scorer};

/// Requests that may wait. At a fraction of a millisecond for each, the last one still answers within a second.
pub(super) const QUEUE_LENGTH: usize = 512;

/// Rows that are scored together at most, so that one batch never keeps the others waiting for long.
const LARGEST_BATCH_ROWS: usize = 4096;

/// Why a request was not scored.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The queue is full.
    #[error("too many requests are waiting for the model")]
    Overloaded,
    /// The model is being replaced or the server stops.
    #[error("the model is no longer answering")]
    Stopped,
    /// The model failed on these rows.
    #[error("the model could not score the rows")]
    Failed(#[source] ScoreError),
}

struct Job {
    rows: RecordBatch,
    reply: oneshot::Sender<Result<Vec<Prediction>, ScoreError>>,
}

/// The owner of the thread: dropped, it lets the waiting requests be answered and then joins the thread.
pub(super) struct ModelThread {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl ModelThread {
    pub(super) fn start(name: &str, scorer: Box<dyn Scorer>) -> std::io::Result<ModelThread> {
        let (queue, jobs) = sync_channel(QUEUE_LENGTH);
        let thread =
            std::thread::Builder::new().name(format!("model {name}")).spawn(move || answer(&jobs, &*scorer))?;
        Ok(ModelThread { queue: Some(queue), thread: Some(thread) })
    }

    /// Scores the rows; refuses at once when too many requests wait already.
    pub(super) async fn score(&self, rows: RecordBatch) -> Result<Vec<Prediction>, Refusal> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(Refusal::Stopped)?;
        queue.try_send(Job { rows, reply }).map_err(|error| match error {
            TrySendError::Full(_) => Refusal::Overloaded,
            TrySendError::Disconnected(_) => Refusal::Stopped,
        })?;
        answer.await.map_err(|_| Refusal::Stopped)?.map_err(Refusal::Failed)
    }
}

impl Drop for ModelThread {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a model thread panicked");
        }
    }
}

fn answer(jobs: &Receiver<Job>, scorer: &dyn Scorer) {
    while let Ok(first) = jobs.recv() {
        let mut rows = first.rows.num_rows();
        let mut batch = vec![first];
        while rows < LARGEST_BATCH_ROWS
            && let Ok(next) = jobs.try_recv()
        {
            rows += next.rows.num_rows();
            batch.push(next);
        }
        // Whoever hung up meanwhile wants no answer.
        batch.retain(|job| !job.reply.is_closed());
        answer_batch(batch, scorer);
    }
}

fn answer_batch(batch: Vec<Job>, scorer: &dyn Scorer) {
    if batch.len() > 1
        && let Ok(rows) = concat_batches(&batch[0].rows.schema(), batch.iter().map(|job| &job.rows))
        && let Ok(predictions) = score(scorer, &rows)
    {
        let mut predictions = predictions.into_iter();
        for job in batch {
            send(job.reply, Ok(predictions.by_ref().take(job.rows.num_rows()).collect()));
        }
        return;
    }
    // One request alone, or one among them that the model fails on: the others still get their answer.
    for job in batch {
        let result = score(scorer, &job.rows);
        send(job.reply, result);
    }
}

fn score(scorer: &dyn Scorer, rows: &RecordBatch) -> Result<Vec<Prediction>, ScoreError> {
    let predictions = scorer.score(rows)?;
    if predictions.len() == rows.num_rows() {
        Ok(predictions)
    } else {
        Err(ScoreError::new(format!("the model gave {} answers for {} rows", predictions.len(), rows.num_rows())))
    }
}

fn send(reply: oneshot::Sender<Result<Vec<Prediction>, ScoreError>>, result: Result<Vec<Prediction>, ScoreError>) {
    if reply.send(result).is_err() {
        tracing::debug!("a client hung up before its answer");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;
    use std::sync::{Arc, Mutex};

    use arrow::array::{AsArray, Float64Array};
    use arrow::datatypes::Float64Type;
    use futures_util::FutureExt;

    use super::*;

    fn rows(values: &[f64]) -> RecordBatch {
        RecordBatch::try_from_iter([("x", Arc::new(Float64Array::from(values.to_vec())) as _)]).unwrap()
    }

    /// Answers with the value of the row, fails on negative ones, and waits for a permit before each batch.
    struct Echo {
        permits: Mutex<Receiver<()>>,
        sizes: Sender<usize>,
    }

    impl Scorer for Echo {
        fn score(&self, rows: &RecordBatch) -> Result<Vec<Prediction>, ScoreError> {
            self.sizes.send(rows.num_rows()).unwrap();
            self.permits.lock().unwrap().recv().unwrap();
            let values = rows.column(0).as_primitive::<Float64Type>().values();
            if values.iter().any(|value| *value < 0.0) {
                return Err(ScoreError::new("negative"));
            }
            Ok(values.iter().map(|value| Prediction::Value(*value)).collect())
        }
    }

    fn echo() -> (ModelThread, Sender<()>, Receiver<usize>) {
        let ((permit, permits), (sizes, seen)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        let scorer = Echo { permits: Mutex::new(permits), sizes };
        (ModelThread::start("echo", Box::new(scorer)).unwrap(), permit, seen)
    }

    fn submit(thread: &ModelThread, values: &[f64]) -> oneshot::Receiver<Result<Vec<Prediction>, ScoreError>> {
        let (reply, answer) = oneshot::channel();
        thread.queue.as_ref().unwrap().send(Job { rows: rows(values), reply }).unwrap();
        answer
    }

    #[test]
    fn requests_that_wait_are_scored_as_one_batch_and_answered_apart() {
        let (thread, permit, seen) = echo();
        let first = submit(&thread, &[0.0]);
        assert_eq!(seen.recv().unwrap(), 1);
        // The model holds the first job, so the next two can only wait.
        let (one, two) = (submit(&thread, &[1.0, 2.0]), submit(&thread, &[3.0]));
        (0..2).for_each(|_| permit.send(()).unwrap());
        assert_eq!(first.blocking_recv().unwrap().unwrap(), [Prediction::Value(0.0)]);
        assert_eq!(one.blocking_recv().unwrap().unwrap(), [Prediction::Value(1.0), Prediction::Value(2.0)]);
        assert_eq!(two.blocking_recv().unwrap().unwrap(), [Prediction::Value(3.0)]);
        assert_eq!(seen.recv().unwrap(), 3);
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let (thread, permit, seen) = echo();
        let mut waiting = vec![submit(&thread, &[1.0])];
        assert_eq!(seen.recv().unwrap(), 1);
        waiting.extend((0..QUEUE_LENGTH).map(|_| submit(&thread, &[1.0])));
        let refused = thread.score(rows(&[1.0])).now_or_never().unwrap();
        assert!(matches!(refused, Err(Refusal::Overloaded)));
        (0..2).for_each(|_| permit.send(()).unwrap());
        for answer in waiting {
            assert!(answer.blocking_recv().unwrap().is_ok());
        }
    }

    #[test]
    fn a_request_that_the_model_fails_on_does_not_spoil_its_neighbours() {
        let (permit, permits) = std::sync::mpsc::channel();
        let (sizes, _seen) = std::sync::mpsc::channel();
        (0..3).for_each(|_| permit.send(()).unwrap());
        let scorer = Echo { permits: Mutex::new(permits), sizes };
        let (mut jobs, mut answers) = (Vec::new(), Vec::new());
        for value in [1.0, -1.0] {
            let (reply, answer) = oneshot::channel();
            jobs.push(Job { rows: rows(&[value]), reply });
            answers.push(answer);
        }
        answer_batch(jobs, &scorer);
        let results: Vec<bool> = answers.iter_mut().map(|answer| answer.try_recv().unwrap().is_ok()).collect();
        assert_eq!(results, [true, false]);
    }
}
