//! Hints that something has changed, from one process to another: LISTEN and NOTIFY on Postgres.
//!
//! A hint is told when its transaction commits, and it may be lost: whoever waits also looks by itself now and then. On
//! SQLite there are none.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};

use super::connection::Session;
use super::{Store, StoreError, StoreUrl};

/// Where hints are told.
const CHANNEL: &str = "phaseline";

/// What may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// There is a run that nobody drives.
    Run,
    /// An attempt has ended, so there may be room for another one.
    Slot,
    /// Somebody asked something of a run.
    Request,
    /// A trigger has fired.
    Tick,
    /// Anything: the connection was lost for a while.
    Anything,
}

impl Hint {
    fn as_str(self) -> &'static str {
        match self {
            Hint::Run => "run",
            Hint::Slot => "slot",
            Hint::Request => "request",
            Hint::Tick => "tick",
            Hint::Anything => "anything",
        }
    }

    fn of(text: &str) -> Hint {
        [Hint::Run, Hint::Slot, Hint::Request, Hint::Tick]
            .into_iter()
            .find(|hint| hint.as_str() == text)
            .unwrap_or(Hint::Anything)
    }
}

impl Session<'_> {
    /// Tells all who listen, once this transaction is committed.
    pub(super) async fn hint(&mut self, hint: Hint) -> Result<(), sqlx::Error> {
        if let Session::Postgres(_) = self {
            let sql = "select cast(pg_notify($1, $2) as text) as told";
            self.fetch(sql, vec![CHANNEL.into(), hint.as_str().into()]).await?;
        }
        Ok(())
    }
}

impl Session<'_> {
    /// Tells that slots or keys of a run of `owner` became free, if steps of somebody else's runs wait. Those of its own
    /// hear it from their process, and a hint for nobody would only make commits wait for each other.
    pub(super) async fn hint_room(&mut self, owner: &str) -> Result<(), sqlx::Error> {
        if let Session::Postgres(_) = self {
            let sql = "select cast(pg_notify($1, $2) as text) as told where exists (
                select 1 from slot_waits w join runs r on r.run_id = w.run_id where r.lease_owner <> $3)";
            self.fetch(sql, vec![CHANNEL.into(), Hint::Slot.as_str().into(), owner.into()]).await?;
        }
        Ok(())
    }
}

/// Hears hints over a connection of its own.
pub struct Hints(PgListener);

impl Store {
    /// Begins to listen; none where the database has no such thing.
    pub async fn hints(&self) -> Result<Option<Hints>, StoreError> {
        let StoreUrl::Postgres(url) = &self.url else { return Ok(None) };
        let work = async {
            let options = PgConnectOptions::from_str(url)?.application_name("phaseline hints");
            let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
            let mut listener = PgListener::connect_with(&pool.connect_with(options).await?).await?;
            listener.listen(CHANNEL).await?;
            Ok(Hints(listener))
        };
        work.await.map(Some).map_err(|error| self.error("listen for hints", error))
    }
}

impl Hints {
    /// The next hint. After a loss of the connection it is made anew, and that is a hint too.
    ///
    /// # Errors
    /// When there is no connection to be had; the next call tries again.
    pub async fn next(&mut self) -> Result<Hint, StoreError> {
        let heard = self.0.try_recv().await.map_err(StoreError::from)?;
        Ok(heard.map_or(Hint::Anything, |told| Hint::of(told.payload())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_told_as_a_word_and_an_unknown_word_may_mean_anything() {
        for hint in [Hint::Run, Hint::Slot, Hint::Request, Hint::Tick] {
            assert_eq!(Hint::of(hint.as_str()), hint);
        }
        assert_eq!(Hint::of("something newer"), Hint::Anything);
    }
}
