//! The log of requests: Parquet files that the monitor step compares with what the model has learned from.
//!
//! `<state>/endpoints/<name>/requests/` holds files with the raw columns and `_prediction_id`, `_at`, `_label`,
//! `_probability` (of a class) or `_value` (a number), `_version`. Logging never holds up an answer: entries pass a bounded queue
//! to a thread of its own, and what does not fit is dropped and counted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Utc};

use super::Prediction;
use crate::id::EndpointName;
use crate::table::{TableError, TableWriter};

/// Entries that may wait for the disk. An entry holds the rows of one request, so this bounds memory as well.
const QUEUE_LENGTH: usize = 1024;

/// When buffered rows go to disk.
#[derive(Debug, Clone, Copy)]
pub struct LogSettings {
    /// Rows of one endpoint after which a file is written.
    pub rows: usize,
    /// Time after which a file is written, however few rows it has.
    pub interval: Duration,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings { rows: 10_000, interval: Duration::from_secs(15) }
    }
}

/// The rows of one request with what was answered.
pub(super) struct LogEntry {
    pub(super) endpoint: EndpointName,
    pub(super) version: u64,
    pub(super) at: DateTime<Utc>,
    pub(super) rows: RecordBatch,
    pub(super) prediction_ids: Vec<String>,
    pub(super) predictions: Vec<Prediction>,
}

/// The owner of the logging thread: dropped, it writes what is buffered and joins the thread.
pub(super) struct RequestLog {
    queue: Option<SyncSender<LogEntry>>,
    thread: Option<JoinHandle<()>>,
    dropped: Arc<AtomicU64>,
}

impl RequestLog {
    pub(super) fn start(state_folder: &Path, settings: LogSettings) -> std::io::Result<RequestLog> {
        let (queue, entries) = sync_channel(QUEUE_LENGTH);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut writer = Writer {
            folder: state_folder.join("endpoints"),
            settings,
            buffers: BTreeMap::new(),
            dropped: Arc::clone(&dropped),
        };
        let thread = std::thread::Builder::new().name("request log".to_owned()).spawn(move || writer.run(&entries))?;
        Ok(RequestLog { queue: Some(queue), thread: Some(thread), dropped })
    }

    /// Hands an entry to the thread, or drops it when the disk is too slow.
    pub(super) fn record(&self, entry: LogEntry) {
        let rows = entry.rows.num_rows() as u64;
        if let Some(queue) = &self.queue
            && queue.try_send(entry).is_err()
        {
            self.dropped.fetch_add(rows, Ordering::Relaxed);
        }
    }

    /// Rows that did not reach the disk.
    pub(super) fn dropped_rows(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the request log's thread panicked");
        }
    }
}

/// Batches of one endpoint that share a schema and wait for the disk.
struct Buffer {
    since: Instant,
    first_at: DateTime<Utc>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
}

struct Writer {
    folder: PathBuf,
    settings: LogSettings,
    buffers: BTreeMap<EndpointName, Buffer>,
    dropped: Arc<AtomicU64>,
}

