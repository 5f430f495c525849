//! Tests against a real broker, in one binary: `scripts/fetch-broker.sh`, then `cargo test --test integration`.

mod alerts;
mod avro_outputs;
mod backfill;
mod chaos;
mod cloud_events;
mod commands;
mod crashes;
#[path = "../cli/exodus.rs"]
mod exodus;
mod kafka;
mod keeping;
mod peers;
mod refits;
mod registry;
mod resharding;
mod service;
mod support;
#[cfg(feature = "opentelemetry")]
mod tracing;
mod trouble;
mod webhooks;
mod worker;
