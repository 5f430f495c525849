//! `/metrics`: what the service observes of itself, for Prometheus: `OpenMetrics` text to those who ask for it, as its servers do, else
//! the older text format.

mod webhooks;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hdrhistogram::Histogram;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::View;
use super::answer::Problem;
use super::api::{lag, seconds_between};
use crate::engine::predictions::Scored;
use crate::engine::rules::RuleCost;
use crate::io::clock;
use crate::io::observations::{
    AlertReadings, FiringAlerts, Observations, PartitionGauges, PartitionPhase, PartitionSize, WebhookKey, WebhookReadings,
};
use crate::model::churn::calibration::CalibrationBin;
use crate::model::time::{Day, EventTime};

const OPENMETRICS: &str = "application/openmetrics-text";
const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const OLDER_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of a histogram's buckets, in microseconds: 1 ms to 1 min.
const BOUNDS_MICROS: [u64; 15] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000,
    60_000_000,
];

/// Quantiles that are told beside the buckets, which are coarser.
const QUANTILES: [(f64, &str); 5] = [(0.5, "0.5"), (0.9, "0.9"), (0.99, "0.99"), (0.999, "0.999"), (1.0, "1")];

pub(super) async fn metrics(State(view): State<Arc<dyn View>>, headers: HeaderMap) -> Response {
    let readings = Readings::take(view.is_ready(), view.observations(), clock::wall());
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    match readings.text() {
        Ok(text) if accept.contains(OPENMETRICS) => ([(header::CONTENT_TYPE, OPENMETRICS_TYPE)], text).into_response(),
        Ok(text) => ([(header::CONTENT_TYPE, OLDER_TYPE)], older(&text)).into_response(),
        Err(fmt::Error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written").into_response(),
    }
}

/// The same in the older format, which names counters and information by their series, and knows neither units nor an end.
fn older(text: &str) -> String {
    let is_counter = |name: &str| text.contains(&format!("# TYPE {name} counter\n"));
    let is_info = |name: &str| text.contains(&format!("# TYPE {name} info\n"));
    let mut older = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF") {
        let described = ["# HELP ", "# TYPE "].iter().find_map(|what| Some((*what, line.strip_prefix(what)?.split_once(' ')?)));
        match described {
            Some((what, (name, rest))) if is_counter(name) => older.extend([what, name, "_total ", rest]),
            Some((what, (name, rest))) if is_info(name) => {
                older.extend([what, name, "_info ", if rest == "info" { "gauge" } else { rest }]);
            }
            _ => older.push_str(line),
        }
        older.push('\n');
    }
    older
}

/// Everything that is told, read at one moment.
#[derive(Debug)]
struct Readings {
    now: EventTime,
    is_ready: bool,
    outcomes: BTreeMap<&'static str, u64>,
    aborts: BTreeMap<String, u64>,
    replayed: u64,
    commits: u64,
    published: u64,
    snapshot_failures: u64,
    barriers_put_off: u64,
    spans_exported: u64,
    spans_dropped: u64,
    commit_time: Histogram<u64>,
    publish_time: Histogram<u64>,
    models: BTreeMap<&'static str, (String, Day)>,
    refits: BTreeMap<(&'static str, &'static str), u64>,
    scored: BTreeMap<&'static str, Scored>,
    partitions: BTreeMap<i32, PartitionGauges>,
    /// Records of inputs that are not forwarded yet, by topic and partition.
    forwarding_lags: BTreeMap<(String, i32), i64>,
    sizes: BTreeMap<i32, PartitionSize>,
    rule_costs: BTreeMap<String, RuleCost>,
    firing: FiringAlerts,
    alerts: AlertReadings,
    webhooks: BTreeMap<WebhookKey, WebhookReadings>,
}

