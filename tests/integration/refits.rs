//! Daily refits through the brokers: users of a habit that the priors do not know, a model of it on the topic, partitions that switch to it, and processes
//! that are killed around all of that. What was published is counted again with the models that the commits name.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use stickiness::io::clock::{self, Stopwatch};
use stickiness::model::churn::ProcessKind;
use stickiness::model::churn::settings::ChurnSettings;
use stickiness::model::partition::partition_of;
use stickiness::wire::model::PublishedModel;

use crate::support::broker::Broker;
use crate::support::feed::{MORE, PATIENCE, finish, today};
use crate::support::process::{Group, Process};
use crate::support::records::{Input, committed_metadata, create_topic, produce, read_committed};
use crate::support::recount::{Closing, assert_counts_input};

const TOPIC: &str = "refits";
const PARTITIONS: u32 = 2;
const USERS: usize = 1_500;
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Users of MBG/NBD with r = 1, α = 3 days, a = 1, b = 7, who come in the first twenty days.
struct Users {
    bootstrap: String,
    /// Days from the first on which each user is active.
    days: Vec<Vec<i64>>,
    first_ms: i64,
    fed: i64,
}

impl Users {
    fn new(bootstrap: &str) -> Self {
        create_topic(bootstrap, TOPIC, PARTITIONS.cast_signed());
        let mut random = ChaCha8Rng::seed_from_u64(21);
        let days = (0..USERS).map(|_| habit(&mut random)).collect();
        Self { bootstrap: bootstrap.to_owned(), days, first_ms: i64::from(today().number() - 90) * DAY, fed: 0 }
    }

