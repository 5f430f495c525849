//! Terms of office that follow each other, in memory.

use super::*;
use crate::engine::partial::AlertInputs;

fn day(number: i32) -> Day {
    Day::from_number(20_454 + number)
}

fn alerting(settings: &str) -> Alerting {
    let settings = Settings::read(settings, []).expect("valid");
    let calendar = Arc::new(Calendar::new("UTC").expect("a zone"));
    Alerting::new(&settings, calendar, Arc::default())
}

/// What a partition tells of a day: a hundred become churned, more or less, and on some days three times as many.
fn inputs(number: i32) -> AlertInputs {
    let usual = 100 + i64::from((number * 37).rem_euclid(21)) - 10;
    let entered_churned = if (60..63).contains(&number) || [80, 350, 351, 400].contains(&number) { 300 } else { usual };
    let expected = 1_000_000_000_000;
    AlertInputs {
        entered_churned,
        could_enter_churned: 9_000,
        silent: 9_000,
        returned: 890 + usual,
        expected_billionths: expected,
        variance_billionths: expected * 9 / 10,
        ..AlertInputs::default()
    }
}

/// An aggregator that knows the days from 0 through `last`.
fn aggregator(segments: usize, last: i32) -> Aggregator {
    let mut aggregator = Aggregator::new(1);
    for number in 0..=last {
        let names = std::iter::once("all".to_owned()).chain((1..segments).map(|number| format!("channel={number}")));
        let segments = names.map(|name| (name, inputs(number))).collect();
        aggregator.update(0, Partial::Alerts { day: day(number), has_data: true, segments });
    }
    aggregator.update(0, Partial::Progress { newest: Some(day(last)), closed_through: day(last), limited: Vec::new() });
    aggregator
}

/// One term through day `last`: what it says after what was said before, of which the days through `final_through` are final.
fn term(settings: &str, last: i32, said: &[(String, Value)], final_through: Option<i32>) -> Vec<(String, Value)> {
    let mut alerting = alerting(settings);
    if let Some(through) = final_through {
        alerting.note_final(day(through));
    }
    for (key, value) in said {
        alerting.note(key, value);
    }
    let news = alerting.close(&mut aggregator(1, last));
    alerting.committed(news.clone());
    assert!(alerting.close(&mut aggregator(1, last)).is_empty(), "a day is closed once");
    news
}

#[test]
fn a_successor_goes_on_wherever_the_predecessor_ended() {
    let all = term("", 90, &[], None);
    let days: Vec<&str> = all.iter().filter_map(|(_, record)| record["day"].as_str()).collect();
    assert!(all.len() > 6 && days.contains(&day(62).to_string().as_str()) && days.is_sorted(), "{days:?}");
    for cut in [0, 40, 59, 60, 61, 63, 64, 65, 79, 80, 81, 90] {
        let mut said = term("", cut, &[], None);
        said.extend(term("", 90, &said, Some(cut)));
        assert_eq!(said, all, "cut after day {cut}");
    }
    // Later, the book is made anew from the last 238 days alone.
    let all = term("", 420, &[], None);
    for cut in [340, 350, 351, 352, 353, 399, 400, 420] {
        let mut said = term("", cut, &[], None);
        said.extend(term("", 420, &said, Some(cut)));
        assert_eq!(said, all, "cut after day {cut}");
    }
}

#[test]
fn what_was_final_before_alerts_were_watched_raises_none() {
    assert!(term("", 75, &[], Some(75)).is_empty());
    let later = term("", 90, &[], Some(75));
    assert!(!later.is_empty() && later.iter().all(|(_, record)| record["day"].as_str() > Some(&day(75).to_string())));
}

#[test]
fn alerts_that_nobody_would_end_are_ended() {
    let said = term("", 61, &[], None);
    let firing = said.last().expect("an alert");
    assert_eq!(firing.1["status"], "firing");
    for settings in ["[alerts]\nenabled = false", "[alerts]\nminimum_count = 1000"] {
        let ended = term(settings, 62, &said, Some(61));
        assert_eq!(ended.len(), 1, "{settings}");
        assert_eq!((&ended[0].0, &ended[0].1["status"]), (&firing.0, &json!("resolved")));
        assert_eq!(ended[0].1["ends_at"], json!(format!("{}T00:00:00Z", day(62))));
    }
}

#[test]
fn what_fires_is_observed_where_it_is_aggregated() {
    let mut fresh = alerting("");
    let news = fresh.close(&mut aggregator(1, 61));
    fresh.committed(news);
    assert_eq!(fresh.observations.firing(), BTreeMap::from([(("churn_spike", "critical"), 1)]));
    let observations = Arc::clone(&fresh.observations);
    drop(fresh);
    assert!(observations.firing().is_empty(), "another process may aggregate");
}

/// `cargo test --lib alerting -- --ignored --nocapture`
#[test]
#[ignore = "a measurement without anything to hold: how long a successor takes to make the book anew; run by hand as above"]
fn a_book_of_a_hundred_segments_is_made_anew() {
    let mut alerting = alerting("");
    let mut aggregator = aggregator(101, 475);
    let stopwatch = crate::io::clock::Stopwatch::start();
    let news = alerting.close(&mut aggregator);
    println!("101 segments, 476 days: {:?}, {} records", stopwatch.elapsed(), news.len());
}
