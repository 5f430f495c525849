//! `/v1`: figures by day, segments, users, alerts, partitions, dead letters.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::answer::{self, Problem, json_text};
use super::insights;
use super::live::{self, Streams};
use super::peers;
use super::query::{MetricsQuery, wants_ranks};
use super::schemas;
use super::{UserAnswer, View, state};
use crate::io::clock;
use crate::io::observations::{DeadLetter, PartitionGauges, PartitionPhase, PartitionSize};
use crate::model::hexadecimal::hexadecimal;
use crate::model::time::EventTime;

pub(super) type Shared = State<Arc<dyn View>>;

pub(super) fn routes(streams: Streams) -> Router<Arc<dyn View>> {
    Router::new()
        .route("/live", get(live::live).layer(Extension(streams)))
        .route("/state", get(state))
        .route("/alerts", get(alerts))
        .route("/dead-letters", get(dead_letters))
        .route("/metrics", get(metrics))
        .route("/segments", get(segments))
        .route("/schemas", get(schemas::names))
        .route("/schemas/{name}", get(schemas::one))
        .route("/insights", get(insights::all))
        .route("/insights/{name}", get(insights::one))
        .route("/users/{*id}", get(user))
        .route("/peers/user", get(peers::user))
        .route("/peers/insights", get(peers::insights))
        .route("/partitions", get(partitions))
        .fallback(answer::no_such_page)
        .method_not_allowed_fallback(answer::wrong_method)
}

/// Runs what may block off the async threads.
pub(super) async fn off_thread<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(ask).await;
    done.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made; the log says why"))
}

/// The records of a segment by day. Asking again costs little while nothing changed: the answer has a tag that the next request may show.
async fn metrics(State(view): Shared, RawQuery(query): RawQuery, headers: HeaderMap) -> Result<Response, Problem> {
    let MetricsQuery { segment, days } = MetricsQuery::parse(query.as_deref())?;
    tagged(&headers, move || view.metrics(&segment, days)).await
}

/// A JSON array of texts that are JSON, with a tag.
async fn tagged(headers: &HeaderMap, ask: impl FnOnce() -> Vec<Arc<str>> + Send + 'static) -> Result<Response, Problem> {
    let (body, tag) = off_thread(move || {
        let body = format!("[{}]", ask().join(","));
        let tag = tag(&body);
        (body, tag)
    })
    .await?;
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == tag);
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { json_text(body) };
    response.headers_mut().insert(header::ETAG, tag);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

/// Alerts that were raised, those that fire first.
async fn alerts(State(view): Shared, headers: HeaderMap) -> Result<Response, Problem> {
    tagged(&headers, move || view.alerts()).await
}

/// What the service is doing, in one object.
async fn state(State(view): Shared) -> Result<Response, Problem> {
    Ok(json_text(off_thread(move || state::state(&*view)).await?.to_string()))
}

/// Samples of records that were no events.
async fn dead_letters(State(view): Shared) -> Response {
    let letter = |letter: DeadLetter| {
        json!({
            "reason": letter.reason, "detail": letter.detail, "topic": letter.topic, "partition": letter.partition,
            "offset": letter.offset, "key": letter.key, "value": letter.value, "length": letter.length,
        })
    };
    let samples = view.observations().dead_letters.samples();
    json_text(Value::Array(samples.into_iter().map(letter).collect()).to_string())
}

pub(super) fn tag(body: &str) -> HeaderValue {
    let digest = Sha256::digest(body.as_bytes());
    let hex = hexadecimal(&digest[..16]);
    HeaderValue::try_from(format!("\"{hex}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

async fn segments(State(view): Shared) -> Response {
    json_text(json!(view.segments()).to_string())
}

/// A profile. The id is all that follows `/v1/users/`, percent-decoded, slashes and all.
/// With `?ranks=true`, where the user stands among all others is in it.
async fn user(State(view): Shared, RawQuery(query): RawQuery, id: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let Ok(Path(id)) = id else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the user id must be percent-encoded UTF-8"));
    };
    let asked = Arc::clone(&view);
    let answer = off_thread(move || asked.user(&id)).await?;
    if let UserAnswer::Found(profile) = &answer
        && wants_ranks(query.as_deref())?
    {
        let (asked, profile) = (Arc::clone(&view), profile.clone());
        let ranked = off_thread(move || asked.with_ranks(&profile)).await?;
        return ranked.map(json_text).map_err(|reason| Problem::not_yet(&reason));
    }
    told_of_user(answer, view.is_ready())
}

/// An answer about a user, of a process that `is_ready` or restores partitions.
pub(super) fn told_of_user(answer: UserAnswer, is_ready: bool) -> Result<Response, Problem> {
    match answer {
        UserAnswer::Found(profile) => Ok(json_text(profile)),
        UserAnswer::Busy => Err(Problem::not_yet("the user's partition does not answer now: ask again")),
        UserAnswer::Unknown if !is_ready => Err(Problem::not_yet("restoring: the user may not be known yet")),
        UserAnswer::Unknown => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such user")),
        UserAnswer::Elsewhere => Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "the user's partition is with another process of the group: ask that one, or set http.advertise in all of them",
        )),
        UserAnswer::Unreachable(reason) => Err(Problem::new(StatusCode::BAD_GATEWAY, reason)),
    }
}

async fn partitions(State(view): Shared) -> Response {
    let observations = view.observations();
    let sizes = observations.sizes();
    let now = clock::wall();
    let rows = observations.partitions().into_iter();
    let rows: Vec<Value> = rows.map(|(id, gauges)| partition(id, &gauges, sizes.get(&id).copied(), now)).collect();
    json_text(Value::Array(rows).to_string())
}

/// A partition of this process. Offsets are those of the next record to read.
fn partition(id: i32, gauges: &PartitionGauges, size: Option<PartitionSize>, now: EventTime) -> Value {
    let seconds_since = |millis: i64| seconds_between(EventTime::from_millis(millis), now);
    json!({
        "partition": id,
        "phase": match gauges.phase { PartitionPhase::Live => "live", PartitionPhase::Restoring => "restoring" },
        "next_offset": gauges.next_offset,
        "committed_offset": gauges.committed_offset,
        "log_end": gauges.log_end,
        "lag": lag(gauges),
        "watermark": gauges.watermark_ms.map(|millis| EventTime::from_millis(millis).to_string()),
        "watermark_lag_s": gauges.watermark_ms.map(seconds_since),
        "snapshot_age_s": gauges.snapshot_at_ms.map(seconds_since),
        "snapshot_bytes": gauges.snapshot_at_ms.map(|_| gauges.snapshot_bytes),
        "users": size.map(|size| size.users),
        "state_bytes": size.map(|size| size.state_bytes),
    })
}

/// Records in the log that are not committed; `None` before the first fetch.
pub(super) fn lag(gauges: &PartitionGauges) -> Option<i64> {
    gauges.log_end.map(|end| (end - gauges.committed_offset).max(0))
}

/// Seconds from one instant to a later one, to the millisecond; negative when it is earlier.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a century are far below 2^53")]
pub(super) fn seconds_between(earlier: EventTime, later: EventTime) -> f64 {
    later.millis().saturating_sub(earlier.millis()) as f64 / 1000.0
}
