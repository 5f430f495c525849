//! What a profile says of rewards, offers and answers that no state is decided by.

use super::super::insights::HELD_OUT;
use super::profile::{Known, LoyaltyProfile};
use crate::model::event::{ContactKind, Direction};
use crate::model::loyalty::Loyalty;
use crate::model::loyalty::facts::{FACT_DAYS, FactTotals, What};
use crate::model::loyalty::scores::ratio;
use crate::model::purchases::Order;
use crate::model::survey::Detail;

/// Days of own offers that are told of.
const OFFER_DAYS: i32 = 90;

impl LoyaltyProfile {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(super) fn add_rewards(&mut self, known: &Known<'_>, facts: &FactTotals) {
        self.rewards_redeemed = facts.rewards;
        self.reward_amount = facts.reward_amount;
        self.rewards_granted = facts.rewards_granted + known.totals.details.granted;
        self.redemption_rate = ratio(facts.rewards as f64, self.rewards_granted as f64).map(|rate| rate.min(1.0));
    }

    /// How many of the own offers were followed. Those of 90 days, for so long are orders remembered under any settings.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(super) fn add_offers(&mut self, known: &Known<'_>, loyalty: &Loyalty) {
        let (day, days) = (known.day, i32::from(known.settings.response_days));
        let offers = loyalty.facts.between(day - (OFFER_DAYS - 1), day - days).filter_map(|fact| match &fact.what {
            What::Exposure { campaign, arm } if !HELD_OUT.contains(&&**arm) => Some((fact.at, Some(&**campaign))),
            What::Contact { direction: Some(Direction::Outbound), kind: Some(ContactKind::Offer) } => Some((fact.at, None)),
            _ => None,
        });
        let follows = |order: &Order, campaign: Option<&str>| {
            let named = order.details.as_deref().map(|details| &*details.campaign);
            order.discounted || order.rewarded || campaign.is_some() && named == campaign
        };
        let mut followed = 0_u64;
        for (at, campaign) in offers {
            let orders = known.rare.purchases.standing_from(at.day).iter().take_while(|order| order.day <= at.day + days);
            self.offers_90d += 1;
            followed += u64::from(orders.filter(|order| order.time > at.time).any(|order| follows(order, campaign)));
        }
        self.offer_following = ratio(followed as f64, self.offers_90d as f64);
    }

    /// What surveys say that no state is decided by.
    #[expect(clippy::cast_precision_loss, reason = "differences are far below 2^53 millionths")]
    pub(super) fn add_said(&mut self, known: &Known<'_>, loyalty: &Loyalty) {
        let (surveys, day) = (&known.rare.surveys, known.day);
        self.attention = surveys.detail(Detail::Attention, day);
        self.names_brand = surveys.detail(Detail::NamesBrand, day).map(|named| named > 0.0);
        let told = loyalty.facts.between(day - (FACT_DAYS - 1), day);
        let told = told.filter_map(|fact| if let What::Disconfirmation(less) = fact.what { Some(i128::from(less)) } else { None });
        let (count, sum) = told.fold((0_u64, 0), |(count, sum), less| (count + 1, sum + less));
        self.disconfirmation = ratio(sum as f64 / 1e6, count as f64);
    }
}
