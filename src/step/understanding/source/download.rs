//! Files from web servers, with retries, a time limit and a size limit.

use std::io::Write;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::{Attempt, Policy};

use super::SourceFile;
use super::object::{redacted, runtime, scratch_file};
use crate::step::{Progress, StepContext, StepError};

/// How long the server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(15);
/// The pause before the first retry; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A chain of redirects beyond this is a loop.
const MAX_REDIRECTS: usize = 5;

/// What to download, and how patiently.
#[derive(Debug, Clone)]
pub struct Download {
    /// The address.
    pub url: String,
    /// Headers as written in the manifest.
    pub headers: Vec<(String, String)>,
    /// Headers whose value is that of an environment variable: the header's name and the variable's.
    pub secret_headers: Vec<(String, String)>,
    /// How long one attempt may take in all.
    pub timeout: Duration,
    /// How many times a failed attempt is made again.
    pub retries: u32,
    /// How many bytes are taken at most.
    pub max_bytes: u64,
}

impl Download {
    /// A download without headers, with the usual limits.
    pub fn plain(url: &str) -> Download {
        Download {
            url: url.to_owned(),
            headers: Vec::new(),
            secret_headers: Vec::new(),
            timeout: Duration::from_mins(30),
            retries: 3,
            max_bytes: 64 << 30,
        }
    }

    fn header_map(&self, context: &mut StepContext) -> Result<HeaderMap, StepError> {
        let mut map = HeaderMap::new();
        let mut add = |name: &str, value: &str, is_secret: bool| {
            let wrong =
                |what: &str| StepError::input("http_header", format!("the {what} of header `{name}` is not valid"));
            let header: HeaderName = name.parse().map_err(|_| wrong("name"))?;
            let mut value: HeaderValue = value.parse().map_err(|_| wrong("value"))?;
            value.set_sensitive(is_secret);
            map.insert(header, value);
            Ok::<(), StepError>(())
        };
        for (name, value) in &self.headers {
            add(name, value, false)?;
        }
        for (name, variable) in &self.secret_headers {
            let value = std::env::var(variable).map_err(|_| {
                StepError::input(
                    "secret_missing",
                    format!("header `{name}` needs the environment variable `{variable}`"),
                )
                .help("set it for the process that runs Phaseline")
            })?;
            context.conceal(&value);
            add(name, &value, true)?;
        }
        Ok(map)
    }

    fn client(&self, context: &mut StepContext) -> Result<reqwest::Client, StepError> {
        let carries_secrets = !self.secret_headers.is_empty();
        let follow = move |attempt: Attempt<'_>| {
            let is_elsewhere = attempt.previous().first().is_some_and(|first| first.origin() != attempt.url().origin());
            if attempt.previous().len() > MAX_REDIRECTS {
                attempt.error("too many redirects")
            } else if carries_secrets && is_elsewhere {
                // Another server must not get the secret.
                attempt.error("the server sends us elsewhere, where the secret headers must not go")
            } else {
                attempt.follow()
            }
        };
        reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(self.timeout)
            .redirect(Policy::custom(follow))
            .default_headers(self.header_map(context)?)
            .user_agent(concat!("phaseline/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                StepError::environment("http", "cannot set up an HTTP client").caused_by(error.without_url())
            })
    }
}

/// Why an attempt failed, and whether another may help.
enum Miss {
    Final(StepError),
    Passing(StepError),
}

/// Downloads to the scratch folder.
pub fn download(what: &Download, context: &mut StepContext) -> Result<SourceFile, StepError> {
    let shown = redacted(&what.url);
    context.conceal(&what.url);
    let client = what.client(context)?;
    let name = shown.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("download").to_owned();
    let target = scratch_file(context, 0, &name);
    let runtime = runtime()?;
    let mut pause = FIRST_PAUSE;
    for tries_left in (0..=what.retries).rev() {
        match runtime.block_on(attempt(&client, what, &shown, &target, context)) {
            Ok(()) => {
                let mut file = SourceFile::at(shown, target)?;
                file.name = name;
                return Ok(file);
            }
            Err(Miss::Final(error)) => return Err(error),
            Err(Miss::Passing(error)) if tries_left == 0 => return Err(error),
            Err(Miss::Passing(error)) => {
                context.log(format!("{error}; trying again in {} ms", pause.as_millis()));
                std::thread::sleep(pause);
                context.check_cancelled()?;
                pause *= 2;
            }
        }
    }
    Err(StepError::bug("a download ended without an answer"))
}

async fn attempt(
    client: &reqwest::Client,
    what: &Download,
    shown: &str,
    target: &std::path::Path,
    context: &mut StepContext,
) -> Result<(), Miss> {
    let failed = |error: reqwest::Error| {
        let is_ours = error.is_redirect() || error.is_builder();
        let message = format!("cannot download `{shown}`");
        let error = error.without_url();
        if is_ours {
            Miss::Final(StepError::input("http", message).caused_by(error))
        } else {
            Miss::Passing(StepError::environment("http", message).caused_by(error))
        }
    };
    let mut response = client.get(&what.url).send().await.map_err(failed)?;
    let status = response.status();
    if !status.is_success() {
        let message = format!("`{shown}` answers {status}");
        let is_passing =
            status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        return Err(if is_passing {
            Miss::Passing(StepError::environment("http_status", message))
        } else {
            let help = match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "give credentials with `headers_env`",
                _ => "look at the address",
            };
            Miss::Final(StepError::input("http_status", message).help(help))
        });
    }
    let too_long = || {
        Miss::Final(
            StepError::input("http_size", format!("`{shown}` has more than {} bytes", what.max_bytes))
                .help("raise `max_bytes` if that is right"),
        )
    };
    let total = response.content_length();
    if total.is_some_and(|total| total > what.max_bytes) {
        return Err(too_long());
    }
    let on_disk = |error: std::io::Error| Miss::Final(error.into());
    let mut file = std::io::BufWriter::new(std::fs::File::create(target).map_err(on_disk)?);
    let mut done = 0;
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        context.check_cancelled().map_err(Miss::Final)?;
        done += piece.len() as u64;
        if done > what.max_bytes {
            return Err(too_long());
        }
        file.write_all(&piece).map_err(on_disk)?;
        context.progress(&Progress { done, total, unit: "bytes", note: "download".to_owned() });
    }
    file.flush().map_err(on_disk)
}
