//! Lives of alerts, told day by day.

use super::*;

const USERS: u64 = 10_000;

fn day(number: i32) -> Day {
    Day::from_number(number)
}

/// A day of a segment with so many entries into churned, and the usual in everything else.
fn churned(segment: &str, number: i32, count: u64) -> SegmentDay {
    SegmentDay {
        segment: segment.to_owned(),
        has_data: true,
        entered_high: Entries { count: usual(number), at_risk: USERS },
        entered_churned: Entries { count, at_risk: USERS },
        returns: Returns { silent: USERS, observed: 900 + usual(number), expected: 1_000.0, variance: 900.0 },
    }
}

/// A hundred, more or less.
fn usual(number: i32) -> u64 {
    100 + u64::try_from((number * 37).rem_euclid(21)).expect("positive") - 10
}

/// Tells a book days from 0 on, and says on which day what happened: `+` started, `.` goes on, `-` ended.
struct Told {
    book: AlertBook,
    next: i32,
    log: Vec<String>,
    changes: Vec<AlertChange>,
}

impl Told {
    fn new(settings: AlertSettings) -> Self {
        Self { book: AlertBook::new(settings), next: 0, log: Vec::new(), changes: Vec::new() }
    }

    fn tell(&mut self, segments: &[SegmentDay]) {
        let changes = self.book.close_day(day(self.next), segments);
        for AlertChange { kind, alert } in &changes {
            let sign = match kind {
                AlertChangeKind::Started => '+',
                AlertChangeKind::GoesOn => '.',
                AlertChangeKind::Ended => '-',
            };
            self.log.push(format!("{}{sign}{}", self.next, alert.labels.segment));
        }
        self.changes.extend(changes);
        self.next += 1;
    }

    /// Tells days of `all` with these entries into churned.
    fn counts(&mut self, counts: impl IntoIterator<Item = u64>) {
        for count in counts {
            self.tell(&[churned(ALL, self.next, count)]);
        }
    }

    fn usual_days(&mut self, days: i32) {
        self.counts((self.next..self.next + days).map(usual));
    }
}

#[test]
fn a_spike_fires_goes_on_and_is_resolved_after_calm_days() {
    let mut told = Told::new(AlertSettings::default());
    told.usual_days(60);
    told.counts([200, 210, 150]);
    told.usual_days(3);
    assert_eq!(told.log, ["60+all", "61.all", "62.all", "63.all", "64-all"]);
    let first = told.changes[0].alert.clone();
    assert_eq!((first.name, first.status, first.severity), (AlertName::ChurnSpike, AlertStatus::Firing, Severity::Critical));
    assert_eq!((first.starts, first.ends, first.day, first.observed, first.at_risk), (day(60), None, day(60), 200, USERS));
    assert!((first.expected - 100.0).abs() < 3.0 && first.p_value < 1e-4, "{first:?}");
    assert!(first.upper.is_some_and(|upper| (120..200).contains(&upper)), "{first:?}");
    assert!(first.summary.starts_with("On 1970-03-02, 200 of all users churned where 97 were expected, "), "{}", first.summary);
    let last = &told.changes[4].alert;
    assert_eq!((last.status, last.starts, last.ends), (AlertStatus::Resolved, day(60), Some(day(63))));
    assert!(told.changes.iter().all(|change| change.alert.fingerprint == first.fingerprint));
    assert_eq!(told.book.firing().count(), 0);
    told.counts([200]);
    assert_ne!(told.changes[5].alert.fingerprint, first.fingerprint, "another start is another alert");
}

#[test]
fn firing_days_stay_out_of_the_baseline() {
    let mut told = Told::new(AlertSettings { level_shift_days: 60, ..AlertSettings::default() });
    told.usual_days(40);
    told.counts([200; 20]);
    let expected: Vec<f64> = told.changes.iter().map(|change| change.alert.expected).collect();
    assert!(expected.iter().all(|expected| (expected - 100.0).abs() < 6.0), "{expected:?}");
    told.usual_days(2);
    assert_eq!(told.log.last().map(String::as_str), Some("61-all"));
}

#[test]
fn a_level_that_lasts_is_accepted_once() {
    let mut told = Told::new(AlertSettings::default());
    told.usual_days(60);
    told.counts((0..60).map(|number| usual(number) * 2));
    assert_eq!((told.log.len(), told.log[0].as_str(), told.log[13].as_str()), (14, "60+all", "73-all"), "{:?}", told.log);
    let accepted = &told.changes[13].alert;
    assert_eq!((accepted.status, accepted.ends), (AlertStatus::Resolved, Some(day(74))));
    assert!(accepted.summary.contains("new usual one"), "{}", accepted.summary);
    told.counts([400]);
    assert_eq!(told.log.last().map(String::as_str), Some("120+all"), "a rise over the new level");
}

