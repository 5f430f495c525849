//! Bytes to model and back, versioned, without I/O.

pub mod cloud_event;
pub mod compare;
pub mod csv;
pub mod dead_letter;
pub mod decode;
pub mod envelope;
pub mod explanation;
pub mod insights;
pub mod json;
pub mod mapping;
pub mod model;
pub mod number;
pub mod partials;
pub mod recent;
pub mod records;
pub mod registry;
pub mod row;
pub mod schema;
pub mod snapshot;
pub mod timestamp;
pub mod trace_context;
pub mod vocabulary;
pub mod webhook;
mod written;
