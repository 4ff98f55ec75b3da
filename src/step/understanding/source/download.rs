//! Files from web servers, with secrets, retries, a time limit and a size limit.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, LINK, RETRY_AFTER};
use reqwest::redirect::{Attempt, Policy};
use url::Url;

use super::SourceFile;
use super::object::{redacted, runtime, scratch_file};
use crate::step::{Progress, StepContext, StepError};
use crate::units::size;

/// How long the server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(15);
/// The pause before the first retry; it doubles each time, up to the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two attempts, even if a server asks for more with `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// How often a pause looks whether the run was cancelled.
const LOOK: Duration = Duration::from_millis(200);
/// A chain of redirects beyond this is a loop.
const MAX_REDIRECTS: usize = 5;

/// A value that only an environment variable holds, and where it goes in a request.
#[derive(Debug, Clone)]
pub enum Secret {
    /// The header of this name.
    Header(String),
    /// `Authorization: Bearer …`.
    Bearer,
    /// `Authorization: Basic …`; the value is `user:password`.
    Basic,
    /// The query param of this name.
    Query(String),
}

/// What to download, and how patiently.
#[derive(Debug, Clone)]
pub struct Download {
    /// The address.
    pub url: String,
    /// Headers as written in the manifest.
    pub headers: Vec<(String, String)>,
    /// Secrets, each with the environment variable that holds it.
    pub secrets: Vec<(Secret, String)>,
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
            secrets: Vec::new(),
            timeout: Duration::from_mins(30),
            retries: 3,
            max_bytes: 64 << 30,
        }
    }
}

/// Downloads to the scratch folder.
pub fn download(what: &Download, context: &mut StepContext) -> Result<SourceFile, StepError> {
    let session = Session::open(what, context)?;
    let shown = redacted(&what.url);
    let name = shown.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("download").to_owned();
    let target = scratch_file(context, 0, &name);
    let request = Request { url: &session.url, target: &target, max_bytes: what.max_bytes, before: 0, remedy: RAISE };
    session.get(&request, context)?;
    let mut file = SourceFile::at(shown, target)?;
    file.name = name;
    Ok(file)
}

/// What helps where the limit of a download is too small.
pub const RAISE: &str = "raise `max_bytes` if that is right";

/// One request of a session.
#[derive(Clone, Copy)]
pub struct Request<'request> {
    /// The address, without secrets.
    pub url: &'request Url,
    /// Where the bytes go.
    pub target: &'request Path,
    /// How many are taken at most.
    pub max_bytes: u64,
    /// How many came before and count too.
    pub before: u64,
    /// What helps if there are more.
    pub remedy: &'static str,
}

/// What a server says beside the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How many bytes came.
    pub bytes: u64,
    /// The headers `Link`, one after the other.
    pub link: String,
}

/// Requests with the same secrets; these go to the server of the first address and to no other.
pub struct Session<'what> {
    /// The first address, without secrets.
    pub url: Url,
    what: &'what Download,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    basic: Option<(String, String)>,
    query: Vec<(String, String)>,
}

/// Why an attempt failed, and whether another may help.
enum Miss {
    Final(StepError),
    Passing(StepError, Option<Duration>),
}

