//! Writing a projection: the rows that `lineage` makes of events.

use std::collections::BTreeMap;

use super::connection::{Many, Session, Value};
use super::time::text;
use super::{decisions, edges};
use crate::id::RunId;
use crate::lineage::Projection;

/// Inserts rows, each as a list of values for `columns`.
pub(super) async fn insert(
    session: &mut Session<'_>,
    before: &'static str,
    after: &'static str,
    rows: Vec<Vec<Value>>,
) -> Result<(), sqlx::Error> {
    session.execute_rows(Many { before, after }, rows).await
}

/// Writes everything except registrations and cache entries, which read before they write.
pub(super) async fn write(
    session: &mut Session<'_>,
    run: RunId,
    owner: &str,
    projection: &Projection,
) -> Result<(), sqlx::Error> {
    write_steps(session, run, projection).await?;
    write_attempts(session, run, owner, projection).await?;
    write_artifacts(session, run, projection).await?;
    edges::write(session, run, projection).await?;
    write_measures(session, projection).await?;
    write_gates(session, run, projection).await?;
    decisions::write(session, run, projection).await
}

async fn write_steps(session: &mut Session<'_>, run: RunId, projection: &Projection) -> Result<(), sqlx::Error> {
    if let Some(at) = projection.resumed_at {
        let sql = "update steps set state = 'waiting', because = null, finished_at = null
            where run_id = $1 and state in ('failed', 'skipped', 'cancelled', 'awaiting_approval')
                and coalesce(because, '') not in ($2, $3)";
        let [unselected, unwanted] = crate::lineage::LEFT_OUT;
        session.execute(sql, vec![run.to_string().into(), unselected.into(), unwanted.into()]).await?;
        decisions::forget(session, run, at, projection).await?;
    }
    let rows = projection.steps.iter().map(|(step, change)| {
        vec![
            run.to_string().into(),
            step.as_str().into(),
            change.state.into(),
            change.because.clone().into(),
            change.attempts.into(),
            change.attempt.map(|attempt| attempt.to_string()).into(),
            change.key.map(|key| key.to_string()).into(),
            change.why.clone().into(),
            change.started_at.map(text).into(),
            change.finished_at.map(text).into(),
        ]
    });
    let many = Many {
        before: "update steps set state = v.column3, because = v.column4,
            attempts = coalesce(v.column5, steps.attempts), attempt_id = coalesce(v.column6, steps.attempt_id),
            cache_key = coalesce(v.column7, steps.cache_key), why = coalesce(v.column8, steps.why),
            started_at = coalesce(steps.started_at, v.column9), finished_at = v.column10
            from (",
        after: ") as v where steps.run_id = v.column1 and steps.step = v.column2",
    };
    session.execute_rows(many, rows.collect()).await
}

async fn write_attempts(
    session: &mut Session<'_>,
    run: RunId,
    owner: &str,
    projection: &Projection,
) -> Result<(), sqlx::Error> {
    let starts = projection.attempts.iter().map(|start| {
        vec![
            start.attempt.to_string().into(),
            run.to_string().into(),
            start.step.as_str().into(),
            start.number.into(),
            "running".into(),
            start.key.map(|key| key.to_string()).into(),
            serde_json::to_string(&start.parts).expect("key parts are plain data").into(),
            start.why.as_str().into(),
            text(start.at).into(),
            owner.into(),
        ]
    });
    // The machine and the memory are those of the slot that the attempt was granted.
    let many = Many {
        before:
            "insert into attempts (attempt_id, run_id, step, number, state, cache_key, parts, why, started_at, owner,
                host, memory_limit_bytes)
            select v.column1, v.column2, v.column3, v.column4, v.column5, v.column6, v.column7, v.column8, v.column9,
                v.column10, s.host, nullif(s.memory_bytes, 0)
            from (",
        after: ") as v left join slots s on s.attempt_id = v.column1",
    };
    session.execute_rows(many, starts.collect()).await?;
    let ends = projection.ends.iter().map(|end| {
        let failure = end.failure.as_ref();
        vec![
            end.attempt.to_string().into(),
            end.state.into(),
            failure.map(|failure| failure.fault.to_string()).into(),
            failure.map(|failure| failure.code.clone()).into(),
            failure.map(|failure| failure.message.clone()).into(),
            failure.and_then(|failure| failure.help.clone()).into(),
            end.seconds.into(),
            end.peak_memory_bytes.into(),
            text(end.at).into(),
        ]
    });
    let many = Many {
        before: "update attempts set state = v.column2, fault = v.column3, code = v.column4, message = v.column5,
            help = v.column6, seconds = v.column7, peak_memory_bytes = v.column8, finished_at = v.column9
            from (",
        after: ") as v where attempts.attempt_id = v.column1",
    };
    session.execute_rows(many, ends.collect()).await?;
    for (step, at) in &projection.cancelled {
        let sql = "update attempts set state = 'cancelled', finished_at = $3
            where run_id = $1 and step = $2 and state = 'running'";
        session.execute(sql, vec![run.to_string().into(), step.as_str().into(), text(*at).into()]).await?;
    }
    Ok(())
}

/// The last row for each key: one statement may not write a row twice.
fn last_of<'rows, T, K: Ord + 'rows>(rows: &'rows [T], key: impl Fn(&'rows T) -> K) -> impl Iterator<Item = &'rows T> {
    rows.iter().map(|row| (key(row), row)).collect::<BTreeMap<K, &T>>().into_values()
}

