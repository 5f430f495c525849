//! The Kafka floor against a real broker.

mod consumer;
mod embedded;
mod producer;
mod topics;

use stickiness::io::kafka::connection::Connection;

use crate::support;
use crate::support::broker::Broker;

fn connection(broker: &Broker) -> Connection {
    support::connection(&broker.bootstrap())
}
