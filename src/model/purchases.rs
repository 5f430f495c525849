//! A user's orders, what was returned of them, and the streak of consecutive purchases.

mod details;
mod order_times;
mod orders;
mod streak;
mod totals;

pub use details::{DetailTotals, Details};
pub use orders::{Break, Counted, Order, OrderKey, Purchases, Return};
pub use streak::LoyaltyRule;
pub use totals::{PurchaseHabits, PurchaseTotals};

#[cfg(test)]
mod tests;
