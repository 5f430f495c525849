//! What groups of users show, of logs so small that each count can be seen.

use stickiness::engine::insights::{Insights, Intermediary};
use stickiness::engine::settings::EngineSettings;
use stickiness::model::event::{Event, EventType, Facts, Noted, OrderDetails, OrderFacts};
use stickiness::model::insights::proportion::Proportion;
use stickiness::model::money::Money;

use crate::scenarios::{Bench, day, event};

fn money(units: i128) -> Money {
    Money::from_millionths(units * 1_000_000)
}

/// An order of 10 of a category.
fn order(user: &str, id: &'static str, at: &str, category: &'static str, details: OrderDetails<'static>) -> Event<'static> {
    let categories = vec![category.into()];
    let facts =
        OrderFacts { order_id: id.into(), amount: money(10), categories, details: Some(Box::new(details)), ..OrderFacts::default() };
    Event { facts: Facts::Order(facts), ..event(user, EventType::OrderPlaced, at) }
}

fn lines(items: &[&'static str], units: &[f64]) -> OrderDetails<'static> {
    OrderDetails { items: items.iter().map(|item| (*item).into()).collect(), units: units.to_vec(), ..OrderDetails::default() }
}

fn through(intermediary: &'static str, cost: Option<i128>) -> OrderDetails<'static> {
    OrderDetails { intermediary: intermediary.into(), cost: cost.map(money), ..OrderDetails::default() }
}

fn noted(user: &str, kind: EventType, at: &str, noted: Noted<'static>) -> Event<'static> {
    Event { event_id: at.to_owned().into(), facts: Facts::Noted(Box::new(noted)), ..event(user, kind, at) }
}

/// As of the end of a day.
fn insights(events: &[Event<'static>], on: &str) -> Insights {
    let mut bench = Bench::new(EngineSettings::default());
    for event in events {
        bench.take(event);
    }
    bench.engine.insights(day(on))
}

fn of(part: u64, whole: u64) -> Proportion {
    Proportion { part, whole }
}

#[test]
fn buyers_take_so_much_of_so_many_products_and_categories() {
    let events = [
        order("a", "1", "2026-01-01", "food", lines(&["cup", "tea"], &[1.0, 2.0])),
        order("a", "2", "2026-01-02", "toys", lines(&["tea"], &[3.0])),
        order("b", "3", "2026-01-03", "food", lines(&["pot"], &[4.0])),
        order("c", "4", "2026-01-03", "food", OrderDetails::default()),
    ];
    let Insights { trade, groups, .. } = insights(&events, "2026-01-05");
    assert_eq!((trade.depth.users, trade.depth.products, trade.depth.units), (2, 3, 10_000_000), "the cup, five of the tea, four pots");
    assert_eq!((groups.buyers, groups.cross_buyers, groups.revenue), ([3, 1], of(1, 3), money(40)));
    assert_eq!(groups.categories.iter().map(|(name, users)| (&**name, *users)).collect::<Vec<_>>(), [("food", 3), ("toys", 1)]);
}

#[test]
fn intermediaries_bring_orders_and_complaints_of_the_month_after_them() {
    let complained =
        |user: &str, at: &'static str| Event { facts: Facts::Complaint(at.into()), ..event(user, EventType::ComplaintOpened, at) };
    let events = [
        order("a", "1", "2026-01-01", "food", through("agent", Some(4))),
        order("a", "2", "2026-01-02", "food", through("agent", None)),
        order("b", "3", "2026-01-01", "food", through("", Some(1))),
        complained("a", "2026-01-31"),
        complained("a", "2026-02-02"),
        complained("b", "2026-01-03"),
    ];
    let found = insights(&events, "2026-02-03").trade.intermediaries;
    let agent = Intermediary {
        orders: 2,
        users: 1,
        revenue: money(20),
        costed: 1,
        costed_revenue: money(10),
        margin: money(6),
        // The second of them is a day too late.
        complaints: 1,
    };
    assert_eq!(found.into_iter().map(|(name, counts)| (name.to_string(), counts)).collect::<Vec<_>>(), [("agent".to_owned(), agent)]);
}

#[test]
fn who_looked_at_a_competitor_is_told_from_who_did_not() {
    let viewed = |user: &str| noted(user, EventType::CompetitorViewed, "2026-01-10T13:00:00Z", Noted::CompetitorViewed("rival".into()));
    let active = |user: &str, at: &str| event(user, EventType::Activity, at);
    let mut events: Vec<Event<'static>> = ["left", "stayed", "loyal"].iter().map(|user| active(user, "2026-01-10")).collect();
    events.extend([viewed("left"), viewed("stayed"), active("stayed", "2026-02-05"), active("loyal", "2026-02-05")]);
    // The 30 days before the last 30 are those through 2026-01-15.
    assert_eq!(insights(&events, "2026-02-14").trade.interest, [of(0, 1), of(1, 2)], "of those who looked, one of two is gone");
    assert_eq!(insights(&events, "2026-02-08").trade.interest, [of(0, 0), of(0, 0)], "nobody was there before the last 30 days but one");
}

#[test]
fn word_spreads_by_peers_and_referrals_of_thirty_days() {
    let met = |user: &str, at: &str| noted(user, EventType::SocialInteraction, at, Noted::Social { peer: "p".into(), kind: "".into() });
    let sent = |user: &str, at: &str| Event { event_id: at.to_owned().into(), ..event(user, EventType::ReferralSent, at) };
    let events = [
        met("a", "2026-01-01T10:00:00Z"),
        met("a", "2026-01-02T10:00:00Z"),
        met("a", "2026-01-02T11:00:00Z"),
        sent("b", "2026-01-31T10:00:00Z"),
        event("c", EventType::Activity, "2026-01-31"),
    ];
    // The 30 days that end on 2026-01-31 begin with 2026-01-02.
    let groups = insights(&events, "2026-01-31").groups;
    assert_eq!((groups.spread, groups.spreaders, groups.referrals), ([3, 2, 1], of(2, 3), [3, 1, 0]));
}
