use proptest::prelude::*;

use super::{Break, LoyaltyRule, Order, OrderKey, PurchaseHabits, Purchases, Return};
use crate::model::money::Money;
use crate::model::time::{Day, EventTime};

const RETURN_DAYS: i32 = 90;
const RULE: LoyaltyRule = LoyaltyRule { loyal_orders: 3, lapse_days: 180 };

fn time(day: i32, second: i64) -> EventTime {
    EventTime::from_nanos((i64::from(day) * 86_400 + second) * 1_000_000_000)
}

fn money(units: i128) -> Money {
    Money::from_millionths(units * 1_000_000)
}

fn order(id: &str, day: i32, second: i64, amount: i128) -> Order {
    Order::bare(id, (time(day, second), Day::from_number(day)), money(amount))
}

fn returned(id: &str, day: i32, second: i64, amount: Option<i128>) -> Return {
    Return { time: time(day, second), day: Day::from_number(day), order_id: id.into(), amount: amount.map(money), event: [0; 16] }
}

fn with(orders: &[(i32, &str)]) -> Purchases {
    let mut purchases = Purchases::default();
    for (day, id) in orders {
        purchases.place(order(id, *day, 0, 10), RETURN_DAYS);
    }
    purchases
}

#[test]
fn a_return_reduces_or_fells_the_order_it_names() {
    let net = |returns: &[Return]| {
        let mut purchases = with(&[(0, "a")]);
        returns.iter().cloned().for_each(|known| purchases.give_back(known, RETURN_DAYS));
        purchases.net(purchases.order(&OrderKey::OrderId("a".into())).expect("placed"), RETURN_DAYS)
    };
    assert_eq!(net(&[]), Some(money(10)));
    assert_eq!(net(&[returned("a", 1, 0, Some(4))]), Some(money(6)));
    assert_eq!(net(&[returned("a", 1, 0, Some(4)), returned("a", 2, 0, Some(6))]), None, "returns add up to the amount");
    assert_eq!(net(&[returned("a", 0, 0, None)]), None, "dated at the order, no amount");
    assert_eq!(net(&[returned("b", 1, 0, None)]), Some(money(10)), "another order");
    assert_eq!(net(&[returned("a", -1, 0, None)]), Some(money(10)), "before the order");
    assert_eq!(net(&[returned("a", 90, 0, None)]), None, "the last day");
    assert_eq!(net(&[returned("a", 91, 0, None)]), Some(money(10)), "a day too late");
}

#[test]
fn an_order_of_nothing_falls_only_by_a_positive_sum_or_no_amount() {
    let mut purchases = Purchases::default();
    purchases.place(order("free", 0, 0, 0), RETURN_DAYS);
    let key = OrderKey::OrderId("free".into());
    purchases.give_back(returned("free", 1, 0, Some(0)), RETURN_DAYS);
    assert_eq!(purchases.net(purchases.order(&key).expect("placed"), RETURN_DAYS), Some(Money::ZERO));
    purchases.give_back(returned("free", 2, 0, None), RETURN_DAYS);
    assert_eq!(purchases.net(purchases.order(&key).expect("placed"), RETURN_DAYS), None);
}

#[test]
fn the_smallest_copy_of_an_order_stands() {
    let mut purchases = with(&[(5, "a")]);
    purchases.place(order("a", 4, 0, 12), RETURN_DAYS);
    purchases.place(order("a", 6, 0, 1), RETURN_DAYS);
    assert_eq!(purchases.totals(RETURN_DAYS).revenue, money(12));
    assert_eq!(purchases.totals(RETURN_DAYS).orders, 1);
}

#[test]
fn a_streak_ends_with_a_gap_a_break_or_a_lapse() {
    let streak = |purchases: &Purchases, day| RULE.streak(purchases, Day::from_number(day));
    let mut purchases = with(&[(0, "a"), (10, "b"), (20, "c")]);
    assert_eq!(streak(&purchases, 9), 1, "counting events up to the day");
    assert_eq!(streak(&purchases, 20), 3);
    assert_eq!(streak(&purchases, 200), 3, "180 days after the last order");
    assert_eq!(streak(&purchases, 201), 0, "181 days after it");
    purchases.break_streak(Break { time: time(10, 0), day: Day::from_number(10) });
    assert_eq!(streak(&purchases, 20), 2, "a break comes before an order of its timestamp");
    purchases.break_streak(Break { time: time(10, 1), day: Day::from_number(10) });
    assert_eq!(streak(&purchases, 20), 1);
    purchases.place(order("d", 201, 0, 1), RETURN_DAYS);
    assert_eq!(streak(&purchases, 201), 1, "a gap of more than 180 days");
}

