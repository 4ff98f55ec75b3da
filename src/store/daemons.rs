//! The daemons that share the database: each says every few seconds that it is there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::connection::{Access, Row, Value};
use super::time::{milliseconds, text};
use super::{Store, StoreError};

/// How long a daemon may be silent before it counts as gone.
pub const SILENCE: Duration = Duration::from_secs(30);

/// What a daemon says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Its name as a holder of leases.
    pub daemon: String,
    /// Its machine.
    pub host: String,
    /// The version of its program.
    pub version: String,
    /// Where it listens.
    pub address: Option<String>,
    /// The folder that its pipelines come from.
    pub pipelines: Option<String>,
    /// Since when it runs.
    pub started_at: DateTime<Utc>,
    /// Whether it is about to end.
    pub is_draining: bool,
    /// What keeps it from taking work.
    pub trouble: Option<String>,
}

/// A daemon as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DaemonEntry {
    /// Its name as a holder of leases.
    pub daemon: String,
    /// Its machine.
    pub host: String,
    /// The version of its program.
    pub version: String,
    /// Where it listens.
    pub address: Option<String>,
    /// The folder that its pipelines come from.
    pub pipelines: Option<String>,
    /// Since when it runs.
    pub started_at: String,
    /// How long ago it was heard of.
    pub silent_ms: i64,
    /// `running`, `draining` or `gone`.
    pub state: &'static str,
    /// What keeps it from taking work, such as a full disk.
    pub trouble: Option<String>,
}

impl Store {
    /// Says that a daemon is there.
    pub async fn beat(&self, beat: &Beat) -> Result<(), StoreError> {
        let work = async {
            let mut session = self.database.begin(Access::Write).await?;
            let now_ms = session.now_ms().await?;
            let sql = "insert into daemons
                    (daemon, host, version, address, pipelines, started_at, beat_ms, draining, trouble)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                on conflict (daemon) do update set beat_ms = excluded.beat_ms, draining = excluded.draining,
                    trouble = excluded.trouble";
            let values: Vec<Value> = vec![
                beat.daemon.as_str().into(),
                beat.host.as_str().into(),
                beat.version.as_str().into(),
                beat.address.clone().into(),
                beat.pipelines.clone().into(),
                text(beat.started_at).into(),
                now_ms.into(),
                beat.is_draining.into(),
                beat.trouble.clone().into(),
            ];
            session.execute(sql, values).await?;
            session.commit().await
        };
        work.await.map_err(|error| self.error("say that the daemon is there", error))
    }

    /// Forgets a daemon that has ended, and those that have been gone for a day.
    pub async fn end_daemon(&self, daemon: &str) -> Result<(), StoreError> {
        let work = async {
            let mut session = self.database.begin(Access::Write).await?;
            let long_ago = session.now_ms().await? - milliseconds(Duration::from_hours(24));
            let sql = "delete from daemons where daemon = $1 or beat_ms < $2";
            session.execute(sql, vec![daemon.into(), long_ago.into()]).await?;
            session.commit().await
        };
        work.await.map_err(|error| self.error("say that the daemon has ended", error))
    }

    /// All daemons that were heard of lately, the latest to start first. A row that makes no sense is passed over.
    pub async fn daemons(&self) -> Result<Vec<DaemonEntry>, StoreError> {
        let mut session = self.read("list daemons").await?;
        let now_ms = session.now_ms().await?;
        let sql = "select daemon, host, version, address, pipelines, started_at, beat_ms, draining, trouble
            from daemons
            order by started_at desc, daemon";
        let rows = session.fetch(sql, vec![]).await?;
        let told =
            |error: &sqlx::Error| tracing::debug!(%error, "the row of a daemon makes no sense and is passed over");
        Ok(rows.iter().filter_map(|row| entry(row, now_ms).inspect_err(told).ok()).collect())
    }
}

fn entry(row: &Row, now_ms: i64) -> Result<DaemonEntry, sqlx::Error> {
    let silent_ms = now_ms.saturating_sub(row.get("beat_ms")?).max(0);
    let state = match row.get("draining")? {
        _ if silent_ms > milliseconds(SILENCE) => "gone",
        true => "draining",
        false => "running",
    };
    Ok(DaemonEntry {
        daemon: row.get("daemon")?,
        host: row.get("host")?,
        version: row.get("version")?,
        address: row.get("address")?,
        pipelines: row.get("pipelines")?,
        started_at: row.get("started_at")?,
        silent_ms,
        state,
        trouble: row.get("trouble")?,
    })
}