async fn write_artifacts(session: &mut Session<'_>, run: RunId, projection: &Projection) -> Result<(), sqlx::Error> {
    let artifacts = last_of(&projection.outputs, |row| row.artifact.digest).map(|row| {
        vec![
            row.artifact.digest.to_string().into(),
            row.artifact.kind.as_str().into(),
            row.artifact.bytes.into(),
            row.artifact.rows.into(),
            text(row.at).into(),
            run.to_string().into(),
            row.step.as_str().into(),
            row.output.as_ref().map(crate::id::OutputName::as_str).into(),
            row.attempt.to_string().into(),
        ]
    });
    let into = "insert into artifacts (digest, kind, bytes, rows, created_at, run_id, step, output, attempt_id)";
    // What was freed and made again is there again.
    let again = "on conflict (digest) do update set collected_at = null where artifacts.collected_at is not null";
    insert(session, into, again, artifacts.collect()).await?;
    let inputs = last_of(&projection.inputs, |row| (&row.step, &row.input, row.position)).map(|row| {
        vec![
            run.to_string().into(),
            row.step.as_str().into(),
            row.input.as_str().into(),
            row.position.into(),
            row.digest.to_string().into(),
            row.source_step.as_str().into(),
            row.source_output.as_str().into(),
        ]
    });
    let into = "insert into step_inputs (run_id, step, input, position, digest, source_step, source_output)";
    let again = "on conflict (run_id, step, input, position) do update set digest = excluded.digest,
        source_step = excluded.source_step, source_output = excluded.source_output";
    insert(session, into, again, inputs.collect()).await?;
    let named = last_of(&projection.outputs, |row| (&row.step, &row.output));
    let named = named.filter_map(|row| Some((row, row.output.as_ref()?)));
    let outputs: Vec<_> = named
        .map(|(row, output)| {
            vec![
                run.to_string().into(),
                row.step.as_str().into(),
                output.as_str().into(),
                row.artifact.digest.to_string().into(),
            ]
        })
        .collect();
    let again = "on conflict (run_id, step, output) do update set digest = excluded.digest";
    insert(session, "insert into step_outputs (run_id, step, output, digest)", again, outputs).await
}

async fn write_measures(session: &mut Session<'_>, projection: &Projection) -> Result<(), sqlx::Error> {
    let metrics = projection.metrics.iter().map(|row| {
        vec![
            row.attempt.to_string().into(),
            row.position.into(),
            row.metric.name.as_str().into(),
            row.metric.slice.clone().into(),
            row.metric.value.into(),
            row.metric.low.into(),
            row.metric.high.into(),
        ]
    });
    let into = "insert into metrics (attempt_id, position, metric, slice, value, low, high)";
    insert(session, into, "", metrics.collect()).await?;
    let columns = projection.columns.iter().map(|row| {
        vec![
            row.attempt.to_string().into(),
            row.position.into(),
            row.output.as_str().into(),
            row.digest.to_string().into(),
            row.column.as_str().into(),
            row.from_digest.to_string().into(),
            row.from_column.as_str().into(),
            row.transform.as_str().into(),
        ]
    });
    let into = "insert into column_edges
        (attempt_id, position, output, digest, column_name, from_digest, from_column, transform)";
    insert(session, into, "", columns.collect()).await
}

async fn write_gates(session: &mut Session<'_>, run: RunId, projection: &Projection) -> Result<(), sqlx::Error> {
    for (gate, result) in &projection.gates {
        let sql = "update gates set verdict = $3, evidence = $4, evaluated_at = $5 where run_id = $1 and gate = $2";
        let values = vec![
            run.to_string().into(),
            gate.as_str().into(),
            result.verdict.into(),
            result.evidence.as_str().into(),
            text(result.at).into(),
        ];
        session.execute(sql, values).await?;
    }
    Ok(())
}
