//! What happens to a user now and then, dated: contacts, competitors, feedback, rewards. Counted once whichever way it comes.

use serde::{Deserialize, Serialize};

use super::super::complaints::Moment;
use super::super::event::{ContactKind, CostKind, Direction, FeedbackKind};
use super::super::money::Money;
use super::super::seldom::Empty;
use super::super::time::{Day, EventTime};

/// Days for which facts are kept one by one.
pub const FACT_DAYS: i32 = 180;

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fact {
    /// When.
    pub at: Moment,
    /// What its event is recognised by across the ids of a user; zero when it cannot be.
    pub event: [u8; 16],
    /// What.
    pub what: What,
}

/// What happened. Numbers with decimals are in millionths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum What {
    /// The user and the business spoke.
    Contact {
        /// Who called.
        direction: Option<Direction>,
        /// What for.
        kind: Option<ContactKind>,
    },
    /// A competitor was looked at.
    CompetitorViewed,
    /// Something was bought from a competitor.
    CompetitorPurchase {
        /// From whom; empty when that is not told.
        competitor: Box<str>,
        /// The money, when told.
        amount: Option<Money>,
    },
    /// The product failed.
    QualityIssue,
    /// The user spoke up.
    Feedback {
        /// How.
        kind: Option<FeedbackKind>,
        /// From -1 to 1.
        sentiment: Option<i64>,
    },
    /// The user met a peer.
    Social(Box<str>),
    /// The user recommended the business to someone.
    ReferralSent,
    /// A reward was redeemed; its worth, when told.
    Reward(Option<Money>),
    /// A complaint was opened.
    Complaint {
        /// Its id; empty when it has none and stands for itself.
        id: Box<str>,
        /// What it is about; empty when that is not told.
        category: Box<str>,
        /// Whether it is a matter of law.
        legal: bool,
    },
    /// The user cancelled, or was noted as lost; texts are empty where not told.
    Departure {
        /// Why.
        reason: Box<str>,
        /// To whom.
        competitor: Box<str>,
        /// Whether the user can be won back, as far as told.
        recoverable: Option<bool>,
    },
    /// Money was spent on the user.
    Cost(CostKind, Money),
    /// The answer to `satisfaction`.
    Satisfaction(i64),
    /// A rated attribute: importance, own rating, the competitor's.
    Attribute {
        /// Its name.
        name: Box<str>,
        /// Importance, 1 to 5.
        importance: Option<i64>,
        /// Own rating, 1 to 5.
        rating: Option<i64>,
        /// The competitor's, 1 to 5.
        competitor_rating: Option<i64>,
    },
    /// The user saw a campaign, or was held out of it.
    Exposure {
        /// Which.
        campaign: Box<str>,
        /// The arm of its experiment; empty where not told.
        arm: Box<str>,
    },
    /// What was done about a complaint when it was resolved, where that is told.
    Remedy {
        /// The complaint's id; empty when it has none.
        id: Box<str>,
        /// What was done; empty when that is not told.
        remedy: Box<str>,
        /// Whether the user was satisfied with it, as far as told.
        satisfied: Option<bool>,
    },
    /// A reward was given out.
    RewardGranted,
    /// What was met less what was expected, by one response.
    Disconfirmation(i64),
    /// Answers about a competitor.
    Rival {
        /// Which.
        competitor: Box<str>,
        /// By [`RIVAL_ITEMS`].
        answers: [Option<i32>; RIVAL_ITEMS.len()],
    },
}

/// Items that are kept of answers about competitors.
pub const RIVAL_ITEMS: [&str; 6] = ["recommend", "repurchase_intention", "trust", "satisfaction", "responsiveness", "attention"];

/// Counts and sums of facts ever.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FactTotals {
    /// Purchases from competitors.
    pub competitor_purchases: u64,
    /// The money of those that tell it.
    pub competitor_spend: Money,
    /// Suggestions.
    pub suggestions: u64,
    /// Reviews.
    pub reviews: u64,
    /// Feedback that has a sentiment.
    pub sentiments: u64,
    /// The sentiments, in millionths, in sum.
    pub sentiment_sum: i64,
    /// Referrals, converted or not.
    pub referrals_sent: u64,
    /// Rewards redeemed.
    pub rewards: u64,
    /// What those were worth that tell it.
    pub reward_amount: Money,
    /// Rewards given out otherwise than with orders.
    pub rewards_granted: u64,
    /// Money spent on the user to acquire, to retain and to serve.
    pub costs: [Money; 3],
}

impl FactTotals {
    const NONE: Self = Self {
        competitor_purchases: 0,
        competitor_spend: Money::ZERO,
        suggestions: 0,
        reviews: 0,
        sentiments: 0,
        sentiment_sum: 0,
        referrals_sent: 0,
        rewards: 0,
        reward_amount: Money::ZERO,
        rewards_granted: 0,
        costs: [Money::ZERO; 3],
    };

