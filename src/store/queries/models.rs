//! Registered models, and finding one by what a user types.

use serde::Serialize;

use super::super::connection::Row;
use super::super::{Store, StoreError};
use super::not_found;
use super::page::{KeyKind, Listing, Order, Page, PageRequest, row};

row! {
    /// A registered model.
    pub struct ModelSummary {
        /// Its name, which is also the endpoint's.
        pub model: String,
        /// How many versions it has.
        pub versions: i64,
        /// The latest.
        pub latest: i64,
        /// The version that its endpoint answers with; none without an endpoint.
        pub serving: Option<i64>,
        /// When the latest was registered.
        pub registered_at: String,
    }
}

/// A version of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ModelVersion {
    /// The model, which is also the endpoint's name.
    pub model: String,
    /// The version, counted from 1 for each model.
    pub version: i64,
    /// The aliases that point to it.
    pub aliases: Vec<String>,
    /// Whether the endpoint answers with it.
    pub is_serving: bool,
    /// The digest of the trained model.
    pub digest: String,
    /// The digest of the bundle that serves.
    pub bundle: String,
    /// The pipeline that made it.
    pub pipeline: String,
    /// The run that registered it.
    pub run: String,
    /// When.
    pub registered_at: String,
}

const SELECT: &str = "select m.model, m.version, m.aliases, m.digest, m.bundle, m.pipeline, m.run_id, m.registered_at,
        e.version as serving
    from lineage_models m left join lineage_endpoints e on e.endpoint = m.model";

impl Store {
    /// All versions of all models, the newest of each first.
    pub async fn models(&self) -> Result<Vec<ModelVersion>, StoreError> {
        let mut session = self.read("list models").await?;
        let sql = format!("{SELECT} order by m.model, m.version desc");
        session.fetch(sql, vec![]).await?.iter().map(version).collect()
    }

    /// The models, by name.
    pub async fn models_page(&self, request: &PageRequest) -> Result<Page<ModelSummary>, StoreError> {
        let mut session = self.read("list models").await?;
        let sql = "select m.model, m.versions, m.latest, e.version as serving, m.registered_at
            from (select v.model, count(*) as versions, max(v.version) as latest, max(v.registered_at) as registered_at
                from model_versions v group by v.model) as m
            left join lineage_endpoints e on e.endpoint = m.model where true";
        let order = Order { columns: &[("m.model", KeyKind::Text)], is_descending: false };
        Listing { sql: sql.to_owned(), values: vec![], order }.page(&mut session, request, ModelSummary::read).await
    }

    /// The versions of a model, newest first.
    pub async fn versions_page(&self, model: &str, request: &PageRequest) -> Result<Page<ModelVersion>, StoreError> {
        let mut session = self.read("list versions of a model").await?;
        let order = Order { columns: &[("m.version", KeyKind::Int)], is_descending: true };
        Listing { sql: format!("{SELECT} where m.model = $1"), values: vec![model.into()], order }
            .page(&mut session, request, version)
            .await
    }

    /// The version that `text` means: `churn` for the one that serves, `churn@champion` or `churn@3`; none if no model
    /// has that name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is such a model and no such version.
    pub async fn find_model(&self, text: &str) -> Result<Option<ModelVersion>, StoreError> {
        let (model, wanted) = text.split_once('@').map_or((text, None), |(model, wanted)| (model, Some(wanted)));
        let mut session = self.read("look for a model").await?;
        let sql = format!("{SELECT} where m.model = $1 order by m.version desc");
        let rows = session.fetch(sql, vec![model.into()]).await?;
        let versions = rows.iter().map(version).collect::<Result<Vec<_>, _>>()?;
        if versions.is_empty() {
            return Ok(None);
        }
        let found = versions.iter().find(|version| match wanted {
            None => version.is_serving,
            Some(wanted) => {
                version.aliases.iter().any(|alias| alias == wanted) || version.version.to_string() == wanted
            }
        });
        if let Some(found) = found {
            return Ok(Some(found.clone()));
        }
        let known = versions.iter().flat_map(|version| version.aliases.iter().cloned());
        let known: Vec<String> = known.chain(versions.iter().map(|version| version.version.to_string())).collect();
        let message = format!("model `{model}` has no version `{}`", wanted.unwrap_or_default());
        Err(not_found(message, format!("it has {}", known.join(", "))))
    }
}

fn version(row: &Row) -> Result<ModelVersion, StoreError> {
    let (version, aliases): (i64, String) = (row.get("version")?, row.get("aliases")?);
    Ok(ModelVersion {
        model: row.get("model")?,
        version,
        aliases: aliases.split(',').filter(|alias| !alias.is_empty()).map(str::to_owned).collect(),
        is_serving: row.get::<Option<i64>>("serving")? == Some(version),
        digest: row.get("digest")?,
        bundle: row.get("bundle")?,
        pipeline: row.get("pipeline")?,
        run: row.get("run_id")?,
        registered_at: row.get("registered_at")?,
    })
}
