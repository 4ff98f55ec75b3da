//! What endpoints answer with.

use super::super::{Store, StoreError};
use super::artifacts::reference;
use super::parsed;
use crate::artifact::{ArtifactRef, Digest};
use crate::id::EndpointName;

/// An endpoint and the model version that it answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name, which is also the model's.
    pub name: EndpointName,
    /// The alias that it follows.
    pub alias: String,
    /// The version that the alias points to.
    pub version: u64,
    /// The bundle that serves: model, transform and schema in one folder.
    pub bundle: ArtifactRef,
    /// The digest of the trained model.
    pub model: Digest,
    /// The pipeline that deployed it.
    pub pipeline: String,
    /// The run that moved the alias.
    pub run: String,
    /// When.
    pub since: String,
}

impl Store {
    /// All endpoints, by name.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        let mut session = self.read("list endpoints").await?;
        let sql = "select endpoint, alias, version, digest, bundle, bundle_kind, bundle_bytes, bundle_rows, pipeline,
                run_id, since
            from lineage_endpoints order by endpoint";
        let rows = session.fetch(sql, vec![]).await?;
        rows.iter()
            .map(|row| {
                Ok(Endpoint {
                    name: parsed("name of an endpoint", &row.get::<String>("endpoint")?)?,
                    alias: row.get("alias")?,
                    version: row.get::<i64>("version")?.unsigned_abs(),
                    bundle: reference(row, "bundle", "bundle_kind", "bundle_bytes", "bundle_rows")?,
                    model: parsed("digest", &row.get::<String>("digest")?)?,
                    pipeline: row.get("pipeline")?,
                    run: row.get("run_id")?,
                    since: row.get("since")?,
                })
            })
            .collect()
    }
}
