//! How clients reach the brokers, and the defaults of each kind of client.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use url::Url;

use super::members;
use crate::io::clock::Stopwatch;

/// Properties that decide whether the service is exactly-once, with why each is not the user's to set.
/// A name that ends in `.` stands for everything that begins with it.
const OWNED_BY_SERVICE: [(&str, &str); 18] = [
    ("acks", "every record must be on all in-sync replicas"),
    ("auto.offset.reset", "a partition always starts at an offset that the service knows"),
    ("bootstrap.servers", "it is set as kafka.bootstrap_servers"),
    ("delivery.report.only.error", "the producer reads the delivery reports"),
    ("enable.auto.commit", "offsets are committed in the transaction of their outputs"),
    ("enable.auto.offset.store", "the service keeps the offsets itself"),
    ("enable.gapless.guarantee", "it breaks the transactional producer"),
    ("enable.idempotence", "without it a retry would double a record"),
    ("enable.partition.eof", "with it, a rebalance at the end of a partition skips a record"),
    ("group.", "it is set as kafka.group_id; members are dynamic"),
    ("isolation.level", "only committed records may be counted"),
    ("metadata.broker.list", "it is set as kafka.bootstrap_servers"),
    ("partition.assignment.strategy", "state moves with cooperative-sticky assignments alone"),
    ("partitioner", "a user's records must meet in one partition"),
    ("request.required.acks", "every record must be on all in-sync replicas"),
    ("transaction.timeout.ms", "it bounds how long a dead worker hides records from readers"),
    ("transactional.id", "each worker has its own, made from kafka.group_id"),
    ("test.mock.", "`stickiness demo` runs the embedded broker"),
];

/// How long the broker keeps an open transaction of a dead worker, in milliseconds; readers of committed records wait as long.
const TRANSACTION_TIMEOUT_MS: u32 = 10_000;
/// Bytes of the largest record that is produced: a user who moves to another partition travels as one. The broker's own limits are those of the topics.
const LARGEST_RECORD_BYTES: u32 = 64 * 1024 * 1024;
/// Memory for records fetched ahead by one worker, in kilobytes, however many partitions it has.
const FETCHED_AHEAD_KBYTES: u32 = 65_536;
/// Records that one worker wants at hand, however many partitions it has: some tenths of a second of work. Each takes some hundred bytes beside its own.
const FETCHED_AHEAD_RECORDS: u32 = 100_000;

/// How often lasting trouble is told.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// A property in `kafka.properties` that the service sets itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kafka.properties: `{key}` is set by the service, because {reason}; remove it")]
pub struct RefusedProperty {
    /// The key as it was written.
    pub key: String,
    /// Why it is not the user's to set.
    pub reason: &'static str,
}

/// All of them, at least one, a line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n       "))]
pub struct RefusedProperties(pub Vec<RefusedProperty>);

/// Where the brokers are and how to speak with them: `kafka.bootstrap_servers` and `kafka.properties`.
#[derive(Clone)]
pub struct Connection {
    bootstrap_servers: String,
    properties: BTreeMap<String, String>,
    /// Where other processes reach this one: members of groups say it beside their client id.
    advertised: Option<String>,
}

/// Names the brokers and the keys of the properties, whose values may be secrets.
impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.properties.keys().collect();
        let mut debug = formatter.debug_struct("Connection");
        debug.field("bootstrap_servers", &self.bootstrap_servers).field("properties", &keys).field("advertised", &self.advertised).finish()
    }
}

impl Connection {
    /// A connection to a comma-separated list of `host:port`, with properties passed to librdkafka as they are.
    ///
    /// # Errors
    /// Every property that the service sets itself.
    pub fn new(bootstrap_servers: &str, properties: BTreeMap<String, String>) -> Result<Self, RefusedProperties> {
        let refused: Vec<RefusedProperty> = properties.keys().filter_map(|key| refusal(key)).collect();
        if refused.is_empty() {
            Ok(Self { bootstrap_servers: bootstrap_servers.to_owned(), properties, advertised: None })
        } else {
            Err(RefusedProperties(refused))
        }
    }

    /// The same; members of groups say that their process is reached at `address`.
    #[must_use]
    pub fn advertising(mut self, address: Option<&Url>) -> Self {
        self.advertised = address.map(|address| address.origin().ascii_serialization());
        self
    }

