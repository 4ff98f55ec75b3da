//! Attempts and measured values in lists.

use super::super::{Store, StoreError};
use super::page::{KeyKind, Listing, Order, Page, PageRequest, row};
use crate::id::RunId;

row! {
    /// One attempt at a step.
    pub struct AttemptSummary {
        /// Its id.
        pub attempt_id: String,
        /// The run.
        pub run_id: String,
        /// The step.
        pub step: String,
        /// Which attempt of the step it is, from 1.
        pub number: i64,
        /// Where it stands.
        pub state: String,
        /// Why it ran.
        pub why: String,
        /// `input`, `environment` or `bug`, if it failed.
        pub fault: Option<String>,
        /// The stable code of the failure.
        pub code: Option<String>,
        /// What happened.
        pub message: Option<String>,
        /// The remedy.
        pub help: Option<String>,
        /// From start to end.
        pub seconds: Option<f64>,
        /// Largest resident memory.
        pub peak_memory_bytes: Option<i64>,
        /// What it may use.
        pub memory_limit_bytes: Option<i64>,
        /// The machine that ran it.
        pub host: Option<String>,
        /// The process that watched over it.
        pub owner: Option<String>,
        /// When it started.
        pub started_at: String,
        /// When it ended.
        pub finished_at: Option<String>,
    }
}

row! {
    /// A value that a step of a run measured.
    pub struct MetricValue {
        /// The run.
        pub run_id: String,
        /// Its pipeline.
        pub pipeline: String,
        /// The step.
        pub step: String,
        /// The metric.
        pub metric: String,
        /// The slice; none for all rows.
        pub slice: Option<String>,
        /// The value; none when undefined.
        pub value: Option<f64>,
        /// Lower end of the confidence interval.
        pub low: Option<f64>,
        /// Upper end.
        pub high: Option<f64>,
        /// Its place among the values of the attempt.
        pub position: i64,
        /// When the run was asked for.
        pub created_at: String,
    }
}

/// Which measured values are wanted; what is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct MetricFilter {
    /// Those of this pipeline.
    pub pipeline: Option<String>,
    /// Those of this name.
    pub metric: Option<String>,
    /// Those of this step.
    pub step: Option<String>,
    /// Those of this run.
    pub run: Option<String>,
}

impl Store {
    /// The attempts of a run, or of one step of it, oldest first.
    pub async fn attempts_page(
        &self,
        run: RunId,
        step: Option<&str>,
        request: &PageRequest,
    ) -> Result<Page<AttemptSummary>, StoreError> {
        let mut session = self.read("list attempts").await?;
        let sql = "select a.attempt_id, a.run_id, a.step, a.number, a.state, a.why, a.fault, a.code, a.message, a.help,
                a.seconds, a.peak_memory_bytes, a.memory_limit_bytes, a.host, a.owner, a.started_at, a.finished_at
            from attempts a where a.run_id = $1 and ($2 = '' or a.step = $2)";
        let columns = &[("a.started_at", KeyKind::Text), ("a.attempt_id", KeyKind::Text)];
        let values = vec![run.to_string().into(), step.unwrap_or_default().into()];
        Listing { sql: sql.to_owned(), values, order: Order { columns, is_descending: false } }
            .page(&mut session, request, AttemptSummary::read)
            .await
    }

    /// One attempt of a run; none if the run has no such one.
    pub async fn attempt(&self, run: RunId, attempt: &str) -> Result<Option<AttemptSummary>, StoreError> {
        let mut session = self.read("read an attempt").await?;
        let sql = "select a.attempt_id, a.run_id, a.step, a.number, a.state, a.why, a.fault, a.code, a.message, a.help,
                a.seconds, a.peak_memory_bytes, a.memory_limit_bytes, a.host, a.owner, a.started_at, a.finished_at
            from attempts a where a.run_id = $1 and a.attempt_id = $2";
        let rows = session.fetch(sql, vec![run.to_string().into(), attempt.into()]).await?;
        rows.first().map(AttemptSummary::read).transpose()
    }

    /// Measured values, those of the newest runs first.
    pub async fn metrics_page(
        &self,
        filter: &MetricFilter,
        request: &PageRequest,
    ) -> Result<Page<MetricValue>, StoreError> {
        let mut session = self.read("list metrics").await?;
        let sql = "select s.run_id, r.pipeline, s.step, m.metric, m.slice, m.value, m.low, m.high, m.position,
                r.created_at
            from metrics m join steps s on s.attempt_id = m.attempt_id join runs r on r.run_id = s.run_id
            where ($1 = '' or r.pipeline = $1) and ($2 = '' or m.metric = $2) and ($3 = '' or s.step = $3)
                and ($4 = '' or s.run_id = $4)";
        let columns = &[
            ("r.created_at", KeyKind::Text),
            ("s.run_id", KeyKind::Text),
            ("s.step", KeyKind::Text),
            ("m.position", KeyKind::Int),
        ];
        let text = |wanted: &Option<String>| wanted.clone().unwrap_or_default().into();
        let values = vec![text(&filter.pipeline), text(&filter.metric), text(&filter.step), text(&filter.run)];
        Listing { sql: sql.to_owned(), values, order: Order { columns, is_descending: true } }
            .page(&mut session, request, MetricValue::read)
            .await
    }
}
