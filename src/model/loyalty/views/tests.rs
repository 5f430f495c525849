use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn at(hour: i64) -> Moment {
    // Days of a zone ten hours east of Greenwich.
    let day = i32::try_from((hour + 10).div_euclid(24)).expect("small");
    Moment { time: EventTime::from_nanos(hour * 3_600_000_000_000), day: Day::from_number(day) }
}

fn item(name: &str) -> View<'_> {
    [name, "", ""]
}

fn time(hour: i64) -> EventTime {
    at(hour).time
}

#[test]
fn the_first_view_of_each_day_is_known_whatever_comes_last() {
    let mut views = Views::default();
    let news = [20, 30, 16, 16, 70].map(|hour| views.see(item("tea"), at(hour)));
    assert_eq!(news, [true, false, true, false, true]);
    assert!(views.see(item("cake"), at(40)) && views.see(["", "food", ""], at(-5)));
    assert!(!views.see([""; 3], at(1)), "nothing is no news");
    let (tea, cake): (Box<str>, Box<str>) = ("tea".into(), "cake".into());
    let first = |items: &[Box<str>], categories: &[Box<str>], after: Option<i64>, hour, lookback| {
        views.first_of((items, categories), after.map(time), at(hour), lookback)
    };
    let both = [tea.clone(), cake];
    assert_eq!(first(&both, &[], None, 80, 9), Some(time(16)));
    assert_eq!(first(&both, &["food".into()], None, 80, 9), Some(time(-5)));
    assert_eq!(first(&both, &["food".into()], None, 80, 2), Some(time(16)), "the food was seen three days before");
    assert_eq!(first(&both, &[], Some(16), 80, 9), Some(time(40)), "after the order before");
    assert_eq!(first(&[tea], &[], None, 16, 9), None, "not before the order");
    let (from, through) = (Day::from_number(1), Day::from_number(2));
    assert_eq!(views.seen_between(Dimension::Item, from, through), 2);
    assert_eq!(views.commonest(Dimension::Item, from, Day::from_number(9)), Some("tea"));
    assert_eq!(views.commonest(Dimension::Item, from, through), Some("cake"), "of equals the first by name");
    assert_eq!(views.keys_between(Dimension::Item, from, through), 2);
}

#[test]
fn channels_are_told_with_their_days() {
    let mut views = Views::default();
    for (channel, hour) in [("web", 0), ("web", 1), ("web", 30), ("app", 31), ("shop", 80)] {
        views.see(["", "", channel], at(hour));
    }
    views.see(item("tea"), at(2));
    let channels = |from, through| views.channels_between(Day::from_number(from), Day::from_number(through)).collect::<BTreeMap<_, _>>();
    assert_eq!(channels(0, 2), BTreeMap::from([("app", 1), ("web", 2)]), "two views of one day are one");
    assert_eq!(channels(3, 3), BTreeMap::from([("shop", 1)]));
    assert_eq!(channels(4, 9), BTreeMap::new());
    let days = |channel: &str| views.days_of(Dimension::Channel, channel, Day::from_number(0), Day::from_number(2));
    assert_eq!(["web", "app", "shop", "tea", "nowhere"].map(days), [2, 1, 0, 0, 0], "the shop came later, and tea is no channel");
}

#[test]
fn keys_take_their_texts_and_two_numbers_each() {
    let mut keys = Keys::default();
    for number in 0..100 {
        keys.number(&format!("key {number:02}"));
    }
    let least = 100 * ("key 00".len() + 2 * size_of::<u32>());
    assert!((least..2 * least).contains(&keys.bytes()), "{}", keys.bytes());
}

