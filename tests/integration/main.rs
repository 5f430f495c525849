//! Tests against a real broker, in one binary: `scripts/fetch-broker.sh`, then `cargo test --test integration`.

mod chaos;
mod commands;
mod crashes;
mod kafka;
mod refits;
mod service;
mod support;
mod trouble;
mod worker;
