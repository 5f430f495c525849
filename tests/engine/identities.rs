//! A user of several ids counts as one, order by order.

use serde_json::{Value, json};
use stickiness::engine::settings::EngineSettings;
use stickiness::model::event::{Event, EventType, Facts, ReturnFacts};
use stickiness::model::money::Money;

use crate::scenarios::{Bench, event, order};

/// `from` becomes one with `into`.
fn merged(from: &str, into: &'static str, at: &str) -> Event<'static> {
    Event { facts: Facts::MergedInto(into.into()), ..event(from, EventType::UserMerged, at) }
}

fn returned(user: &str, id: &'static str, at: &str, units: i128) -> Event<'static> {
    let facts = ReturnFacts { order_id: id.into(), amount: Some(Money::from_millionths(units * 1_000_000)) };
    Event { facts: Facts::Return(facts), ..event(user, EventType::OrderReturned, at) }
}

/// Orders, their revenue, new buyers, buyers and repeat buyers of 30 days.
fn buying(bench: &mut Bench, on: &str) -> Value {
    let record = bench.metric("all", on);
    ["orders", "revenue", "new_buyers", "buyers_30d", "repeat_buyers_30d"].iter().map(|field| record[*field].clone()).collect()
}

#[test]
fn orders_of_both_ids_are_those_of_one_buyer() {
    let mut bench = Bench::new(EngineSettings::default());
    bench.take(&order("a", "o1", "2026-01-01", 10));
    bench.take(&merged("a", "b", "2026-01-02"));
    bench.said_of_all();
    bench.take(&order("a", "o2", "2026-01-03", 20));
    bench.take(&order("b", "o3", "2026-01-03", 5));
    assert_eq!(purchases(&mut bench), ["b purchase null>repeat_order 2026-01-03 event"; 2], "the first order was that of the other id");
    assert_eq!(bench.engine.profile("b").expect("known").purchases.orders, 3);
    assert_eq!(buying(&mut bench, "2026-01-03"), json!([2, 25.0, 0, 1, 1]));
    // The order stands under one id, and what comes back of it is told of the other.
    bench.take(&returned("b", "o2", "2026-01-04", 5));
    assert_eq!(purchases(&mut bench), [""; 0], "what stands, stands");
    assert_eq!(buying(&mut bench, "2026-01-03"), json!([2, 20.0, 0, 1, 1]));
    bench.take(&returned("b", "o2", "2026-01-04T13:00:00Z", 15));
    assert_eq!(purchases(&mut bench), ["b purchase null>order_fell 2026-01-04 event"]);
    assert_eq!(buying(&mut bench, "2026-01-03"), json!([1, 5.0, 0, 1, 1]));
}

fn purchases(bench: &mut Bench) -> Vec<String> {
    bench.said_of_all().into_iter().filter(|said| said.contains(" purchase ")).collect()
}
