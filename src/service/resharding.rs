//! `stickiness reshard`: the log gets more partitions, and every user moves to the one that the id now belongs to.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};

use super::preparation::wait_for_brokers;
use super::{ServiceError, connection, reader, worker_settings};
use crate::config::Settings;
use crate::config::internal_topics::partials_topic;
use crate::engine::resharding::Resharded;
use crate::io::counting::EngineProcessors;
use crate::io::kafka::connection::{Connection, Isolation};
use crate::io::kafka::consumer::GroupConsumer;
use crate::io::kafka::metadata::{CommitMetadata, MetadataError};
use crate::io::kafka::topics::Topics;
use crate::io::observations::Observations;
use crate::io::publication::Publication;
use crate::io::snapshots::Snapshots;
use crate::io::worker::{Pulse, Worker, WorkerError, WorkerParts, WorkerSettings};

/// How long the brokers may take to tell what the group has committed.
const ASK: std::time::Duration = std::time::Duration::from_secs(30);

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Partitions that the states were of.
    pub before: u32,
    /// Partitions that they are of now.
    pub after: u32,
    /// Users there are, and those who moved.
    pub users: Resharded,
}

/// Moves every user to one of `partitions` partitions, or of as many as the log has. No process of the group may run. Nothing has changed when it fails, but perhaps the
/// partitions of topics; it can be tried again then.
pub fn reshard(settings: &Settings, partitions: Option<u32>, runtime: &tokio::runtime::Handle) -> Result<Moved, ServiceError> {
    let connection = connection(settings)?;
    wait_for_brokers(&connection)?;
    let topics = Topics::new(&connection)?;
    let (log, group_id) = (settings.kafka.counted_topic(), &settings.kafka.group_id);
    let refused = |reason: String| ServiceError::Refused(reason);
    let missing = || ServiceError::MissingInput { topic: log.clone(), brokers: connection.bootstrap_servers().to_owned() };
    let found = topics.partition_counts()?.get(&log).copied().ok_or_else(missing)?;
    let after = partitions.unwrap_or(found);
    let before = committed_partitions(&connection, group_id, &log, found).map_err(refused)?;
    if found > after {
        return Err(refused(format!("topic `{log}` has {found} partitions already, which cannot become {after}")));
    }
    if before == after {
        return Ok(Moved { before, after, users: Resharded::default() });
    }
    if before > after {
        return Err(refused(format!("users are in {before} partitions, and can only move to more: --partitions = {after}")));
    }
    let id = format!("{group_id}-reshard-{:08x}", rand::random::<u32>());
    let worker_settings = WorkerSettings { partitions: Some(before), ..worker_settings(settings, (group_id, &log), &id) };
    let worker = make_worker(settings, worker_settings, &connection, runtime)?;
    let users = worker.reshard((found, after), || {
        let grown = runtime.block_on(async {
            topics.grow(&log, after).await?;
            topics.grow(&partials_topic(group_id), after).await
        });
        grown.map_err(|error| error.to_string())
    });
    Ok(Moved { before, after, users: users.map_err(|error| refused(error.to_string()))? })
}

fn make_worker(
    settings: &Settings,
    worker_settings: WorkerSettings,
    connection: &Connection,
    runtime: &tokio::runtime::Handle,
) -> Result<Worker<EngineProcessors>, ServiceError> {
    let (_, queries) = mpsc::channel();
    let store = &settings.snapshots;
    let parts = WorkerParts {
        connection: connection.clone(),
        publication: Arc::new(Publication::new(settings, runtime, &Arc::default())?),
        processors: Arc::new(EngineProcessors::new(settings, &Arc::default(), &reader(settings, runtime, &Arc::default())?)?),
        snapshots: Snapshots::open(&store.url, &settings.kafka.group_id, &worker_settings.topic, usize::from(store.keep))?,
        runtime: runtime.clone(),
        observations: Arc::<Observations>::default(),
        queries,
        pulse: Arc::<Pulse>::default(),
        traces: None,
    };
    Worker::new(worker_settings, parts).map_err(|error: WorkerError| ServiceError::Refused(error.to_string()))
}

/// How many partitions the states of a group are of.
fn committed_partitions(connection: &Connection, group_id: &str, log: &str, partitions: u32) -> Result<u32, String> {
    let committed = committed_metadata(connection, group_id, log, partitions)?;
    let counts: BTreeSet<u32> = committed.into_iter().flatten().map(|(_, metadata)| metadata.partitions).collect();
    match (counts.first(), counts.len()) {
        (Some(count), 1) => Ok(*count),
        (None, _) => Err(format!("group `{group_id}` has committed nothing on topic `{log}`: there are no users to move")),
        _ => Err(format!("the states of group `{group_id}` are of {counts:?} partitions: start the service, which says what to do")),
    }
}

/// What a group has committed of each partition: the offset, and what it says beside it.
pub(super) fn committed_metadata(
    connection: &Connection,
    group_id: &str,
    log: &str,
    partitions: u32,
) -> Result<Vec<Option<(i64, CommitMetadata)>>, String> {
    let onlooker = GroupConsumer::alone(connection, group_id, log, Isolation::Uncommitted).map_err(|error| error.to_string())?;
    let all: Vec<i32> = (0..partitions.cast_signed()).collect();
    let committed = onlooker.committed(&all, ASK).map_err(|error| error.to_string())?;
    let metadata = committed.iter().map(|one| {
        let parsed = one.offset.map(|offset| Ok((offset, CommitMetadata::parse(&one.metadata)?))).transpose();
        parsed.map_err(|error: MetadataError| format!("partition {}: {error}", one.partition))
    });
    metadata.collect()
}
