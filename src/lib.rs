//! `stickiness`: exact rolling activity windows, repeat-purchase counters and user transitions, from Kafka to Kafka, exactly once.
//!
//! The modules are four floors, and every dependency goes down: [`cli`] over [`io`] over [`wire`] and [`config`] over [`engine`] over [`model`].

pub mod cli;
pub mod config;
pub mod engine;
pub mod io;
pub mod model;
pub mod service;
pub mod wire;