#[test]
fn no_data_is_not_resolved() {
    let mut told = Told::new(AlertSettings::default());
    told.usual_days(60);
    told.counts([200]);
    for _ in 0..5 {
        told.tell(&[SegmentDay { has_data: false, ..churned(ALL, 0, 0) }]);
        told.tell(&[]);
    }
    assert_eq!(told.log, ["60+all"]);
    assert_eq!(told.book.firing().map(|alert| alert.day).collect::<Vec<_>>(), [day(60)]);
    told.usual_days(2);
    assert_eq!(told.log, ["60+all", "71.all", "72-all"]);
}

#[test]
fn children_of_a_firing_parent_are_named_and_silent() {
    let mut told = Told::new(AlertSettings::default());
    let tell = |told: &mut Told, all: u64, free: u64, pro: u64| {
        let number = told.next;
        told.tell(&[churned("plan=free", number, free), churned(ALL, number, all), churned("plan=pro", number, pro)]);
    };
    for number in 0..60 {
        tell(&mut told, usual(number), usual(number + 5), usual(number + 9));
    }
    tell(&mut told, 200, 180, 100);
    assert_eq!(told.log, ["60+all"]);
    let top: Vec<&str> = told.changes[0].alert.top_segments.iter().map(|top| top.segment.as_str()).collect();
    assert_eq!(top, ["plan=free"]);
    assert!(told.changes[0].alert.summary.contains("Most of it in plan=free: 180 where"), "{}", told.changes[0].alert.summary);
    // The parent calms down, the child does not: then it speaks for itself, from its own first day on.
    for _ in 0..3 {
        tell(&mut told, 100, 180, 100);
    }
    assert_eq!(told.log, ["60+all", "61.all", "62-all", "62+plan=free", "63.plan=free"]);
    assert_eq!(told.changes[3].alert.starts, day(60));
}

#[test]
fn a_child_alone_fires_for_itself() {
    let mut told = Told::new(AlertSettings::default());
    for number in 0..61 {
        let free = if number == 60 { 200 } else { usual(number) };
        told.tell(&[churned(ALL, number, usual(number)), churned("plan=free", number, free)]);
    }
    assert_eq!(told.log, ["60+plan=free"]);
}

#[test]
fn among_many_children_chance_is_allowed_for() {
    // A day whose p-value is just below the level of a lone series is no news among a hundred.
    let judged = |children: i32| {
        let mut told = Told::new(AlertSettings::default());
        for number in 0..61 {
            let odd = if number == 60 { 142 } else { usual(number) };
            let mut segments = vec![churned("a=0", number, odd)];
            segments.extend((1..children).map(|child| churned(&format!("a={child}"), number, usual(number + child))));
            told.tell(&segments);
        }
        told.log
    };
    assert_eq!(judged(1), ["60+a=0"]);
    assert_eq!(with_tiny_siblings(), ["60+a=0"], "siblings too small to alarm are none to allow for");
    assert_eq!(judged(100), Vec::<String>::new());
}

/// The same day among a hundred siblings with ten users each.
fn with_tiny_siblings() -> Vec<String> {
    let mut told = Told::new(AlertSettings::default());
    for number in 0..61 {
        let odd = if number == 60 { 142 } else { usual(number) };
        let tiny = |child: i32| SegmentDay {
            entered_churned: Entries { count: 1, at_risk: 10 },
            entered_high: Entries { count: 1, at_risk: 10 },
            returns: Returns::default(),
            ..churned(&format!("a={child}"), number, 1)
        };
        let segments: Vec<SegmentDay> = (1..100).map(tiny).chain([churned("a=0", number, odd)]).collect();
        told.tell(&segments);
    }
    told.log
}

#[test]
fn tiny_groups_never_alarm() {
    let tiny = |number: i32, count, at_risk| SegmentDay {
        entered_churned: Entries { count, at_risk },
        returns: Returns { silent: at_risk, observed: 0, expected: 4.0, variance: 3.0 },
        ..churned(ALL, number, 0)
    };
    for (usual_count, count, at_risk, fires) in [(0, 4, USERS, false), (0, 5, USERS, true), (1, 49, 49, false), (1, 50, 50, true)] {
        let mut told = Told::new(AlertSettings::default());
        for number in 0..60 {
            told.tell(&[tiny(number, usual_count, at_risk)]);
        }
        told.tell(&[tiny(60, count, at_risk)]);
        assert_eq!(!told.log.is_empty(), fires, "{count} of {at_risk}: {:?}", told.log);
    }
}

