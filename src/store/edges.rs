//! Writing what came from what.

use std::collections::BTreeMap;

use super::connection::{Many, Session, Value};
use super::rows::insert;
use crate::id::{RunId, StepName};
use crate::lineage::{Intake, Projection, edges};

/// Writes the edges into the outputs of `projection`, whose inputs and outputs are written already.
pub(super) async fn write(session: &mut Session<'_>, run: RunId, projection: &Projection) -> Result<(), sqlx::Error> {
    // A step that is done again may choose another way.
    for start in projection.attempts.iter().filter(|start| start.number > 1) {
        let sql = "delete from step_edges where run_id = $1 and step = $2";
        session.execute(sql, vec![run.to_string().into(), start.step.as_str().into()]).await?;
    }
    let edges = edges(&intakes(session, run, projection).await?, &projection.outputs);
    let rows = edges.iter().map(|edge| {
        vec![
            run.to_string().into(),
            edge.step.as_str().into(),
            edge.output.as_str().into(),
            edge.input.as_str().into(),
            edge.position.into(),
        ]
    });
    let into = "insert into step_edges (run_id, step, output, input, position)";
    let again = "on conflict (run_id, step, output, input, position) do nothing";
    insert(session, into, again, rows.collect()).await?;
    let made = edges.iter().filter(|edge| edge.from != edge.to).map(|edge| (edge.from, edge.to));
    let derived = made.chain(projection.bundled.iter().copied());
    let rows = derived.map(|(from, to)| vec![from.to_string().into(), to.to_string().into()]);
    let into = "insert into derivations (from_digest, to_digest)";
    insert(session, into, "on conflict (from_digest, to_digest) do nothing", rows.collect()).await
}

/// What the steps that have new outputs took in. It was told when their attempts started, mostly in an earlier append,
/// and so is read back.
async fn intakes(
    session: &mut Session<'_>,
    run: RunId,
    projection: &Projection,
) -> Result<BTreeMap<StepName, Intake>, sqlx::Error> {
    let mut steps: Vec<_> = projection.outputs.iter().map(|row| row.step.as_str()).collect();
    steps.dedup();
    let rows: Vec<Vec<Value>> = steps.into_iter().map(|step| vec![run.to_string().into(), step.into()]).collect();
    let many = Many {
        before: "select s.step, s.carries, i.input, i.position, i.digest from (",
        after: ") as v
            join steps s on s.run_id = v.column1 and s.step = v.column2
            join step_inputs i on i.run_id = v.column1 and i.step = v.column2",
    };
    let mut intakes: BTreeMap<StepName, Intake> = BTreeMap::new();
    for row in session.fetch_rows(many, rows).await? {
        let (step, carries): (String, String) = (row.get("step")?, row.get("carries")?);
        let (input, digest): (String, String) = (row.get("input")?, row.get("digest")?);
        let position = u32::try_from(row.get::<i64>("position")?).map_err(unreadable)?;
        let intake = intakes.entry(step.parse().map_err(unreadable)?).or_default();
        if intake.artifacts.is_empty() {
            intake.carries = serde_json::from_str(&carries).map_err(unreadable)?;
        }
        let artifact = (input.parse().map_err(unreadable)?, position, digest.parse().map_err(unreadable)?);
        intake.artifacts.insert(artifact);
    }
    Ok(intakes)
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}
