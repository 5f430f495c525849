//! The topics that the service keeps for itself. Their names begin with the group's id.

/// On which partitions tell the aggregator their figures.
#[must_use]
pub fn partials_topic(group_id: &str) -> String {
    format!("{group_id}.partials")
}

/// Whose one partition elects the aggregator. It never has a record.
#[must_use]
pub fn election_topic(group_id: &str) -> String {
    format!("{group_id}.aggregator")
}

/// The internal log, keyed by user.
#[must_use]
pub fn log_topic(group_id: &str) -> String {
    format!("{group_id}.events")
}

/// On which models are published.
#[must_use]
pub fn model_topic(group_id: &str) -> String {
    format!("{group_id}.model")
}

/// All of them.
pub(super) fn internal_topics(group_id: &str) -> [String; 4] {
    [partials_topic(group_id), election_topic(group_id), log_topic(group_id), model_topic(group_id)]
}
