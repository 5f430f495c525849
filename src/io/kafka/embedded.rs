//! A broker inside this process, for `demo`: librdkafka's mock cluster on loopback.
//!
//! It keeps everything in memory, about 5 MB a partition. It knows groups and transactions, but neither aborts nor offsets in
//! transactions nor the admin protocol: topics are created here, and nothing can be recovered from it.

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// Why the embedded broker failed.
#[derive(Debug, thiserror::Error)]
#[error("the embedded broker cannot {attempted}: {reason}")]
pub struct EmbeddedError {
    attempted: &'static str,
    reason: KafkaError,
}

/// A broker that lives as long as this value.
pub struct EmbeddedBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl EmbeddedBroker {
    /// Starts one broker on a free port of the loopback interface.
    pub fn start() -> Result<Self, EmbeddedError> {
        let cluster = MockCluster::new(1).map_err(|reason| EmbeddedError { attempted: "start", reason })?;
        Ok(Self { cluster })
    }

    /// Where clients find it, as `host:port`.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// Creates a topic.
    pub fn create_topic(&self, name: &str, partitions: u32) -> Result<(), EmbeddedError> {
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        self.cluster.create_topic(name, partitions, 1).map_err(|reason| EmbeddedError { attempted: "create a topic", reason })
    }
}
