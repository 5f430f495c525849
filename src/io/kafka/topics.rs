//! Topics: what there is, and creating what is missing with the policies that the contract names.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::connection::{Connection, LoggingContext};
use crate::io::clock::Stopwatch;

/// How long the brokers may take for one request.
const REQUEST: Duration = Duration::from_secs(15);
/// How long the last member of a group may take to be gone.
const LEAVE: Duration = Duration::from_secs(5);
/// Bytes of the largest dead letter: an event of 1 MiB, its key, its headers.
const LARGEST_DEAD_LETTER: &str = "2097152";
/// A user who moves to another partition travels as one record, with up to half a million orders of the last months.
const LARGEST_TRANSFER: &str = "67108864";

/// What a topic is for; decides its settings when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Events: the broker stamps their arrival, so that the clocks of producers neither delete records nor decide what is future.
    Input,
    /// The newest record of each key is kept.
    Latest,
    /// Every change is kept for the broker's retention.
    Changes,
    /// Rejected events, as large as they came.
    DeadLetters,
    /// The internal log, whose records hold whole input records.
    Log,
    /// One partition without records: its assignment elects a process.
    Election,
}

impl Purpose {
    /// The settings of a new topic.
    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Input => &[("cleanup.policy", "delete"), ("message.timestamp.type", "LogAppendTime")],
            Self::Latest => &[("cleanup.policy", "compact")],
            Self::Changes | Self::Election => &[("cleanup.policy", "delete")],
            Self::DeadLetters => &[("cleanup.policy", "delete"), ("max.message.bytes", LARGEST_DEAD_LETTER)],
            Self::Log => &[("cleanup.policy", "delete"), ("max.message.bytes", LARGEST_TRANSFER)],
        }
    }
}

/// A topic that should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// How many partitions it gets if it is created.
    pub partitions: u32,
    /// What it is for.
    pub purpose: Purpose,
}

/// A topic that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// Its settings, by name; those without a value are left out.
    pub settings: BTreeMap<String, String>,
}

/// Why topics could not be read or created.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// No broker answered. Worth trying again.
    #[error("{brokers} did not answer within {waited:?}: {reason}; see that a broker listens at kafka.bootstrap_servers")]
    Unavailable {
        /// The bootstrap servers.
        brokers: String,
        /// How long was waited.
        waited: Duration,
        /// What the library said.
        reason: Box<KafkaError>,
    },
    /// A group still has members, or a broker refused to remove it.
    #[error(
        "what group `{group_id}` has committed cannot be removed: {reason}; stop every process of the group first, one killed counts until its session is over"
    )]
    Group {
        /// The group.
        group_id: String,
        /// What the broker said.
        reason: RDKafkaErrorCode,
    },
    /// A broker refused a topic.
    #[error("cannot {attempted} topic `{topic}`: {reason}")]
    Refused {
        /// What was attempted.
        attempted: &'static str,
        /// The topic.
        topic: String,
        /// What the broker said.
        reason: RDKafkaErrorCode,
    },
    /// The library could not make the request.
    #[error("cannot ask about topics: {0}")]
    Request(Box<KafkaError>),
}

/// Speaks with the brokers about topics.
pub struct Topics {
    admin: AdminClient<LoggingContext>,
    brokers: String,
}

impl Topics {
    /// A client. Nothing is sent yet.
    pub fn new(connection: &Connection) -> Result<Self, TopicError> {
        let admin = connection
            .admin()
            .create_with_context(LoggingContext::new(connection))
            .map_err(|reason| TopicError::Request(Box::new(reason)))?;
        Ok(Self { admin, brokers: connection.bootstrap_servers().to_owned() })
    }