impl Readings {
    fn take(is_ready: bool, observations: &Observations, now: EventTime) -> Self {
        Self {
            now,
            is_ready,
            outcomes: outcomes(observations),
            aborts: observations.aborts(),
            replayed: observations.replayed.get(),
            commits: observations.commits.get(),
            published: observations.published.get(),
            snapshot_failures: observations.snapshot_failures.get(),
            barriers_put_off: observations.barriers_put_off.get(),
            spans_exported: observations.spans_exported.get(),
            spans_dropped: observations.spans_dropped.get(),
            commit_time: observations.commit_time.snapshot(),
            publish_time: observations.publish_time.snapshot(),
            models: observations.models(),
            refits: observations.refits(),
            scored: observations.scored(),
            partitions: observations.partitions(),
            forwarding_lags: forwarding_lags(observations),
            sizes: observations.sizes(),
            rule_costs: by_segment(observations.rule_costs()),
            firing: observations.firing(),
            alerts: observations.alerts(),
            webhooks: observations.webhooks(),
        }
    }

    fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("stickiness");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }

    fn encode_service(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut build = page.family("build", "The running version.", None, MetricType::Info)?;
        build.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        let help = "Whether all partitions of this process are live: 1, or 0 while restoring.";
        page.family("ready", help, None, MetricType::Gauge)?.encode_gauge(&u64::from(self.is_ready))
    }

    fn encode_counters(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut events = page.family("events", "Records counted, by what became of them.", None, MetricType::Counter)?;
        for (outcome, count) in &self.outcomes {
            count_of(&mut events, &[("outcome", *outcome)], *count)?;
        }
        page.counter("replayed_records", "Records read again to rebuild state, which changed no figure.", self.replayed)?;
        page.counter("published_records", "Records published.", self.published)?;
        page.counter("commits", "Transactions committed.", self.commits)?;
        let mut aborts =
            page.family("aborts", "Transactions that did not commit and were done again, by reason.", None, MetricType::Counter)?;
        for (reason, count) in &self.aborts {
            count_of(&mut aborts, &[("reason", reason.as_str())], *count)?;
        }
        page.counter("snapshot_failures", "Snapshots that could not be stored.", self.snapshot_failures)?;
        let help = "Times that a closing by the clock or new settings had to wait for a snapshot to be stored.";
        page.counter("barriers_put_off", help, self.barriers_put_off)?;
        page.counter("spans_exported", "Spans of traces that a collector took.", self.spans_exported)?;
        page.counter("spans_dropped", "Spans of traces that no collector got.", self.spans_dropped)
    }

    fn encode_alerts(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "Alerts that fire, where this process aggregates.";
        let mut firing = page.family("alerts_firing", help, None, MetricType::Gauge)?;
        for ((name, severity), count) in &self.firing {
            firing.encode_family(&[("name", *name), ("severity", *severity)])?.encode_gauge(count)?;
        }
        let AlertReadings { records, requests } = self.alerts;
        page.counter("alert_records", "Records of alerts published since this process was elected to aggregate.", records)?;
        let help = "Requests to Alertmanager, by what became of them: accepted, failed and tried again, or refused for what they say.";
        let mut family = page.family("alertmanager_requests", help, None, MetricType::Counter)?;
        for (outcome, count) in [("accepted", requests.accepted), ("failed", requests.failed), ("refused", requests.refused)] {
            count_of(&mut family, &[("outcome", outcome)], count)?;
        }
        page.counter("alertmanager_overflows", "Alerts that Alertmanager was not told of for want of room.", requests.overflowed)
    }

    fn encode_models(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "The newest fitted churn model of each process: the day at whose close it takes over, in days since 1970-01-01.";
        let mut models = page.family("churn_model_day", help, None, MetricType::Gauge)?;
        for (process, (model_id, day)) in &self.models {
            let labels = [("process", *process), ("model_id", model_id.as_str())];
            models.encode_family(&labels)?.encode_gauge(&i64::from(day.number()))?;
        }
        let help = "Fits of churn models that this process made, by what became of them.";
        let mut refits = page.family("refits", help, None, MetricType::Counter)?;
        for ((process, outcome), count) in &self.refits {
            count_of(&mut refits, &[("process", *process), ("outcome", *outcome)], *count)?;
        }
        Ok(())
    }

    fn encode_calibration(&self, page: &mut Page<'_>) -> fmt::Result {
        let scored = &self.scored;
        let help = "Churn predictions whose horizon is over: the mean difference of predicted and observed share over twenty bins of risk.";
        page.of_each("churn_calibration_error", help, scored, |scored| scored.scores.error())?;
        let help = "Churn predictions whose horizon is over: the mean squared difference of the risk and what came.";
        page.of_each("churn_brier_score", help, scored, |scored| scored.scores.brier())?;
        let help = "Users whose churn predictions were scored.";
        page.of_each("churn_prediction_users", help, scored, |scored| Some(scored.scores.users()))?;
        let help = "The last day of the horizon of the churn predictions that were scored, in days since 1970-01-01.";
        page.of_each("churn_calibration_day", help, scored, |scored| Some(i64::from(scored.day.number())))?;
        let help = "The mean risk that was predicted, by bin.";
        let predicted = page.family("churn_calibration_predicted", help, None, MetricType::Gauge)?;
        encode_bins(predicted, scored, CalibrationBin::predicted)?;
        let help = "The share of users of whom nothing came within the horizon, by bin of the risk that was predicted.";
        let observed = page.family("churn_calibration_observed", help, None, MetricType::Gauge)?;
        encode_bins(observed, scored, CalibrationBin::observed)
    }

    fn encode_durations(&self, page: &mut Page<'_>) -> fmt::Result {
        page.durations("commit_duration", "Time from the begin of a transaction to its end", &self.commit_time)?;
        page.durations(
            "publish_latency",
            "Time from a record's Kafka timestamp to the commit that publishes what it changed",
            &self.publish_time,
        )
    }

    fn encode_partitions(&self, page: &mut Page<'_>) -> fmt::Result {
        let partitions = &self.partitions;
        let since = |millis: Option<i64>| millis.map(|millis| seconds_between(EventTime::from_millis(millis), self.now));
        let live = |gauges: &PartitionGauges| Some(i64::from(gauges.phase == PartitionPhase::Live));
        page.each("partition_live", "Whether the partition is counted live: 1, or 0 while restoring.", None, partitions, live)?;
        page.each("partition_lag_records", "Records in the log that are not committed.", None, partitions, lag)?;
        let help = "Records of an input that are not forwarded to the log yet, where kafka.repartition is set.";
        let mut forwarding = page.family("forwarding_lag_records", help, None, MetricType::Gauge)?;
        for ((topic, partition), lag) in &self.forwarding_lags {
            forwarding.encode_family(&[("topic", topic.as_str()), ("partition", partition.to_string().as_str())])?.encode_gauge(lag)?;
        }
        let watermark_lag = |gauges: &PartitionGauges| since(gauges.watermark_ms);
        page.each("watermark_lag", "Wall clock less the newest event time.", Some(&Unit::Seconds), partitions, watermark_lag)?;
        let snapshot_age = |gauges: &PartitionGauges| since(gauges.snapshot_at_ms);
        page.each(
            "snapshot_age",
            "Time since the newest snapshot that this process stored.",
            Some(&Unit::Seconds),
            partitions,
            snapshot_age,
        )?;
        let snapshot_size = |gauges: &PartitionGauges| gauges.snapshot_at_ms.map(|_| gauges.snapshot_bytes);
        page.each("snapshot_size", "Size of the newest snapshot that this process stored.", Some(&Unit::Bytes), partitions, snapshot_size)?;
        let overdue = |gauges: &PartitionGauges| Some(u64::from(gauges.snapshot_overdue));
        let help = "Whether no snapshot was stored for half of the log's retention: 1, or 0 while all is well.";
        page.each("snapshot_overdue", help, None, partitions, overdue)
    }

    fn encode_rules(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut users = page.family("segment_users", "Users in a segment of [[segments]].", None, MetricType::Gauge)?;
        for (segment, cost) in &self.rule_costs {
            users.encode_family(&[("segment", segment.as_str())])?.encode_gauge(&cost.users)?;
        }
        let since = "since the partitions were taken over";
        let mut counter = |name: &str, what: &str, count: fn(&RuleCost) -> u64| {
            let mut family = page.family(name, &format!("{what}, {since}."), None, MetricType::Counter)?;
            self.rule_costs.iter().try_for_each(|(segment, cost)| count_of(&mut family, &[("segment", segment.as_str())], count(cost)))
        };
        counter("segment_judgements", "How often the rule of a segment was judged", |cost| cost.judged)?;
        counter("segment_entries", "Users who entered a segment", |cost| cost.entered)?;
        counter("segment_exits", "Users who left a segment", |cost| cost.left)
    }

    #[expect(clippy::cast_precision_loss, reason = "bytes of memory are below 2^53")]
    fn encode_sizes(&self, page: &mut Page<'_>) -> fmt::Result {
        page.each("users", "Users known.", None, &self.sizes, |size| Some(size.users))?;
        page.each("merged_users", "Users of several ids.", None, &self.sizes, |size| Some(size.merged_users))?;
        page.each("state", "Memory that the users' state takes.", Some(&Unit::Bytes), &self.sizes, |size| Some(size.state_bytes))?;
        let help = "Events whose breakdown value was counted as `other` for want of room, since the partition was taken over.";
        page.each("breakdown_overflows", help, None, &self.sizes, |size| Some(size.overflows))?;
        let users: u64 = self.sizes.values().map(|size| size.users).sum();
        let bytes: u64 = self.sizes.values().map(|size| size.state_bytes).sum();
        let help = "Memory a user, the mean over all partitions.";
        let mut family = page.family("user_state", help, Some(&Unit::Bytes), MetricType::Gauge)?;
        if users == 0 { Ok(()) } else { family.encode_gauge(&(bytes as f64 / users as f64)) }
    }
}

