//! Who is let in. One layer decides for every route.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

/// What a request must show.
#[derive(Clone)]
pub struct Guard {
    token: Option<blake3::Hash>,
    only_local_hosts: bool,
}

impl Guard {
    /// For a loopback address: the `Host` must be a local name, which keeps web pages that rebind their name to
    /// 127.0.0.1 out; a token is asked for if there is one.
    pub fn loopback(token: Option<&str>) -> Guard {
        Guard { token: token.map(|token| blake3::hash(token.as_bytes())), only_local_hosts: true }
    }

    /// For any other address: everybody who has the token; without one everybody.
    pub fn public(token: Option<&str>) -> Guard {
        Guard { only_local_hosts: false, ..Guard::loopback(token) }
    }

    fn check(&self, path: &str, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = header_text(headers, &header::HOST).map(host_name);
        if self.only_local_hosts && !host.is_some_and(is_local) {
            let message = "this server answers to `localhost`, `127.0.0.1` and `[::1]` only";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "host_refused", message));
        }
        if let Some(origin) = header_text(headers, &header::ORIGIN) {
            let origin_host = origin.split_once("://").map(|(_, rest)| host_name(rest));
            if origin_host != host {
                let message = "requests from pages of other origins are refused";
                return Err(ApiError::new(StatusCode::FORBIDDEN, "origin_refused", message));
            }
        }
        // Whoever watches the process needs no token: the answer says only that it runs.
        if path == "/healthz" {
            return Ok(());
        }
        match self.token {
            Some(expected) if !bearer(headers).is_some_and(|token| blake3::hash(token.as_bytes()) == expected) => {
                let message = "send the token as `Authorization: Bearer …`";
                Err(ApiError::new(StatusCode::UNAUTHORIZED, "token_missing", message))
            }
            _ => Ok(()),
        }
    }
}

/// The layer around every route.
pub(super) async fn layer(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.check(request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

fn header_text<'headers>(headers: &'headers HeaderMap, name: &header::HeaderName) -> Option<&'headers str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The host without its port.
fn host_name(host: &str) -> &str {
    if let Some(end) = host.find(']') {
        return &host[..=end];
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host == "[::1]"
        || host.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = header_text(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, path: &str, headers: &[(header::HeaderName, &str)], expected: u16) {
        let headers: HeaderMap = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let found = guard.check(path, &headers).err().map_or(200, |error| error.status().as_u16());
        assert_eq!(found, expected, "{path} {headers:?}");
    }

    #[test]
    fn on_loopback_only_local_names_are_answered() {
        let guard = Guard::loopback(None);
        for (host, expected) in [
            ("localhost:7655", 200),
            ("127.0.0.1", 200),
            ("[::1]:7655", 200),
            ("evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("localhost.evil.example:80", 403),
        ] {
            check(&guard, "/predict", &[(header::HOST, host)], expected);
        }
        check(&guard, "/predict", &[], 403);
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let guard = Guard::loopback(None);
        let host = (header::HOST, "localhost:7655");
        check(&guard, "/predict", &[host.clone(), (header::ORIGIN, "http://localhost:7655")], 200);
        check(&guard, "/predict", &[host.clone(), (header::ORIGIN, "https://evil.example")], 403);
        check(&guard, "/predict", &[host, (header::ORIGIN, "null")], 403);
    }

    #[test]
    fn a_token_is_asked_for_everywhere_but_at_the_liveness_probe() {
        let guard = Guard::public(Some("secret"));
        let host = (header::HOST, "models.example");
        check(&guard, "/healthz", std::slice::from_ref(&host), 200);
        for (authorization, expected) in [
            ("Bearer secret", 200),
            ("bearer secret", 200),
            ("Bearer wrong", 401),
            ("Basic secret", 401),
            ("secret", 401),
        ] {
            check(&guard, "/predict", &[host.clone(), (header::AUTHORIZATION, authorization)], expected);
        }
        check(&guard, "/endpoints", &[host], 401);
    }
}
