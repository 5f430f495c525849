//! What the users of one process show, as it tells another process of its group.

use serde::{Deserialize, Serialize};

use crate::engine::insights::Insights;
use crate::model::time::Day;

/// The version of the bytes: to be raised whenever the fields of [`Insights`] change.
const VERSION: u8 = 6;

/// Counts of the users of some partitions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Whose users.
    pub partitions: Vec<i32>,
    /// The end of the day that they are as of; `None` before the first event.
    pub day: Option<Day>,
    /// The counts.
    pub insights: Insights,
}

/// Why bytes are no share.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The other process is of another version, as while one after the other is replaced.
    #[error("it tells insights in another way (version {0:?}, this one is {VERSION}): processes of one group must be of one version")]
    Version(Option<u8>),
    /// Not decodable.
    #[error("it tells what is no insights: {0}")]
    Undecodable(#[from] postcard::Error),
}

impl Share {
    /// A version, then the share.
    pub fn encode(&self) -> Result<Vec<u8>, ShareError> {
        Ok(postcard::to_extend(self, vec![VERSION])?)
    }

    /// The share in such bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, ShareError> {
        match bytes.split_first() {
            Some((&VERSION, share)) => Ok(postcard::from_bytes(share)?),
            other => Err(ShareError::Version(other.map(|(version, _)| *version))),
        }
    }

    /// Adds the share of other partitions. Both are as of the same day, or one has no events.
    pub fn absorb(&mut self, other: &Self) {
        self.partitions.extend(&other.partitions);
        self.day = self.day.max(other.day);
        self.insights.absorb(&other.insights);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::insights::{AttributeCounts, CategoryCounts, Departures, Depth, HabitAround};
    use crate::model::insights::proportion::Proportion;
    use crate::model::loyalty::states::LoyaltyType;
    use crate::model::money::Money;

    /// Something in most fields, so that bytes move when fields do.
    fn share() -> Share {
        let mut insights = Insights::default();
        insights.funnel[0].count(7, true);
        insights.dwells[2].count(8, true);
        insights.recovery[1].count(true);
        insights.satisfaction.count(4_000_000, false);
        insights.buyers.count((3, 2, Money::ZERO));
        insights.types.insert(Some(LoyaltyType::ALL[1]), (1, 2, Money::ZERO));
        insights.tenure.entry(None).or_default().count(9, false);
        insights.voices.unhappy = [5, 6];
        insights.voices.habits[2] = HabitAround { complaints: 1, before: 2, after: 3 };
        insights.voices.tolerance[0].count(true);
        insights.voices.second_order.count(3_000_000, true);
        let handling = &mut insights.handling;
        handling.remedies.entry("gift".into()).or_default().stayed.count(true);
        handling.first_response.count(5, true);
        handling.categories.insert("late".into(), CategoryCounts { complaints: 3, users: 2, legal: 1 });
        handling.service = [1, 2, 3];
        insights.worth.spent.entry(None).or_default().users = 4;
        insights.worth.profits.insert(Money::ZERO, 5);
        insights.worth.payback.count(6, false);
        insights.worth.payback_unknown = 8;
        let trade = &mut insights.trade;
        trade.intermediaries.entry("agent".into()).or_default().orders = 7;
        trade.campaigns.entry("spring".into()).or_default()[1].orders.insert(2, 3);
        trade.decisions.count(60.0);
        trade.waits.count(5.0);
        trade.interest[1].count(true);
        trade.depth = Depth { users: 1, products: 2, units: 3 };
        insights.rivals.0.entry("them".into()).or_default().users = 4;
        let groups = &mut insights.groups;
        groups.flows.insert(("them".into(), "others".into()), 9);
        groups.spread = [4, 5, 6];
        groups.spreaders.count(true);
        groups.reasons.insert("price".into(), 1);
        groups.competitors.insert("them".into(), 2);
        groups.won_back.count(false);
        groups.recoverable[1] = Departures { departures: 3, won_back: Proportion { part: 1, whole: 2 } };
        groups.cross_buyers.count(true);
        groups.attributes.insert("speed".into(), AttributeCounts { users: 1, importance: 2, own: 3, theirs: 4 });
        groups.channels.insert("web".into(), (1, 2));
        groups.channel_exits.insert("app".into(), Proportion { part: 1, whole: 2 });
        groups.channel_orders.insert("web".into(), 3);
        groups.referrals = [1, 2, 3];
        groups.categories.insert("tea".into(), 4);
        groups.pairs.insert(("cups".into(), "tea".into()), 5);
        groups.buyers = [6, 7];
        groups.responses[1].occasions = 8;
        Share { partitions: vec![0, 3], day: Day::parse("2026-01-31"), insights }
    }

    #[test]
    fn there_and_back() {
        let bytes = share().encode().expect("encoded");
        assert_eq!(Share::decode(&bytes).expect("decoded"), share());
        for length in 0..bytes.len() {
            assert!(Share::decode(&bytes[..length]).is_err(), "cut after {length} bytes");
        }
        let other = [&[VERSION + 1], &bytes[1..]].concat();
        assert!(Share::decode(&other).expect_err("another version").to_string().contains("one version"));
    }

    /// Fields that come or go without another version would be read as one another by a process of the version before.
    #[test]
    fn bytes_of_this_version() {
        let bytes = share().encode().expect("encoded");
        assert_eq!(
            (VERSION, bytes.len(), crc32fast::hash(&bytes)),
            (6, 305, 1_160_604_904),
            "if fields changed: raise the version, then this"
        );
    }

    #[test]
    fn shares_add_up() {
        let mut sum = Share::default();
        sum.absorb(&share());
        sum.absorb(&Share { partitions: vec![1], ..Share::default() });
        assert_eq!(sum, Share { partitions: vec![0, 3, 1], ..share() });
    }
}
