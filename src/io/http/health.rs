//! Whether the process is alive, and whether it may be asked.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::View;
use super::answer::{Problem, json_text};

/// 200 as long as the process answers at all.
pub(super) async fn healthz() -> Response {
    json_text(json!({ "alive": true }).to_string())
}

/// 200 when figures are complete, 503 while restoring.
pub(super) async fn readyz(State(view): State<Arc<dyn View>>) -> Response {
    if view.is_ready() {
        json_text(json!({ "ready": true }).to_string())
    } else {
        Problem::not_yet("restoring: partitions are being rebuilt from their snapshots and logs").into_response()
    }
}
