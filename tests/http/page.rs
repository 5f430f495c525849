//! Serves the page over made-up figures: `cargo run --example page [PORT [TOKEN]]`. `SAMPLE` in the environment chooses a state of the service:
//! `empty`, `restoring`, `hostile` (names and texts that try to be more than text, and a thousand segments), `plain` (no insights, no alerts).
//! Today's figures grow every second, so that there is something to watch.

#[path = "fake.rs"]
mod fake;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fake::Fake;
use serde_json::{Value, json};
use stickiness::io::clock;
use stickiness::io::http::{Days, Server, View as _};
use stickiness::model::time::Day;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let sample = std::env::var("SAMPLE").unwrap_or_default();
    let mut settings = fake::settings(arguments.get(1).map(String::as_str));
    settings.listen.set_port(arguments.first().map_or(0, |port| port.parse().expect("a port")));
    let now = clock::wall();
    let today = Day::from_number(i32::try_from(now.millis() / 86_400_000).expect("a day"));
    let view = Arc::new(match sample.as_str() {
        "empty" => Fake::empty(),
        "plain" => Fake::plain(today, now.millis()),
        "hostile" => Fake::hostile(today, now.millis()),
        _ => Fake::new(today, now.millis()),
    });
    view.is_ready.store(sample != "restoring", Ordering::Relaxed);
    let server = Server::bind(&settings, Arc::clone(&view) as _).await.expect("a free port");
    eprintln!("http://{}/", server.address());
    if sample != "empty" {
        tokio::spawn(async move { grow(&view, today).await });
    }
    server.run(async { tokio::signal::ctrl_c().await.expect("signals") }).await;
}

/// One more user a second today.
async fn grow(view: &Fake, today: Day) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let newest = view.metrics("all", Days { from: Some(today), to: Some(today) });
        let mut record: Value = serde_json::from_str(newest.first().expect("today")).expect("JSON");
        for field in ["dau", "new_1d", "revision"] {
            record[field] = json!(record[field].as_u64().unwrap_or_default() + 1);
        }
        view.put("all", today, &record.to_string());
        view.observations().count_outcomes(&BTreeMap::from([("accepted", 7)]));
    }
}
