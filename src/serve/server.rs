//! The server as a whole: listens, follows deployments, and stops in order.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::endpoints::Endpoints;
use super::error::ServeError;
use super::request_log::RequestLog;
use super::router::{Shared, router};
use super::{Deployments, Guard, LogSettings, ModelSource};

/// How long answers that have begun may go on after the server was asked to stop.
const LONGEST_GOODBYE: Duration = Duration::from_secs(10);

/// What a server needs to know besides where models come from.
pub struct ServeSettings {
    /// Who is let in.
    pub guard: Guard,
    /// The state folder, which gets the request logs.
    pub state_folder: PathBuf,
    /// How often to look for newly deployed versions.
    pub poll: Duration,
    /// When logged requests go to disk.
    pub log: LogSettings,
}

/// Answers on `listener` until `stop` is ready; then finishes what has begun and writes the request log.
pub async fn serve(
    listener: TcpListener,
    settings: ServeSettings,
    deployments: Arc<dyn Deployments>,
    models: Arc<dyn ModelSource>,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let log = RequestLog::start(&settings.state_folder, settings.log)
        .map_err(|source| ServeError::System { doing: "started the request log", source })?;
    let shared = Arc::new(Shared { endpoints: Endpoints::default(), log });
    refresh(&shared, &*deployments, &models).await?;

    let (ask_to_stop, asked_to_stop) = watch::channel(false);
    let follower = tokio::spawn(follow(Arc::clone(&shared), deployments, models, settings.poll, asked_to_stop.clone()));
    let mut goodbye = asked_to_stop.clone();
    let server = axum::serve(listener, router(Arc::clone(&shared), settings.guard))
        .with_graceful_shutdown(async move { wait(&mut goodbye).await })
        .into_future();
    let mut server = std::pin::pin!(server);
    let ended = tokio::select! {
        ended = &mut server => Some(ended),
        () = stop => None,
    };
    ask_to_stop.send_replace(true);
    let ended = match ended {
        Some(ended) => ended,
        None => tokio::time::timeout(LONGEST_GOODBYE, server).await.unwrap_or_else(|_| {
            tracing::warn!("some requests did not end in time and were cut off");
            Ok(())
        }),
    };
    if follower.await.is_err() {
        tracing::error!("the task that follows deployments panicked");
    }
    // Models join their threads and the log writes its last file: both block.
    let stopped = tokio::task::spawn_blocking(move || drop(shared)).await;
    if stopped.is_err() {
        tracing::error!("the server did not stop in order");
    }
    ended.map_err(|source| ServeError::System { doing: "answered requests", source })
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
