//! Everything that touches the world.

pub mod aggregation;
pub mod alertmanager;
#[cfg(test)]
mod answering;
pub mod backfill;
pub mod clock;
pub mod compare;
pub mod counting;
pub mod daily_series;
pub mod failpoint;
pub mod feed;
pub mod files;
pub mod forwarding;
pub mod generate;
pub mod histories;
pub mod http;
pub mod input;
pub mod insights;
pub mod kafka;
pub mod observations;
pub mod peers;
pub mod publication;
pub mod refitting;
pub mod registry;
pub mod replay;
mod rest;
pub mod snapshots;
pub mod traces;
pub mod webhooks;
pub mod worker;
