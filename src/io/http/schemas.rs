//! `/v1/schemas`: what records look like, as the running version writes and reads them.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::answer::{Problem, json_text};
use crate::wire::schema::{NAMES, named};

/// The names of the records.
pub(super) async fn names() -> Response {
    json_text(json!(NAMES).to_string())
}

/// The JSON Schema of one record.
pub(super) async fn one(name: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let schema = name.ok().and_then(|Path(name)| named(&name));
    let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("there is no such schema; there are {}", NAMES.join(", ")));
    schema.map(|schema| json_text(schema.to_string())).ok_or_else(unknown)
}
