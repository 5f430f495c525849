//! Levels of churn risk, step by step: what is said, when, and why.

use serde_json::{Value, json};
use stickiness::engine::effect::{Admission, Effect};
use stickiness::engine::settings::EngineSettings;
use stickiness::model::churn::refit::FittedModel;
use stickiness::model::churn::{ChurnProcess, History, ProcessKind};
use stickiness::model::event::{Event, EventType, Facts, ReturnFacts};
use stickiness::model::time::Day;
use stickiness::wire::records;

use crate::scenarios::{Bench, day, event, order};

impl Bench {
    /// Churn-risk records since the last call.
    pub(crate) fn risks(&mut self) -> Vec<Value> {
        let effects = self.engine.drain_effects().into_iter();
        effects
            .filter_map(|effect| if let Effect::RiskChanged(change) = effect { Some(records::churn_risk(&change)) } else { None })
            .collect()
    }

    /// The same of one process, as `user from>to as_of cause`.
    fn levels(&mut self, process: &str) -> Vec<String> {
        let line = |record: &Value| {
            let text = |field: &str| record[field].to_string().replace('"', "");
            format!("{} {}>{} {} {}", text("user_id"), text("from"), text("to"), text("as_of"), text("cause"))
        };
        self.risks().iter().filter(|record| record["process"] == process).map(line).collect()
    }

    fn happens(&mut self, user: &str, kind: EventType, at: &str) {
        assert_eq!(self.take(&event(user, kind, at)), Admission::Accepted);
    }
}

/// Every day of January: as low as it gets.
fn regular(settings: EngineSettings) -> Bench {
    let mut bench = Bench::new(settings);
    for number in 1..=31 {
        bench.active("a", &format!("2026-01-{number:02}"));
    }
    bench
}

#[test]
fn a_level_rises_with_silence_until_the_user_is_churned() {
    let mut bench = regular(EngineSettings::default());
    let first = bench.risks();
    assert_eq!(
        (first[0]["from"].clone(), first[0]["to"].clone(), first[0]["reasons"].clone()),
        (json!(null), json!("medium"), json!(["seen on one day only"]))
    );
    assert_eq!(first.last().expect("one")["to"], "low");
    bench.active("b", "2026-04-01");
    let said = bench.risks();
    let of_a: Vec<&Value> = said.iter().filter(|record| record["user_id"] == "a").collect();
    let levels: Vec<_> = of_a.iter().map(|record| (record["from"].as_str().expect("one"), record["to"].as_str().expect("one"))).collect();
    assert_eq!(levels, [("low", "medium"), ("medium", "high"), ("high", "churned")]);
    // On each of the days, and on none before, the model's risk reaches the threshold.
    let process = EngineSettings::default().churn.activity.process;
    let risk = |silent_days| process.risk(&History { repeats: 30, recency_days: 30, silent_days });
    for (record, threshold) in of_a.iter().zip([0.5, 0.8]) {
        let silent = i32::try_from(record["days_silent"].as_i64().expect("days")).expect("few");
        assert!(risk(silent) >= threshold && risk(silent - 1) < threshold, "{record}");
        assert_eq!(record["risk"], json!(risk(silent)));
        assert_eq!(day(record["as_of"].as_str().expect("a day")), day("2026-01-31") + silent);
    }
    assert_eq!((&of_a[2]["as_of"], &of_a[2]["cause"], &of_a[2]["days_seen"]), (&json!("2026-03-03"), &json!("clock"), &json!(31)));
    assert_eq!(
        of_a[2]["reasons"],
        json!(["silent for more than the 30 days that are allowed", "silent for 31 days, usually back after 1.0"])
    );
    assert_eq!((&of_a[2]["horizon_days"], &of_a[2]["model_id"]), (&json!(30), &json!(process.model_id())));
    bench.active("a", "2026-04-01");
    assert_eq!(bench.levels("activity"), ["a churned>low 2026-04-01 event"]);
}

#[test]
fn who_cancels_is_churned_until_a_later_event_of_the_process() {
    for kind in [EventType::SubscriptionCancelled, EventType::CustomerLost] {
        let mut bench = regular(EngineSettings::default());
        bench.take(&order("a", "o1", "2026-01-31", 10));
        bench.risks();
        bench.happens("a", kind, "2026-01-31T13:00:00Z");
        assert_eq!(bench.levels("activity"), ["a low>churned 2026-01-31 cancelled"]);
        // Not later: it comes late, on the same day.
        bench.active("a", "2026-01-31T13:00:00Z");
        assert!(bench.risks().is_empty());
        bench.active("a", "2026-01-31T13:00:00.001Z");
        assert_eq!(bench.levels("activity"), ["a churned>low 2026-01-31 event"]);
        bench.active("a", "2026-02-01T13:00:00Z");
        assert!(bench.levels("purchase").is_empty(), "no order came");
        bench.take(&order("a", "o2", "2026-02-01T14:00:00Z", 10));
        assert_eq!(bench.levels("purchase").len(), 1);
        // A departure that comes late is no longer the last word.
        bench.happens("a", kind, "2026-02-01T11:00:00Z");
        assert!(bench.risks().is_empty());
    }
}