#[test]
fn loyal_days_agree_with_asking_each_day() {
    let mut purchases = with(&[(0, "a"), (10, "b"), (20, "c"), (250, "d"), (251, "e"), (251, "f"), (300, "g")]);
    purchases.break_streak(Break { time: time(260, 0), day: Day::from_number(260) });
    purchases.give_back(returned("e", 270, 0, None), RETURN_DAYS);
    for from in [-5, 0, 15, 100, 251, 255, 400] {
        let stretches = RULE.loyal_days(&purchases, Day::from_number(from));
        for number in from..700 {
            let day = Day::from_number(number);
            let inside = stretches.iter().any(|(first, last)| *first <= day && day <= *last);
            assert_eq!(inside, RULE.is_loyal(&purchases, day), "day {number} from {from}");
        }
    }
}

#[test]
fn folding_changes_no_figure() {
    let mut purchases = with(&[(0, "a"), (10, "b"), (10, "b2"), (20, "c"), (25, "d"), (400, "e")]);
    purchases.give_back(returned("b", 12, 0, None), RETURN_DAYS);
    purchases.give_back(returned("c", 22, 0, Some(3)), RETURN_DAYS);
    purchases.break_streak(Break { time: time(5, 0), day: Day::from_number(5) });
    for fold in [1, 6, 15, 24, 30, 300, 401] {
        let mut folded = purchases.clone();
        folded.fold_before(Day::from_number(fold), RETURN_DAYS, RULE);
        assert_eq!(folded.totals(RETURN_DAYS), purchases.totals(RETURN_DAYS), "fold before {fold}");
        for number in fold..600 {
            let day = Day::from_number(number);
            assert_eq!(RULE.streak(&folded, day), RULE.streak(&purchases, day), "day {number}, fold before {fold}");
        }
    }
}

#[test]
fn order_days_are_seen_once_each_whatever_is_folded() {
    let purchases = with(&[(0, "a"), (10, "b"), (10, "b2"), (20, "c"), (400, "d")]);
    for fold in [0, 5, 11] {
        let mut folded = purchases.clone();
        folded.fold_before(Day::from_number(fold), RETURN_DAYS, RULE);
        for (day, expected) in [(10, (0, 10, 2)), (19, (0, 10, 2)), (20, (0, 20, 3)), (500, (0, 400, 4))] {
            let seen = folded.seen(Day::from_number(day)).expect("an order");
            assert_eq!((seen.first.number(), seen.last.number(), seen.days), expected, "day {day}, fold before {fold}");
        }
    }
    assert!(purchases.seen(Day::from_number(-1)).is_none(), "before the first order");
}

#[test]
fn what_states_are_decided_by_are_the_totals() {
    let mut purchases = Purchases::default();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect::<Vec<Box<str>>>();
    let orders: [(i32, &[&str], &[&str]); 6] =
        [(0, &[], &[]), (3, &["a"], &[]), (3, &[], &["x"]), (9, &["a", "b"], &["x", "y"]), (20, &["b"], &[]), (21, &["b"], &["z"])];
    for (number, (day, brands, categories)) in orders.into_iter().enumerate() {
        let told = Order {
            brands: texts(brands),
            categories: texts(categories),
            discounted: number % 2 == 0,
            rewarded: number > 3,
            ..order(&number.to_string(), day, 0, 5)
        };
        purchases.place(told, RETURN_DAYS);
        for fold in [0, 3, 4, 15, 21] {
            let mut folded = purchases.clone();
            folded.fold_before(Day::from_number(fold), RETURN_DAYS, RULE);
            let (habits, totals) = (folded.habits(), folded.totals(RETURN_DAYS));
            let of_totals = PurchaseHabits {
                orders: totals.orders,
                discounted: totals.discounted,
                rewarded: totals.rewarded,
                brand: totals.brand,
                categories: totals.categories,
                gap_variation: totals.details.gap_variation(),
            };
            assert_eq!(habits, of_totals, "{number}, fold before {fold}");
        }
    }
}

#[test]
fn decision_times_are_added_up_whatever_is_folded() {
    let mut purchases = with(&[(0, "a")]);
    for (id, day, decision_log) in [("b", 1, 5), ("c", 30, 7), ("d", 31, -2)] {
        purchases.place(Order { decision_log: Some(decision_log), ..order(id, day, 0, 1) }, RETURN_DAYS);
    }
    assert_eq!(purchases.decisions(), (3, 10));
    purchases.fold_before(Day::from_number(20), RETURN_DAYS, RULE);
    assert_eq!(purchases.decisions(), (3, 10));
    assert_eq!(purchases.totals(RETURN_DAYS).decisions, (3, 10));
}

