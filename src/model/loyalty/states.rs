//! The types, steps and kinds of loyal users, and what changes one into another. Each close of a day moves a state by one step at most, and a score
//! that is high must fall below its threshold by a margin to be low: nobody flaps.

use serde::{Deserialize, Serialize};

use super::super::time::Day;
use super::settings::LoyaltySettings;

/// Orders from which a kind of loyalty is told.
const KIND_ORDERS: u64 = 3;

/// Makes an enum with a name on the wire for each value.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$value_doc])* $value,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$value,)+];
            /// The names of all, in order.
            pub const NAMES: &'static [&'static str] = &[$($text,)+];

            /// The name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }
    };
}

named! {
    /// Behaviour by attitude (source article D).
    LoyaltyType {
        /// Low behaviour, low attitude.
        Disloyal = "disloyal",
        /// High behaviour, low or unknown attitude.
        Inertia = "inertia",
        /// High behaviour that rewards buy, without a high attitude.
        Mercenary = "mercenary",
        /// High attitude or activity, few or no orders.
        Latent = "latent",
        /// Both high.
        Committed = "committed",
        /// Both high, and speaks for the business.
        Fanatic = "fanatic",
    }
}

named! {
    /// Five steps (source article D), each on top of those before.
    LoyaltyStep {
        /// Not even a habit.
        None = "none",
        /// Orders in a row at a steady rhythm.
        Habit = "habit",
        /// Satisfied as well.
        Satisfied = "satisfied",
        /// Attached as well.
        Emotion = "emotion",
        /// This brand alone, and refers others.
        Loyal = "loyal",
    }
}

named! {
    /// What loyalty comes from (source article A), by growing duration.
    LoyaltyKind {
        /// Short decisions, coupons.
        Impulsive = "impulsive",
        /// Attitude, breadth.
        Emotional = "emotional",
        /// Compares and researches.
        Cognitive = "cognitive",
        /// Steady habit.
        Behavioural = "behavioural",
    }
}

named! {
    /// How likely a complaint is, by the signals that come before one.
    ComplaintRisk {
        /// No signal.
        Low = "low",
        /// One.
        Elevated = "elevated",
        /// Two or more, or a matter of law.
        High = "high",
    }
}

/// What the states of a user at the end of a day are decided by. `None` where nothing is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// 0 to 1.
    pub attitude: Option<f64>,
    /// Attitude and behaviour are high from here.
    pub high: f64,
    /// Active days in 30 over 30.
    pub activity: f64,
    /// Streak over twice the orders that make loyal, at most 1.
    pub buying: f64,
    /// Orders that stand.
    pub orders: u64,
    /// Orders since the last break.
    pub streak: u64,
    /// Orders in a row that make a user loyal.
    pub loyal_orders: u64,
    /// Orders with a reward over orders.
    pub reward_share: Option<f64>,
    /// Whether there was an order within `loyalty.response_days` after any offer of a competitor; `None` without one whose days are over.
    pub bought_during_offer: Option<bool>,
    /// Converted referrals.
    pub referrals: u64,
    /// Reviews written.
    pub reviews: u64,
    /// The latest answers within 180 days.
    pub recommend: Option<u8>,
    /// See `recommend`.
    pub satisfaction: Option<f64>,
    /// Shrunk mean sentiment.
    pub sentiment: Option<f64>,
    /// Variation of the gaps between order days.
    pub gap_variation: Option<f64>,
    /// Every order is of one brand, and no competitor was looked at or bought from of late.
    pub one_brand: bool,
    /// How much each kind of loyalty has for it, 0 to 1, in the order of [`LoyaltyKind`].
    pub kinds: [Option<f64>; 4],
    /// Signals that come before a complaint.
    pub signals: u64,
    /// A complaint of late is a matter of law.
    pub legal: bool,
    /// Brands with the weight of their orders of late, by name.
    pub brands: Vec<(Box<str>, u64)>,
}

impl Evidence {
    /// How far attitude is above (or, negative, below) where it is high.
    #[must_use]
    pub fn attitude_margin(&self) -> Option<f64> {
        self.attitude.map(|attitude| attitude - self.high)
    }

    /// The same of behaviour, the larger of activity and buying.
    #[must_use]
    pub fn behaviour_margin(&self) -> f64 {
        self.buying.max(self.activity) - self.high
    }
}

/// The states of a user at the end of a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct States {
    attitude_high: bool,
    behaviour_high: bool,
    /// `None` where nothing tells one.
    pub loyalty_type: Option<LoyaltyType>,
    /// See [`LoyaltyStep`].
    pub step: LoyaltyStep,
    /// `None` with too few orders.
    pub kind: Option<LoyaltyKind>,
    /// The favourite brand; `None` without orders of late that have any.
    pub brand: Option<Box<str>>,
    /// See [`ComplaintRisk`].
    pub complaint_risk: ComplaintRisk,
    /// The day at whose close the user is looked at next, as far as time alone decides.
    pub next: Day,
}

impl Default for States {
    fn default() -> Self {
        Self {
            attitude_high: false,
            behaviour_high: false,
            loyalty_type: None,
            step: LoyaltyStep::None,
            kind: None,
            brand: None,
            complaint_risk: ComplaintRisk::Low,
            next: Day::from_number(i32::MAX / 4),
        }
    }
}

/// Whether so many active days in 30 are enough to make behaviour high.
#[must_use]
pub fn activity_is_high(active_days: u32, settings: &LoyaltySettings) -> bool {
    f64::from(active_days) / 30.0 >= settings.high
}

/// Whether so many active days in 30 are enough to keep behaviour high.
#[must_use]
pub fn activity_matters(active_days: u32, settings: &LoyaltySettings) -> bool {
    f64::from(active_days) / 30.0 >= settings.high - settings.margin
}

