//! Serves the page over made-up figures: `cargo run --example page [PORT [TOKEN]]`, with `empty` or `restoring` in `SAMPLE` for these states.

#[path = "fake.rs"]
mod fake;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fake::Fake;
use stickiness::io::clock;
use stickiness::io::http::Server;
use stickiness::model::time::Day;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let sample = std::env::var("SAMPLE").unwrap_or_default();
    let mut settings = fake::settings(arguments.get(1).map(String::as_str));
    settings.listen.set_port(arguments.first().map_or(0, |port| port.parse().expect("a port")));
    let now = clock::wall();
    let today = Day::from_number(i32::try_from(now.millis() / 86_400_000).expect("a day"));
    let view = if sample == "empty" { Fake::empty() } else { Fake::new(today, now.millis()) };
    view.is_ready.store(sample != "restoring", Ordering::Relaxed);
    let server = Server::bind(&settings, Arc::new(view)).await.expect("a free port");
    eprintln!("http://{}/", server.address());
    server.run(async { tokio::signal::ctrl_c().await.expect("signals") }).await;
}
