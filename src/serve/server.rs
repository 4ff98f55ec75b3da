//! Live models as a whole: loaded, following deployments, and stopped in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::endpoints::Endpoints;
use super::error::ServeError;
use super::request_log::RequestLog;
use super::router::{Shared, guarded, routes};
use super::{Deployments, Guard, LogSettings, ModelSource};

/// What live models need to know besides where they come from.
pub struct ServeSettings {
    /// The state folder, which gets the request logs.
    pub state_folder: PathBuf,
    /// How often to look for newly deployed versions.
    pub poll: Duration,
    /// When logged requests go to disk.
    pub log: LogSettings,
}

/// The models that answer now, kept up to date until they are stopped.
pub struct LiveModels {
    shared: Arc<Shared>,
    follower: JoinHandle<()>,
    ask_to_stop: watch::Sender<bool>,
}

impl LiveModels {
    /// Loads what is deployed and follows what will be.
    pub async fn start(
        settings: ServeSettings,
        deployments: Arc<dyn Deployments>,
        models: Arc<dyn ModelSource>,
    ) -> Result<LiveModels, ServeError> {
        let log = RequestLog::start(&settings.state_folder, settings.log)
            .map_err(|source| ServeError::System { doing: "started the request log", source })?;
        let shared = Arc::new(Shared { endpoints: Endpoints::default(), log });
        refresh(&shared, &*deployments, &models).await?;
        let (ask_to_stop, asked_to_stop) = watch::channel(false);
        let follower = tokio::spawn(follow(Arc::clone(&shared), deployments, models, settings.poll, asked_to_stop));
        Ok(LiveModels { shared, follower, ask_to_stop })
    }

    /// The routes of models, for a server that has a guard of its own.
    pub fn routes(&self) -> Router {
        routes(Arc::clone(&self.shared))
    }

    /// A whole server's routes behind `guard`.
    pub fn router(&self, guard: Guard) -> Router {
        guarded(Arc::clone(&self.shared), guard)
    }

    /// Unloads the models and writes the last requests to their log, once nothing answers any more.
    pub async fn stop(self) {
        self.ask_to_stop.send_replace(true);
        if self.follower.await.is_err() {
            tracing::error!("the task that follows deployments panicked");
        }
        let shared = self.shared;
        // Models join their threads and the log writes its last file: both block.
        let stopped = tokio::task::spawn_blocking(move || drop(shared)).await;
        if stopped.is_err() {
            tracing::error!("the models did not stop in order");
        }
    }
}

async fn wait(asked: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the server.
    if asked.wait_for(|asked| *asked).await.is_err() {
        tracing::debug!("the server has ended");
    }
}

/// Looks for new versions until asked to stop.
async fn follow(
    shared: Arc<Shared>,
    deployments: Arc<dyn Deployments>,
    models: Arc<dyn ModelSource>,
    poll: Duration,
    mut asked_to_stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(poll) => {}
            () = wait(&mut asked_to_stop) => return,
        }
        if let Err(error) = refresh(&shared, &*deployments, &models).await {
            // The versions that answer go on answering.
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot look for new versions");
        }
    }
}

async fn refresh(
    shared: &Arc<Shared>,
    deployments: &dyn Deployments,
    models: &Arc<dyn ModelSource>,
) -> Result<(), ServeError> {
    let current = deployments.current().await.map_err(ServeError::Deployments)?;
    let (shared, models) = (Arc::clone(shared), Arc::clone(models));
    tokio::task::spawn_blocking(move || shared.endpoints.refresh(current, &*models))
        .await
        .map_err(|error| ServeError::System { doing: "loaded models", source: std::io::Error::other(error) })
}
