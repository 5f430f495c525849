//! The engine, without I/O: events and time go in, effects and counts come out.

pub mod aggregator;
pub mod alerts;
mod apply;
mod census;
mod clock;
pub mod closing;
pub mod component;
mod consistency;
pub mod count;
pub mod deletion;
pub mod effect;
pub mod explanation;
pub mod habit;
pub mod ledger;
mod merging;
pub mod models;
pub mod partial;
pub mod partition;
pub mod population;
pub mod profile;
pub mod refits;
pub mod risk;
pub mod segments;
pub mod settings;
mod switching;
pub mod transfer;
