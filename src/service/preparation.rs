//! What must be there before work begins: brokers that answer, and topics.

use std::time::Duration;

use super::keeping::check_kept;
use super::{History, ServiceError};
use crate::config::Settings;
use crate::config::internal_topics::{election_topic, log_topic, model_topic, partials_topic};
use crate::io::backfill::backfill_group;
use crate::io::clock::Stopwatch;
use crate::io::forwarding::forwarding_group;
use crate::io::kafka::connection::Connection;
use crate::io::kafka::probe::{Probe, ProbeError};
use crate::io::kafka::topics::{Purpose, TopicPlan, Topics};

/// How often it is told that brokers are waited for.
const TELL_WAITING: Duration = Duration::from_secs(5);

/// The topics that the settings call for. The inputs come first; `partitions` is what new ones get.
#[must_use]
pub fn topic_plans(settings: &Settings, partitions: u32) -> Vec<TopicPlan> {
    let plan = |name: &str, partitions, purpose| TopicPlan { name: name.to_owned(), partitions, purpose };
    let Settings { topics, kafka, .. } = settings;
    let mut plans: Vec<TopicPlan> = kafka.inputs.iter().map(|input| plan(input, partitions, Purpose::Input)).collect();
    if kafka.repartition {
        plans.push(plan(&log_topic(&kafka.group_id), partitions, Purpose::Log));
    }
    plans.extend([
        plan(&topics.metrics, 1, Purpose::Latest),
        plan(&topics.transitions, partitions, Purpose::Changes),
        plan(&topics.churn_risk, partitions, Purpose::Changes),
        plan(&topics.alerts, 1, Purpose::Latest),
        plan(&topics.profiles, partitions, Purpose::Latest),
        plan(&topics.dead_letters, partitions, Purpose::DeadLetters),
        plan(&partials_topic(&kafka.group_id), partitions, Purpose::Latest),
        plan(&model_topic(&kafka.group_id), 1, Purpose::Latest),
        plan(&election_topic(&kafka.group_id), 1, Purpose::Election),
    ]);
    plans
}

/// Waits until a broker answers, as long as waiting can help, and says so.
pub(super) fn wait_for_brokers(connection: &Connection) -> Result<(), ProbeError> {
    let probe = Probe::new(connection)?;
    while let Err(error) = probe.ask(TELL_WAITING) {
        match error {
            ProbeError::Unreachable { .. } => tracing::warn!(%error, "waiting for the brokers"),
            ProbeError::Refused { .. } | ProbeError::Properties(_) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until the brokers tell of topics that were just created, by this process or another that starts: the controller knows them before the brokers do.
fn wait_for_topics(topics: &Topics, plans: &[TopicPlan]) -> Result<(), ServiceError> {
    let stopwatch = Stopwatch::start();
    while stopwatch.elapsed() < TELL_WAITING {
        let known = topics.partition_counts()?;
        if plans.iter().all(|plan| known.contains_key(&plan.name)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Creates what is missing besides the inputs.
pub(super) async fn create_missing(settings: &Settings, connection: &Connection, topics: &Topics) -> Result<(), ServiceError> {
    let partitions = input_partitions(settings, connection, topics)?;
    let plans = topic_plans(settings, partitions);
    let created = topics.create_missing(&plans).await?;
    if !created.is_empty() {
        tracing::info!(?created, "topics created");
    }
    wait_for_topics(topics, &plans)
}

/// How many partitions the input has that has the most. All inputs must be there.
fn input_partitions(settings: &Settings, connection: &Connection, topics: &Topics) -> Result<u32, ServiceError> {
    let counts = topics.partition_counts()?;
    let missing = |input: &String| ServiceError::MissingInput { topic: input.clone(), brokers: connection.bootstrap_servers().to_owned() };
    settings.kafka.inputs.iter().try_fold(1, |most, input| Ok(most.max(*counts.get(input).ok_or_else(|| missing(input))?)))
}

/// Waits for the brokers, creates what is missing besides the input, and forgets what was counted if it shall.
/// Says how long the log keeps its records; `None` when for good.
pub(super) async fn prepare(settings: &Settings, history: &History, connection: &Connection) -> Result<Option<Duration>, ServiceError> {
    wait_for_brokers(connection)?;
    let topics = Topics::new(connection)?;
    create_missing(settings, connection, &topics).await?;
    match history {
        History::Continued => {}
        History::New => forget(settings, &topics).await?,
        History::Kept(name) => {
            check_kept(settings, name, connection).await?;
            let forgotten = topics.forget_group(&settings.kafka.group_id).await?;
            tracing::warn!(forgotten, %name, "counting goes on from states that were kept, what came after them is counted again");
        }
    }
    let state = topics.describe(&[&settings.kafka.counted_topic()]).await?.pop();
    let retention_ms = state.and_then(|state| state.settings.get("retention.ms")?.parse::<u64>().ok());
    Ok(retention_ms.map(Duration::from_millis))
}

/// Forgets what was counted and forwarded. What engines sent each other is in the internal log, and must not be taken in again: it is emptied.
async fn forget(settings: &Settings, topics: &Topics) -> Result<(), ServiceError> {
    let kafka = &settings.kafka;
    let forgotten = topics.forget_group(&kafka.group_id).await?;
    for input in kafka.inputs.iter().filter(|_| kafka.repartition) {
        topics.forget_group(&forwarding_group(&kafka.group_id, input)).await?;
    }
    if kafka.repartition {
        topics.empty(&log_topic(&kafka.group_id)).await?;
        if topics.forget_group(&backfill_group(&kafka.group_id)).await? {
            tracing::warn!(
                "history that was backfilled into the internal log is removed with it: docs/backfill.md says how to count it again"
            );
        }
    }
    tracing::warn!(forgotten, "the log is counted again from its start, snapshots of before are not used");
    Ok(())
}