#[test]
fn missing_returns_are_found_and_dated() {
    let mut told = Told::new(AlertSettings::default());
    let tell = |told: &mut Told, observed: u64| {
        let number = told.next;
        let returns = Returns { silent: USERS, observed, expected: 1_000.0, variance: 900.0 };
        told.tell(&[SegmentDay { returns, ..churned(ALL, number, usual(number)) }]);
    };
    for number in 0..60 {
        tell(&mut told, 900 + usual(number));
    }
    for _ in 0..6 {
        tell(&mut told, 930);
    }
    let first = told.changes.first().expect("an alert");
    assert_eq!((first.alert.name, first.kind), (AlertName::ReturnDeficit, AlertChangeKind::Started));
    assert!((62..=64).contains(&first.alert.day.number()), "{:?}", told.log);
    assert!((59..=60).contains(&first.alert.starts.number()), "{}", first.alert.starts);
    assert_eq!((first.alert.upper, first.alert.at_risk, first.alert.severity), (None, USERS, Severity::Warning));
    for number in 66..80 {
        tell(&mut told, 905 + usual(number));
    }
    let last = told.changes.last().expect("an alert");
    assert_eq!(last.kind, AlertChangeKind::Ended, "{:?}", told.log);
    assert!(last.alert.day.number() < 76 && told.book.firing().count() == 0, "{:?}", told.log);
}

#[test]
fn a_low_bound_does_not_end_what_it_started() {
    let mut told = Told::new(AlertSettings { cusum: Cusum { k: 0.5, h: 2.0 }, ..AlertSettings::default() });
    for number in 0..68 {
        let observed = if number < 60 { 900 + usual(number) } else { 930 };
        let returns = Returns { silent: USERS, observed, expected: 1_000.0, variance: 900.0 };
        told.tell(&[SegmentDay { returns, ..churned(ALL, number, usual(number)) }]);
    }
    let kinds: Vec<AlertChangeKind> = told.changes.iter().map(|change| change.kind).collect();
    assert!(kinds.len() >= 6 && kinds[1..].iter().all(|kind| *kind == AlertChangeKind::GoesOn), "{:?}", told.log);
}

#[test]
fn one_broken_day_is_no_exodus() {
    let mut told = Told::new(AlertSettings::default());
    told.usual_days(60);
    told.tell(&[SegmentDay {
        returns: Returns { silent: USERS, observed: 0, expected: 1_000.0, variance: 900.0 },
        ..churned(ALL, 60, usual(60))
    }]);
    told.usual_days(10);
    assert_eq!(told.log, Vec::<String>::new());
}

#[test]
fn the_same_days_give_the_same_alerts() {
    let run = || {
        let mut told = Told::new(AlertSettings::default());
        told.usual_days(60);
        told.counts([200, 190, 100, 100, 250, 101]);
        told
    };
    let (one, mut other) = (run(), run());
    assert_eq!(one.changes, other.changes);
    assert!(other.book.close_day(day(3), &[churned(ALL, 3, 9_999)]).is_empty(), "a closed day is not reopened");
    assert_eq!(other.book.closed_through(), Some(day(65)));
}

proptest::proptest! {
    #[test]
    fn any_days_are_taken(
        days in proptest::collection::vec((proptest::bool::ANY, 0..3_000_u64, 0..3_000_u64, 0..2_000_u64, -10.0..2_000.0_f64), 0..90),
    ) {
        let mut book = AlertBook::new(AlertSettings { rules: SpikeRules { minimum_history_days: 2, ..SpikeRules::default() }, ..AlertSettings::default() });
        let mut open = std::collections::BTreeSet::new();
        for (number, (has_data, count, at_risk, observed, expected)) in (0..).zip(days) {
            let returns = Returns { silent: at_risk, observed, expected, variance: expected };
            let entries = Entries { count, at_risk };
            let segments = [ALL, "a=b"].map(|segment| SegmentDay { segment: segment.to_owned(), has_data, entered_high: entries, entered_churned: entries, returns });
            for AlertChange { kind, alert } in book.close_day(day(number), &segments) {
                // An alert starts once, goes on while it is open, and ends once.
                let was_open = open.contains(&alert.fingerprint);
                proptest::prop_assert_eq!(was_open, kind != AlertChangeKind::Started, "{:?}", alert);
                proptest::prop_assert_eq!(alert.ends.is_some(), kind == AlertChangeKind::Ended);
                proptest::prop_assert!(alert.ends.is_none_or(|ends| ends > alert.starts), "{:?}", alert);
                if kind == AlertChangeKind::Ended { open.remove(&alert.fingerprint); } else { open.insert(alert.fingerprint.clone()); }
            }
            proptest::prop_assert_eq!(book.firing().count(), open.len());
        }
    }
}
