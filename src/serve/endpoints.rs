//! The endpoints and the version that each answers with, replaced while requests are answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use chrono::{DateTime, Utc};

use super::model_thread::ModelThread;
use super::{Deployment, ModelSource, RequestColumns};
use crate::id::EndpointName;
use crate::ml::bundle::BundleRecord;

/// The alias that an endpoint answers with when it has several.
const CHAMPION: &str = "champion";

/// All endpoints of a server.
#[derive(Default)]
pub(super) struct Endpoints {
    by_name: RwLock<BTreeMap<EndpointName, Arc<Endpoint>>>,
}

/// One endpoint.
pub(super) struct Endpoint {
    pub(super) name: EndpointName,
    pub(super) counters: Counters,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    live: Option<Arc<Live>>,
    problem: Option<String>,
}

/// A version that answers.
pub(super) struct Live {
    pub(super) deployment: Deployment,
    pub(super) record: BundleRecord,
    pub(super) columns: RequestColumns,
    pub(super) model: ModelThread,
    pub(super) since: DateTime<Utc>,
}

/// What an endpoint has done since the server started.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) requests: AtomicU64,
    pub(super) rows: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Endpoint {
    fn new(name: EndpointName) -> Endpoint {
        Endpoint { name, counters: Counters::default(), state: RwLock::default() }
    }

    /// The version that answers now.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.state.read().expect("no holder of the lock panics").live.clone()
    }

    /// Why the version that should answer does not.
    pub(super) fn problem(&self) -> Option<String> {
        self.state.read().expect("no holder of the lock panics").problem.clone()
    }

    /// Puts `change` in place and gives the version that answered before.
    fn swap(&self, change: Result<Live, String>) -> Option<Arc<Live>> {
        let mut state = self.state.write().expect("no holder of the lock panics");
        match change {
            Ok(live) => {
                state.problem = None;
                state.live.replace(Arc::new(live))
            }
            Err(problem) => {
                state.problem = Some(problem);
                None
            }
        }
    }
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

impl Endpoints {
    /// The endpoint of this name.
    pub(super) fn get(&self, name: &str) -> Option<Arc<Endpoint>> {
        let name: EndpointName = name.parse().ok()?;
        self.by_name.read().expect("no holder of the lock panics").get(&name).cloned()
    }

    /// The endpoint, if there is exactly one.
    pub(super) fn single(&self) -> Option<Arc<Endpoint>> {
        let by_name = self.by_name.read().expect("no holder of the lock panics");
        if by_name.len() == 1 { by_name.values().next().cloned() } else { None }
    }

    /// All endpoints, by name.
    pub(super) fn all(&self) -> Vec<Arc<Endpoint>> {
        self.by_name.read().expect("no holder of the lock panics").values().cloned().collect()
    }

    /// Loads what is newly deployed and forgets what is no longer. Blocks while models load and old ones finish; a
    /// model that cannot be loaded leaves the version before it in place.
    pub(super) fn refresh(&self, deployments: Vec<Deployment>, models: &dyn ModelSource) {
        let wanted = answering(deployments);
        let removed: Vec<Arc<Endpoint>> = {
            let mut by_name = self.by_name.write().expect("no holder of the lock panics");
            for name in wanted.keys() {
                by_name.entry(name.clone()).or_insert_with(|| Arc::new(Endpoint::new(name.clone())));
            }
            by_name.extract_if(.., |name, _| !wanted.contains_key(name)).map(|(_, endpoint)| endpoint).collect()
        };
        for endpoint in removed {
            tracing::info!(endpoint = %endpoint.name, "the endpoint is gone");
        }
        for deployment in wanted.into_values() {
            let Some(endpoint) = self.get(deployment.endpoint.as_str()) else { continue };
            if endpoint.live().is_some_and(|live| live.deployment == deployment) {
                continue;
            }
            let version = deployment.version;
            let change = load(deployment, models);
            match &change {
                Ok(live) => {
                    tracing::info!(endpoint = %endpoint.name, version, alias = live.deployment.alias, "answering");
                }
                Err(problem) => tracing::warn!(endpoint = %endpoint.name, version, problem, "not answering"),
            }
            // Dropped here and not under the lock: the old model answers what waits for it first.
            drop(endpoint.swap(change));
        }
    }
}

fn load(deployment: Deployment, models: &dyn ModelSource) -> Result<Live, String> {
    let failed = |error: &dyn std::error::Error| {
        let mut text = format!("version {} cannot be loaded: {error}", deployment.version);
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    };
    let loaded = models.load(&deployment).map_err(|error| failed(&*error))?;
    let model = ModelThread::start(deployment.endpoint.as_str(), loaded.scorer).map_err(|error| failed(&error))?;
    Ok(Live { record: loaded.record, columns: loaded.columns, model, since: Utc::now(), deployment })
}

/// For each endpoint the deployment that answers: the champion, or the newest version where no alias is called so.
fn answering(deployments: Vec<Deployment>) -> BTreeMap<EndpointName, Deployment> {
    let rank = |deployment: &Deployment| (deployment.alias == CHAMPION, deployment.version);
    let mut best: BTreeMap<EndpointName, Deployment> = BTreeMap::new();
    for deployment in deployments {
        match best.get(&deployment.endpoint) {
            Some(other) if rank(other) >= rank(&deployment) => {}
            _ => {
                best.insert(deployment.endpoint.clone(), deployment);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{ArtifactKind, ArtifactRef, Digest};

    fn deployment(alias: &str, version: u64) -> Deployment {
        let digest = Digest::of(version.to_string());
        let bundle = ArtifactRef { digest, kind: ArtifactKind::Model, bytes: 1, rows: None };
        Deployment { endpoint: "churn".parse().unwrap(), alias: alias.to_owned(), version, bundle }
    }

    #[test]
    fn the_champion_answers_and_without_one_the_newest_version() {
        let chosen = |deployments: &[Deployment]| {
            answering(deployments.to_vec()).into_values().map(|found| found.version).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[deployment("champion", 1), deployment("challenger", 2)]), [1]);
        assert_eq!(chosen(&[deployment("blue", 1), deployment("green", 2)]), [2]);
        assert_eq!(chosen(&[]), Vec::<u64>::new());
    }
}