#[test]
fn the_favourite_hour_is_that_of_most_days() {
    let mut views = Views::default();
    // By hours of the zone: at 8 on one day, of two things; at 9 on two days, at 11 on two others, at 20 on three, of which one is before the first asked for.
    for (name, day, hour) in [
        ("tea", 1, 8),
        ("cake", 1, 8),
        ("jam", 1, 9),
        ("tea", 2, 9),
        ("tea", 3, 11),
        ("tea", 4, 11),
        ("tea", 0, 20),
        ("ham", 1, 20),
        ("jam", 4, 20),
    ] {
        assert!(views.see(item(name), at(day * 24 + hour - 10)), "{name} is new on {day}");
    }
    let hour_of = |time: EventTime| u8::try_from((time.nanos() / 3_600_000_000_000 + 10).rem_euclid(24)).expect("an hour");
    let favourite = |from, through| views.favourite_hour(Day::from_number(from), Day::from_number(through), hour_of);
    assert_eq!(favourite(0, 4), Some(20), "three days");
    assert_eq!(favourite(1, 4), Some(9), "two days, as 11 and 20, and the earliest");
    assert_eq!(favourite(3, 4), Some(11), "two days");
    assert_eq!(favourite(1, 1), Some(8), "one day each: two things on it are not two days");
    assert_eq!(favourite(5, 9), None);
}

/// What is known, as maps: the first time of each key of each dimension on each day.
type Naive = BTreeMap<(usize, String, Day), EventTime>;

fn naive(seen: &[(View<'static>, i64)]) -> Naive {
    let mut known = Naive::new();
    for (view, hour) in seen {
        let Moment { time, day } = at(*hour);
        for (dimension, key) in view.iter().enumerate().filter(|(_, key)| !key.is_empty()) {
            let first = known.entry((dimension, (*key).to_owned(), day)).or_insert(time);
            *first = time.min(*first);
        }
    }
    known
}

fn one_of(names: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(names)
}

fn seen() -> impl Strategy<Value = Vec<(View<'static>, i64)>> {
    let view = (one_of(&["", "tea", "cake", "mug"]), one_of(&["", "food", "tea"]), one_of(&["", "app", "web"]));
    prop::collection::vec((view.prop_map(|(item, category, channel)| [item, category, channel]), -200_i64..200), 0..60)
}

fn views_of(seen: &[(View<'static>, i64)]) -> Views {
    let mut views = Views::default();
    for (view, hour) in seen {
        views.see(*view, at(*hour));
    }
    views
}

proptest! {
    /// Every question is answered as from maps, whatever the order, after a way through bytes, a merge and a forgetting.
    #[test]
    fn rows_answer_as_maps_would(seen in seen(), cut in 0_usize..60, forgotten in -9_i32..9, hour in -200_i64..200, lookback in 0_i32..9) {
        let (one, other) = seen.split_at(cut.min(seen.len()));
        let mut views = views_of(other);
        views.absorb(&views_of(one));
        prop_assert_eq!(&views, &views_of(&seen));
        let bytes = postcard::to_stdvec(&views).expect("encodes");
        prop_assert_eq!(&bytes, &postcard::to_stdvec(&views_of(&seen)).expect("encodes"), "equal views are equal bytes");
        let mut views: Views = postcard::from_bytes(&bytes).expect("decodes");
        views.forget_before(Day::from_number(forgotten));
        let known: Naive = naive(&seen).into_iter().filter(|((_, _, day), _)| day.number() >= forgotten).collect();
        let (from, through) = (Day::from_number(-3), Day::from_number(5));
        for dimension in DIMENSIONS {
            let mut days: BTreeMap<&str, u64> = BTreeMap::new();
            for (of, key, day) in known.keys() {
                if *of == dimension as usize && *day >= from && *day <= through {
                    *days.entry(key).or_default() += 1;
                }
            }
            prop_assert_eq!(views.seen_between(dimension, from, through), days.values().sum::<u64>());
            prop_assert_eq!(views.keys_between(dimension, from, through), days.len() as u64);
            let most = days.values().copied().max();
            let commonest = days.iter().find(|(_, count)| Some(**count) == most).map(|(key, _)| *key);
            prop_assert_eq!(views.commonest(dimension, from, through), commonest);
        }
        let (order, after) = (at(hour), Some(time(hour - 50)));
        let wanted = known.iter().filter(|((of, key, day), first)| {
            let is_named = (*of == 0 && ["tea", "mug"].contains(&key.as_str())) || (*of == 1 && key == "food");
            is_named && *day >= order.day - lookback && Some(**first) > after && **first < order.time
        });
        let items: [Box<str>; 2] = ["tea".into(), "mug".into()];
        prop_assert_eq!(views.first_of((&items, &["food".into()]), after, order, lookback), wanted.map(|(_, first)| *first).min());
    }
}
