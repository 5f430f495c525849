//! Kafka: a group member that consumes in batches, a transactional producer, topics, and what a commit says.

pub mod connection;
pub mod consumer;
pub mod embedded;
mod ffi;
pub mod members;
pub mod metadata;
pub mod probe;
pub mod producer;
pub mod reader;
pub mod switches;
pub mod topics;

pub use ffi::{Batch, Entry, Headers, Outgoing, Record};
