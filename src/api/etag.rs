//! `ETag` and `If-None-Match`: a client that has the answer already is told so, and gets no body.

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::ApiError;

/// Answers beyond this are sent as they are.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// The layer around handlers that read. A handler that knows a tag of its own, such as a digest, sets it itself.
pub(super) async fn layer(request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let known: Vec<HeaderValue> = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect();
    let mut response = next.run(request).await;
    if response.status() != StatusCode::OK {
        return response;
    }
    if !response.headers().contains_key(header::ETAG) {
        let is_small = response.body().size_hint().exact().is_some_and(|bytes| bytes <= MOST_BYTES);
        if !is_small {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        let bytes = match to_bytes(body, usize::MAX).await {
            Ok(bytes) => bytes,
            Err(error) => return ApiError::internal(&error).into_response(),
        };
        let digest = blake3::hash(&bytes).to_hex();
        let tag = HeaderValue::from_str(&format!("W/\"{}\"", &digest[..32])).expect("hexadecimal digits are a header");
        parts.headers.insert(header::ETAG, tag);
        response = Response::from_parts(parts, Body::from(bytes));
    }
    let tag = response.headers()[header::ETAG].clone();
    if !known.iter().any(|known| names(known, &tag)) {
        return response;
    }
    let mut unchanged = StatusCode::NOT_MODIFIED.into_response();
    unchanged.headers_mut().insert(header::ETAG, tag);
    unchanged
}

/// Whether `If-None-Match` names `tag`; weak and strong tags of the same text are equal here.
fn names(known: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(known), Ok(tag)) = (known.to_str(), tag.to_str()) else { return false };
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.split(',').any(|one| one.trim() == "*" || strong(one) == strong(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_and_by_a_star() {
        let tag = HeaderValue::from_static("W/\"ab\"");
        for (known, is_named) in [
            ("W/\"ab\"", true),
            ("\"ab\"", true),
            ("\"x\", W/\"ab\"", true),
            ("*", true),
            ("\"a\"", false),
            ("", false),
        ] {
            assert_eq!(names(&HeaderValue::from_str(known).unwrap(), &tag), is_named, "{known}");
        }
    }
}