impl<'what> Session<'what> {
    /// Gets the secrets and sets up the client.
    pub fn open(what: &'what Download, context: &mut StepContext) -> Result<Session<'what>, StepError> {
        context.conceal(&what.url);
        let url = Url::parse(&what.url).map_err(|error| {
            StepError::input("url", format!("`{}` is no valid URL", redacted(&what.url))).caused_by(error)
        })?;
        let (mut map, mut basic, mut query) = (HeaderMap::new(), None, Vec::new());
        for (name, value) in &what.headers {
            add_header(&mut map, name, value, false)?;
        }
        for (secret, variable) in &what.secrets {
            let value = std::env::var(variable).map_err(|_| missing(secret, variable))?;
            context.conceal(&value);
            match secret {
                Secret::Header(name) => add_header(&mut map, name, &value, true)?,
                Secret::Bearer => add_header(&mut map, "Authorization", &format!("Bearer {value}"), true)?,
                Secret::Basic => {
                    let (user, password) = value.split_once(':').ok_or_else(|| {
                        StepError::input("secret_form", format!("the value of `{variable}` has no `:`"))
                            .help("it is written `user:password`")
                    })?;
                    context.conceal(password);
                    basic = Some((user.to_owned(), password.to_owned()));
                }
                Secret::Query(name) => query.push((name.clone(), value)),
            }
        }
        let client = client(what, map)?;
        Ok(Session { url, what, client, runtime: runtime()?, basic, query })
    }

    /// Whether requests to other servers would give secrets away.
    fn has_secrets(&self) -> bool {
        !self.what.secrets.is_empty()
    }

    /// Makes a request, again if it fails for now.
    ///
    /// # Errors
    /// `http_missing` if the server knows no such address.
    pub fn get(&self, request: &Request<'_>, context: &mut StepContext) -> Result<Answer, StepError> {
        let mut pause = FIRST_PAUSE;
        for tries_left in (0..=self.what.retries).rev() {
            match self.runtime.block_on(self.attempt(request, context)) {
                Ok(answer) => return Ok(answer),
                Err(Miss::Final(error)) => return Err(error),
                Err(Miss::Passing(error, _)) if tries_left == 0 => return Err(error),
                Err(Miss::Passing(error, Some(asked))) if asked > LONGEST_PAUSE => {
                    return Err(error.help(format!("the server asks to wait {} s", asked.as_secs())));
                }
                Err(Miss::Passing(error, asked)) => {
                    let pause_now = asked.unwrap_or(pause);
                    context.log(format!("{error}; trying again in {} ms", pause_now.as_millis()));
                    wait(pause_now, context)?;
                    pause = longer(pause);
                }
            }
        }
        Err(StepError::bug("a download ended without an answer"))
    }

    async fn attempt(&self, request: &Request<'_>, context: &mut StepContext) -> Result<Answer, Miss> {
        let shown = redacted(request.url.as_str());
        if self.has_secrets() && request.url.origin() != self.url.origin() {
            let message = format!("`{shown}` is another server, where the secrets of this step must not go");
            return Err(Miss::Final(
                StepError::input("http_elsewhere", message).help("read from that server in a step of its own"),
            ));
        }
        let failed = |error: reqwest::Error| {
            let is_ours = error.is_redirect() || error.is_builder();
            let message = format!("cannot download `{shown}`");
            let error = error.without_url();
            if is_ours {
                Miss::Final(StepError::input("http", message).caused_by(error))
            } else {
                Miss::Passing(StepError::environment("http", message).caused_by(error), None)
            }
        };
        let mut call = self.client.get(self.with_secrets(request.url));
        if let Some((user, password)) = &self.basic {
            call = call.basic_auth(user, Some(password));
        }
        let mut response = call.send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(refused(&shown, response.status(), response.headers()));
        }
        let too_long = || {
            let message = format!("`{shown}` has more than {}", size(request.before + request.max_bytes));
            Miss::Final(StepError::input("http_size", message).help(request.remedy))
        };
        let total = response.content_length();
        if total.is_some_and(|total| total > request.max_bytes) {
            return Err(too_long());
        }
        let links = response.headers().get_all(LINK).iter().filter_map(|value| value.to_str().ok());
        let link = links.collect::<Vec<_>>().join(", ");
        let on_disk = |error: std::io::Error| Miss::Final(error.into());
        let mut file = std::io::BufWriter::new(std::fs::File::create(request.target).map_err(on_disk)?);
        let mut bytes = 0;
        while let Some(piece) = response.chunk().await.map_err(failed)? {
            context.check_cancelled().map_err(Miss::Final)?;
            bytes += piece.len() as u64;
            if bytes > request.max_bytes {
                return Err(too_long());
            }
            file.write_all(&piece).map_err(on_disk)?;
            context.progress(&Progress { done: bytes, total, unit: "bytes", note: "download".to_owned() });
        }
        file.flush().map_err(on_disk)?;
        Ok(Answer { bytes, link })
    }

