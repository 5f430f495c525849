//! The page at `/`, whose files are part of the program.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::View;
use super::api::tag;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// A file of the page at its path.
macro_rules! files {
    ($($path:literal: $kind:ident = $file:literal,)+) => {
        &[$(($path, $kind, include_str!(concat!("page/", $file))),)+]
    };
}

const FILES: &[(&str, &str, &str)] = files! {
    "/": HTML = "index.html",
    "/icon.svg": PICTURE = "icon.svg",
    "/page.css": STYLE = "page.css",
    "/page.js": SCRIPT = "page.js",
    "/page/address.js": SCRIPT = "address.js",
    "/page/card.js": SCRIPT = "card.js",
    "/page/chart.js": SCRIPT = "chart.js",
    "/page/definitions.js": SCRIPT = "definitions.js",
    "/page/figures.js": SCRIPT = "figures.js",
    "/page/listing.js": SCRIPT = "listing.js",
    "/page/numbers.js": SCRIPT = "numbers.js",
    "/page/service.js": SCRIPT = "service.js",
    "/page/table.js": SCRIPT = "table.js",
    "/page/panels/growth.js": SCRIPT = "panels/growth.js",
    "/page/panels/habit.js": SCRIPT = "panels/habit.js",
    "/page/panels/health.js": SCRIPT = "panels/health.js",
    "/page/panels/loyalty.js": SCRIPT = "panels/loyalty.js",
    "/page/panels/purchases.js": SCRIPT = "panels/purchases.js",
    "/page/panels/risk.js": SCRIPT = "panels/risk.js",
    "/page/panels/satisfaction.js": SCRIPT = "panels/satisfaction.js",
    "/page/panels/user.js": SCRIPT = "panels/user.js",
    "/page/vendor/uPlot.css": STYLE = "vendor/uPlot.min.css",
    "/page/vendor/uPlot.js": SCRIPT = "vendor/uPlot.esm.js",
};

pub(super) fn routes() -> Router<Arc<dyn View>> {
    FILES.iter().fold(Router::new(), |router, (path, kind, text)| {
        let tag = tag(text);
        let answer = move |headers: HeaderMap| std::future::ready(file(&headers, kind, text, tag.clone()));
        router.route(path, get(answer))
    })
}

/// A file. Asked for each time, so that a page never runs against another version of the service; sent only when it is not the one that is there.
fn file(headers: &HeaderMap, kind: &'static str, text: &'static str, tag: HeaderValue) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == tag);
    let file = if known { StatusCode::NOT_MODIFIED.into_response() } else { ([(header::CONTENT_TYPE, kind)], text).into_response() };
    ([(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))], file).into_response()
}
