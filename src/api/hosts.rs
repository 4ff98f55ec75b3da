//! Under which names the server answers, and to pages of which origins: what keeps web pages that rebind their name out.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header};

use super::ApiError;

/// The names that `Host` may have.
#[derive(Debug, Clone, Default)]
pub struct AllowedHosts {
    names: Vec<String>,
    address: Option<IpAddr>,
}

impl AllowedHosts {
    /// Names of loopback, the address that is listened on, and `names`. Where all addresses are listened on, every
    /// address of the machine is as good as another: a page cannot rebind an address, only a name.
    pub fn new(listen: SocketAddr, names: impl IntoIterator<Item = String>) -> AllowedHosts {
        AllowedHosts {
            names: names.into_iter().map(|name| name.to_ascii_lowercase()).collect(),
            address: (!listen.ip().is_loopback()).then_some(listen.ip()),
        }
    }

    /// Checks `Host` and `Origin`.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = text(headers, &header::HOST);
        if !host.is_some_and(|host| self.knows(name(host))) {
            let host = host.map_or_else(|| "none".to_owned(), |host| format!("`{host}`"));
            let message = format!("this server does not answer to the host that was asked for: {host}");
            let help = "start it with `--allow-host NAME` if it has that name".to_owned();
            return Err(ApiError::forbidden("host_refused", message).help(help));
        }
        if headers.get_all(header::HOST).iter().count() > 1 {
            return Err(ApiError::bad_request("host_twice", "a request has one host"));
        }
        let origins = headers.get_all(header::ORIGIN);
        let is_foreign = |origin: &str| origin.split_once("://").map(|(_, rest)| rest) != host;
        let is_cross_site = text(headers, &SEC_FETCH_SITE).is_some_and(|site| site == "cross-site");
        if is_cross_site || origins.iter().any(|origin| origin.to_str().map_or(true, is_foreign)) {
            let message = "requests from pages of other origins are refused";
            return Err(ApiError::forbidden("origin_refused", message));
        }
        Ok(())
    }

    fn knows(&self, name: &str) -> bool {
        if is_local(name) || self.names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return true;
        }
        let Ok(asked) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() else { return false };
        self.address.is_some_and(|address| address.is_unspecified() || address == asked)
    }
}

const SEC_FETCH_SITE: header::HeaderName = header::HeaderName::from_static("sec-fetch-site");

fn text<'headers>(headers: &'headers HeaderMap, name: &header::HeaderName) -> Option<&'headers str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The host without its port.
fn name(host: &str) -> &str {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &AllowedHosts, headers: &[(&'static str, &str)], is_allowed: bool) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        assert_eq!(hosts.check(&headers).is_ok(), is_allowed, "{headers:?}");
    }

    #[test]
    fn only_names_that_it_was_given_are_answered() {
        let local = AllowedHosts::new("127.0.0.1:7654".parse().unwrap(), []);
        let public = AllowedHosts::new("0.0.0.0:7654".parse().unwrap(), ["Models.Example".to_owned()]);
        let one = AllowedHosts::new("10.0.0.7:7654".parse().unwrap(), []);
        for (host, by_local, by_public, by_one) in [
            ("localhost:7654", true, true, true),
            ("[::1]:7654", true, true, true),
            ("127.0.0.1", true, true, true),
            ("10.0.0.7:7654", false, true, true),
            ("10.0.0.8", false, true, false),
            ("models.example", false, true, false),
            ("evil.example", false, false, false),
            ("127.0.0.1.evil.example", false, false, false),
            ("localhost.evil.example:80", false, false, false),
        ] {
            check(&local, &[("host", host)], by_local);
            check(&public, &[("host", host)], by_public);
            check(&one, &[("host", host)], by_one);
        }
        check(&public, &[], false);
    }

    #[test]
    fn pages_of_other_origins_are_refused_even_on_another_port() {
        let hosts = AllowedHosts::new("127.0.0.1:7654".parse().unwrap(), []);
        let host = ("host", "localhost:7654");
        check(&hosts, &[host, ("origin", "http://localhost:7654")], true);
        for origin in ["https://evil.example", "null", "http://localhost:3000", ""] {
            check(&hosts, &[host, ("origin", origin)], false);
        }
        check(&hosts, &[host, ("sec-fetch-site", "cross-site")], false);
        check(&hosts, &[host, ("sec-fetch-site", "same-origin")], true);
    }
}
