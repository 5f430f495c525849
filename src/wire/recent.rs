//! A user's latest days and orders, as JSON: a part of the answer about a user, of no record.

use serde_json::{Value, json};

use crate::engine::recent::{Recent, RecentOrder};

/// The days, and the orders that are remembered one by one.
#[must_use]
pub fn recent(recent: &Recent) -> Value {
    let order = |order: &RecentOrder| {
        json!({
            "order_id": order.order_id, "timestamp": order.time.to_string(), "day": order.day.to_string(), "amount": order.amount.as_f64(),
        })
    };
    json!({
        "from": recent.from.map(|day| day.to_string()),
        "active_days": recent.active_days.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "categories": recent.categories,
        "orders": recent.orders.iter().map(order).collect::<Vec<_>>(),
    })
}
