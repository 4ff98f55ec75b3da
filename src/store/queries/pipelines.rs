//! The pipelines that daemons have loaded, and their triggers.

use super::super::{Store, StoreError};
use super::page::{KeyKind, Listing, Order, Page, PageRequest, row};

row! {
    /// A pipeline that a daemon has loaded.
    pub struct PipelineSummary {
        /// Its name.
        pub pipeline: String,
        /// Where the manifest lies.
        pub manifest_path: String,
        /// The digest of the last good text.
        pub manifest_digest: String,
        /// What the manifest says about it.
        pub description: Option<String>,
        /// Who owns it.
        pub owner: Option<String>,
        /// When the last good text was loaded.
        pub loaded_at: String,
        /// What is wrong with a newer text; none while there is no such text.
        pub broken: Option<String>,
        /// Since when.
        pub broken_at: Option<String>,
        /// Since when its file is gone; none while it is there.
        pub retired_at: Option<String>,
        /// Since when its triggers are paused; none while they are not.
        pub paused_at: Option<String>,
        /// Who paused it.
        pub paused_by: Option<String>,
        /// Why.
        pub paused_because: Option<String>,
        /// How many triggers it has.
        pub triggers: i64,
        /// Runs that have not ended.
        pub open_runs: i64,
        /// The state of its latest run.
        pub latest_state: Option<String>,
        /// That run.
        pub latest_run: Option<String>,
    }
}

row! {
    /// A file of which no pipeline is loaded.
    pub struct ManifestProblemSummary {
        /// Where it lies.
        pub manifest_path: String,
        /// The pipeline that it names, if it can be read so far.
        pub pipeline: Option<String>,
        /// `broken`, or `duplicate` where another file has the pipeline.
        pub kind: String,
        /// What is wrong, and what to do about it.
        pub report: String,
        /// Since when.
        pub noted_at: String,
    }
}

row! {
    /// A trigger of a pipeline.
    pub struct TriggerSummary {
        /// The pipeline.
        pub pipeline: String,
        /// Its name.
        pub trigger_name: String,
        /// `cron`, `every`, `after`, `files`, `webhook` or `when`.
        pub kind: String,
        /// What the manifest says, as a JSON document.
        pub definition: serde_json::Value,
        /// When it is due next, if that is known.
        pub next_at: Option<String>,
        /// When it was looked at last.
        pub looked_at: Option<String>,
        /// Why it does not fire now.
        pub because: Option<String>,
        /// Since when it is paused; none while it is not.
        pub paused_at: Option<String>,
        /// Who paused it.
        pub paused_by: Option<String>,
        /// The latest time at which it was due.
        pub last_nominal: Option<String>,
        /// What came of that: `fired`, `skipped`, ...
        pub last_state: Option<String>,
        /// The run that came of it.
        pub last_run: Option<String>,
    }
}

const PIPELINES: &str = "select p.pipeline, p.manifest_path, p.manifest_digest, p.description, p.owner, p.loaded_at,
        p.broken, p.broken_at, p.retired_at, p.paused_at, p.paused_by, p.paused_because,
        (select count(*) from triggers t where t.pipeline = p.pipeline) as triggers,
        (select count(*) from runs r where r.pipeline = p.pipeline and r.finished_at is null) as open_runs,
        (select r.state from runs r where r.pipeline = p.pipeline order by r.created_at desc, r.run_id desc limit 1)
            as latest_state,
        (select r.run_id from runs r where r.pipeline = p.pipeline order by r.created_at desc, r.run_id desc limit 1)
            as latest_run
    from pipelines p where true";
const PROBLEMS: &str = "select m.manifest_path, m.pipeline, m.kind, m.report, m.noted_at from manifest_problems m
    where true";
const TRIGGERS: &str = "select t.pipeline, t.trigger_name, t.kind, t.definition, t.next_at, t.looked_at, t.because,
        t.paused_at, t.paused_by, k.nominal as last_nominal, k.state as last_state, k.run_id as last_run
    from triggers t left join ticks k on k.pipeline = t.pipeline and k.trigger_name = t.trigger_name and k.nominal = (
        select l.nominal from ticks l where l.pipeline = t.pipeline and l.trigger_name = t.trigger_name
        order by l.decided_at desc, l.nominal desc limit 1)
    where true";

impl Store {
    /// The pipelines, by name.
    pub async fn pipelines_page(&self, request: &PageRequest) -> Result<Page<PipelineSummary>, StoreError> {
        let mut session = self.read("list pipelines").await?;
        let order = Order { columns: &[("p.pipeline", KeyKind::Text)], is_descending: false };
        Listing { sql: PIPELINES.to_owned(), values: vec![], order }
            .page(&mut session, request, PipelineSummary::read)
            .await
    }

    /// A pipeline with the last good text of its manifest; none if no daemon has loaded one of that name.
    pub async fn pipeline_text(&self, pipeline: &str) -> Result<Option<(PipelineSummary, String)>, StoreError> {
        let mut session = self.read("read a pipeline").await?;
        let rows = session.fetch(format!("{PIPELINES} and p.pipeline = $1"), vec![pipeline.into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let sql = "select manifest_text from pipelines where pipeline = $1";
        let texts = session.fetch(sql, vec![pipeline.into()]).await?;
        let text = texts.first().map_or_else(|| Ok(String::new()), |row| row.get("manifest_text"))?;
        Ok(Some((PipelineSummary::read(row)?, text)))
    }

    /// The files of which no pipeline is loaded, by path.
    pub async fn manifest_problems_page(
        &self,
        request: &PageRequest,
    ) -> Result<Page<ManifestProblemSummary>, StoreError> {
        let mut session = self.read("list broken manifests").await?;
        let order = Order { columns: &[("m.manifest_path", KeyKind::Text)], is_descending: false };
        Listing { sql: PROBLEMS.to_owned(), values: vec![], order }
            .page(&mut session, request, ManifestProblemSummary::read)
            .await
    }

    /// The triggers of one pipeline or of all.
    pub async fn triggers_page(
        &self,
        pipeline: Option<&str>,
        request: &PageRequest,
    ) -> Result<Page<TriggerSummary>, StoreError> {
        let mut session = self.read("list triggers").await?;
        let columns = &[("t.pipeline", KeyKind::Text), ("t.trigger_name", KeyKind::Text)];
        let sql = format!("{TRIGGERS} and ($1 = '' or t.pipeline = $1)");
        let order = Order { columns, is_descending: false };
        Listing { sql, values: vec![pipeline.unwrap_or_default().into()], order }
            .page(&mut session, request, TriggerSummary::read)
            .await
    }

    /// One trigger; none if there is no such one.
    pub async fn trigger(&self, pipeline: &str, trigger: &str) -> Result<Option<TriggerSummary>, StoreError> {
        let mut session = self.read("read a trigger").await?;
        let sql = format!("{TRIGGERS} and t.pipeline = $1 and t.trigger_name = $2");
        let rows = session.fetch(sql, vec![pipeline.into(), trigger.into()]).await?;
        rows.first().map(TriggerSummary::read).transpose()
    }
}
