//! Who needs which artifact: everything that keeps one from being freed.

use std::collections::BTreeMap;

use super::Pin;
use crate::artifact::Digest;
use crate::store::connection::Session;
use crate::store::queries::parsed;
use crate::store::{Store, StoreError};

/// A model version that an alias names, with everything it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasedModel {
    /// The model, which is also the endpoint that answers with it.
    pub model: String,
    /// The alias.
    pub alias: String,
    /// The version.
    pub version: i64,
}

/// A run that keeps all that it has made or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRun {
    /// The run.
    pub run: String,
    /// Its pipeline.
    pub pipeline: String,
    /// Whether it has not ended; else it is one of the last that succeeded.
    pub is_unfinished: bool,
}

/// The latest run that made, reused or read an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// When that run was created, as stored.
    pub at: String,
    /// The run.
    pub run: String,
}

/// Everything that keeps artifacts, by digest.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Artifacts that somebody pinned.
    pub pins: BTreeMap<Digest, Pin>,
    /// What an aliased model is or was made from.
    pub models: BTreeMap<Digest, AliasedModel>,
    /// What unfinished and last runs have made or read.
    pub runs: BTreeMap<Digest, KeptRun>,
    /// The last use of every artifact.
    pub uses: BTreeMap<Digest, Use>,
    /// When the oldest attempt started that still runs, as stored.
    pub oldest_attempt: Option<String>,
}

impl Store {
    /// Everything that keeps artifacts, with the last `keep_last` successful runs of each pipeline.
    ///
    /// # Errors
    /// When the database does not answer or holds what does not read.
    pub async fn needs(&self, keep_last: u32) -> Result<Needs, StoreError> {
        let pins = self.pins().await?.into_iter().map(|pin| (pin.digest, pin)).collect();
        let mut session = self.read("look at what keeps artifacts").await?;
        Ok(Needs {
            pins,
            models: models(&mut session).await?,
            runs: runs(&mut session, keep_last).await?,
            uses: uses(&mut session).await?,
            oldest_attempt: oldest_attempt(&mut session).await?,
        })
    }
}

async fn models(session: &mut Session<'_>) -> Result<BTreeMap<Digest, AliasedModel>, StoreError> {
    let sql = "with recursive above (model, alias, version, digest) as (
            select a.model, a.alias, a.version, v.bundle from model_aliases a
                join model_versions v on v.model = a.model and v.version = a.version
            union
            select a.model, a.alias, a.version, v.digest from model_aliases a
                join model_versions v on v.model = a.model and v.version = a.version
            union
            select above.model, above.alias, above.version, d.from_digest
                from above join derivations d on d.to_digest = above.digest
        )
        select model, alias, version, digest from above order by model, alias";
    let mut found = BTreeMap::new();
    for row in session.fetch(sql, vec![]).await? {
        let model = AliasedModel { model: row.get("model")?, alias: row.get("alias")?, version: row.get("version")? };
        found.entry(parsed("digest", &row.get::<String>("digest")?)?).or_insert(model);
    }
    Ok(found)
}

async fn runs(session: &mut Session<'_>, keep_last: u32) -> Result<BTreeMap<Digest, KeptRun>, StoreError> {
    let sql = "with kept as (
            select run_id, pipeline, true as unfinished from runs where finished_at is null
            union all
            select run_id, pipeline, false as unfinished from (
                select run_id, pipeline,
                    row_number() over (partition by pipeline order by created_at desc, run_id desc) as place
                from runs where state = 'succeeded'
            ) as last where place <= $1
        )
        select k.run_id, k.pipeline, k.unfinished, o.digest from kept k join step_outputs o on o.run_id = k.run_id
        union
        select k.run_id, k.pipeline, k.unfinished, i.digest from kept k join step_inputs i on i.run_id = k.run_id";
    let mut found: BTreeMap<Digest, KeptRun> = BTreeMap::new();
    for row in session.fetch(sql, vec![keep_last.into()]).await? {
        let run =
            KeptRun { run: row.get("run_id")?, pipeline: row.get("pipeline")?, is_unfinished: row.get("unfinished")? };
        let digest = parsed("digest", &row.get::<String>("digest")?)?;
        let known = found.entry(digest).or_insert_with(|| run.clone());
        if run.is_unfinished {
            *known = run;
        }
    }
    Ok(found)
}

async fn uses(session: &mut Session<'_>) -> Result<BTreeMap<Digest, Use>, StoreError> {
    // Ids of runs begin with their time, so the largest is the run of the largest time.
    let sql = "select digest, max(created_at) as at, max(run_id) as run from (
            select o.digest, r.created_at, r.run_id from step_outputs o join runs r on r.run_id = o.run_id
            union all
            select i.digest, r.created_at, r.run_id from step_inputs i join runs r on r.run_id = i.run_id
        ) as used group by digest";
    let mut found = BTreeMap::new();
    for row in session.fetch(sql, vec![]).await? {
        let last = Use { at: row.get("at")?, run: row.get("run")? };
        found.insert(parsed("digest", &row.get::<String>("digest")?)?, last);
    }
    Ok(found)
}

async fn oldest_attempt(session: &mut Session<'_>) -> Result<Option<String>, StoreError> {
    let sql = "select min(a.started_at) as at from runs r join attempts a on a.run_id = r.run_id
        where r.finished_at is null and a.finished_at is null";
    let rows = session.fetch(sql, vec![]).await?;
    Ok(rows.first().map(|row| row.get("at")).transpose()?.flatten())
}
