//! A view with made-up figures that fit together: some hundred users over 120 days, counted day by day.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "made-up numbers are small"
)]

#[path = "fake/figures.rs"]
mod figures;
#[path = "fake/stories.rs"]
mod stories;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use figures::figures;
use serde_json::json;
use stickiness::config::{HttpSettings, Settings};
use stickiness::engine::predictions::Scored;
use stickiness::io::http::{Changes, Days, UserAnswer, View};
use stickiness::io::observations::{DeadLetter, Observations, PartitionGauges, PartitionPhase, PartitionSize, WebhookReadings};
use stickiness::model::churn::calibration::Calibration;
use stickiness::model::time::Day;

/// What is known of a segment: by day the record, with the number of its change.
type Segment = BTreeMap<Day, (u64, Arc<str>)>;

/// A made-up service.
pub(crate) struct Fake {
    pub(crate) is_ready: AtomicBool,
    segments: Mutex<BTreeMap<String, Segment>>,
    alerts: Vec<Arc<str>>,
    insights: Option<String>,
    observations: Observations,
}

impl Fake {
    /// One that knows nothing.
    pub(crate) fn empty() -> Self {
        let (segments, observations) = (Mutex::default(), Observations::default());
        Self { is_ready: AtomicBool::new(true), segments, alerts: Vec::new(), insights: None, observations }
    }

    /// One whose newest day is `newest`.
    pub(crate) fn new(newest: Day, now_ms: i64) -> Self {
        let fake = Self {
            alerts: stories::alerts(newest),
            insights: Some(stories::insights(newest)),
            observations: observations(now_ms),
            ..Self::empty()
        };
        for (index, segment) in ["all", "channel=app", "channel=web"].into_iter().enumerate() {
            fake.put_all(segment, figures(segment, newest, index as u64));
        }
        fake
    }

    /// Publishes a record of a segment.
    pub(crate) fn put(&self, segment: &str, day: Day, record: &str) {
        let mut segments = self.segments.lock().expect("no panic");
        let number = newest_change(&segments) + 1;
        segments.entry(segment.to_owned()).or_default().insert(day, (number, Arc::from(record)));
    }

    fn put_all(&self, segment: &str, records: BTreeMap<Day, Arc<str>>) {
        for (day, record) in records {
            self.put(segment, day, &record);
        }
    }

    /// One that tells of no groups and raised nothing.
    pub(crate) fn plain(newest: Day, now_ms: i64) -> Self {
        Self { alerts: Vec::new(), insights: None, ..Self::new(newest, now_ms) }
    }

    /// One whose names and texts try to be more than text, with a thousand segments.
    pub(crate) fn hostile(newest: Day, now_ms: i64) -> Self {
        let mut fake = Self::new(newest, now_ms);
        for number in 0..1000 {
            let record = json!({ "schema": "stickiness.metrics.v1", "day": newest.to_string(), "time_zone": "UTC", "segment": "", "final": false, "dau": number });
            fake.put(&format!("country=land {number}"), newest, &record.to_string());
        }
        for text in stories::HOSTILE {
            fake.put_all(&format!("name={text}"), figures("all", newest, 1));
        }
        fake.put(&format!("name={}", "long".repeat(2000)), newest, r#"{"day":"2026-01-01"}"#);
        fake.alerts = stories::hostile_alerts(newest);
        for text in stories::HOSTILE {
            fake.observations.dead_letters.note(DeadLetter::new(|_| Some(text.as_bytes()), Some(text.as_bytes()), Some(text.as_bytes())));
        }
        fake
    }
}

fn newest_change(segments: &BTreeMap<String, Segment>) -> u64 {
    segments.values().flatten().map(|(_, (number, _))| *number).max().unwrap_or(0)
}

impl View for Fake {
    fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }

    fn metrics(&self, segment: &str, days: Days) -> Vec<Arc<str>> {
        let segments = self.segments.lock().expect("no panic");
        let of_segment = segments.get(segment).into_iter().flatten();
        of_segment.filter(|(day, _)| days.contains(**day)).map(|(_, (_, record))| Arc::clone(record)).collect()
    }

    fn changes(&self, segment: &str, since: u64) -> Changes {
        let segments = self.segments.lock().expect("no panic");
        let of_segment = segments.get(segment).into_iter().flatten();
        let changed = of_segment.filter(|(_, (number, _))| *number > since).map(|(_, (_, record))| Arc::clone(record));
        Changes { number: newest_change(&segments), records: changed.collect() }
    }

    fn segments(&self) -> Vec<String> {
        self.segments.lock().expect("no panic").keys().cloned().collect()
    }

    fn alerts(&self) -> Vec<Arc<str>> {
        self.alerts.clone()
    }

    fn insights(&self) -> Result<String, String> {
        self.insights.clone().ok_or_else(|| "there are no insights yet".to_owned())
    }