    /// The list of brokers as it was given.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// What all clients share, overridden by the user's properties, which the service's own override in turn.
    fn client(&self, defaults: &[(&str, &str)], owned: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "stickiness").set("topic.metadata.refresh.interval.ms", "60000");
        config.set("reconnect.backoff.max.ms", "2000").set("log.connection.close", "false");
        config.set_log_level(if self.properties.contains_key("debug") { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Warning });
        for (key, value) in defaults {
            config.set(*key, *value);
        }
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config.set("bootstrap.servers", &self.bootstrap_servers);
        for (key, value) in owned {
            config.set(*key, *value);
        }
        config
    }

    /// A member of `group_id`, whose offsets the service keeps.
    #[must_use]
    pub fn group_member(&self, group_id: &str, partitions_expected: u32) -> ClientConfig {
        // The limit counts for each queue that is split off, so the budget is divided.
        let of_each = |of_all: u32| (of_all / partitions_expected.max(1)).max(1024).to_string();
        let (records, kbytes) = (of_each(FETCHED_AHEAD_RECORDS), of_each(FETCHED_AHEAD_KBYTES));
        let mut config = self.client(
            &[
                ("session.timeout.ms", "10000"),
                ("heartbeat.interval.ms", "2000"),
                ("check.crcs", "true"),
                ("fetch.queue.backoff.ms", "50"),
                ("fetch.message.max.bytes", "4194304"),
                ("queued.min.messages", &records),
                ("queued.max.messages.kbytes", &kbytes),
            ],
            &[
                ("group.id", group_id),
                ("partition.assignment.strategy", "cooperative-sticky"),
                ("auto.offset.reset", "error"),
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
                // In a batch, librdkafka takes the end of a partition for a record: the position moves one too far, and the pause
                // of the next rebalance makes it the place to fetch from. Ends are told by positions instead.
                ("enable.partition.eof", "false"),
                ("isolation.level", "read_committed"),
            ],
        );
        if let Some(address) = &self.advertised {
            let client_id = members::client_id(config.get("client.id").unwrap_or_default(), address);
            config.set("client.id", client_id);
        }
        config
    }

    /// A consumer that reads partitions by itself, committed records only, or looks at the offsets of `group_id` without joining it.
    #[must_use]
    pub fn reader(&self, group_id: &str, isolation: Isolation) -> ClientConfig {
        let mut config = self.group_member(group_id, 1);
        config.set("isolation.level", isolation.name());
        config
    }

    /// A transactional producer.
    #[must_use]
    pub fn transactional_producer(&self, transactional_id: &str) -> ClientConfig {
        let mut config = self.producer();
        config.set("transactional.id", transactional_id).set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string());
        config
    }

    /// An idempotent producer without transactions.
    #[must_use]
    pub fn producer(&self) -> ClientConfig {
        let largest = LARGEST_RECORD_BYTES.to_string();
        self.client(
            &[
                ("linger.ms", "5"),
                ("compression.type", "lz4"),
                ("batch.size", "1000000"),
                ("batch.num.messages", "100000"),
                ("queue.buffering.max.messages", "500000"),
                ("queue.buffering.max.kbytes", "262144"),
                ("message.max.bytes", &largest),
                // The begin of a transaction collides with the completion of the one before and backs off by this much.
                ("retry.backoff.ms", "5"),
            ],
            &[("enable.idempotence", "true"), ("acks", "all"), ("delivery.report.only.error", "true"), ("partitioner", "murmur2_random")],
        )
    }

    /// A client that creates and describes topics.
    #[must_use]
    pub fn admin(&self) -> ClientConfig {
        self.client(&[], &[])
    }
}

/// Which records and offsets a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Those of finished transactions; waits while one is open.
    Committed,
    /// All there are; never waits for a transaction.
    Uncommitted,
}

impl Isolation {
    /// The value of `isolation.level`.
    const fn name(self) -> &'static str {
        match self {
            Self::Committed => "read_committed",
            Self::Uncommitted => "read_uncommitted",
        }
    }
}

/// Why a property is refused, if it is.
fn refusal(key: &str) -> Option<RefusedProperty> {
    let owned = OWNED_BY_SERVICE.iter().find(|(name, _)| *name == key || (name.ends_with('.') && key.starts_with(name)));
    owned.map(|(_, reason)| RefusedProperty { key: key.to_owned(), reason })
}

/// Sends librdkafka's own log lines and its errors to the service's log.
#[derive(Debug)]
pub struct LoggingContext {
    bootstrap_servers: String,
    /// Since trouble was last told: it repeats itself several times a second.
    told: Mutex<Option<Stopwatch>>,
}

impl LoggingContext {
    /// A context that names the brokers of `connection`.
    #[must_use]
    pub fn new(connection: &Connection) -> Self {
        Self { bootstrap_servers: connection.bootstrap_servers.clone(), told: Mutex::default() }
    }
}

impl ClientContext for LoggingContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // All clients are given the user's properties, whichever they are for.
        if facility == "CONFWARN" && message.contains("property and will be ignored by this") {
            return tracing::debug!(target: "librdkafka", facility, "{message}");
        }
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(target: "librdkafka", facility, "{message}"),
            RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() > TELL_AGAIN) {
            *told = Some(Stopwatch::start());
            tracing::warn!(brokers = %self.bootstrap_servers, %error, reason, "waiting for the brokers");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_property_owned_by_the_service_is_refused_by_name() {
        let written =
            properties(&[("group.instance.id", "a"), ("isolation.level", "b"), ("sasl.username", "c"), ("transactional.id", "d")]);
        let refused = Connection::new("localhost:9092", written).expect_err("three are refused");
        let keys: Vec<&str> = refused.0.iter().map(|one| one.key.as_str()).collect();
        assert_eq!(keys, ["group.instance.id", "isolation.level", "transactional.id"]);
        assert!(refused.0[1].to_string().starts_with("kafka.properties: `isolation.level` is set by the service"));
    }

    #[test]
    fn the_users_properties_override_the_defaults_and_never_what_makes_exactly_once() {
        let connection = Connection::new("b:1", properties(&[("linger.ms", "50"), ("security.protocol", "ssl")])).expect("allowed");
        let producer = connection.transactional_producer("t");
        let member = connection.group_member("g", 4);
        assert_eq!(producer.get("linger.ms"), Some("50"));
        assert_eq!(producer.get("security.protocol"), Some("ssl"));
        assert_eq!(producer.get("transactional.id"), Some("t"));
        assert_eq!(producer.get("enable.idempotence"), Some("true"));
        assert_eq!(member.get("isolation.level"), Some("read_committed"));
        assert_eq!(member.get("partition.assignment.strategy"), Some("cooperative-sticky"));
        assert_eq!(member.get("enable.auto.commit"), Some("false"));
        assert_eq!(member.get("queued.max.messages.kbytes"), Some("16384"));
        assert_eq!(member.get("queued.min.messages"), Some("25000"));
    }

    #[test]
    fn values_of_properties_are_not_shown() {
        let connection = Connection::new("b:1", properties(&[("sasl.password", "hunter2")])).expect("allowed");
        assert!(!format!("{connection:?}").contains("hunter2"));
    }
}