#[test]
fn a_complaint_that_waits_raises_the_level_until_it_is_resolved() {
    let mut bench = regular(EngineSettings::default());
    bench.risks();
    let complaint = |kind, at| Event { facts: Facts::Complaint("c".into()), ..event("a", kind, at) };
    bench.take(&complaint(EventType::ComplaintOpened, "2026-01-25T15:00:00Z"));
    for number in 1..=3 {
        bench.active("a", &format!("2026-02-{number:02}"));
    }
    let said = bench.risks();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((&said[0]["as_of"], &said[0]["to"], &said[0]["cause"]), (&json!("2026-02-02"), &json!("medium"), &json!("complaint")));
    assert_eq!(said[0]["reasons"], json!(["a complaint is open for 8 days"]));
    bench.take(&complaint(EventType::ComplaintResolved, "2026-02-03T15:00:00Z"));
    assert_eq!(bench.levels("activity"), ["a medium>low 2026-02-03 complaint"]);
}

#[test]
fn an_order_that_falls_takes_its_day_back() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.take(&order("a", "o1", "2026-01-01", 10));
    assert_eq!(bench.levels("purchase").len(), 1);
    let returned = Facts::Return(ReturnFacts { order_id: "o1".into(), amount: None });
    bench.take(&Event { facts: returned, ..event("a", EventType::OrderReturned, "2026-01-02") });
    let said = bench.risks();
    assert_eq!((said.len(), &said[0]["to"], &said[0]["risk"], &said[0]["days_seen"]), (1, &json!(null), &json!(null), &json!(0)));
    bench.active("b", "2027-01-01");
    assert!(bench.levels("purchase").is_empty(), "there is nothing left to say");
}

#[test]
fn other_thresholds_judge_everyone_at_the_next_close() {
    let mut bench = regular(EngineSettings::default());
    bench.risks();
    let mut settings = EngineSettings::default();
    settings.churn.medium = 0.001;
    bench.engine.adopt(&settings).expect("no other history");
    bench.active("b", "2026-02-01T02:00:00Z");
    assert_eq!(bench.levels("activity")[0], "a low>medium 2026-01-31 clock");
}

#[test]
fn merged_ids_have_one_level() {
    let mut bench = regular(EngineSettings::default());
    bench.happens("b", EventType::Activity, "2026-01-31");
    bench.risks();
    bench.take(&Event { facts: Facts::MergedInto("b".into()), ..event("a", EventType::UserMerged, "2026-01-31T13:00:00Z") });
    assert_eq!(bench.levels("activity"), ["b medium>low 2026-01-31 merge"]);
    bench.active("z", "2026-06-01");
    let said = bench.levels("activity");
    assert!(said.iter().all(|said| said.starts_with('b') || said.starts_with('z')), "{said:?}");
}

/// `cargo test --release --test engine closing -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, which a busy machine would fail: run by hand as above on a quiet one"]
#[allow(clippy::disallowed_methods, reason = "a stopwatch")]
fn closing_a_day_of_a_million_users_takes_little() {
    let mut bench = Bench::new(EngineSettings::default());
    let first = day("2026-01-01");
    let (mut events, mut counting) = (0_u32, std::time::Duration::ZERO);
    let mut closes = Vec::new();
    for number in 0..28 {
        let today = (first + number).to_string();
        let mut event = event("", EventType::Activity, &today);
        let began = std::time::Instant::now();
        for user in 0..1_000_000_u32 {
            // A fifth comes every day, others every 2, 5, 10 or 30 days, about.
            let gap = [1, 2, 5, 10, 30][(user % 5) as usize];
            let chance =
                (user.wrapping_mul(2_654_435_761) ^ number.cast_unsigned().wrapping_mul(2_246_822_519)).wrapping_mul(3_266_489_917);
            if (chance >> 8).is_multiple_of(gap) {
                event.user_id = user.to_string().into();
                bench.engine.handle(&event, None);
                events += 1;
            }
        }
        counting += began.elapsed();
        bench.engine.drain_effects();
        let began = std::time::Instant::now();
        bench.engine.close_through(first + number);
        closes.push((began.elapsed(), bench.engine.drain_effects().len()));
        bench.engine.take_partials();
    }
    println!("{events} events, {:?} each", counting / events);
    println!("closes, with what they said: {closes:?}");
    let longest = closes.iter().map(|(time, _)| *time).max().expect("some");
    assert!(longest < std::time::Duration::from_millis(50), "{longest:?}");
    let (slices, close, said) = close_with_a_switch(&mut bench, first + 28);
    let (longest, all) = (slices.iter().max().expect("some"), slices.iter().sum::<std::time::Duration>());
    println!("ahead of a switch: longest slice {longest:?}, all {all:?}; its close {close:?}, which said {said}");
    assert!(close < std::time::Duration::from_millis(50), "{close:?}");
}

/// The close at which models take over that differ from those in force by a per cent, as from one day to the next.
#[allow(clippy::disallowed_methods, reason = "a stopwatch")]
fn close_with_a_switch(bench: &mut Bench, day: Day) -> (Vec<std::time::Duration>, std::time::Duration, usize) {
    for kind in [ProcessKind::Activity, ProcessKind::Purchase] {
        let ChurnProcess { model, unit, mut parameters, .. } = bench.engine.churn().of(kind).process;
        parameters.alpha *= 1.01;
        bench.engine.schedule_model(&FittedModel { process: kind, model, unit, parameters }, day).expect("news");
    }
    let slice = |bench: &mut Bench| {
        let began = std::time::Instant::now();
        bench.engine.work_ahead(10_000);
        began.elapsed()
    };
    let slices: Vec<_> = (0..120).map(|_| slice(bench)).collect();
    let began = std::time::Instant::now();
    bench.engine.close_through(day);
    let (close, said) = (began.elapsed(), bench.engine.drain_effects().len());
    (slices, close, said)
}