/// What rules cost, by segment, over the partitions.
fn by_segment(costs: BTreeMap<i32, Vec<RuleCost>>) -> BTreeMap<String, RuleCost> {
    let mut summed: BTreeMap<String, RuleCost> = BTreeMap::new();
    for cost in costs.into_values().flatten() {
        let sum = summed.entry(cost.segment.clone()).or_default();
        sum.users += cost.users;
        sum.judged += cost.judged;
        sum.entered += cost.entered;
        sum.left += cost.left;
    }
    summed
}

impl Collector for Readings {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let page = &mut Page(encoder);
        self.encode_service(page)?;
        self.encode_counters(page)?;
        self.encode_alerts(page)?;
        self.encode_models(page)?;
        self.encode_calibration(page)?;
        self.encode_durations(page)?;
        self.encode_partitions(page)?;
        self.encode_sizes(page)?;
        self.encode_rules(page)?;
        webhooks::encode(&self.webhooks, self.now, page)
    }
}

/// Records by outcome: of the log, and what was refused on the way to it. What got there is not told twice.
fn outcomes(observations: &Observations) -> BTreeMap<&'static str, u64> {
    let mut outcomes = observations.outcomes();
    for (_, forwarding) in observations.forwarding() {
        for (outcome, count) in forwarding.outcomes().into_iter().filter(|(outcome, _)| *outcome != "forwarded") {
            *outcomes.entry(outcome).or_default() += count;
        }
    }
    outcomes
}

