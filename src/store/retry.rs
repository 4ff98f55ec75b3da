//! Trying again what may work the next time: a lost connection, a deadlock, a conflict of two transactions.

use std::time::Duration;

use crate::telemetry::metrics;

/// How long the database may be away before we give up.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Repeats `$try`, which gives a value or an [`sqlx::Error`], while the database is away for a moment or refuses because
/// of somebody else. What is repeated may have happened already.
macro_rules! repeated {
    ($store:expr, $doing:expr, $try:expr) => {{
        let mut retry = $store.retry();
        loop {
            let tried: Result<_, sqlx::Error> = $try.await;
            match tried {
                Ok(value) => break Ok(value),
                Err(error) if retry.again_after(&error).await => {}
                Err(error) => break Err($store.error($doing, error)),
            }
        }
    }};
}
pub(super) use repeated;

/// Does `$work` in a transaction that writes, repeated like the above; `$session` is in scope in it. An early `return` of
/// a value leaves everything as it was.
macro_rules! written {
    ($store:expr, $doing:literal, $session:ident => $work:block) => {
        super::retry::repeated!($store, $doing, async {
            let mut $session = $store.database.begin(super::connection::Access::Write).await?;
            let done = $work;
            $session.commit().await?;
            Ok(done)
        })
    };
}
pub(super) use written;

/// Counts the tries of one piece of work.
#[derive(Debug)]
pub(super) struct Retry {
    failures: u32,
    waited: Duration,
    patience: Duration,
}

impl Retry {
    /// Tries for `patience` in all, waits counted.
    pub(super) fn new(patience: Duration) -> Retry {
        Retry { failures: 0, waited: Duration::ZERO, patience }
    }

    /// Waits before the next try, or returns false when there shall be none.
    pub(super) async fn again_after(&mut self, error: &sqlx::Error) -> bool {
        metrics::database_error(class(error));
        if self.waited >= self.patience || !is_transient(error) {
            return false;
        }
        let wait = (FIRST_WAIT * 2u32.pow(self.failures.min(8))).min(LONGEST_WAIT);
        self.failures += 1;
        self.waited += wait;
        tracing::debug!(failures = self.failures, %error, "the database is tried again");
        tokio::time::sleep(wait).await;
        true
    }

    /// Whether this is not the first try, so that an earlier one may have worked without telling.
    pub(super) fn is_repeated(&self) -> bool {
        self.failures > 0
    }
}

/// The word under which an error is counted.
fn class(error: &sqlx::Error) -> &'static str {
    if is_connection_lost(error) {
        "away"
    } else if is_disk_full(error) {
        "disk_full"
    } else if is_transient(error) {
        "conflict"
    } else {
        "refused"
    }
}

/// Whether the same work may succeed a little later.
fn is_transient(error: &sqlx::Error) -> bool {
    is_connection_lost(error)
        || error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| {
            // Postgres: deadlock, serialisation failure, too many connections. SQLite: 5, 261, 517, 773 are kinds of busy.
            matches!(&*code, "40P01" | "40001" | "53300" | "5" | "261" | "517" | "773")
        })
}

/// Whether there is no room for what was to be written.
pub(super) fn is_disk_full(error: &sqlx::Error) -> bool {
    // SQLite: full, and no room for the shared memory beside the file. Postgres: disk full.
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| matches!(&*code, "13" | "4874" | "53100"))
}

/// Whether the database went away or does not answer.
pub(super) fn is_connection_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) => true,
        // The server shuts down, starts up, or has ended this connection.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code.starts_with("08") || matches!(&*code, "57P01" | "57P02" | "57P03"))
        }
        _ => false,
    }
}
