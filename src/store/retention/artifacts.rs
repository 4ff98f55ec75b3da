//! Artifacts as rows: which there are, which are pinned, and which were freed.

use crate::artifact::{ArtifactKind, Digest};
use crate::fault;
use crate::store::connection::{Access, Value};
use crate::store::queries::parsed;
use crate::store::retry::repeated;
use crate::store::time::text;
use crate::store::{Store, StoreError};

/// An artifact that the database knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredArtifact {
    /// Its digest.
    pub digest: Digest,
    /// Its kind.
    pub kind: ArtifactKind,
    /// Its size.
    pub bytes: u64,
    /// When it was made first, as stored.
    pub created_at: String,
    /// Whether it was freed.
    pub is_collected: bool,
}

/// An artifact that is never freed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its digest.
    pub digest: Digest,
    /// Why.
    pub reason: String,
    /// Who pinned it.
    pub pinned_by: String,
    /// When.
    pub pinned_at: String,
}

impl Store {
    /// All artifacts that were ever recorded.
    ///
    /// # Errors
    /// When the database does not answer or holds what does not read.
    pub async fn stored_artifacts(&self) -> Result<Vec<StoredArtifact>, StoreError> {
        let mut session = self.read("list artifacts").await?;
        let sql = "select digest, kind, bytes, created_at, collected_at from artifacts order by digest";
        session
            .fetch(sql, vec![])
            .await?
            .iter()
            .map(|row| {
                let kind: String = row.get("kind")?;
                Ok(StoredArtifact {
                    digest: parsed("digest", &row.get::<String>("digest")?)?,
                    kind: parsed("kind of artifact", &kind)?,
                    bytes: row.get::<i64>("bytes")?.unsigned_abs(),
                    created_at: row.get("created_at")?,
                    is_collected: row.get::<Option<String>>("collected_at")?.is_some(),
                })
            })
            .collect()
    }

    /// Marks those of `digests` as freed that nobody has come to need since `looked_at`, and forgets the cached results
    /// that consist of them. Returns those that may go.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn collect(
        &self,
        digests: &[Digest],
        looked_at: chrono::DateTime<chrono::Utc>,
    ) -> Result<Vec<Digest>, StoreError> {
        repeated!(self, "mark artifacts as freed", self.collect_once(digests, looked_at))
    }

    async fn collect_once(
        &self,
        digests: &[Digest],
        looked_at: chrono::DateTime<chrono::Utc>,
    ) -> Result<Vec<Digest>, sqlx::Error> {
        let mut session = self.database.begin(Access::Write).await?;
        let mut collected = Vec::new();
        for digest in digests {
            let one = || vec![Value::from(digest.to_string())];
            let sql = "update artifacts set collected_at = $2 where digest = $1 and collected_at is null
                and not exists (select 1 from pins p where p.digest = $1)
                and not exists (select 1 from step_outputs o join runs r on r.run_id = o.run_id
                    where o.digest = $1 and (r.finished_at is null or r.created_at >= $3 or r.finished_at >= $3))
                and not exists (select 1 from step_inputs i join runs r on r.run_id = i.run_id
                    where i.digest = $1 and (r.finished_at is null or r.created_at >= $3 or r.finished_at >= $3))
                and not exists (select 1 from model_versions v
                    join model_aliases a on a.model = v.model and a.version = v.version
                    where v.digest = $1 or v.bundle = $1)";
            let values = vec![digest.to_string().into(), text(chrono::Utc::now()).into(), text(looked_at).into()];
            if session.execute(sql, values).await? == 0 {
                continue;
            }
            let sql = "delete from cache_entries where key in (
                select s.cache_key from step_outputs o join steps s on s.run_id = o.run_id and s.step = o.step
                where o.digest = $1 and s.cache_key is not null)";
            session.execute(sql, one()).await?;
            collected.push(*digest);
        }
        fault::point("gc.before_commit").map_err(sqlx::Error::Io)?;
        session.commit().await?;
        fault::point("gc.after_commit").map_err(sqlx::Error::Io)?;
        Ok(collected)
    }

    /// Takes back that an artifact was freed: its bytes were published again meanwhile.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn uncollect(&self, digest: Digest) -> Result<(), StoreError> {
        let work = async || {
            let mut session = self.database.begin(Access::Write).await?;
            let sql = "update artifacts set collected_at = null where digest = $1";
            session.execute(sql, vec![digest.to_string().into()]).await?;
            session.commit().await
        };
        repeated!(self, "keep an artifact", work())
    }

    /// All pins, by digest.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pins(&self) -> Result<Vec<Pin>, StoreError> {
        let mut session = self.read("list pins").await?;
        let sql = "select digest, reason, pinned_by, pinned_at from pins order by digest";
        session
            .fetch(sql, vec![])
            .await?
            .iter()
            .map(|row| {
                Ok(Pin {
                    digest: parsed("digest", &row.get::<String>("digest")?)?,
                    reason: row.get("reason")?,
                    pinned_by: row.get("pinned_by")?,
                    pinned_at: row.get("pinned_at")?,
                })
            })
            .collect()
    }

    /// Pins an artifact; another reason replaces that of an earlier pin.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pin(&self, digest: Digest, reason: &str, by: &str) -> Result<(), StoreError> {
        let work = async || {
            let mut session = self.database.begin(Access::Write).await?;
            let sql = "insert into pins (digest, reason, pinned_by, pinned_at) values ($1, $2, $3, $4)
                on conflict (digest) do update set reason = excluded.reason, pinned_by = excluded.pinned_by,
                    pinned_at = excluded.pinned_at";
            let values: Vec<Value> =
                vec![digest.to_string().into(), reason.into(), by.into(), text(chrono::Utc::now()).into()];
            session.execute(sql, values).await?;
            session.commit().await
        };
        repeated!(self, "pin an artifact", work())
    }

    /// Takes a pin back; says whether there was one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unpin(&self, digest: Digest) -> Result<bool, StoreError> {
        let work = async || {
            let mut session = self.database.begin(Access::Write).await?;
            let count = session.execute("delete from pins where digest = $1", vec![digest.to_string().into()]).await?;
            session.commit().await?;
            Ok(count > 0)
        };
        repeated!(self, "take a pin back", work())
    }
}
