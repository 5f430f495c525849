//! The engine, without I/O: events and time go in, effects and counts come out.

pub mod aggregator;
pub mod alerts;
mod apply;
mod calibration;
mod census;
mod clock;
pub mod closing;
mod compaction;
pub mod component;
mod consistency;
pub mod count;
pub mod day_close;
pub mod deletion;
pub mod effect;
pub mod explanation;
pub mod habit;
pub mod insights;
pub mod last_values;
pub mod ledger;
pub mod loyalty;
mod merging;
pub mod models;
pub mod partial;
pub mod partition;
pub mod population;
pub mod predictions;
pub mod profile;
pub mod recent;
pub mod refits;
pub mod remembered;
pub mod resharding;
pub mod risk;
pub mod rules;
pub mod segments;
pub mod settings;
pub mod slot_set;
pub mod standing;
mod sweep;
mod switching;
pub mod transfer;
mod users;

/// The version of the rules by which events are counted: higher by one whenever a log comes to something else than before. What was counted after the newest snapshot
/// is counted again after a crash, without being published: under other rules, some of it would never be. (It began as the version of snapshots did.)
pub const RULES: u32 = 14;
