//! Cases that a property once found, kept.

use stickiness::engine::settings::{Breakdown, EngineSettings};
use stickiness::model::time::Day;

use crate::alerts::{is_exact, with_deletions};
use crate::cluster::Cluster;
use crate::generated::{Sketch, arrivals, rules};
use crate::properties::{agrees, once, transitions};

fn sketch(user: usize, what: usize, hour: i64, number: usize) -> Sketch {
    Sketch { user, what, hour, number, channel: 0, delay_hours: 0, copies: vec![] }
}

fn settings() -> EngineSettings {
    EngineSettings { breakdowns: vec![Breakdown { property: "channel".into(), values: None }], ..EngineSettings::default() }
}

#[test]
fn an_open_complaint_moves_with_its_user() {
    let sketches = [sketch(0, 12, 0, 0), sketch(0, 0, 0, 0), sketch(0, 20, 1513, 1), sketch(0, 9, 0, 0), sketch(0, 9, 1, 0)];
    agrees(&settings(), &sketches, 2, &[3]).expect("agrees");
}

#[test]
fn an_open_complaint_keeps_its_segment_alive_in_another_partition() {
    agrees(&settings(), &[sketch(0, 0, 2472, 0), sketch(1, 12, 0, 0)], 2, &[]).expect("agrees");
}

#[test]
fn a_late_day_is_told_before_time_makes_it_final() {
    let late = Sketch { delay_hours: 20 * 24, ..sketch(0, 0, 72, 0) };
    agrees(&settings(), &[sketch(0, 0, 361, 0), late, sketch(0, 0, 3360, 0)], 1, &[1]).expect("agrees");
}

#[test]
fn who_comes_from_another_partition_is_one_with_the_id_that_was_named_even_if_the_way_led_to_one_that_was_deleted() {
    let later = |delay_hours: i64, sketch: Sketch| Sketch { delay_hours, ..sketch };
    let sketches = [
        later(274, sketch(1, 20, 1366, 6)),
        later(376, sketch(6, 0, 747, 0)),
        later(240, sketch(5, 20, 424, 35)),
        sketch(6, 20, 0, 12),
        later(399, sketch(5, 17, 265, 0)),
    ];
    is_exact(&settings(), &with_deletions(arrivals(&sketches)), 2, &[49]).expect("exact");
}

#[test]
fn a_user_who_moved_is_joined_by_a_late_record_that_is_dated_before_the_move() {
    let late = Sketch { delay_hours: 605, ..sketch(1, 20, 307, 9) };
    agrees(&settings(), &[sketch(1, 20, 912, 6), late, sketch(1, 0, 0, 0), sketch(0, 0, 0, 0)], 6, &[3]).expect("agrees");
}

#[test]
fn a_user_who_moves_in_where_no_event_ever_was_is_told_of_at_once() {
    let events = arrivals(&[sketch(1, 0, 0, 0), sketch(1, 0, 30, 0), sketch(1, 20, 140, 6)]);
    let first = Day::parse("2026-01-01").expect("a day");
    let mut cluster = Cluster::new(&settings(), 6);
    let active = |cluster: &mut Cluster| -> Vec<i64> {
        cluster.publish();
        let records = cluster.last_records();
        (0..4).map(|day| records[&("all".to_owned(), first + day)]["wau_7d"].as_i64().expect("a count")).collect()
    };
    for event in &events[..2] {
        cluster.handle(event);
    }
    cluster.close_through(first + 3);
    assert_eq!(active(&mut cluster), [1, 1, 1, 1]);
    // The partition that is left takes all these days back.
    cluster.handle(&events[2]);
    assert_eq!(active(&mut cluster), [1, 1, 1, 1]);
}

#[test]
fn a_repeat_of_activity_that_comes_before_a_merge_says_nothing_of_its_own() {
    let repeated = Sketch { copies: vec![700], ..sketch(1, 0, 1433, 0) };
    let late = Sketch { delay_hours: 321, ..sketch(1, 20, 1812, 19) };
    let events = arrivals(&[sketch(5, 5, 0, 0), repeated, sketch(1, 21, 456, 0), late, sketch(0, 0, 1440, 0)]);
    let settings = EngineSettings { segments: rules(), ..settings() };
    assert_eq!(transitions(&settings, &events, 1, &[]), transitions(&settings, &once(&events), 1, &[]));
}