    fn add(&mut self, what: &What) {
        match what {
            What::CompetitorPurchase { amount, .. } => {
                self.competitor_purchases += 1;
                self.competitor_spend += amount.unwrap_or_default();
            }
            What::Feedback { kind, sentiment } => {
                self.suggestions += u64::from(*kind == Some(FeedbackKind::Suggestion));
                self.reviews += u64::from(*kind == Some(FeedbackKind::Review));
                self.sentiments += u64::from(sentiment.is_some());
                self.sentiment_sum += sentiment.unwrap_or_default();
            }
            What::ReferralSent => self.referrals_sent += 1,
            What::Reward(amount) => {
                self.rewards += 1;
                self.reward_amount += amount.unwrap_or_default();
            }
            What::RewardGranted => self.rewards_granted += 1,
            What::Cost(kind, amount) => self.costs[*kind as usize] += *amount,
            What::Contact { .. }
            | What::Departure { .. }
            | What::CompetitorViewed
            | What::QualityIssue
            | What::Social(_)
            | What::Complaint { .. }
            | What::Remedy { .. }
            | What::Exposure { .. }
            | What::Satisfaction(_)
            | What::Disconfirmation(_)
            | What::Rival { .. }
            | What::Attribute { .. } => {}
        }
    }

    fn absorb(&mut self, other: &Self) {
        self.competitor_purchases += other.competitor_purchases;
        self.competitor_spend += other.competitor_spend;
        self.suggestions += other.suggestions;
        self.reviews += other.reviews;
        self.sentiments += other.sentiments;
        self.sentiment_sum += other.sentiment_sum;
        self.referrals_sent += other.referrals_sent;
        self.rewards += other.rewards;
        self.reward_amount += other.reward_amount;
        self.rewards_granted += other.rewards_granted;
        for (known, theirs) in self.costs.iter_mut().zip(&other.costs) {
            *known += *theirs;
        }
    }
}

/// The facts of a user: those of the last [`FACT_DAYS`] days and some more one by one, and totals of the older ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Sorted.
    recent: Vec<Fact>,
    older: FactTotals,
}

impl Empty for Facts {
    const EMPTY: &'static Self = &Self { recent: Vec::new(), older: FactTotals::NONE };
}

impl Facts {
    /// Takes one in.
    pub fn add(&mut self, fact: Fact) {
        let at = self.recent.partition_point(|known| *known < fact);
        self.recent.insert(at, fact);
    }

    /// The facts on the days from `from` to `through`, by time.
    pub fn between(&self, from: Day, through: Day) -> impl DoubleEndedIterator<Item = &Fact> {
        let end = self.recent.partition_point(|fact| fact.at.day <= through);
        let start = self.recent[..end].partition_point(|fact| fact.at.day < from);
        self.recent[start..end].iter()
    }

    /// The day of the newest fact.
    #[must_use]
    pub fn last_day(&self) -> Option<Day> {
        self.recent.last().map(|fact| fact.at.day)
    }

    /// Counts and sums of all facts ever.
    #[must_use]
    pub fn totals(&self) -> FactTotals {
        let mut totals = self.older.clone();
        self.recent.iter().for_each(|fact| totals.add(&fact.what));
        totals
    }

    /// Whether a fact of before `day` is kept one by one.
    #[must_use]
    pub fn holds_before(&self, day: Day) -> bool {
        self.recent.first().is_some_and(|fact| fact.at.day < day)
    }

    /// Keeps only the totals of facts of before `day`.
    pub fn fold_before(&mut self, day: Day) {
        let end = self.recent.partition_point(|fact| fact.at.day < day);
        for fact in self.recent.drain(..end) {
            self.older.add(&fact.what);
        }
    }

    /// Joins the facts of another id of the same user: those of one event count once.
    pub fn absorb(&mut self, other: &Self) {
        self.older.absorb(&other.older);
        for fact in &other.recent {
            if fact.event == [0; 16] || self.recent.binary_search(fact).is_err() {
                self.add(fact.clone());
            }
        }
    }

    /// The part after an instant, as that of a user of its own.
    #[must_use]
    pub fn after(&self, time: EventTime) -> Self {
        let recent = self.recent.iter().filter(|fact| fact.at.time > time).cloned().collect();
        Self { recent, older: FactTotals::default() }
    }

    /// Bytes of memory, estimated.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        self.recent.capacity() * size_of::<Fact>()
    }
}

/// A number with decimals as a whole number of millionths: sums of it do not depend on their order.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a double beyond 64 bits is clamped")]
pub fn millionths(value: f64) -> i64 {
    (value * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(second: i64, event: u8, what: What) -> Fact {
        let day = Day::from_number(i32::try_from(second / 10).expect("small"));
        Fact { at: Moment { time: EventTime::from_nanos(second), day }, event: [event; 16], what }
    }

    #[test]
    fn an_event_known_to_two_ids_counts_once_and_one_without_an_id_stands_for_itself() {
        let (mut one, mut other) = (Facts::default(), Facts::default());
        for facts in [&mut one, &mut other] {
            facts.add(fact(12, 7, What::ReferralSent));
            facts.add(fact(11, 0, What::ReferralSent));
        }
        other.add(fact(35, 8, What::Feedback { kind: Some(FeedbackKind::Review), sentiment: Some(millionths(0.5)) }));
        one.absorb(&other);
        let mut folded = one.clone();
        folded.fold_before(Day::from_number(3));
        for facts in [one, folded] {
            let totals = facts.totals();
            assert_eq!((totals.referrals_sent, totals.reviews, totals.sentiment_sum), (3, 1, 500_000));
            assert_eq!(facts.between(Day::from_number(2), Day::from_number(3)).count(), 1);
        }
    }
}
