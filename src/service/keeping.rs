//! States kept under a name, so that counting can go on from them later: before an upgrade, or before events that may have to be taken back.

use std::sync::Arc;

use super::preparation::wait_for_brokers;
use super::resharding::committed_metadata;
use super::{ServiceError, connection, reader};
use crate::config::Settings;
use crate::io::counting::EngineProcessors;
use crate::io::kafka::connection::{Connection, Isolation};
use crate::io::kafka::consumer::{GroupConsumer, Watermarks};
use crate::io::kafka::metadata::Lineage;
use crate::io::kafka::topics::Topics;
use crate::io::snapshots::{KeptName, SnapshotError, SnapshotName, Snapshots};
use crate::io::worker::{Processors as _, candidates};

/// How long the brokers may take to tell where a log begins.
const ASK: std::time::Duration = std::time::Duration::from_secs(30);
/// How often a snapshot is looked for again that a newer one replaced meanwhile.
const ATTEMPTS: usize = 5;

/// What was kept of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The partition.
    pub partition: i32,
    /// The next offset to read: every record before it is in the state.
    pub offset: i64,
    /// Bytes of the state.
    pub bytes: usize,
}

/// Keeps the newest stored state of every partition under a name, by the partitions. The service may run or not.
pub async fn keep(settings: &Settings, name: &KeptName) -> Result<Vec<Kept>, ServiceError> {
    refuse_repartition(settings)?;
    let connection = connection(settings)?;
    wait_for_brokers(&connection)?;
    let (log, snapshots) = (settings.kafka.counted_topic(), open(settings)?);
    if !snapshots.kept_partitions(name).await?.is_empty() {
        let reason = format!(
            "there are snapshots kept as {name} already: choose another name, or remove {}/{log}/kept/{name} from the store",
            settings.kafka.group_id
        );
        return Err(ServiceError::Refused(reason));
    }
    let mut kept = Vec::new();
    for partition in 0..count(&connection, &log)?.cast_signed() {
        let (newest, state) = newest_state(settings, &connection, &snapshots, partition).await?;
        kept.push(Kept { partition, offset: newest.offset, bytes: state.len() });
        snapshots.keep(name, partition, state).await?;
    }
    Ok(kept)
}

/// The newest state that a recovery could start from. A newer one may take its place while it is read.
async fn newest_state(
    settings: &Settings,
    connection: &Connection,
    snapshots: &Snapshots,
    partition: i32,
) -> Result<(SnapshotName, Vec<u8>), ServiceError> {
    let (log, group_id) = (settings.kafka.counted_topic(), &settings.kafka.group_id);
    let missing = || ServiceError::Refused(format!("group `{group_id}` has no snapshot of partition {partition}: run the service first"));
    let mut attempts = 0..ATTEMPTS;
    loop {
        let committed = committed_metadata(connection, group_id, &log, partition.cast_unsigned() + 1).map_err(ServiceError::Refused)?;
        let (offset, metadata) = committed.into_iter().next_back().flatten().ok_or_else(missing)?;
        // One that is stored and that no commit names yet is as good: a quiet partition commits nothing for a long time.
        let names = snapshots.list(partition, metadata.lineage).await?;
        let newest = candidates(&names, offset, &metadata).first().copied().ok_or_else(missing)?;
        match snapshots.get(partition, metadata.lineage, newest).await {
            Ok(state) => return Ok((newest, state)),
            Err(error @ SnapshotError::Damaged { .. }) => return Err(error.into()),
            Err(_) if attempts.next().is_some() => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether counting can go on from what is kept under a name, before anything is forgotten for it.
pub(super) async fn check_kept(settings: &Settings, name: &KeptName, connection: &Connection) -> Result<(), ServiceError> {
    refuse_repartition(settings)?;
    let (log, snapshots) = (settings.kafka.counted_topic(), open(settings)?);
    let partitions = count(connection, &log)?;
    let kept = snapshots.kept_partitions(name).await?;
    if kept.is_empty() {
        return Err(ServiceError::Refused(format!("no snapshots are kept as {name} of topic `{log}`")));
    }
    if kept != (0..partitions.cast_signed()).collect::<Vec<i32>>() {
        let reason = format!("of the {partitions} partitions of topic `{log}`, snapshots kept as {name} are of {kept:?}");
        return Err(ServiceError::Refused(reason));
    }
    let processors =
        EngineProcessors::new(settings, &Arc::default(), &reader(settings, &tokio::runtime::Handle::current(), &Arc::default())?)?;
    let onlooker = GroupConsumer::alone(connection, &settings.kafka.group_id, &log, Isolation::Committed);
    let onlooker = onlooker.map_err(|error| ServiceError::Refused(error.to_string()))?;
    for partition in kept {
        let refused = |reason: String| {
            ServiceError::Refused(format!("partition {partition} cannot go on from its snapshot kept as {name}: {reason}"))
        };
        let state = snapshots.get_kept(name, partition).await?;
        let adopted = processors.adopt(partition, partitions, Lineage::random(), &state);
        let (_, offset) = adopted.map_err(|error| refused(error.to_string()))?;
        let Watermarks { low, high } = onlooker.watermarks(partition, ASK).map_err(|error| refused(error.to_string()))?;
        if low > offset || high < offset {
            return Err(refused(format!("it is read on from offset {offset}, and the log has those from {low} to {high}")));
        }
    }
    Ok(())
}

/// Of states in the internal log's partitions, some have sent users on that others have not taken in yet, or have.
fn refuse_repartition(settings: &Settings) -> Result<(), ServiceError> {
    let reason = "with kafka.repartition, users are on the way between partitions: snapshots of them can be gone on from only by the commit that they belong to";
    if settings.kafka.repartition { Err(ServiceError::Refused(reason.to_owned())) } else { Ok(()) }
}

fn open(settings: &Settings) -> Result<Snapshots, ServiceError> {
    let store = &settings.snapshots;
    Ok(Snapshots::open(&store.url, &settings.kafka.group_id, &settings.kafka.counted_topic(), usize::from(store.keep))?)
}

fn count(connection: &Connection, log: &str) -> Result<u32, ServiceError> {
    let counts = Topics::new(connection)?.partition_counts()?;
    let missing = || ServiceError::MissingInput { topic: log.to_owned(), brokers: connection.bootstrap_servers().to_owned() };
    counts.get(log).copied().ok_or_else(missing)
}
