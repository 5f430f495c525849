//! What the service observes of itself, for whoever renders it: counters, gauges of partitions, distributions of durations.

mod dead_letters;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use dead_letters::{DeadLetter, DeadLetters};
use hdrhistogram::Histogram;

use super::alertmanager::AlertmanagerCounts;
use crate::engine::predictions::Scored;
use crate::engine::rules::RuleCost;
use crate::model::time::Day;

/// The longest duration told apart, in microseconds: an hour.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations in microseconds, to three significant digits.
#[derive(Debug)]
pub struct Durations(Mutex<Histogram<u64>>);

impl Default for Durations {
    fn default() -> Self {
        // The bounds are constants that the library takes; without bounds it grows instead.
        let histogram = Histogram::new_with_max(LONGEST_MICROS, 3).or_else(|_| Histogram::new(3));
        Self(Mutex::new(histogram.unwrap_or_else(|_| unreachable!("three digits are allowed"))))
    }
}

impl Durations {
    /// Adds a duration, `count` times. Longer than an hour counts as an hour.
    pub fn record(&self, duration: Duration, count: u64) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).min(LONGEST_MICROS);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).saturating_record_n(micros, count);
    }

    /// A copy of the distribution, in microseconds.
    #[must_use]
    pub fn snapshot(&self) -> Histogram<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a partition is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionPhase {
    /// Its state is being rebuilt: records before the committed offset are replayed.
    Restoring,
    /// Its records are counted as they come.
    Live,
}

/// A partition's gauges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionGauges {
    /// What it is doing.
    pub phase: PartitionPhase,
    /// The next offset to read.
    pub next_offset: i64,
    /// The offset committed.
    pub committed_offset: i64,
    /// One past the newest record in the log; `None` before the first fetch.
    pub log_end: Option<i64>,
    /// The newest event time, in milliseconds since the epoch; `None` before the first event.
    pub watermark_ms: Option<i64>,
    /// The wall clock of the newest snapshot in the store, in milliseconds since the epoch; `None` when this process wrote none.
    pub snapshot_at_ms: Option<i64>,
    /// Bytes of the newest snapshot.
    pub snapshot_bytes: usize,
    /// Whether no snapshot was stored for half of the log's retention.
    pub snapshot_overdue: bool,
}

/// How much a partition's state holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionSize {
    /// Users known.
    pub users: u64,
    /// Users of several ids.
    pub merged_users: u64,
    /// Bytes of memory that their state takes.
    pub state_bytes: u64,
    /// Events whose breakdown value was counted as `other` for want of room, since the partition was taken over.
    pub overflows: u64,
}

/// Alerts by name and severity.
pub type FiringAlerts = BTreeMap<(&'static str, &'static str), u64>;

/// What was said of alerts by the process that aggregates, since it was elected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertReadings {
    /// Records published.
    pub records: u64,
    /// What became of requests to Alertmanager.
    pub requests: AlertmanagerCounts,
}

/// What became of the records of one kind for one webhook, in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookReadings {
    /// Records that were taken.
    pub delivered: u64,
    /// Records that were given up, and are dead letters.
    pub given_up: u64,
    /// Records that its filter passed over.
    pub filtered: u64,
    /// Records that the topic no longer had when they were to be read.
    pub lost: u64,
    /// Attempts that failed and were made again.
    pub failures: u64,
    /// When the oldest record that waits was published, in milliseconds since the epoch; `None` when none waits.
    pub oldest_ms: Option<i64>,
}

