//! Names of spans, and of attributes: those of OpenTelemetry's conventions for messaging, and our own. docs/tracing.md says what each means; a test compares.

/// The span of a record that is read.
pub(in crate::io) const PROCESS: &str = "process";
/// Of its being decoded, and counted or forwarded.
pub(in crate::io) const HANDLE: &str = "handle";
/// Of a record that is published.
pub(in crate::io) const SEND: &str = "send";
/// Of a commit.
pub(in crate::io) const COMMIT: &str = "commit";
/// The event within it that an attempt failed.
pub(in crate::io) const ABORTED: &str = "aborted";
/// Of taking partitions over.
pub(in crate::io) const RESTORE: &str = "restore";
/// Of `stickiness backfill`.
pub(in crate::io) const BACKFILL: &str = "backfill";
/// Of a snapshot.
pub(in crate::io) const SNAPSHOT: &str = "snapshot";

/// What carries the records: `kafka`.
pub(in crate::io) const SYSTEM: &str = "messaging.system";
/// `process`, `send` or `settle`.
pub(in crate::io) const OPERATION_TYPE: &str = "messaging.operation.type";
/// `process`, `send` or `commit`.
pub(in crate::io) const OPERATION_NAME: &str = "messaging.operation.name";
/// The topic.
pub(in crate::io) const DESTINATION: &str = "messaging.destination.name";
/// The partition, as text.
pub(in crate::io) const PARTITION: &str = "messaging.destination.partition.id";
/// The offset of a record that was read.
pub(in crate::io) const OFFSET: &str = "messaging.kafka.offset";
/// The consumer group.
pub(in crate::io) const GROUP: &str = "messaging.consumer.group.name";
/// Bytes of a value.
pub(in crate::io) const BODY_SIZE: &str = "messaging.message.body.size";
/// `true` for a record without a value.
pub(in crate::io) const TOMBSTONE: &str = "messaging.kafka.message.tombstone";
/// Records that were handled since the commit before.
pub(in crate::io) const BATCH: &str = "messaging.batch.message_count";
/// What became of a record.
pub(in crate::io) const OUTCOME: &str = "stickiness.outcome";
/// Records in a transaction.
pub(in crate::io) const PUBLISHED: &str = "stickiness.published";
/// Transactions that it took until one committed.
pub(in crate::io) const ATTEMPTS: &str = "stickiness.attempts";
/// Partitions that were taken over.
pub(in crate::io) const PARTITIONS: &str = "stickiness.partitions";
/// Bytes of a snapshot.
pub(in crate::io) const SNAPSHOT_BYTES: &str = "stickiness.snapshot.bytes";
/// Why an attempt failed.
pub(in crate::io) const REASON: &str = "stickiness.reason";
