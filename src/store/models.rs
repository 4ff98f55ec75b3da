//! Registering model versions and moving aliases.

use super::connection::{Session, Value};
use super::time::text;
use crate::id::RunId;
use crate::lineage::Registered;

/// Registers what a deploying step asks for.
///
/// The same bundle is the same version: to deploy it again moves the alias and is recorded as a deployment. An endpoint
/// answers with `champion` if there has ever been one, else with the alias that was deployed last.
pub(super) async fn register(
    session: &mut Session<'_>,
    run: RunId,
    registrations: &[Registered],
) -> Result<(), sqlx::Error> {
    let mut registrations: Vec<&Registered> = registrations.iter().collect();
    // One order for all transactions, so that two of them never wait for each other.
    registrations.sort_by(|left, right| left.registration.endpoint.cmp(&right.registration.endpoint));
    for registered in registrations {
        let registration = &registered.registration;
        let model = || Value::from(registration.endpoint.as_str());
        let at = || Value::from(text(registered.at));
        let bundle = || Value::from(registration.bundle.digest.to_string());
        // This locks the endpoint, so that versions are counted one after the other.
        let sql = "insert into endpoints (endpoint, alias, deployments, since) values ($1, $2, 1, $3)
            on conflict (endpoint) do update set deployments = endpoints.deployments + 1,
                alias = case when endpoints.alias = 'champion' then endpoints.alias else excluded.alias end";
        session.execute(sql, vec![model(), registration.alias.as_str().into(), at()]).await?;
        let sql = "insert into model_versions (model, version, digest, bundle, run_id, step, registered_at)
            select $1, coalesce(max(v.version), 0) + 1, $2, $3, $4, $5, $6 from model_versions v where v.model = $1
            on conflict (model, bundle) do nothing";
        let digest = registration.model.digest.to_string().into();
        let step = || Value::from(registered.step.as_str());
        session.execute(sql, vec![model(), digest, bundle(), run.to_string().into(), step(), at()]).await?;
        let sql = "select v.version, e.deployments from model_versions v join endpoints e on e.endpoint = v.model
            where v.model = $1 and v.bundle = $2";
        let rows = session.fetch(sql, vec![model(), bundle()]).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let (version, position): (i64, i64) = (row.get("version")?, row.get("deployments")?);
        let sql = "insert into model_aliases (model, alias, version, run_id, moved_at) values ($1, $2, $3, $4, $5)
            on conflict (model, alias) do update set version = excluded.version, run_id = excluded.run_id,
                moved_at = excluded.moved_at";
        let alias = || Value::from(registration.alias.as_str());
        session.execute(sql, vec![model(), alias(), version.into(), run.to_string().into(), at()]).await?;
        let sql = "insert into deployments (model, position, alias, version, run_id, step, deployed_at)
            values ($1, $2, $3, $4, $5, $6, $7)";
        let values = vec![model(), position.into(), alias(), version.into(), run.to_string().into(), step(), at()];
        session.execute(sql, values).await?;
    }
    Ok(())
}
