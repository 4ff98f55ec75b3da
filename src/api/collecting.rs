//! One collection of garbage at a time. It outlives the request that asked for it, and is done on a thread of its own,
//! since it waits for disks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::ApiError;
use crate::control::ControlError;
use crate::control::gc::{Asked, Report};

/// How it ended.
type Ended = Result<Arc<Report>, ApiError>;

/// The collection that is under way, or has ended and was not told to anybody yet.
#[derive(Debug, Default)]
pub(super) struct Collecting(Mutex<Option<Collection>>);

#[derive(Debug)]
struct Collection {
    key: Option<String>,
    asked: Asked,
    ended: watch::Receiver<Option<Ended>>,
}

impl Collection {
    fn is_of(&self, key: Option<&String>, asked: &Asked) -> bool {
        key.is_some() && self.key.as_ref() == key && self.asked == *asked
    }

    fn is_under_way(&self) -> bool {
        // Without a sender its thread panicked.
        self.ended.borrow().is_none() && self.ended.has_changed().is_ok()
    }
}

impl Collecting {
    /// Begins `work`, or finds the work again that was begun under the same key, and waits for it. A stop ends it where it
    /// waits for the database.
    ///
    /// # Errors
    /// It failed; other work is under way; or it takes longer than a request may, and goes on.
    pub(super) async fn join(
        &self,
        key: Option<String>,
        asked: Asked,
        work: impl Future<Output = Result<Report, ControlError>> + Send + 'static,
        within: Duration,
        stopping: watch::Receiver<bool>,
    ) -> Ended {
        let mut ended = self.begin(key, asked, work, stopping)?;
        let told = match tokio::time::timeout(within, ended.wait_for(Option::is_some)).await {
            Ok(Ok(ended)) => ended.clone(),
            Ok(Err(_)) => None,
            Err(_) => return Err(goes_on(within)),
        };
        let lost = || Err(ApiError::internal(&std::io::Error::other("the collection of garbage panicked")));
        let told = told.unwrap_or_else(lost);
        self.0.lock().expect("no holder of the lock panics").take_if(|current| current.ended.same_channel(&ended));
        told
    }

    fn begin(
        &self,
        key: Option<String>,
        asked: Asked,
        work: impl Future<Output = Result<Report, ControlError>> + Send + 'static,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<watch::Receiver<Option<Ended>>, ApiError> {
        let mut current = self.0.lock().expect("no holder of the lock panics");
        match &*current {
            Some(known) if known.is_of(key.as_ref(), &asked) => return Ok(known.ended.clone()),
            Some(known) if known.is_under_way() => {
                let message = "this daemon is collecting garbage already";
                return Err(ApiError::conflict("gc_running", message).help("ask again when it is done".to_owned()));
            }
            _ => {}
        }
        let (sender, ended) = watch::channel(None);
        let handle = Handle::current();
        // Whoever asked waits for what it sends; a daemon that ends does not wait for it.
        drop(tokio::task::spawn_blocking(move || {
            let done = handle.block_on(async {
                tokio::select! {
                    biased;
                    () = stopped(&mut stopping) => Err(ApiError::unavailable("draining", "the daemon is about to end")),
                    done = work => done.map(Arc::new).map_err(ApiError::from),
                }
            });
            sender.send_replace(Some(done));
        }));
        *current = Some(Collection { key, asked, ended: ended.clone() });
        Ok(ended)
    }
}

/// Waits until the server is asked to stop; for ever if nobody can ask.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn goes_on(within: Duration) -> ApiError {
    let message = format!("garbage is still being collected after {} s, and it goes on", within.as_secs());
    ApiError::unavailable("gc_goes_on", message)
        .help("send the same request with the same `Idempotency-Key` to wait for it".to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::control::gc::RunFiles;

    const LONG: Duration = Duration::from_secs(60);

    fn report(free_bytes: u64) -> Report {
        let run_files = RunFiles::default();
        let (free, keep) = (vec![], vec![]);
        Report { applied: false, free, keep, free_bytes, keep_bytes: 0, run_files, leftover_bytes: 0, freed: None }
    }

    /// Asks under a key for work that gives this many bytes once it is told to.
    async fn ask(
        collecting: &Collecting,
        key: &str,
        until: impl Future<Output = ()> + Send + 'static,
        bytes: u64,
        within: Duration,
    ) -> Result<u64, &'static str> {
        let work = async move {
            until.await;
            Ok(report(bytes))
        };
        let (_open, stopping) = watch::channel(false);
        let joined = collecting.join(Some(key.to_owned()), Asked::default(), work, within, stopping).await;
        joined.map(|report| report.free_bytes).map_err(|error| error.code())
    }

    #[tokio::test]
    async fn what_takes_longer_than_a_request_goes_on_alone_and_is_told_to_whoever_asks_again_with_its_key() {
        let collecting = Collecting::default();
        let (done, until) = oneshot::channel::<()>();
        let until = async { until.await.unwrap_or_default() };
        assert_eq!(ask(&collecting, "a", until, 1, Duration::ZERO).await, Err("gc_goes_on"));
        assert_eq!(ask(&collecting, "b", async {}, 2, LONG).await, Err("gc_running"));
        assert_eq!(ask(&collecting, "a", async {}, 3, Duration::ZERO).await, Err("gc_goes_on"));
        done.send(()).unwrap();
        assert_eq!(ask(&collecting, "a", async {}, 4, LONG).await, Ok(1));
        // It was told, and nothing is left of it.
        assert_eq!(ask(&collecting, "a", async {}, 5, LONG).await, Ok(5));
        assert!(collecting.0.lock().unwrap().is_none());
    }

    #[tokio::test]
    async fn what_fails_or_panics_is_told_and_in_nobodys_way() {
        let collecting = Collecting::default();
        let (_open, stopping) = watch::channel(false);
        let fails = async { Err(ControlError::conflict("clock_doubted", "no")) };
        let failed = collecting.join(None, Asked::default(), fails, LONG, stopping.clone()).await;
        assert_eq!(failed.unwrap_err().code(), "clock_doubted");
        let panics = async { panic!("a bug") };
        let lost = collecting.join(None, Asked::default(), panics, LONG, stopping).await;
        assert_eq!(lost.unwrap_err().code(), "internal");
        assert_eq!(ask(&collecting, "a", async {}, 5, LONG).await, Ok(5));
    }

    #[tokio::test]
    async fn a_server_that_stops_ends_it() {
        let (stop, stopping) = watch::channel(false);
        stop.send_replace(true);
        let ended = Collecting::default().join(None, Asked::default(), std::future::pending(), LONG, stopping).await;
        assert_eq!(ended.unwrap_err().code(), "draining");
    }
}