fn forwarding_lags(observations: &Observations) -> BTreeMap<(String, i32), i64> {
    let mut lags = BTreeMap::new();
    for (topic, forwarding) in observations.forwarding() {
        for (partition, gauges) in forwarding.partitions() {
            lags.extend(lag(&gauges).map(|lag| ((topic.clone(), partition), lag)));
        }
    }
    lags
}

/// What is being written, one family after another.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        unit: Option<&'s Unit>,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, unit, kind)
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        self.family(name, help, None, MetricType::Counter)?.encode_counter::<NoLabelSet, _, u64>(&count, None)
    }

    /// A gauge of each partition that has it.
    fn each<T, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        partitions: &BTreeMap<i32, T>,
        value: impl Fn(&T) -> Option<V>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, unit, MetricType::Gauge)?;
        for (partition, reading) in partitions {
            if let Some(value) = value(reading) {
                family.encode_family(&[("partition", *partition)])?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    /// A gauge of each process that has it.
    fn of_each<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        scored: &BTreeMap<&'static str, Scored>,
        value: impl Fn(&Scored) -> Option<V>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, None, MetricType::Gauge)?;
        for (process, scored) in scored {
            if let Some(value) = value(scored) {
                family.encode_family(&[("process", *process)])?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    /// A histogram, and its quantiles as gauges.
    fn durations(&mut self, name: &str, help: &str, durations: &Histogram<u64>) -> fmt::Result {
        let (seconds, quantiles) = (Unit::Seconds, format!("{name}_quantile"));
        let mut histogram = self.family(name, &format!("{help}."), Some(&seconds), MetricType::Histogram)?;
        let sum = durations.mean() * precise(durations.len()) / 1e6;
        histogram.encode_histogram::<NoLabelSet>(sum, durations.len(), &buckets(durations), None)?;
        let help = format!("{help}: the quantiles since the start, to three digits.");
        let mut family = self.family(&quantiles, &help, Some(&seconds), MetricType::Gauge)?;
        if durations.is_empty() {
            return Ok(());
        }
        for (quantile, label) in QUANTILES {
            let value = precise(durations.value_at_quantile(quantile)) / 1e6;
            family.encode_family(&[("q", label)])?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

/// A gauge of each bin that has users, labelled by its bounds.
fn encode_bins(
    mut family: MetricEncoder<'_>,
    scored: &BTreeMap<&'static str, Scored>,
    value: impl Fn(&CalibrationBin) -> Option<f64>,
) -> fmt::Result {
    for (process, scored) in scored {
        for (index, bin) in (0_u8..).zip(scored.scores.bins()) {
            let Some(value) = value(bin) else { continue };
            let bound = |number: u8| f64::from(number) / 20.0;
            let bounds = format!("{:.2}-{:.2}", bound(index), bound(index + 1));
            family.encode_family(&[("process", *process), ("bin", bounds.as_str())])?.encode_gauge(&value)?;
        }
    }
    Ok(())
}

fn count_of(family: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet, count: u64) -> fmt::Result {
    family.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)
}

#[expect(clippy::cast_precision_loss, reason = "an hour in microseconds, and counts, are below 2^53")]
fn precise(number: u64) -> f64 {
    number as f64
}

/// Upper bounds in seconds with what lies between each and the one before; the last has no bound.
fn buckets(durations: &Histogram<u64>) -> Vec<(f64, u64)> {
    let bounds = BOUNDS_MICROS.iter().map(|micros| precise(*micros) / 1e6).chain([f64::INFINITY]);
    let mut buckets: Vec<(f64, u64)> = bounds.map(|bound| (bound, 0)).collect();
    for step in durations.iter_recorded() {
        // Values of one step are equivalent to three digits; all of them count as the lowest.
        let value = durations.lowest_equivalent(step.value_iterated_to());
        let index = BOUNDS_MICROS.partition_point(|bound| *bound < value);
        if let Some((_, count)) = buckets.get_mut(index) {
            *count += step.count_at_value();
        }
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::observations::Durations;
    use std::time::Duration;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let durations = Durations::default();
        for micros in [1, 1_000, 1_010, 100_000, 60_000_000, 61_000_000] {
            durations.record(Duration::from_micros(micros), 2);
        }
        let filled: Vec<(f64, u64)> = buckets(&durations.snapshot()).into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.001, 4), (0.0025, 2), (0.1, 2), (60.0, 2), (f64::INFINITY, 2)]);
    }
}
