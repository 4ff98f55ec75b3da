//! Who is let in: one layer around every route, streams included, by the table of [`super::access`].

use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::Utc;

use super::access::{Lookup, Table};
use super::stream::StreamBody;
use super::{ApiError, ApiState, Caller, Need, Peer, Route, audit};
use crate::store::{Standing, Token, is_token};

/// The trouble of a daemon whose database does not answer.
pub(super) const DATABASE_AWAY: &str = "database_away";

/// What a sender of webhooks may show in place of a token.
const SIGNATURES: [&str; 2] = ["x-hub-signature-256", "x-phaseline-signature"];

/// The layer's state.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) api: ApiState,
    pub(super) table: Arc<Table>,
}

/// The layer around every route.
pub(super) async fn layer(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut shown = None;
    let path = parts.uri.path().to_owned();
    let admitted = tokio::select! {
        biased;
        () = guard.without_database(&path) => return ApiError::database_away().into_response(),
        admitted = guard.admit(&parts, !body.is_end_stream(), &mut shown) => admitted,
    };
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(refused) => {
            if matches!(refused.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                audit::refused(&guard.api, &parts, shown.as_deref(), &refused).await;
            }
            return refused.into_response();
        }
    };
    let place = match guard.api.places.take(admitted.caller.id(), admitted.is_stream()) {
        Ok(place) => place,
        Err(refused) => return refused.into_response(),
    };
    let is_stream = admitted.is_stream();
    if let Some(route) = admitted.route {
        parts.extensions.insert(route);
    }
    parts.extensions.insert(admitted.caller);
    let only_asks = matches!(parts.method, Method::GET | Method::HEAD);
    let running = next.run(Request::from_parts(parts, body));
    let response = if only_asks {
        tokio::select! {
            biased;
            () = guard.without_database(&path) => return ApiError::database_away().into_response(),
            response = running => response,
        }
    } else {
        // What it changes may be done already, so its own answer is waited for.
        running.await
    };
    if !is_stream || !response.status().is_success() {
        return response;
    }
    // Events go on until somebody ends them; a download that was cut short would look whole.
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let stopping = kind.starts_with(b"text/event-stream").then(|| guard.api.stopping.clone());
    response.map(|body| StreamBody::wrap(body, place, stopping))
}

/// A request that may go on to its handler, or to the answer that there is none.
struct Admitted {
    caller: Caller,
    route: Option<Route>,
}

impl Admitted {
    fn is_stream(&self) -> bool {
        self.route.is_some_and(|route| route.is_stream)
    }
}

