//! What is told of webhooks.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::{Page, count_of};
use crate::io::http::api::seconds_between;
use crate::io::observations::{WebhookKey, WebhookReadings};
use crate::model::time::EventTime;

pub(super) fn encode(webhooks: &BTreeMap<WebhookKey, WebhookReadings>, now: EventTime, page: &mut Page<'_>) -> fmt::Result {
    let help = "Records for webhooks, by what became of them: delivered, given_up (they are dead letters), filtered, or lost (gone from the topic).";
    let mut records = page.family("webhook_records", help, None, MetricType::Counter)?;
    for ((webhook, kind), readings) in webhooks {
        let WebhookReadings { delivered, given_up, filtered, lost, .. } = readings;
        for (outcome, count) in [("delivered", delivered), ("given_up", given_up), ("filtered", filtered), ("lost", lost)] {
            let labels = [("webhook", webhook.as_str()), ("records", *kind), ("outcome", outcome)];
            count_of(&mut records, &labels, *count)?;
        }
    }
    let help = "Attempts to post a record to a webhook that failed and were made again.";
    let mut failures = page.family("webhook_failures", help, None, MetricType::Counter)?;
    for ((webhook, kind), readings) in webhooks {
        count_of(&mut failures, &[("webhook", webhook.as_str()), ("records", *kind)], readings.failures)?;
    }
    let help = "How long ago the oldest record that waits for a webhook was published; 0 when none waits.";
    let mut oldest = page.family("webhook_oldest_undelivered", help, Some(&Unit::Seconds), MetricType::Gauge)?;
    for ((webhook, kind), readings) in webhooks {
        let age = readings.oldest_ms.map_or(0.0, |millis| seconds_between(EventTime::from_millis(millis), now));
        oldest.encode_family(&[("webhook", webhook.as_str()), ("records", *kind)])?.encode_gauge(&age)?;
    }
    Ok(())
}
