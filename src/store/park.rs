//! Parking a run: nobody drives it until somebody decides or a time comes.

use super::append::AppendError;
use super::connection::{Access, Value};
use super::{Store, slots};
use crate::engine::{EngineError, Lease, Parked};
use crate::fault;

impl Store {
    /// One try of [`crate::engine::RunLog::park`].
    pub(super) async fn park_once(&self, lease: &Lease, parked: &Parked, is_repeated: bool) -> Result<(), AppendError> {
        let mut session = self.database.begin(Access::Write).await?;
        let sql = "update runs set state = $1, parked = $2, wake_ms = $3, lease_owner = null, lease_expires_ms = 0
            where run_id = $4 and lease_owner = $5 and lease_epoch = $6";
        let values: Vec<Value> = vec![
            parked.state.into(),
            parked.because.as_str().into(),
            Value::Int(parked.until.map(|until| until.timestamp_millis())),
            lease.run.to_string().into(),
            lease.owner.as_str().into(),
            lease.epoch.into(),
        ];
        // A repeated one may have worked before: then the lease is free, as it should be.
        if session.execute(sql, values).await? == 0 && !is_repeated {
            let reason = "it was given back or another process has taken it".to_owned();
            return Err(EngineError::LeaseLost { run: lease.run, reason }.into());
        }
        slots::forget_unstarted(&mut session, lease.run).await?;
        super::slots::forget_unstarted(&mut session, lease.run).await?;
        fault::point("park.before_commit").map_err(sqlx::Error::Io)?;
        session.commit().await?;
        fault::point("park.after_commit").map_err(sqlx::Error::Io)?;
        Ok(())
    }
}