impl States {
    /// Whether behaviour is high.
    #[must_use]
    pub fn behaves(&self) -> bool {
        self.behaviour_high
    }

    /// The states one day later: each one step further at most.
    #[must_use]
    pub fn moved(&self, evidence: &Evidence, settings: &LoyaltySettings) -> Self {
        let holds = |score: f64, was_high: bool| score >= if was_high { settings.high - settings.margin } else { settings.high };
        let attitude_high = evidence.attitude.is_some_and(|score| holds(score, self.attitude_high));
        let behaviour_high = holds(evidence.buying.max(evidence.activity), self.behaviour_high);
        let buys = holds(evidence.buying, self.behaviour_high);
        Self {
            attitude_high,
            behaviour_high,
            loyalty_type: loyalty_type(evidence, settings, (attitude_high, behaviour_high, buys)),
            step: step_towards(self.step, steps(evidence, settings)),
            kind: kind(evidence, settings, self.kind),
            brand: brand(evidence, settings, self.brand.as_deref()),
            complaint_risk: match evidence.signals {
                _ if evidence.legal => ComplaintRisk::High,
                0 => ComplaintRisk::Low,
                1 => ComplaintRisk::Elevated,
                _ => ComplaintRisk::High,
            },
            next: self.next,
        }
    }

    /// The same, to be looked at by the close of `next`.
    #[must_use]
    pub fn until(self, next: Day) -> Self {
        Self { next, ..self }
    }

    /// Whether these are the states of someone of whom nothing is told.
    #[must_use]
    pub fn say_nothing(&self) -> bool {
        Self { next: Self::default().next, ..self.clone() } == Self::default()
    }
}

fn loyalty_type(evidence: &Evidence, settings: &LoyaltySettings, (attitude, behaviour, buys): (bool, bool, bool)) -> Option<LoyaltyType> {
    let known = evidence.attitude.is_some();
    // Without a word on attitude, a user who brought others speaks by deeds.
    let attitude = attitude || !known && evidence.referrals > 0;
    let promotes = evidence.referrals > 0 || evidence.reviews > 0 || evidence.recommend.is_some_and(|score| score >= settings.promoter);
    // Who comes often and hardly ever buys has the behaviour still to come.
    let visits_only = behaviour && !buys && evidence.orders < evidence.loyal_orders;
    if !known && !attitude && !behaviour {
        return None;
    }
    Some(match (behaviour, attitude) {
        (true, _) if visits_only => LoyaltyType::Latent,
        (true, true) if promotes => LoyaltyType::Fanatic,
        (true, true) => LoyaltyType::Committed,
        (true, false) if evidence.reward_share.is_some_and(|share| share >= settings.mercenary_share) => LoyaltyType::Mercenary,
        (true, false) => LoyaltyType::Inertia,
        (false, true) => LoyaltyType::Latent,
        (false, false) => LoyaltyType::Disloyal,
    })
}

/// The highest step whose conditions, and those of all before, are met.
fn steps(evidence: &Evidence, settings: &LoyaltySettings) -> LoyaltyStep {
    let steady = evidence.gap_variation.is_some_and(|variation| variation < settings.steady_variation);
    let attached = evidence.recommend.is_some_and(|score| score >= settings.promoter)
        || evidence.sentiment.is_some_and(|sentiment| sentiment >= settings.sentiment_high);
    let conditions = [
        evidence.streak >= evidence.loyal_orders && steady,
        evidence.satisfaction.is_some_and(|score| score >= settings.satisfied),
        attached,
        evidence.one_brand && evidence.referrals > 0,
    ];
    LoyaltyStep::ALL[conditions.iter().take_while(|met| **met).count()]
}

fn step_towards(from: LoyaltyStep, to: LoyaltyStep) -> LoyaltyStep {
    let at = from as usize;
    match to.cmp(&from) {
        std::cmp::Ordering::Less => LoyaltyStep::ALL[at - 1],
        std::cmp::Ordering::Equal => from,
        std::cmp::Ordering::Greater => LoyaltyStep::ALL[at + 1],
    }
}

/// The kind with most for it; another takes over when it has more by the margin.
fn kind(evidence: &Evidence, settings: &LoyaltySettings, before: Option<LoyaltyKind>) -> Option<LoyaltyKind> {
    if evidence.orders < KIND_ORDERS {
        return None;
    }
    let score = |kind: LoyaltyKind| evidence.kinds[kind as usize];
    let mut best: Option<(LoyaltyKind, f64)> = None;
    for kind in LoyaltyKind::ALL {
        if let Some(score) = score(*kind).filter(|score| best.is_none_or(|(_, most)| *score > most)) {
            best = Some((*kind, score));
        }
    }
    let (best, most) = best?;
    match before.and_then(|before| score(before).map(|score| (before, score))) {
        Some((before, score)) if most - score < settings.margin => Some(before),
        _ => Some(best),
    }
}

/// The heaviest brand; another takes over when it weighs more by the margin.
fn brand(evidence: &Evidence, settings: &LoyaltySettings, before: Option<&str>) -> Option<Box<str>> {
    let mut best: Option<&(Box<str>, u64)> = None;
    for brand in &evidence.brands {
        if brand.1 > best.map_or(0, |best| best.1) {
            best = Some(brand);
        }
    }
    let best = best?;
    #[expect(clippy::cast_precision_loss, reason = "weights are small")]
    let stays = |known: &&(Box<str>, u64)| best.1 as f64 <= known.1 as f64 * (1.0 + settings.brand_margin);
    let before = before.and_then(|before| evidence.brands.iter().find(|(name, _)| **name == *before));
    Some(before.filter(stays).unwrap_or(best).0.clone())
}

#[cfg(test)]
mod tests;