    fn with_ranks(&self, profile: &[u8]) -> Result<String, String> {
        self.insights()?;
        let mut profile: serde_json::Value = serde_json::from_slice(profile).map_err(|error| error.to_string())?;
        profile["ranks"] = serde_json::json!({ "rfm": null });
        Ok(profile.to_string())
    }

    fn own_insights(&self, day: Option<Day>) -> Option<Vec<u8>> {
        self.insights.as_ref().map(|_| day.map_or_else(|| "any".to_owned(), |day| day.to_string()).into_bytes())
    }

    fn own_user(&self, id: &str) -> UserAnswer {
        if id == "afar" { UserAnswer::Elsewhere } else { self.user(id) }
    }

    fn user(&self, id: &str) -> UserAnswer {
        match id {
            "busy" => UserAnswer::Busy,
            "elsewhere" => UserAnswer::Elsewhere,
            "unreachable" => UserAnswer::Unreachable("the process at http://b:1 does not answer: refused".to_owned()),
            "slow" => {
                std::thread::sleep(Duration::from_secs(2));
                UserAnswer::Unknown
            }
            "panic" => panic!("a bug"),
            "huge" => UserAnswer::Found(vec![b'x'; 64 << 20]),
            "hostile" => UserAnswer::Found(stories::hostile_profile().to_string().into_bytes()),
            _ if id.starts_with("no") || !self.is_ready() => UserAnswer::Unknown,
            _ => UserAnswer::Found(stories::profile(id).to_string().into_bytes()),
        }
    }

    fn observations(&self) -> &Observations {
        &self.observations
    }
}

/// Settings that listen on a free port.
pub(crate) fn settings(token: Option<&str>) -> HttpSettings {
    let token = token.map(|token| format!("token = {token:?}")).unwrap_or_default();
    Settings::read(&format!("[http]\nlisten = \"127.0.0.1:0\"\n{token}"), []).expect("valid settings").http
}

fn observations(now_ms: i64) -> Observations {
    let observations = Observations::default();
    observations.count_outcomes(&BTreeMap::from([("accepted", 48_211), ("duplicate", 312), ("too_late", 9)]));
    let forwarding = Arc::new(Observations::default());
    forwarding.count_outcomes(&BTreeMap::from([("forwarded", 48_000), ("too_late", 1), ("malformed", 4)]));
    let gauges = PartitionGauges {
        phase: PartitionPhase::Live,
        next_offset: 48_005,
        committed_offset: 48_000,
        log_end: Some(48_007),
        watermark_ms: None,
        snapshot_at_ms: None,
        snapshot_bytes: 0,
        snapshot_overdue: false,
    };
    forwarding.set_partition(2, gauges);
    observations.watch_forwarding("clicks", forwarding);
    observations.count_abort("\"odd\\\nreason");
    observations.change_webhook(&("crm".to_owned(), "transitions"), |readings| {
        *readings = WebhookReadings { delivered: 812, given_up: 3, filtered: 9_001, lost: 0, failures: 17, oldest_ms: Some(1_000) };
    });
    let mut scores = Calibration::default();
    for (risk, came) in [(0.12, true), (0.14, false), (0.92, false)] {
        scores.add(risk, came);
    }
    observations.set_scored(BTreeMap::from([("activity", Scored { day: Day::from_number(20_500), scores })]));
    observations.commits.add(1204);
    observations.published.add(30_771);
    for micros in 1..=1000 {
        observations.commit_time.record(Duration::from_micros(micros * 40), 1);
        observations.publish_time.record(Duration::from_micros(micros * 400), 48);
    }
    for partition in 0..4 {
        let gauges = PartitionGauges {
            phase: PartitionPhase::Live,
            next_offset: 12_000 + i64::from(partition),
            committed_offset: 12_000,
            log_end: Some(12_003),
            watermark_ms: Some(now_ms - 900),
            snapshot_at_ms: (partition > 0).then_some(now_ms - 41_000),
            snapshot_bytes: 1 << 20,
            snapshot_overdue: false,
        };
        observations.set_partition(partition, gauges);
        observations.set_size(partition, PartitionSize { users: 600, merged_users: 40, state_bytes: 600 * 211, overflows: 0 });
    }
    for (reason, detail, value) in [
        ("malformed", "no JSON: expected value at line 1 column 2", "this is no event".as_bytes()),
        ("unknown_type", "`telepathy` is not in the vocabulary", br#"{"event_id":"e9","user_id":"u1","type":"telepathy","timestamp":1}"#),
    ] {
        let header = |name: &str| match name {
            "stickiness.reason" => Some(reason.as_bytes()),
            "stickiness.detail" => Some(detail.as_bytes()),
            "stickiness.topic" => Some(b"events".as_slice()),
            "stickiness.partition" | "stickiness.offset" => Some(b"3".as_slice()),
            _ => None,
        };
        observations.dead_letters.note(DeadLetter::new(header, Some(b"u1"), Some(value)));
    }
    observations
}
