//! What the service is doing, in one object: how far behind, how fast, what it could not read.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::View;
use super::api::lag;
use crate::io::clock;
use crate::io::observations::{PartitionGauges, PartitionPhase};
use crate::model::time::EventTime;

/// The object of `/v1/state`, and of the events `state` of `/v1/live`. Sums are over the partitions of this process; durations and counts are since it started.
pub(super) fn state(view: &dyn View) -> Value {
    let observations = view.observations();
    let partitions = observations.partitions();
    let sizes = observations.sizes();
    let models = observations.models().into_iter();
    let models = models.map(|(process, (id, day))| json!({ "process": process, "model_id": id, "takes_effect": day.to_string() }));
    json!({
        "ready": view.is_ready(),
        "version": env!("CARGO_PKG_VERSION"),
        "now": clock::wall().to_string(),
        "partitions": partitions.len(),
        "restoring": partitions.values().filter(|gauges| gauges.phase == PartitionPhase::Restoring).count(),
        "lag": partitions.values().filter_map(lag).reduce(|sum, lag| sum + lag),
        "watermark": instants(&partitions, |gauges| gauges.watermark_ms),
        "snapshots": {
            "stored": instants(&partitions, |gauges| gauges.snapshot_at_ms),
            "missing": partitions.values().filter(|gauges| gauges.snapshot_at_ms.is_none()).count(),
            "overdue": partitions.values().filter(|gauges| gauges.snapshot_overdue).count(),
            "bytes": partitions.values().map(|gauges| gauges.snapshot_bytes).sum::<usize>(),
            "failures": observations.snapshot_failures.get(),
        },
        "users": sizes.values().map(|size| size.users).sum::<u64>(),
        "state_bytes": sizes.values().map(|size| size.state_bytes).sum::<u64>(),
        "commits": observations.commits.get(),
        "published": observations.published.get(),
        "replayed": observations.replayed.get(),
        "commit_ms": milliseconds(&observations.commit_time.snapshot()),
        "publish_ms": milliseconds(&observations.publish_time.snapshot()),
        "outcomes": observations.outcomes(),
        "aborts": observations.aborts(),
        "models": models.collect::<Vec<_>>(),
    })
}

/// The oldest and the newest of the partitions' instants; null when none has one.
fn instants(partitions: &BTreeMap<i32, PartitionGauges>, of: impl Fn(&PartitionGauges) -> Option<i64>) -> Value {
    let instants = || partitions.values().filter_map(&of);
    let text = |millis: i64| EventTime::from_millis(millis).to_string();
    json!({ "oldest": instants().min().map(text), "newest": instants().max().map(text) })
}

/// Quantiles of a distribution of microseconds, in milliseconds; null before the first.
#[expect(clippy::cast_precision_loss, reason = "an hour in microseconds is far below 2^53")]
fn milliseconds(histogram: &Histogram<u64>) -> Value {
    let at = |quantile: f64| (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile) as f64 / 1000.0);
    json!({ "count": histogram.len(), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0) })
}
