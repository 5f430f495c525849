//! `/v1/insights`: what groups of users show, all of it or one part by name.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::{Problem, json_text};
use super::api::{Shared, off_thread};
use crate::wire::insights::NAMES;
use crate::wire::insights::bounds::left_out_of;

/// All insights: one object.
pub(super) async fn all(State(view): Shared) -> Result<Response, Problem> {
    counted(view).await.map(json_text)
}

/// One of them, with the day that it is as of.
pub(super) async fn one(State(view): Shared, name: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("there is no such insight; there are {}", NAMES.join(", ")));
    let Path(name) = name.map_err(|_| unknown())?;
    if !NAMES.contains(&name.as_str()) {
        return Err(unknown());
    }
    let all: Value = serde_json::from_str(&counted(view).await?).unwrap_or_default();
    let mut one = json!({ "schema": all["schema"], "as_of": all["as_of"], "partitions": all["partitions"], name.as_str(): all[&name] });
    let left_out = left_out_of(&all, &name);
    if !left_out.is_empty() {
        one["left_out"] = left_out.into();
    }
    Ok(json_text(one.to_string()))
}

async fn counted(view: Arc<dyn super::View>) -> Result<String, Problem> {
    off_thread(move || view.insights()).await?.map_err(|reason| Problem::not_yet(&reason))
}
