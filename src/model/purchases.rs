//! A user's orders, what was returned of them, and the streak of consecutive purchases.

mod details;
mod orders;
mod streak;

pub use details::{DetailTotals, Details};
pub use orders::{Break, Counted, Order, OrderKey, PurchaseTotals, Purchases, Return};
pub use streak::LoyaltyRule;

#[cfg(test)]
mod tests;
