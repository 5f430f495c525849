//! Who may ask, how much a request may take, and headers that keep browsers from doing more than the page needs.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Limits;
use super::answer::Problem;
use crate::config::Secret;

/// What the page may load: its own files and nothing else, in no frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Headers of every answer.
const HEADERS: [(header::HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What is asked of requests. The token itself is not kept, only its digest.
#[derive(Debug)]
pub(super) struct Guard {
    token: Option<[u8; 32]>,
    limits: Limits,
}

impl Guard {
    pub(super) fn new(token: Option<&Secret>, limits: Limits) -> Self {
        Self { token: token.map(|token| digest(token.reveal().as_bytes())), limits }
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(token) = &self.token else { return check_host(headers) };
        let Some(given) = bearer(headers) else {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "a token is needed: send the header `Authorization: Bearer TOKEN`"));
        };
        // Digests are of one length, so that the comparison tells nothing, not even the token's length.
        if bool::from(digest(given).ct_eq(token)) {
            Ok(())
        } else {
            Err(Problem::new(StatusCode::UNAUTHORIZED, "this is not the token that http.token says"))
        }
    }
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Without a token only this machine can ask, and a page of another site could do so in a browser here by giving its own name this
/// machine's address. Such a request carries that name.
fn check_host(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(host) = headers.get(header::HOST) else { return Ok(()) };
    if host.to_str().is_ok_and(is_local_name) {
        return Ok(());
    }
    let message = "without http.token only requests to localhost or to an IP address are answered: use such an address, or set a token";
    Err(Problem::new(StatusCode::FORBIDDEN, message))
}

fn is_local_name(host: &str) -> bool {
    let without_port = match host.rsplit_once(':') {
        // An IPv6 address without brackets has colons of its own.
        _ if host.parse::<IpAddr>().is_ok() => host,
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = without_port.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(without_port);
    let name = without_port.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok()
}

/// Lets a request to `/v1` in, or not.
pub(super) async fn admit(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Refuses what is too large and ends what takes too long.
pub(super) async fn limit(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let Limits { url_bytes, body_bytes, answer_time, .. } = guard.limits;
    let url = request.uri().path_and_query().map_or(0, |url| url.as_str().len());
    if url > url_bytes {
        return Problem::new(StatusCode::URI_TOO_LONG, format!("path and query are {url} bytes long; at most {url_bytes} are taken"))
            .into_response();
    }
    if announced_body(request.headers()).is_none_or(|bytes| bytes > body_bytes) {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body of at most {body_bytes} bytes, of a length told, is taken"))
            .into_response();
    }
    match tokio::time::timeout(answer_time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::not_yet("no answer in time: ask again, or for less").into_response(),
    }
}

/// Bytes of the body; `None` when it says none or nonsense.
fn announced_body(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    headers.get(header::CONTENT_LENGTH).map_or(Some(0), |length| length.to_str().ok()?.parse().ok())
}

/// Adds what every answer carries.
pub(super) async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_this_machine() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]", "::1", "10.0.0.1", "me.localhost:1"] {
            assert!(is_local_name(host), "{host}");
        }
        for host in ["example.com", "example.com:8080", "localhost.example.com", "127.0.0.1.example.com", "", "[::1", ":80"] {
            assert!(!is_local_name(host), "{host}");
        }
    }

    #[test]
    fn bearers() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("Bearer ", Some("")),
            ("abc", None),
        ] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
            assert_eq!(bearer(&headers), token.map(str::as_bytes), "{value}");
        }
    }
}
