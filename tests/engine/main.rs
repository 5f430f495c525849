//! The engine against a naive recompute: whatever the order, the duplicates, the partitions and the restores, the last records are the same.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

/// As in the service: closing a day of a million users is measured here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod alerts;
mod calibration;
mod cluster;
mod explanation;
mod found;
mod frozen;
mod generated;
mod histories;
mod identities;
mod in_flight;
mod insights;
mod limits;
mod loyalty;
mod naive;
mod pieces;
mod properties;
mod ranks;
mod refit;
mod resharding;
mod risk;
mod rules;
mod scenarios;
mod snapshots;
mod stages;
mod wanted;