/// Of orders at seconds 100, 130 and 190, the last tells its time itself: the others were decided in 100 seconds after none and 30 after the first.
#[test]
fn what_is_decided_of_orders_is_added_up() {
    let mut purchases = Purchases::default();
    for (id, second, decision_log) in [("a", 100, None), ("b", 130, None), ("c", 190, Some(5))] {
        purchases.place(Order { decision_log, ..order(id, 0, second, 1) }, RETURN_DAYS);
    }
    let since = |order: &Order, before: Option<EventTime>| Some((order.time.nanos() - before.map_or(0, EventTime::nanos)) / 1_000_000_000);
    assert_eq!(purchases.decided(since), (2, 130));
    let since_one = |order: &Order, before: Option<EventTime>| before.and_then(|_| since(order, before));
    assert_eq!(purchases.decided(since_one), (1, 30), "nothing is known of the first");
    assert_eq!(Purchases::default().decided(since), (0, 0));
}

#[test]
fn what_happened_in_the_instant_itself_is_before_it() {
    let mut purchases = with(&[(5, "a"), (10, "b")]);
    purchases.place(order("c", 10, 1, 4), RETURN_DAYS);
    for (day, second) in [(5, 0), (10, 0), (10, 1), (11, 0)] {
        purchases.break_streak(Break { time: time(day, second), day: Day::from_number(day) });
    }
    let seconds = |breaks: &[Break]| breaks.iter().map(|broken| broken.time).collect::<Vec<_>>();
    let later = purchases.after(time(10, 0), RETURN_DAYS);
    assert_eq!(seconds(later.breaks()), [time(10, 1), time(11, 0)]);
    assert_eq!(later.standing_total(), (1, money(4)));
    let earlier = purchases.up_to(time(10, 0), RETURN_DAYS);
    assert_eq!(seconds(earlier.breaks()), [time(5, 0), time(10, 0)]);
    assert_eq!(earlier.standing_total(), (2, money(20)));
}

proptest! {
    /// Of orders, copies of them, breaks, and in one half of the cases returns: without any, joining has a shorter way.
    #[test]
    fn two_ids_together_are_as_one_who_did_all_of_it(
        least in 0_u8..2, steps in prop::collection::vec((any::<bool>(), 0_u8..8, 0_u8..12, 0_i32..40), 0..60)
    ) {
        let [mut one, mut other, mut all] = [(); 3].map(|()| Purchases::default());
        for (number, (is_one, what, id, day)) in (1..).zip(steps) {
            let id = id.to_string();
            let does = |purchases: &mut Purchases| match what.max(least) {
                0 => purchases.give_back(Return { event: [number; 16], ..returned(&id, day, 0, Some(4)) }, RETURN_DAYS),
                1 => purchases.break_streak(Break { time: time(day, 0), day: Day::from_number(day) }),
                _ => purchases.place(order(&id, day, 0, 10), RETURN_DAYS),
            };
            does(if is_one { &mut one } else { &mut other });
            does(&mut all);
        }
        let joined = |mut one: Purchases, other: &Purchases| {
            one.absorb(other, RETURN_DAYS);
            one
        };
        for together in [joined(one.clone(), &other), joined(other, &one)] {
            prop_assert_eq!(together.standing(), all.standing());
            prop_assert_eq!(together.standing_total(), all.standing_total());
            prop_assert_eq!(together.breaks(), all.breaks());
        }
    }
}

#[test]
fn the_first_three_order_days_are_distinct_whatever_is_folded() {
    let days = |purchases: &Purchases| purchases.first_days().map(|day| day.map(Day::number));
    assert_eq!(days(&with(&[])), [None; 3]);
    assert_eq!(days(&with(&[(3, "a"), (3, "b"), (10, "c")])), [Some(3), Some(10), None]);
    let many = with(&[(3, "a"), (10, "b"), (10, "c"), (20, "d"), (30, "e")]);
    for fold in [0, 5, 15, 25, 40] {
        let mut folded = many.clone();
        folded.fold_before(Day::from_number(fold), RETURN_DAYS, RULE);
        assert_eq!(days(&folded), [Some(3), Some(10), Some(20)], "fold before {fold}");
    }
}

#[test]
fn the_last_stretch_of_loyalty_ends_when_the_streak_lapses() {
    let days = |purchases: &Purchases, from: i32| {
        let stretches = RULE.loyal_days(purchases, Day::from_number(from));
        stretches.iter().map(|(first, last)| (first.number(), last.number())).collect::<Vec<_>>()
    };
    let purchases = with(&[(0, "a"), (10, "b"), (20, "c")]);
    assert_eq!(days(&purchases, 0), [(20, 200)], "180 days after the last order");
    assert_eq!(days(&purchases, 200), [(200, 200)]);
    assert_eq!(days(&purchases, 201), []);
}
