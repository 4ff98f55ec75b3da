//! Approvals, refusals and waivers as rows: for each gate or step the last word.

use chrono::{DateTime, Utc};

use super::connection::{Session, Value};
use super::time::text;
use crate::id::RunId;
use crate::lineage::Projection;

/// Writes what was asked and decided. A question that the end of its run leaves open is withdrawn.
pub(super) async fn write(session: &mut Session<'_>, run: RunId, projection: &Projection) -> Result<(), sqlx::Error> {
    for decision in &projection.decisions {
        let key: [Value; 4] = [
            run.to_string().into(),
            decision.subject.kind().into(),
            decision.subject.name().into(),
            decision.state.into(),
        ];
        let mut values = key.to_vec();
        if decision.state == "awaited" {
            let sql = "insert into approvals (run_id, kind, subject, state, message, requested_at, expires_at)
                values ($1, $2, $3, $4, $5, $6, $7)
                on conflict (run_id, kind, subject) do update set state = excluded.state, message = excluded.message,
                    requested_at = excluded.requested_at, expires_at = excluded.expires_at, decided_at = null,
                    decided_by = null, reason = null";
            values.extend([
                decision.message.clone().into(),
                text(decision.at).into(),
                decision.expires_at.map(text).into(),
            ]);
            session.execute(sql, values).await?;
        } else {
            let sql = "insert into approvals
                    (run_id, kind, subject, state, expires_at, decided_at, decided_by, reason)
                values ($1, $2, $3, $4, $5, $6, $7, $8)
                on conflict (run_id, kind, subject) do update set state = excluded.state,
                    expires_at = excluded.expires_at, decided_at = excluded.decided_at,
                    decided_by = excluded.decided_by, reason = excluded.reason";
            values.extend([
                decision.expires_at.map(text).into(),
                text(decision.at).into(),
                decision.by.clone().into(),
                decision.reason.clone().into(),
            ]);
            session.execute(sql, values).await?;
        }
    }
    if let Some((at, _)) = projection.run.finished {
        let sql = "update approvals set state = 'withdrawn', decided_at = $2 where run_id = $1 and state = 'awaited'";
        session.execute(sql, vec![run.to_string().into(), text(at).into()]).await?;
    }
    Ok(())
}

/// Forgets what does not count any more when a run is resumed; its gates are asked again.
pub(super) async fn forget(
    session: &mut Session<'_>,
    run: RunId,
    at: DateTime<Utc>,
    projection: &Projection,
) -> Result<(), sqlx::Error> {
    // An approval step whose time is over waits again, like one that was refused.
    let sql = "update steps set state = 'waiting', because = null, finished_at = null
        where run_id = $1 and state = 'succeeded' and step in (select a.subject from approvals a
            where a.run_id = $1 and a.kind = 'step' and a.state = 'approved' and a.expires_at <= $2)";
    session.execute(sql, vec![run.to_string().into(), text(at).into()]).await?;
    let sql = "delete from approvals where run_id = $1
        and not (state in ('approved', 'waived') and (expires_at is null or expires_at > $2))";
    session.execute(sql, vec![run.to_string().into(), text(at).into()]).await?;
    // The word that lets the run go on may be new: the gate that it is about is not asked again.
    write(session, run, projection).await?;
    let sql = "update gates set verdict = null, evidence = null, evaluated_at = null
        where run_id = $1 and blocking and verdict <> 'passed' and not exists (select 1 from approvals a
            where a.run_id = gates.run_id and a.kind = 'gate' and a.subject = gates.gate)";
    session.execute(sql, vec![run.to_string().into()]).await?;
    Ok(())
}
