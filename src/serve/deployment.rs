//! What the server needs to know of the store: which versions are deployed, and how to get at one.

use async_trait::async_trait;

use super::{RequestColumns, Scorer};
use crate::artifact::ArtifactRef;
use crate::id::EndpointName;
use crate::ml::bundle::BundleRecord;

/// One alias of an endpoint and the version that it points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The endpoint.
    pub endpoint: EndpointName,
    /// The alias, such as `champion`.
    pub alias: String,
    /// The version, from 1.
    pub version: u64,
    /// The bundle that `deploy.endpoint` made.
    pub bundle: ArtifactRef,
}

/// Knows what is deployed; the store does.
#[async_trait]
pub trait Deployments: Send + Sync {
    /// Every alias of every endpoint.
    async fn current(&self) -> Result<Vec<Deployment>, Box<dyn std::error::Error + Send + Sync>>;
}

/// A model that is ready to answer.
pub struct LoadedModel {
    /// What its bundle says about it.
    pub record: BundleRecord,
    /// The raw columns that it takes.
    pub columns: RequestColumns,
    /// The model.
    pub scorer: Box<dyn Scorer>,
}

/// Makes models from deployments; may block, since files are read and verified.
pub trait ModelSource: Send + Sync {
    /// The model of a deployment.
    fn load(&self, deployment: &Deployment) -> Result<LoadedModel, Box<dyn std::error::Error + Send + Sync>>;
}
