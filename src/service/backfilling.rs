//! `stickiness backfill`: history goes into the log that the engines read, before live events do.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::preparation::{create_missing, topic_plans, wait_for_brokers};
use super::{ServiceError, connection, reader, traces};
use crate::config::Settings;
use crate::io::backfill::{self, Backfill, Report, Target};
use crate::io::files::Input;
use crate::io::kafka::topics::Topics;
use crate::io::traces::now;

/// Writes a history into the log, each record once, or goes on with what an earlier run of the same has begun.
pub fn backfill(settings: &Settings, work: &Backfill, runtime: &tokio::runtime::Handle) -> Result<Report, ServiceError> {
    if settings.kafka.inputs.len() > 1 && !settings.kafka.repartition {
        return Err(ServiceError::Unsupported("several kafka.inputs need kafka.repartition = true"));
    }
    check_sources(settings, work)?;
    let connection = connection(settings)?;
    wait_for_brokers(&connection)?;
    let topics = Topics::new(&connection)?;
    if !work.dry_run {
        runtime.block_on(create_missing(settings, &connection, &topics))?;
    }
    let log = settings.kafka.counted_topic();
    let counts = topics.partition_counts()?;
    let missing = |topic: &str| ServiceError::MissingInput { topic: topic.to_owned(), brokers: connection.bootstrap_servers().to_owned() };
    if let Some(topic) = work.topics.iter().find(|topic| !counts.contains_key(*topic)) {
        return Err(missing(topic));
    }
    let partitions = *counts.get(&log).ok_or_else(|| missing(&log))?;
    runtime.block_on(check_policy(&topics, &log))?;
    let target = Target { topic: log, partitions, internal: settings.kafka.repartition };
    let reader = reader(settings, runtime, &Arc::default())?;
    let traces = traces::start(settings, &Arc::default(), runtime)?;
    let start = now();
    let done = backfill::backfill(settings, &connection, &reader, (&target, work));
    if let Some(traces) = traces {
        traces.note_backfill(&target.topic, start, done.as_ref().err().map(ToString::to_string));
        traces.finish();
    }
    Ok(done?)
}

/// Every input is named once, and none is a topic that the service reads or writes itself.
fn check_sources(settings: &Settings, work: &Backfill) -> Result<(), ServiceError> {
    let plans = topic_plans(settings, 1);
    if let Some(own) = work.topics.iter().find(|topic| plans.iter().any(|plan| plan.name == **topic)) {
        return Err(ServiceError::Refused(format!(
            "topic `{own}` is one that the service reads or writes itself, and no history beside it"
        )));
    }
    let mut seen = BTreeSet::new();
    let twice = work.inputs.iter().map(Input::name).chain(work.topics.iter().map(String::as_str)).find(|name| !seen.insert(*name));
    twice.map_or(Ok(()), |name| Err(ServiceError::Refused(format!("`{name}` is named twice: its events would be counted twice"))))
}

/// A compacted log would keep the last event of each user alone.
async fn check_policy(topics: &Topics, log: &str) -> Result<(), ServiceError> {
    let state = topics.describe(&[log]).await?.pop();
    let policy = state.and_then(|state| state.settings.get("cleanup.policy").cloned()).unwrap_or_default();
    if policy.contains("compact") {
        let why = "all but the newest event of a user would get lost; set it to delete";
        return Err(ServiceError::Refused(format!("topic `{log}` has cleanup.policy={policy}: {why}")));
    }
    Ok(())
}