    /// Produces the events of the next days, in the order of their time.
    fn feed(&mut self, days: i64) {
        let mut events: Vec<(i64, String)> = Vec::new();
        for day in self.fed..self.fed + days {
            let active = (0_i64..).zip(&self.days).filter(|(_, days)| days.contains(&day));
            events.extend(active.map(|(number, _)| (self.first_ms + day * DAY + number * 50_000, format!("u{number}"))));
        }
        self.fed += days;
        events.sort();
        let value = |(time, user): &(i64, String)| format!(r#"{{"user_id":"{user}","type":"activity","timestamp":{time}}}"#);
        let values: Vec<String> = events.iter().map(value).collect();
        let inputs = events.iter().zip(&values).map(|((_, user), value)| {
            let partition = partition_of(user.as_bytes(), PARTITIONS).cast_signed();
            Input { partition, key: user, value, timestamp_ms: clock::wall().millis() }
        });
        produce(&self.bootstrap, TOPIC, inputs);
    }
}

fn habit(random: &mut ChaCha8Rng) -> Vec<i64> {
    let mut uniform = || 1.0 - random.random::<f64>();
    let rate = -uniform().ln() / 3.0;
    // The smallest of seven uniform numbers is Beta(1, 7).
    let dropout = (0..7).map(|_| uniform()).fold(1.0, f64::min);
    let mut time = 20.0 * uniform();
    let mut days = Vec::new();
    while time < 90.0 {
        #[expect(clippy::cast_possible_truncation, reason = "up to 90")]
        days.push(time as i64);
        if uniform() <= dropout {
            break;
        }
        time -= uniform().ln() / rate;
    }
    days.dedup();
    days
}

fn wait_until_it_fails(mut process: Process, failpoint: &str) {
    let status = process.wait(PATIENCE);
    assert!(!status.success() && status.code().is_none(), "{failpoint}: {status}\n{}", process.log());
}

fn wait_for(process: &mut Process, what: &str, mut is_so: impl FnMut() -> bool) {
    let stopwatch = Stopwatch::start();
    while !is_so() {
        process.assert_runs();
        assert!(stopwatch.elapsed() < PATIENCE, "{what}\n{}", process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The models that were published, oldest first, as long as the topic is not compacted.
fn models(bootstrap: &str, group: &Group) -> Vec<PublishedModel> {
    let records = read_committed(bootstrap, &format!("{}.model", group.name));
    records.iter().map(|record| PublishedModel::decode(record.value.as_deref().expect("a value")).expect("a model")).collect()
}

/// Churn-risk records of activity: model and cause of each, in no order across partitions.
fn said(bootstrap: &str, group: &Group) -> Vec<(String, String)> {
    let records = read_committed(bootstrap, &format!("{}-churn-risk", group.name));
    let text = |record: &Value, field: &str| record[field].as_str().expect("text").to_owned();
    let parsed = records.iter().map(|record| serde_json::from_str::<Value>(record.text()).expect("JSON"));
    parsed.map(|record| (text(&record, "model_id"), text(&record, "cause"))).collect()
}

#[test]
fn a_refitted_model_takes_over_once_whoever_is_killed() {
    let bootstrap = Broker::shared().bootstrap();
    let mut users = Users::new(&bootstrap);
    let group = Group::new(&bootstrap, TOPIC, &[TOPIC], MORE);
    users.feed(45);
    for failpoint in ["model.before", "model.after", "model.scheduled"] {
        wait_until_it_fails(group.start_to_fail(failpoint), failpoint);
    }
    let first = models(&bootstrap, &group).first().expect("a model").clone();
    let mut process = group.start();
    wait_for(&mut process, "both partitions have committed the switch", || {
        let committed = committed_metadata(&bootstrap, TOPIC, TOPIC);
        committed.len() == 2 && committed.values().all(|metadata| metadata.switches_after(0).any(|switch| switch.model == first.model))
    });
    process.kill9();
    // The day before the switch, and that of its close: each killed once it has published something.
    users.feed(2);
    wait_until_it_fails(group.start_to_fail("commit.after@3"), "commit.after@3");
    users.feed(1);
    let mut process = group.start();
    let id = first.model.model_id();
    wait_for(&mut process, "the new model says something", || said(&bootstrap, &group).iter().any(|(model, _)| *model == id));
    process.kill9();
    users.feed(1);
    let process = group.start();
    wait_for_model_metric(&process, &first);
    finish(process, &bootstrap, &group, &[TOPIC]);
    assert_counts_input(&bootstrap, &group, TOPIC, Closing::ByEvents);
    assert_is_of_the_users(&first);
    let (said, prior) = (said(&bootstrap, &group), ChurnSettings::default().activity.process.model_id());
    assert!(said.iter().any(|(model, _)| *model == prior), "the prior spoke first");
    assert!(said.iter().any(|(model, cause)| *model == id && cause == "model"), "levels change by the switch");
}

fn wait_for_model_metric(process: &Process, oldest: &PublishedModel) {
    process.wait_for_log("listening address=", PATIENCE);
    let stopwatch = Stopwatch::start();
    let is_told = |line: &str| line.starts_with("stickiness_churn_model_day{process=\"activity\",model_id=\"mbg-nbd-day-");
    loop {
        let page = process.metrics_page().unwrap_or_default();
        let told = page.lines().find(|line| is_told(line)).and_then(|line| line.rsplit_once(' ')?.1.parse::<i32>().ok());
        if told.is_some_and(|day| day >= oldest.takes_effect.number()) {
            return;
        }
        assert!(stopwatch.elapsed() < PATIENCE, "{page}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The model is one of the users' habits, and not the prior.
fn assert_is_of_the_users(published: &PublishedModel) {
    let parameters = published.model.parameters;
    let mean_rate = parameters.r / parameters.alpha;
    assert_eq!(published.model.process, ProcessKind::Activity);
    assert!((0.2..0.5).contains(&mean_rate), "about a day in three: {parameters:?}");
    assert!(published.log_loss.0 < published.log_loss.1, "{published:?}");
    assert!(published.users > 1_400, "{published:?}");
    assert_eq!(published.takes_effect, published.judged_through + 2);
}
