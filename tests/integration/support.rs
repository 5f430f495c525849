//! What the integration tests share.

pub(crate) mod broker;
pub(crate) mod feed;
pub(crate) mod outputs;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod records;
pub(crate) mod recount;
pub(crate) mod server;
pub(crate) mod store;

use std::collections::BTreeMap;

use stickiness::io::kafka::connection::Connection;

/// The connection to a broker. `STICKINESS_TEST_DEBUG=eos,msg` makes librdkafka say what it does; see `STICKINESS_TEST_LOG`.
pub(crate) fn connection(bootstrap: &str) -> Connection {
    let debug = std::env::var("STICKINESS_TEST_DEBUG").ok();
    let properties: BTreeMap<String, String> = debug.into_iter().map(|contexts| ("debug".to_owned(), contexts)).collect();
    Connection::new(bootstrap, properties).expect("no property is refused")
}