impl Guard {
    /// Waits until a request for `path` cannot be answered, since the database is away. To find that out again by asking
    /// would take as long as the database is given to come back, or to answer. Models do without it.
    async fn without_database(&self, path: &str) {
        let needs_database = ["/api/", "/hooks/"].iter().any(|prefix| path.starts_with(prefix));
        let mut troubles = self.api.troubles.clone();
        if !needs_database || troubles.wait_for(|troubles| troubles.contains_key(DATABASE_AWAY)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Decides about a request; `shown` is the token that it shows, whether it counts or not.
    async fn admit(
        &self,
        request: &Parts,
        has_body: bool,
        shown: &mut Option<Arc<Token>>,
    ) -> Result<Admitted, ApiError> {
        let (headers, method, path) = (&request.headers, &request.method, request.uri.path());
        self.api.hosts.check(headers)?;
        let peer = request.extensions.get::<Peer>().copied();
        let template = request.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
        let lookup = template.map(|template| self.table.lookup(method.as_str(), template));
        if let Some(Lookup::Found(route @ Route { need: Need::Nothing, .. })) = lookup {
            return Ok(Admitted { caller: Caller { token: None, peer }, route: Some(route) });
        }
        if let Some(Lookup::Found(route @ Route { need: Need::Webhook, .. })) = lookup
            && !headers.contains_key(header::AUTHORIZATION)
            && SIGNATURES.iter().any(|name| headers.contains_key(*name))
        {
            check_content_type(headers, has_body)?;
            return Ok(Admitted { caller: Caller { token: None, peer }, route: Some(route) });
        }
        // Whoever has no token learns nothing of which paths there are.
        let token = self.token(headers, shown).await?;
        let caller = Caller { token: Some(Arc::clone(&token)), peer };
        let Some(lookup) = lookup else { return Ok(Admitted { caller, route: None }) };
        let route = match lookup {
            Lookup::Found(route) => route,
            Lookup::OtherMethod => {
                let methods = self.table.methods(template.unwrap_or_default());
                return Err(method_not_allowed(method, path).help(format!("it takes {methods}")));
            }
            Lookup::Missing => {
                let template = template.unwrap_or_default();
                let cause = format!("`{method} {template}` is in no table of roles");
                return Err(ApiError::internal(&std::io::Error::other(cause)));
            }
        };
        let rights = &token.rights;
        if !route.allows(rights, path) {
            let message = format!("this token ({rights}) does not allow `{method} {path}`");
            let help = match route.need {
                Need::Role(role) => format!("it takes a token of role {role}: `phaseline token create --role {role}`"),
                Need::Webhook | Need::Predict | Need::Nothing => {
                    "it takes a token with that scope, or of role operator: `phaseline token create`".to_owned()
                }
            };
            return Err(ApiError::forbidden("not_allowed", message).help(help));
        }
        check_content_type(headers, has_body)?;
        Ok(Admitted { caller, route: Some(route) })
    }

    async fn token(&self, headers: &HeaderMap, shown: &mut Option<Arc<Token>>) -> Result<Arc<Token>, ApiError> {
        let refused = |code, message: &str| {
            let help = "`phaseline token create --role viewer|operator|admin` makes one".to_owned();
            Err(ApiError::new(StatusCode::UNAUTHORIZED, code, message).help(help))
        };
        let Some(secret) = bearer(headers) else {
            return refused("token_missing", "send a token as `Authorization: Bearer phl_…`");
        };
        // What cannot be a token costs no look into the database.
        if !is_token(secret) {
            return refused("token_unknown", "this is no token");
        }
        let Some(token) = self.api.store.token_of(secret).await? else {
            return refused("token_unknown", "this token is not known here");
        };
        let token = Arc::clone(shown.insert(Arc::new(token)));
        let now = Utc::now();
        match token.standing(now) {
            Standing::Revoked => return refused("token_revoked", "this token was revoked"),
            Standing::Expired => return refused("token_expired", "the time of this token is over"),
            Standing::Good => {}
        }
        if self.api.is_use_new(&token.id)
            && let Err(error) = self.api.store.token_used(&token.id, now).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "the use of a token was not written down");
        }
        Ok(token)
    }
}

/// The token of `Authorization: Bearer …`; two such headers are none.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

pub(super) fn method_not_allowed(method: &Method, path: &str) -> ApiError {
    let message = format!("`{path}` does not take {method}");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// Bodies are JSON: a form of a web page, which needs no permission to be sent across origins, is none.
fn check_content_type(headers: &HeaderMap, has_body: bool) -> Result<(), ApiError> {
    if !has_body {
        return Ok(());
    }
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" {
        return Ok(());
    }
    let found = if kind.is_empty() { "none".to_owned() } else { format!("`{kind}`") };
    let message = format!("a body must have the content type `application/json`, found {found}");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bearer_token_is_read_and_nothing_else() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["Bearer phl_1"]).as_deref(), Some("phl_1"));
        assert_eq!(read(&["bearer  phl_1 "]).as_deref(), Some("phl_1"));
        for refused in [&[][..], &["phl_1"], &["Basic phl_1"], &["Bearer a", "Bearer b"]] {
            assert_eq!(read(refused), None, "{refused:?}");
        }
    }
}