/// A webhook, and the kind of its records.
pub type WebhookKey = (String, &'static str);

/// Everything that is observed. One for a process; workers write, HTTP reads.
#[derive(Debug, Default)]
pub struct Observations {
    /// Records handled, by what became of them, such as `accepted`, `duplicate` or a reason.
    outcomes: Mutex<BTreeMap<&'static str, u64>>,
    /// How often the group gave this process partitions, none at all included.
    pub assignments: Counter,
    /// Workers that the group has not given their share, or has given up.
    outside: AtomicU32,
    /// How many partitions the log has; 0 before a worker asked.
    log_partitions: AtomicU32,
    /// Records replayed during recoveries, which are no part of the outcomes.
    pub replayed: Counter,
    /// Commits that succeeded.
    pub commits: Counter,
    /// Transactions aborted, by the library's reason.
    aborts: Mutex<BTreeMap<String, u64>>,
    /// Records published.
    pub published: Counter,
    /// Time from the begin of a transaction to its end.
    pub commit_time: Durations,
    /// Time from a record's timestamp to the commit that publishes what it changed.
    pub publish_time: Durations,
    /// Snapshots that could not be stored.
    pub snapshot_failures: Counter,
    /// Closings by the clock and new settings that could not be, each time they were due, because no snapshot can be stored.
    pub barriers_put_off: Counter,
    /// Spans that a collector took.
    pub spans_exported: Counter,
    /// Spans that were made, or wanted, and no collector got.
    pub spans_dropped: Counter,
    /// The newest fitted model of each process, by name: its id, and the day at whose close it takes over.
    models: Mutex<BTreeMap<&'static str, (String, Day)>>,
    /// Refits by process and outcome.
    refits: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    /// Predictions that were scored, by name of the process, where this process aggregates.
    scored: Mutex<BTreeMap<&'static str, Scored>>,
    /// The partitions of this process.
    partitions: Mutex<BTreeMap<i32, PartitionGauges>>,
    /// How much each of them holds.
    sizes: Mutex<BTreeMap<i32, PartitionSize>>,
    /// What rules of segments cost, by partition; nothing without rules.
    rule_costs: Mutex<BTreeMap<i32, Vec<RuleCost>>>,
    /// Alerts that fire, where the process aggregates.
    firing: Mutex<FiringAlerts>,
    /// What was said of alerts.
    alerts: Mutex<AlertReadings>,
    /// Samples of what was no event.
    pub dead_letters: Arc<DeadLetters>,
    /// What became of the records of each webhook.
    webhooks: Mutex<BTreeMap<WebhookKey, WebhookReadings>>,
    /// What is observed of the forwarding of each input, where events are forwarded to one log first.
    forwarding: Mutex<Vec<(String, Arc<Self>)>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observations {
    /// Observations of their own, whose dead letters are kept with those of `other`.
    #[must_use]
    pub fn beside(other: &Self) -> Self {
        Self { dead_letters: Arc::clone(&other.dead_letters), ..Self::default() }
    }

    /// Counts records by outcome.
    pub fn count_outcomes(&self, counts: &BTreeMap<&'static str, u64>) {
        let mut outcomes = locked(&self.outcomes);
        for (outcome, count) in counts {
            *outcomes.entry(outcome).or_default() += count;
        }
    }

    /// Records handled, by outcome.
    #[must_use]
    pub fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        locked(&self.outcomes).clone()
    }

    /// Notes that an input is forwarded, and where what is observed of it is written.
    pub fn watch_forwarding(&self, input: &str, observations: Arc<Self>) {
        locked(&self.forwarding).push((input.to_owned(), observations));
    }

    /// What is observed of the forwarding of each input.
    #[must_use]
    pub fn forwarding(&self) -> Vec<(String, Arc<Self>)> {
        locked(&self.forwarding).clone()
    }

    /// Notes how many partitions the log has.
    pub fn set_log_partitions(&self, partitions: u32) {
        self.log_partitions.store(partitions, Ordering::Relaxed);
    }

    /// How many partitions the log has; 0 before a worker asked.
    #[must_use]
    pub fn log_partitions(&self) -> u32 {
        self.log_partitions.load(Ordering::Relaxed)
    }

    /// Whether the group gave this process its share, and all of it is live.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let all_inside = self.outside.load(Ordering::Relaxed) == 0;
        self.assignments.get() > 0 && all_inside && locked(&self.partitions).values().all(|gauges| gauges.phase == PartitionPhase::Live)
    }

    /// Counts a worker that is outside of the group (1), or no longer (-1).
    pub fn count_outside(&self, difference: i32) {
        if difference > 0 {
            self.outside.fetch_add(1, Ordering::Relaxed);
        } else {
            self.outside.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Counts an aborted transaction.
    pub fn count_abort(&self, reason: &str) {
        *locked(&self.aborts).entry(reason.to_owned()).or_default() += 1;
    }

    /// Transactions aborted, by reason.
    #[must_use]
    pub fn aborts(&self) -> BTreeMap<String, u64> {
        locked(&self.aborts).clone()
    }

    /// Notes the newest model of a process.
    pub fn set_model(&self, process: &'static str, model_id: &str, takes_effect: Day) {
        locked(&self.models).insert(process, (model_id.to_owned(), takes_effect));
    }

    /// The newest fitted model of each process: its id, and the day at whose close it takes over.
    #[must_use]
    pub fn models(&self) -> BTreeMap<&'static str, (String, Day)> {
        locked(&self.models).clone()
    }

    /// Counts a refit of a process by its outcome.
    pub fn count_refit(&self, process: &'static str, outcome: &'static str) {
        *locked(&self.refits).entry((process, outcome)).or_default() += 1;
    }

    /// Refits by process and outcome.
    #[must_use]
    pub fn refits(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        locked(&self.refits).clone()
    }

    /// Sets how the newest predictions of each process compare with what came; none where another process aggregates.
    pub fn set_scored(&self, scored: BTreeMap<&'static str, Scored>) {
        *locked(&self.scored) = scored;
    }

    /// How the newest predictions of each process compare with what came, where this process aggregates.
    #[must_use]
    pub fn scored(&self) -> BTreeMap<&'static str, Scored> {
        locked(&self.scored).clone()
    }

    /// Sets the gauges of a partition.
    pub fn set_partition(&self, partition: i32, gauges: PartitionGauges) {
        locked(&self.partitions).insert(partition, gauges);
    }

    /// Forgets a partition that went to another process.
    pub fn remove_partition(&self, partition: i32) {
        locked(&self.partitions).remove(&partition);
        locked(&self.sizes).remove(&partition);
        locked(&self.rule_costs).remove(&partition);
    }

    /// The gauges of all partitions of this process.
    #[must_use]
    pub fn partitions(&self) -> BTreeMap<i32, PartitionGauges> {
        locked(&self.partitions).clone()
    }

    /// Sets which alerts fire; none where another process aggregates.
    pub fn set_firing(&self, firing: FiringAlerts) {
        *locked(&self.firing) = firing;
    }

    /// Alerts that fire, where this process aggregates.
    #[must_use]
    pub fn firing(&self) -> FiringAlerts {
        locked(&self.firing).clone()
    }

    /// Sets what was said of alerts.
    pub fn set_alerts(&self, alerts: AlertReadings) {
        *locked(&self.alerts) = alerts;
    }

    /// What was said of alerts since this process was elected to aggregate.
    #[must_use]
    pub fn alerts(&self) -> AlertReadings {
        *locked(&self.alerts)
    }

    /// Changes what is known of a webhook.
    pub fn change_webhook(&self, key: &WebhookKey, change: impl FnOnce(&mut WebhookReadings)) {
        change(locked(&self.webhooks).entry(key.clone()).or_default());
    }

    /// What became of the records of each webhook, in this process.
    #[must_use]
    pub fn webhooks(&self) -> BTreeMap<WebhookKey, WebhookReadings> {
        locked(&self.webhooks).clone()
    }

    /// Sets how much a partition holds.
    pub fn set_size(&self, partition: i32, size: PartitionSize) {
        locked(&self.sizes).insert(partition, size);
    }

    /// Sets what rules of segments cost in a partition.
    pub fn set_rule_costs(&self, partition: i32, costs: &[RuleCost]) {
        if !costs.is_empty() {
            locked(&self.rule_costs).insert(partition, costs.to_vec());
        }
    }

    /// What rules of segments cost, in each partition of this process.
    #[must_use]
    pub fn rule_costs(&self) -> BTreeMap<i32, Vec<RuleCost>> {
        locked(&self.rule_costs).clone()
    }

    /// How much each partition of this process holds.
    #[must_use]
    pub fn sizes(&self) -> BTreeMap<i32, PartitionSize> {
        locked(&self.sizes).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_kept_to_three_digits() {
        let durations = Durations::default();
        durations.record(Duration::from_millis(200), 99);
        durations.record(Duration::from_hours(100), 1);
        let read = durations.snapshot();
        assert_eq!(read.len(), 100);
        assert!(read.equivalent(read.value_at_quantile(0.5), 200_000));
        assert!(read.equivalent(read.max(), LONGEST_MICROS));
    }
}
