//! `/v1/peers`: what another process of the group asks. Answers are of this process alone, so that no question goes in a circle.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::answer::Problem;
use super::api::{Shared, off_thread, told_of_user};
use super::query::day;
use crate::io::clock;
use crate::model::time::Day;

/// Milliseconds in a day.
const DAY_MS: i64 = 86_400_000;

/// `?id=`: a profile, as `/v1/users/{id}` tells it. An id in a query may be any text: as a path, `..` would be another one.
pub(super) async fn user(State(view): Shared, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let Some(id) = parameter(query.as_deref(), "id") else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "`id` is missing"));
    };
    let asked = Arc::clone(&view);
    let answer = off_thread(move || asked.own_user(&id)).await?;
    told_of_user(answer, view.is_ready())
}

/// `?as_of=`: the counts that insights are made of, as bytes for a process of the same version.
pub(super) async fn insights(State(view): Shared, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let as_of = parameter(query.as_deref(), "as_of").map(|text| day("as_of", &text)).transpose()?;
    // No zone is a day ahead of another by more than this, and no event is from later.
    let latest = Day::from_number(i32::try_from(clock::wall().millis().div_euclid(DAY_MS)).unwrap_or(i32::MAX)) + 2;
    if as_of.is_some_and(|as_of| as_of > latest) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "`as_of` has not come yet"));
    }
    let share = off_thread(move || view.own_insights(as_of)).await?;
    let share = share.ok_or_else(|| Problem::not_yet("its partitions are restored, or do not answer now: ask again"))?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], share).into_response())
}

fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