    /// How many partitions each topic of the cluster has, by name.
    pub fn partition_counts(&self) -> Result<BTreeMap<String, u32>, TopicError> {
        // All topics: asking for one by name lets a broker create it.
        let metadata = self.admin.inner().fetch_metadata(None, REQUEST).map_err(|reason| self.unavailable(reason))?;
        let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
        Ok(topics.map(|topic| (topic.name().to_owned(), u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX))).collect())
    }

    /// The topics of `names` that exist, with their settings.
    pub async fn describe(&self, names: &[&str]) -> Result<Vec<TopicState>, TopicError> {
        let counts = self.partition_counts()?;
        let present: Vec<(&str, u32)> = names.iter().filter_map(|name| counts.get(*name).map(|count| (*name, *count))).collect();
        let resources: Vec<ResourceSpecifier<'_>> = present.iter().map(|(name, _)| ResourceSpecifier::Topic(name)).collect();
        if resources.is_empty() {
            return Ok(Vec::new());
        }
        let described = self.admin.describe_configs(&resources, &options()).await.map_err(|reason| self.unavailable(reason))?;
        let mut states = Vec::with_capacity(present.len());
        for ((name, partitions), resource) in present.into_iter().zip(described) {
            let resource = resource.map_err(|reason| TopicError::Refused { attempted: "describe", topic: name.to_owned(), reason })?;
            let entries = resource.entries.into_iter();
            let settings = entries.filter_map(|entry| entry.value.map(|value| (entry.name, value))).collect();
            states.push(TopicState { name: name.to_owned(), partitions, settings });
        }
        Ok(states)
    }

    /// Creates the topics that do not exist, with the broker's default replication, and returns their names. Changes no other.
    pub async fn create_missing(&self, plans: &[TopicPlan]) -> Result<Vec<String>, TopicError> {
        let counts = self.partition_counts()?;
        let missing: Vec<NewTopic<'_>> = plans.iter().filter(|plan| !counts.contains_key(&plan.name)).map(new_topic).collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let results = self.admin.create_topics(&missing, &options()).await.map_err(|reason| self.unavailable(reason))?;
        let mut created = Vec::new();
        for result in results {
            match result {
                Ok(name) => created.push(name),
                // Another process was faster.
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, reason)) => return Err(TopicError::Refused { attempted: "create", topic, reason }),
            }
        }
        Ok(created)
    }

    /// Gives a topic as many partitions as `partitions`, if it has fewer.
    pub async fn grow(&self, topic: &str, partitions: u32) -> Result<(), TopicError> {
        let refused = |reason| TopicError::Refused { attempted: "add partitions to", topic: topic.to_owned(), reason };
        let found = self.partition_counts()?.get(topic).copied().ok_or_else(|| refused(RDKafkaErrorCode::UnknownTopicOrPartition))?;
        if found >= partitions {
            return Ok(());
        }
        let more = NewPartitions::new(topic, partitions as usize);
        let results = self.admin.create_partitions(&[more], &options()).await.map_err(|reason| self.unavailable(reason))?;
        results.into_iter().try_for_each(|result| result.map(drop).map_err(|(_, reason)| refused(reason)))
    }

    /// Removes every record of a topic that is there.
    pub async fn empty(&self, topic: &str) -> Result<(), TopicError> {
        let Some(partitions) = self.partition_counts()?.get(topic).copied() else { return Ok(()) };
        let mut ends = TopicPartitionList::new();
        for partition in 0..partitions {
            let added = ends.add_partition_offset(topic, partition.cast_signed(), Offset::End);
            added.map_err(|reason| TopicError::Request(Box::new(reason)))?;
        }
        let emptied = self.admin.delete_records(&ends, &options()).await.map_err(|reason| self.unavailable(reason))?;
        let refused = emptied.elements().into_iter().find_map(|element| element.error().err()?.rdkafka_error_code());
        refused.map_or(Ok(()), |reason| Err(TopicError::Refused { attempted: "empty", topic: topic.to_owned(), reason }))
    }

    /// Removes what a group has committed. Whether there was anything: a group that does not exist is none. A group that was just left is waited for.
    pub async fn forget_group(&self, group_id: &str) -> Result<bool, TopicError> {
        let stopwatch = Stopwatch::start();
        loop {
            let results = self.admin.delete_groups(&[group_id], &options()).await.map_err(|reason| self.unavailable(reason))?;
            match results.into_iter().next() {
                None | Some(Ok(_)) => return Ok(true),
                Some(Err((_, RDKafkaErrorCode::GroupIdNotFound))) => return Ok(false),
                Some(Err((_, RDKafkaErrorCode::NonEmptyGroup))) if stopwatch.elapsed() < LEAVE => tokio::time::sleep(LEAVE / 20).await,
                Some(Err((group_id, reason))) => return Err(TopicError::Group { group_id, reason }),
            }
        }
    }

    fn unavailable(&self, reason: KafkaError) -> TopicError {
        TopicError::Unavailable { brokers: self.brokers.clone(), waited: REQUEST, reason: Box::new(reason) }
    }
}

/// What is wrong with a topic that the service writes to, in words for the operator. Empty when all is well.
#[must_use]
pub fn output_warnings(plan: &TopicPlan, state: &TopicState) -> Vec<String> {
    let TopicState { name, partitions, settings } = state;
    let policy = settings.get("cleanup.policy").map_or("", String::as_str);
    let compacts = policy.contains("compact");
    let mut warnings = Vec::new();
    match plan.purpose {
        Purpose::Latest if !compacts || policy.contains("delete") => {
            warnings
                .push(format!("topic `{name}` has cleanup.policy={policy}: old records that still count are deleted; set it to compact"));
        }
        Purpose::Changes | Purpose::DeadLetters | Purpose::Log if compacts => warnings
            .push(format!("topic `{name}` has cleanup.policy={policy}: all but the newest record of a key get lost; set it to delete")),
        _ => {}
    }
    if plan.purpose == Purpose::Election && *partitions != 1 {
        warnings.push(format!("topic `{name}` has {partitions} partitions: with more than one, more than one process aggregates"));
    }
    warnings
}

/// What an input topic's settings mean for the service, in words for the operator. Empty when all is well.
#[must_use]
pub fn input_warnings(state: &TopicState) -> Vec<String> {
    let setting = |key: &str| state.settings.get(key).map_or("", String::as_str);
    let mut warnings = Vec::new();
    if setting("cleanup.policy").contains("compact") {
        warnings.push(format!("topic `{}` is compacted: a replay of it is not the original run", state.name));
    }
    if setting("message.timestamp.type") != "LogAppendTime" {
        warnings.push(format!(
            "topic `{}` keeps its producers' timestamps: retention deletes records by them and `future` trusts them; \
             set message.timestamp.type=LogAppendTime",
            state.name
        ));
    }
    warnings
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST)).operation_timeout(Some(REQUEST))
}

fn new_topic(plan: &TopicPlan) -> NewTopic<'_> {
    let partitions = i32::try_from(plan.partitions.max(1)).unwrap_or(i32::MAX);
    let topic = NewTopic::new(&plan.name, partitions, TopicReplication::Fixed(-1));
    plan.purpose.settings().iter().fold(topic, |topic, (key, value)| topic.set(key, value))
}