impl Writer {
    fn run(&mut self, entries: &Receiver<LogEntry>) {
        loop {
            match entries.recv_timeout(self.until_next_write()) {
                Ok(entry) => self.add(&entry),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.write_due(|buffer, settings| buffer.since.elapsed() >= settings.interval);
        }
        self.write_due(|_, _| true);
    }

    fn until_next_write(&self) -> Duration {
        let waits = self.buffers.values().map(|buffer| self.settings.interval.saturating_sub(buffer.since.elapsed()));
        waits.min().unwrap_or(self.settings.interval)
    }

    fn add(&mut self, entry: &LogEntry) {
        let batch = match logged(entry) {
            Ok(batch) => batch,
            Err(error) => {
                self.dropped.fetch_add(entry.rows.num_rows() as u64, Ordering::Relaxed);
                tracing::warn!(endpoint = %entry.endpoint, %error, "a request cannot be logged");
                return;
            }
        };
        // Another version may take other columns, and those do not fit into one file.
        if self.buffers.get(&entry.endpoint).is_some_and(|buffer| buffer.schema != batch.schema()) {
            self.write(&entry.endpoint);
        }
        let buffer = self.buffers.entry(entry.endpoint.clone()).or_insert_with(|| Buffer {
            since: Instant::now(),
            first_at: entry.at,
            schema: batch.schema(),
            batches: Vec::new(),
            rows: 0,
        });
        buffer.rows += batch.num_rows();
        buffer.batches.push(batch);
        if buffer.rows >= self.settings.rows {
            self.write(&entry.endpoint);
        }
    }

    fn write_due(&mut self, is_due: impl Fn(&Buffer, LogSettings) -> bool) {
        let due: Vec<EndpointName> = self
            .buffers
            .iter()
            .filter(|(_, buffer)| is_due(buffer, self.settings))
            .map(|(endpoint, _)| endpoint.clone())
            .collect();
        for endpoint in due {
            self.write(&endpoint);
        }
    }

    fn write(&mut self, endpoint: &EndpointName) {
        let Some(buffer) = self.buffers.remove(endpoint) else { return };
        let folder = self.folder.join(endpoint.as_str()).join("requests");
        if let Err(error) = write_file(&folder, &buffer) {
            self.dropped.fetch_add(buffer.rows as u64, Ordering::Relaxed);
            tracing::warn!(%endpoint, error = &error as &dyn std::error::Error, "logged requests are lost");
        }
    }
}

/// Writes under a name that no reader looks at, and renames, so that readers never see half a file.
fn write_file(folder: &Path, buffer: &Buffer) -> Result<(), TableError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| TableError::Open { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let name = format!("{}-{}", buffer.first_at.format("%Y%m%dT%H%M%S%6fZ"), uuid::Uuid::now_v7().simple());
    let (partial, target) = (folder.join(format!(".{name}.partial")), folder.join(format!("{name}.parquet")));
    let written = (|| {
        let mut writer = TableWriter::create(&partial, &buffer.schema)?;
        writer.write(&concat_batches(&buffer.schema, &buffer.batches)?)?;
        writer.close()?;
        fs::rename(&partial, &target).map_err(failed(&target))
    })();
    if written.is_err()
        && let Err(error) = fs::remove_file(&partial)
    {
        tracing::debug!(%error, "an unfinished file stays behind");
    }
    written
}

/// The rows with the columns of the log.
fn logged(entry: &LogEntry) -> Result<RecordBatch, arrow::error::ArrowError> {
    let count = entry.rows.num_rows();
    let schema = entry.rows.schema();
    let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut columns = entry.rows.columns().to_vec();
    let mut add = |name: &str, data_type: DataType, column: ArrayRef| {
        fields.push(Field::new(name, data_type, true));
        columns.push(column);
    };
    let at = TimestampMicrosecondArray::from(vec![entry.at.timestamp_micros(); count]).with_timezone("UTC");
    let version = Int64Array::from(vec![i64::try_from(entry.version).ok(); count]);
    add("_prediction_id", DataType::Utf8, Arc::new(StringArray::from(entry.prediction_ids.clone())));
    add("_at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), Arc::new(at));
    add("_version", DataType::Int64, Arc::new(version));
    let (mut labels, mut probabilities, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for prediction in &entry.predictions {
        match prediction {
            Prediction::Class { label, probability, .. } => {
                labels.push(label.as_str());
                probabilities.push(*probability);
            }
            Prediction::Value(value) => values.push(*value),
        }
    }
    if values.is_empty() {
        add("_label", DataType::Utf8, Arc::new(StringArray::from(labels)));
        add("_probability", DataType::Float64, Arc::new(Float64Array::from(probabilities)));
    } else {
        add("_value", DataType::Float64, Arc::new(Float64Array::from(values)));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use super::*;
    use crate::table::TableReader;

    fn entry(column: &str, rows: usize) -> LogEntry {
        let values = Int64Array::from_iter_values(0..i64::try_from(rows).unwrap());
        LogEntry {
            endpoint: "churn".parse().unwrap(),
            version: 3,
            at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            rows: RecordBatch::try_from_iter([(column, Arc::new(values) as ArrayRef)]).unwrap(),
            prediction_ids: (0..rows).map(|row| format!("p{row}")).collect(),
            predictions: vec![
                Prediction::Class {
                    label: "Yes".to_owned(),
                    probability: 0.75,
                    probabilities: vec![0.25, 0.75]
                };
                rows
            ],
        }
    }

    fn files(state: &Path) -> Vec<PathBuf> {
        let folder = state.join("endpoints/churn/requests");
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }

    #[test]
    fn what_was_asked_and_answered_is_on_disk_when_the_server_has_stopped() {
        let state = tempfile::tempdir().unwrap();
        let log = RequestLog::start(state.path(), LogSettings::default()).unwrap();
        log.record(entry("tenure", 2));
        log.record(entry("tenure", 1));
        drop(log);
        let files = files(state.path());
        assert_eq!(files.len(), 1);
        let table = TableReader::open(&files[0]).unwrap();
        let columns: Vec<&str> = table.columns().collect();
        assert_eq!(columns, ["tenure", "_prediction_id", "_at", "_version", "_label", "_probability"]);
        let rows = table.read_all().unwrap();
        assert_eq!(rows.num_rows(), 3);
        assert_eq!(rows.column(1).as_string::<i32>().value(1), "p1");
        assert_eq!(rows.column(4).as_string::<i32>().value(0), "Yes");
    }

    #[test]
    fn a_full_buffer_and_a_change_of_columns_each_start_a_new_file() {
        let state = tempfile::tempdir().unwrap();
        let settings = LogSettings { rows: 3, interval: Duration::from_hours(1) };
        let log = RequestLog::start(state.path(), settings).unwrap();
        for (column, rows) in [("tenure", 2), ("tenure", 2), ("tenure", 1), ("months", 1)] {
            log.record(entry(column, rows));
        }
        drop(log);
        let mut rows: Vec<u64> =
            files(state.path()).iter().map(|file| TableReader::open(file).unwrap().rows()).collect();
        rows.sort_unstable();
        assert_eq!(rows, [1, 1, 4]);
    }

    #[test]
    fn rows_that_cannot_be_written_are_counted() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("endpoints"), "in the way").unwrap();
        let log = RequestLog::start(state.path(), LogSettings::default()).unwrap();
        let dropped = Arc::clone(&log.dropped);
        log.record(entry("tenure", 2));
        drop(log);
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
    }
}
