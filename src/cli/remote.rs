//! A daemon over HTTP: requests with a token, answers as documents, and refusals in the same words as on its machine.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context;
use reqwest::{Certificate, Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Host, Url};

use super::exit::{Failure, RefusedManifest};
use super::settings::Server;
use super::{Settings, UsageError};
use crate::api::local_token;
use crate::id::RequestId;

/// The variable with the token.
const TOKEN: &str = "PHASELINE_TOKEN";
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take; a daemon gives a request up earlier.
const ANSWER: Duration = Duration::from_secs(60);
/// How often a request is sent again that a busy daemon has put off.
const TRIES: u32 = 4;
/// Items that are asked for at once.
const PAGE: usize = 500;
/// The header of an answer that was given before.
const REPEATED: &str = "idempotency-repeated";
/// The code of an answer that says that the work goes on, and is waited for by asking again with the same key.
const GOES_ON: &str = "gc_goes_on";

/// A daemon that is asked.
pub(super) struct Remote {
    base: Url,
    http: reqwest::Client,
    token: Option<String>,
}

/// An answer, and whether it was given before to the same key.
pub(super) struct Answer<T> {
    pub(super) document: T,
    pub(super) is_repeated: bool,
}

/// A whole answer that is not read yet.
struct Received {
    status: StatusCode,
    is_repeated: bool,
    text: String,
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: Told,
}

#[derive(Deserialize)]
struct Told {
    code: String,
    message: String,
    help: Option<String>,
    #[serde(default)]
    details: Value,
}

