//! Opening the database for commands that ask it something.

use anyhow::Context;

use super::{Settings, UsageError};
use crate::store::{Store, StoreError, StoreUrl};

/// Where the settings say that the database is.
pub(super) fn url(settings: &Settings) -> anyhow::Result<StoreUrl> {
    match &settings.database_url {
        Some(url) => url.parse().map_err(|error| UsageError::new(format!("{error}")).into()),
        None => Ok(StoreUrl::in_state_folder(&settings.state)),
    }
}

/// Where the database is, for commands that must not leave an empty one behind in the wrong folder.
pub(super) fn existing_url(settings: &Settings) -> anyhow::Result<StoreUrl> {
    let url = url(settings)?;
    if let StoreUrl::Sqlite(path) = &url
        && !path.exists()
    {
        let message = format!("there are no runs in `{}` yet", settings.state.display());
        return Err(UsageError::new(message)
            .help("start one with `phaseline run`, or name its folder by --state")
            .into());
    }
    Ok(url)
}

/// Asks the database `question`; what is not found there is a mistake in the command.
pub(super) fn ask<T>(
    settings: &Settings,
    question: impl AsyncFnOnce(&Store) -> Result<T, StoreError>,
) -> anyhow::Result<T> {
    existing_url(settings)?;
    open(settings, question)
}

/// Does `work` on the database, which is made if there is none.
pub(super) fn open<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(&Store) -> Result<T, StoreError>,
) -> anyhow::Result<T> {
    let url = url(settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(async {
        let store = Store::open(&url).await?;
        let answer = work(&store).await;
        store.close().await;
        answer.map_err(explained)
    })
}

pub(super) fn explained(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::NotFound { message, help } | StoreError::Refused { message, help } => {
            UsageError { message, help }.into()
        }
        other => other.into(),
    }
}

/// A time as people read it: seconds, and no `T` and `Z`.
pub(super) fn time(text: &str) -> String {
    text.get(..19).map_or_else(|| text.to_owned(), |text| text.replace('T', " "))
}

/// The beginning of a digest that is enough for people.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// A measured value with as many digits as tell something.
pub(super) fn value(value: f64) -> String {
    let digits = if value == 0.0 || value.abs() >= 1000.0 {
        1
    } else if value.abs() >= 0.001 {
        4
    } else {
        7
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
