//! Thresholds of the measures of loyalty.

use serde::{Deserialize, Serialize};

/// `[loyalty]`: every threshold in one place; config/stickiness.toml has the source and the reason of each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoyaltySettings {
    /// Attitude and behaviour are high from here, 0 to 1.
    pub high: f64,
    /// How far below `high` a score that was high must fall to be low, 0 to 1.
    pub margin: f64,
    /// Share of orders with a reward from which behaviour is bought.
    pub mercenary_share: f64,
    /// `satisfaction` from which a user is satisfied, 1 to 5.
    pub satisfied: f64,
    /// `trust` from which a user trusts, 1 to 5.
    pub trusting: f64,
    /// `recommend` from which a user promotes, 0 to 10.
    pub promoter: u8,
    /// Variation of gaps between order days below which the rhythm is steady.
    pub steady_variation: f64,
    /// `satisfaction` below which a user is in the zone of defection.
    pub zone_defection: f64,
    /// `satisfaction` from which a user is in the zone of affection.
    pub zone_affection: f64,
    /// Days before an order within which the decision for it began.
    pub decision_days: u16,
    /// Days before and after an occasion within which an order is a response to it.
    pub response_days: u16,
    /// Days of views, channels and peers.
    pub view_days: u16,
    /// Days after the last outbound contact when the next is due.
    pub contact_days: u16,
    /// Days after an outbound contact within which an active day answers it.
    pub answer_days: u16,
    /// Days in which the weight of an order for the favourite brand halves.
    pub brand_half_life_days: u16,
    /// How much more than the favourite another brand must weigh to take over.
    pub brand_margin: f64,
    /// Feedbacks of sentiment 0 that the mean is shrunk by.
    pub sentiment_prior: f64,
    /// Shrunk sentiment from which the user is attached.
    pub sentiment_high: f64,
    /// Failures of quality within 30 days that are a signal before a complaint.
    pub failures: u16,
    /// Inbound contacts within 7 days that are one.
    pub inbound_contacts: u16,
    /// Fall of `satisfaction` from one answer to the next that is one.
    pub satisfaction_drop: f64,
    /// Days from the first to the last order from which a purchase history is long.
    pub long_days: u16,
    /// Distinct categories that are all the breadth there is.
    pub full_breadth: u16,
}

impl Default for LoyaltySettings {
    fn default() -> Self {
        Self {
            high: 0.5,
            margin: 0.05,
            mercenary_share: 0.5,
            satisfied: 4.0,
            trusting: 4.0,
            promoter: 9,
            steady_variation: 1.0,
            zone_defection: 3.0,
            zone_affection: 4.5,
            decision_days: 30,
            response_days: 14,
            view_days: 60,
            contact_days: 30,
            answer_days: 7,
            brand_half_life_days: 30,
            brand_margin: 0.25,
            sentiment_prior: 5.0,
            sentiment_high: 0.3,
            failures: 2,
            inbound_contacts: 3,
            satisfaction_drop: 1.0,
            long_days: 180,
            full_breadth: 5,
        }
    }
}