impl Remote {
    /// The daemon that the settings name.
    pub(super) fn new(server: &Server, settings: &Settings) -> anyhow::Result<Remote> {
        let refused = || {
            UsageError::new(format!("`{}` is not the URL of a daemon", server.url))
                .help("write `http://127.0.0.1:7654` or `https://HOST:PORT`")
        };
        let base: Url = server.url.parse().map_err(|_| refused())?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(refused().into());
        }
        let is_here = is_loopback(&base);
        let token = match (&server.token_file, std::env::var(TOKEN)) {
            (Some(file), _) => {
                let text = fs::read_to_string(file).map_err(|error| {
                    UsageError::new(format!("cannot read the token in `{}`: {error}", file.display()))
                })?;
                Some(text.trim().to_owned())
            }
            (None, Ok(token)) if !token.trim().is_empty() => Some(token.trim().to_owned()),
            // The token of this machine is for daemons of this machine, and for nobody else to see.
            _ if is_here => local_token(&settings.state),
            _ => None,
        };
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("phaseline/", env!("CARGO_PKG_VERSION")));
        if is_here {
            http = http.no_proxy();
        }
        if let Some(file) = &server.ca {
            let pem = fs::read(file).map_err(|error| {
                UsageError::new(format!("cannot read certificates in `{}`: {error}", file.display()))
            })?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| {
                UsageError::new(format!("`{}` has no certificates in PEM: {error}", file.display()))
            })?;
            http = certificates.into_iter().fold(http, reqwest::ClientBuilder::add_root_certificate);
        }
        Ok(Remote { base, http: http.build().context("cannot set up HTTP")?, token })
    }

    /// The URL, for people.
    pub(super) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The document below `/api/v1` at a path, given by its parts.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<T> {
        let answer = self.send(Method::GET, self.at(path, query), None).await?;
        Ok(self.read(answer).await?.document)
    }

    /// The document, or none if what the path names is not there.
    pub(super) async fn find<T: DeserializeOwned>(&self, path: &[&str]) -> anyhow::Result<Option<T>> {
        let answer = self.send(Method::GET, self.at(path, &[]), None).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(self.read(answer).await?.document))
    }

    /// The first `most` items of a list.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        most: usize,
    ) -> anyhow::Result<Vec<T>> {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        while items.len() < most {
            let limit = (most - items.len()).min(PAGE).to_string();
            let mut query = [query, &[("limit", &limit)]].concat();
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let page: Page<T> = self.get(path, &query).await?;
            items.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(items)
    }

    /// The answer to a document sent to a path. It counts once, however often it has to be sent.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &Value,
        key: Option<&str>,
    ) -> anyhow::Result<Answer<T>> {
        let own = RequestId::generate().to_string();
        let answer = self.send(Method::POST, self.at(path, &[]), Some((body, key.unwrap_or(&own)))).await?;
        let answer = self.read(answer).await?;
        Ok(Answer { is_repeated: answer.is_repeated && key.is_some(), ..answer })
    }

    /// The same for work that may take longer than a request does: it is asked for again until it is done.
    pub(super) async fn post_and_wait<T: DeserializeOwned>(&self, path: &[&str], body: &Value) -> anyhow::Result<T> {
        let key = RequestId::generate().to_string();
        loop {
            let answer = self.send(Method::POST, self.at(path, &[]), Some((body, &key))).await?;
            let answer = self.received(answer).await?;
            let refusal = serde_json::from_str::<Refusal>(&answer.text);
            if answer.status.is_success() || refusal.is_ok_and(|refusal| refusal.error.code != GOES_ON) {
                return Ok(self.parsed(answer)?.document);
            }
        }
    }

    /// The answer to a document that is put at a path.
    pub(super) async fn put<T: DeserializeOwned>(&self, path: &[&str], body: &Value) -> anyhow::Result<T> {
        let key = RequestId::generate().to_string();
        let answer = self.send(Method::PUT, self.at(path, &[]), Some((body, &key))).await?;
        Ok(self.read(answer).await?.document)
    }

    /// The answer to the deletion of what is at a path.
    pub(super) async fn delete<T: DeserializeOwned>(&self, path: &[&str]) -> anyhow::Result<T> {
        let answer = self.send(Method::DELETE, self.at(path, &[]), None).await?;
        Ok(self.read(answer).await?.document)
    }

    fn at(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    async fn send(&self, method: Method, url: Url, body: Option<(&Value, &str)>) -> anyhow::Result<Response> {
        let mut tried = 0;
        loop {
            tried += 1;
            let mut request = self.http.request(method.clone(), url.clone());
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            if let Some((body, key)) = body {
                let json = request.header("content-type", "application/json").body(body.to_string());
                request = json.header("idempotency-key", key);
            }
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(error) if error.is_builder() => {
                    return Err(UsageError::new(
                        "the token or the idempotency key has characters that HTTP cannot carry",
                    )
                    .into());
                }
                Err(error) => return Err(self.unreachable(error)),
            };
            let is_busy = matches!(answer.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
            if !is_busy || tried == TRIES {
                return Ok(answer);
            }
            let wait = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            tokio::time::sleep(Duration::from_secs(wait.unwrap_or(1).min(5))).await;
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> anyhow::Error {
        let what = if error.is_timeout() {
            format!("the daemon at {} does not answer in time", self.url())
        } else if error.is_connect() {
            format!("no daemon answers at {}", self.url())
        } else {
            format!("the daemon at {} cannot be asked", self.url())
        };
        let help = if self.base.scheme() == "https" {
            "see that `phaseline daemon` runs there; `--ca FILE` names certificates that the system does not know"
        } else {
            "see that `phaseline daemon` runs there and listens on that port; leave --server out for the state of this machine"
        };
        Failure { message: what, help: help.to_owned(), source: Some(error.without_url().into()) }.into()
    }

    async fn received(&self, answer: Response) -> anyhow::Result<Received> {
        let status = answer.status();
        let is_repeated = answer.headers().contains_key(REPEATED);
        let text = answer.text().await.map_err(|error| self.unreachable(error))?;
        Ok(Received { status, is_repeated, text })
    }

    async fn read<T: DeserializeOwned>(&self, answer: Response) -> anyhow::Result<Answer<T>> {
        self.parsed(self.received(answer).await?)
    }

    fn parsed<T: DeserializeOwned>(&self, received: Received) -> anyhow::Result<Answer<T>> {
        let Received { status, is_repeated, text } = received;
        if !status.is_success() {
            return Err(self.refused(status, &text));
        }
        let document = serde_json::from_str(&text)
            .with_context(|| format!("the answer of {} does not read; are both of the same version?", self.url()))?;
        Ok(Answer { document, is_repeated })
    }

    fn refused(&self, status: StatusCode, text: &str) -> anyhow::Error {
        let Ok(Refusal { error }) = serde_json::from_str(text) else {
            let message = format!("{} answers {status}, and not as a daemon does", self.url());
            return Failure { message, help: "see that the URL is that of a daemon".to_owned(), source: None }.into();
        };
        if let Some(report) = error.details["report"].as_str() {
            return RefusedManifest(report.to_owned()).into();
        }
        let help = match status {
            StatusCode::UNAUTHORIZED => Some(format!(
                "put a token into {TOKEN} or a file that --token-file names; `phaseline token create` makes one there"
            )),
            _ => error.help,
        };
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let help = help.unwrap_or_else(|| "ask again later".to_owned());
            return Failure { message: error.message, help, source: None }.into();
        }
        UsageError { message: error.message, help }.into()
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_this_machine_is_shown_to_nobody_else() {
        for (url, expected) in [
            ("http://127.0.0.1:7654", true),
            ("http://localhost:1", true),
            ("https://[::1]:1", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn names_are_one_part_of_a_path_whatever_they_hold() {
        let remote = Remote { base: "http://h/p/".parse().unwrap(), http: reqwest::Client::new(), token: None };
        let url = remote.at(&["runs", "a[b=c/d]"], &[("limit", "1")]);
        assert_eq!(url.as_str(), "http://h/p/api/v1/runs/a[b=c%2Fd]?limit=1");
    }

    /// Answers requests with these texts, one after the other; gives the keys that they came with.
    fn answering(listener: std::net::TcpListener, answers: &[&str]) -> Vec<String> {
        use std::io::{BufRead, BufReader, Write};
        let answer = |text: &&str| {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let (status, body) = text.split_once(' ').unwrap();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} x\r\nretry-after: 0\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .unwrap();
            head.iter().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap().to_owned()
        };
        answers.iter().map(answer).collect()
    }

    #[tokio::test]
    async fn work_that_goes_on_is_asked_for_with_one_key_until_it_is_done() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let remote = Remote { base, http: reqwest::Client::new(), token: None };
        let goes_on = r#"503 {"error": {"code": "gc_goes_on", "message": "still at it"}}"#;
        let answers = tokio::task::spawn_blocking(move || {
            answering(
                listener,
                &[
                    &[goes_on; 2 * TRIES as usize][..],
                    &["200 7", "409 {\"error\": {\"code\": \"x\", \"message\": \"no\"}}"],
                ]
                .concat(),
            )
        });
        assert_eq!(remote.post_and_wait::<u32>(&["gc"], &serde_json::json!({})).await.unwrap(), 7);
        let refused = remote.post_and_wait::<u32>(&["gc"], &serde_json::json!({})).await.unwrap_err();
        assert_eq!(refused.to_string(), "no");
        let mut keys = answers.await.unwrap();
        keys.dedup();
        assert_eq!(keys.len(), 2, "one for each time that it was wanted: {keys:?}");
    }
}