    fn with_secrets(&self, url: &Url) -> Url {
        let mut url = url.clone();
        for (name, value) in &self.query {
            if !url.query_pairs().any(|(known, _)| known == name.as_str()) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }
}

fn client(what: &Download, headers: HeaderMap) -> Result<reqwest::Client, StepError> {
    let carries_secrets = !what.secrets.is_empty();
    let follow = move |attempt: Attempt<'_>| {
        let is_elsewhere = attempt.previous().first().is_some_and(|first| first.origin() != attempt.url().origin());
        if attempt.previous().len() > MAX_REDIRECTS {
            attempt.error("too many redirects")
        } else if carries_secrets && is_elsewhere {
            // Another server must not get the secret.
            attempt.error("the server sends us elsewhere, where the secrets must not go")
        } else {
            attempt.follow()
        }
    };
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .timeout(what.timeout)
        .redirect(Policy::custom(follow))
        .default_headers(headers)
        .user_agent(concat!("phaseline/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| StepError::environment("http", "cannot set up an HTTP client").caused_by(error.without_url()))
}

fn add_header(map: &mut HeaderMap, name: &str, value: &str, is_secret: bool) -> Result<(), StepError> {
    let wrong = |what: &str| StepError::input("http_header", format!("the {what} of header `{name}` is not valid"));
    let header: HeaderName = name.parse().map_err(|_| wrong("name"))?;
    let mut value: HeaderValue = value.parse().map_err(|_| wrong("value"))?;
    value.set_sensitive(is_secret);
    map.insert(header, value);
    Ok(())
}

fn missing(secret: &Secret, variable: &str) -> StepError {
    let what = match secret {
        Secret::Header(name) => format!("header `{name}`"),
        Secret::Bearer => "`bearer_env`".to_owned(),
        Secret::Basic => "`basic_env`".to_owned(),
        Secret::Query(name) => format!("query param `{name}`"),
    };
    StepError::input("secret_missing", format!("{what} needs the environment variable `{variable}`"))
        .help("set it for the process that runs Phaseline")
}

fn refused(shown: &str, status: StatusCode, headers: &HeaderMap) -> Miss {
    let message = format!("`{shown}` answers {status}");
    if status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) {
        return Miss::Passing(StepError::environment("http_status", message), asked_pause(headers));
    }
    let (code, help) = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            ("http_status", "give credentials with `bearer_env`, `basic_env`, `headers_env` or `query_env`")
        }
        StatusCode::NOT_FOUND => ("http_missing", "look at the address"),
        _ => ("http_status", "look at the address"),
    };
    Miss::Final(StepError::input(code, message).help(help))
}

/// The pause of `Retry-After`: seconds, or a date, which counts from the `Date` of the answer.
fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| chrono::DateTime::parse_from_rfc2822(text).ok();
    let now = date(headers.get(DATE)?.to_str().ok()?)?;
    (date(text)? - now).to_std().ok()
}

/// The pause after `pause`.
fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE)
}

fn wait(pause: Duration, context: &StepContext) -> Result<(), StepError> {
    let mut left = pause;
    while !left.is_zero() {
        context.check_cancelled()?;
        std::thread::sleep(left.min(LOOK));
        left = left.saturating_sub(LOOK);
    }
    context.check_cancelled()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_how_long_to_wait() {
        let asked = |pairs: &[(HeaderName, &str)]| {
            asked_pause(&pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect())
        };
        let at = |time: &str| format!("Wed, 21 Oct 2026 07:{time} GMT");
        assert_eq!(asked(&[(RETRY_AFTER, "120")]), Some(Duration::from_mins(2)));
        assert_eq!(asked(&[(RETRY_AFTER, &at("28:30")), (DATE, &at("28:00"))]), Some(Duration::from_secs(30)));
        assert_eq!(asked(&[(RETRY_AFTER, &at("28:30"))]), None);
        assert_eq!(asked(&[(RETRY_AFTER, "soon")]), None);
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn pauses_grow_up_to_the_longest_one() {
        let mut pauses = std::iter::successors(Some(FIRST_PAUSE), |pause| Some(longer(*pause)));
        assert_eq!(pauses.nth(2), Some(Duration::from_secs(2)));
        assert_eq!(pauses.nth(17), Some(LONGEST_PAUSE));
    }
}
