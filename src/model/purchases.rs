//! A user's orders, what was returned of them, and the streak of consecutive purchases.

mod orders;
mod streak;

pub use orders::{Break, Counted, Order, OrderKey, PurchaseTotals, Purchases, Return};
pub use streak::LoyaltyRule;

#[cfg(test)]
mod tests;
