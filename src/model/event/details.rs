//! What events say beyond the figures that every metric counts: facts for the measures of loyalty.
//!
//! Texts are borrowed from the record where the encoding allows, and empty when absent.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::super::money::Money;
use super::super::month_day::MonthDay;

/// A text of its own.
pub(super) fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

/// Facts of an `activity`; at least one is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActivityFacts<'a> {
    /// What was done, such as `course_view`.
    pub name: Cow<'a, str>,
    /// Where: `web`, `app`, `shop` and the like.
    pub channel: Cow<'a, str>,
    /// The product, course or page.
    pub item: Cow<'a, str>,
    /// The category of the item.
    pub category: Cow<'a, str>,
    /// The brand of the item.
    pub brand: Cow<'a, str>,
    /// How long, in seconds.
    pub duration_s: Option<f64>,
}

/// Facts of an `order_placed` that no metric needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrderDetails<'a> {
    /// Money at list prices.
    pub list_amount: Option<Money>,
    /// What the order cost the business.
    pub cost: Option<Money>,
    /// Where it was placed.
    pub channel: Cow<'a, str>,
    /// Distinct `product_id` of its lines; sorted.
    pub items: Vec<Cow<'a, str>>,
    /// Units of each of `items`, 0 where no line tells any; empty when none does.
    pub units: Vec<f64>,
    /// Seconds that the user waited for it, in a line or for a product to come; at least 0.
    pub wait_s: Option<f64>,
    /// Money that the user expected to pay.
    pub expected_amount: Option<Money>,
    /// Through whom it came: a distributor, an agent.
    pub intermediary: Cow<'a, str>,
    /// The campaign or offer that it answers.
    pub campaign: Cow<'a, str>,
    /// Whether a reward was given out with it, to be redeemed later.
    pub reward_granted: bool,
}

/// Items of a `survey_response` beyond those that attitude and NPS are made of; `None` where not answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SurveyDetails<'a> {
    /// 1 (none) to 7: customer effort.
    pub effort: Option<f64>,
    /// 1 to 5.
    pub quality: Option<f64>,
    /// 1 to 5.
    pub service: Option<f64>,
    /// 1 to 5.
    pub price: Option<f64>,
    /// What the user got, on any scale that `cost` and `expectation` share.
    pub benefit: Option<f64>,
    /// What it cost the user, on the scale of `benefit`.
    pub cost: Option<f64>,
    /// What the user expected, on the scale of `benefit`.
    pub expectation: Option<f64>,
    /// Money that the user says to spend in the category.
    pub category_spend: Option<f64>,
    /// 1 (little) to 5 (much): time that it takes the user.
    pub time_cost: Option<f64>,
    /// 1 to 5: whether the user pays attention to the brand.
    pub attention: Option<f64>,
    /// Whether the user named the brand when asked for one.
    pub names_brand: Option<bool>,
    /// The competitor that the response names.
    pub competitor: Cow<'a, str>,
    /// Whether the answers are about that competitor, and not about the business.
    pub about_competitor: bool,
    /// Attributes that were rated, in the order of the record.
    pub attributes: Vec<AttributeRating<'a>>,
}

/// How one attribute was rated; all from 1 to 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttributeRating<'a> {
    /// Its name.
    pub attribute: Cow<'a, str>,
    /// How much it matters.
    pub importance: Option<f64>,
    /// How good it is.
    pub rating: Option<f64>,
    /// How good it is at the competitor.
    pub competitor_rating: Option<f64>,
}

/// Facts of a `complaint_opened` or `complaint_resolved`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComplaintFacts<'a> {
    /// Empty when absent.
    pub complaint_id: Cow<'a, str>,
    /// The rest, when any of it is there.
    pub details: Option<Box<ComplaintDetails<'a>>>,
}

/// What a complaint or its resolution says beside the id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComplaintDetails<'a> {
    /// What it is about.
    pub category: Cow<'a, str>,
    /// Where it was made.
    pub channel: Cow<'a, str>,
    /// How bad, in the words of the business; `legal` is a critical signal.
    pub severity: Cow<'a, str>,
    /// What was done about it.
    pub remedy: Cow<'a, str>,
    /// Whether the user was satisfied with that.
    pub satisfied: Option<bool>,
    /// What that cost.
    pub cost: Option<Money>,
}

impl<'a, T: Into<Cow<'a, str>>> From<T> for ComplaintFacts<'a> {
    /// The facts of a complaint of which the id alone is known.
    fn from(complaint_id: T) -> Self {
        Self { complaint_id: complaint_id.into(), details: None }
    }
}

/// What a `feedback` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FeedbackKind {
    /// `suggestion`
    Suggestion,
    /// `review`
    Review,
}

/// Who called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Direction {
    /// The business.
    Outbound,
    /// The user.
    Inbound,
}

/// What a contact was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ContactKind {
    /// `thanks`
    Thanks,
    /// `offer`
    Offer,
    /// `support`
    Support,
    /// `survey`
    Survey,
}

/// What money was spent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CostKind {
    /// `acquire`
    Acquire,
    /// `retain`
    Retain,
    /// `serve`
    Serve,
}

/// Facts of types that happen to a user now and then.
#[derive(Clone, Debug, PartialEq)]
pub enum Noted<'a> {
    /// Of a `reward_redeemed`.
    Reward {
        /// Worth.
        amount: Option<Money>,
        /// Of which programme.
        programme: Cow<'a, str>,
    },
    /// Of a `feedback`.
    Feedback {
        /// What it is.
        kind: Option<FeedbackKind>,
        /// From -1 to 1.
        sentiment: Option<f64>,
    },
    /// Of a `social_interaction`.
    Social {
        /// With whom.
        peer: Cow<'a, str>,
        /// What sort.
        kind: Cow<'a, str>,
    },
    /// Of a `competitor_viewed`: the competitor.
    CompetitorViewed(Cow<'a, str>),
    /// Of a `competitor_purchase`.
    CompetitorPurchase {
        /// Whose.
        competitor: Cow<'a, str>,
        /// Money spent there.
        amount: Option<Money>,
    },
    /// Of a `competitor_offer`.
    CompetitorOffer {
        /// Whose.
        competitor: Cow<'a, str>,
        /// How long it is open.
        days: Option<f64>,
    },
    /// Of a `contact_made`.
    Contact {
        /// How.
        channel: Cow<'a, str>,
        /// Who called.
        direction: Option<Direction>,
        /// What for.
        kind: Option<ContactKind>,
    },
    /// Of a `quality_issue`: its category.
    QualityIssue(Cow<'a, str>),
    /// Of a `price_changed`.
    PriceChanged {
        /// The product.
        product_id: Cow<'a, str>,
        /// Money before.
        old: Option<Money>,
        /// Money now.
        new: Option<Money>,
    },
    /// Of a `cost_booked`.
    Cost {
        /// What for.
        kind: Option<CostKind>,
        /// Money spent.
        amount: Option<Money>,
    },
    /// Of a `profile_updated` that tells a birthday.
    Birthday(MonthDay),
    /// Of a `campaign_exposed`.
    Campaign {
        /// The campaign.
        campaign: Cow<'a, str>,
        /// The arm of its experiment.
        arm: Cow<'a, str>,
        /// Whether a reward was given out with it, to be redeemed later.
        reward_granted: bool,
    },
    /// Of a `subscription_cancelled` or `customer_lost`.
    Departure {
        /// Why.
        reason: Cow<'a, str>,
        /// To whom.
        competitor: Cow<'a, str>,
        /// Whether the user can be won back.
        recoverable: Option<bool>,
    },
}

impl ActivityFacts<'_> {
    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> ActivityFacts<'static> {
        let Self { name, channel, item, category, brand, duration_s } = self;
        let (name, channel, item, category, brand) = (owned(name), owned(channel), owned(item), owned(category), owned(brand));
        ActivityFacts { name, channel, item, category, brand, duration_s }
    }
}

impl OrderDetails<'_> {
    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> OrderDetails<'static> {
        OrderDetails {
            channel: owned(self.channel),
            items: self.items.into_iter().map(owned).collect(),
            intermediary: owned(self.intermediary),
            campaign: owned(self.campaign),
            list_amount: self.list_amount,
            cost: self.cost,
            units: self.units,
            wait_s: self.wait_s,
            expected_amount: self.expected_amount,
            reward_granted: self.reward_granted,
        }
    }
}

impl SurveyDetails<'_> {
    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> SurveyDetails<'static> {
        let attribute = |rated: AttributeRating<'_>| AttributeRating {
            attribute: owned(rated.attribute),
            importance: rated.importance,
            rating: rated.rating,
            competitor_rating: rated.competitor_rating,
        };
        SurveyDetails {
            effort: self.effort,
            quality: self.quality,
            service: self.service,
            price: self.price,
            benefit: self.benefit,
            cost: self.cost,
            expectation: self.expectation,
            category_spend: self.category_spend,
            time_cost: self.time_cost,
            attention: self.attention,
            names_brand: self.names_brand,
            competitor: owned(self.competitor),
            about_competitor: self.about_competitor,
            attributes: self.attributes.into_iter().map(attribute).collect(),
        }
    }
}

impl ComplaintFacts<'_> {
    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> ComplaintFacts<'static> {
        let details = self.details.map(|details| {
            let ComplaintDetails { category, channel, severity, remedy, satisfied, cost } = *details;
            let (category, channel, severity, remedy) = (owned(category), owned(channel), owned(severity), owned(remedy));
            Box::new(ComplaintDetails { category, channel, severity, remedy, satisfied, cost })
        });
        ComplaintFacts { complaint_id: owned(self.complaint_id), details }
    }
}

impl Noted<'_> {
    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Noted<'static> {
        match self {
            Self::Reward { amount, programme } => Noted::Reward { amount, programme: owned(programme) },
            Self::Feedback { kind, sentiment } => Noted::Feedback { kind, sentiment },
            Self::Social { peer, kind } => Noted::Social { peer: owned(peer), kind: owned(kind) },
            Self::CompetitorViewed(competitor) => Noted::CompetitorViewed(owned(competitor)),
            Self::CompetitorPurchase { competitor, amount } => Noted::CompetitorPurchase { competitor: owned(competitor), amount },
            Self::CompetitorOffer { competitor, days } => Noted::CompetitorOffer { competitor: owned(competitor), days },
            Self::Contact { channel, direction, kind } => Noted::Contact { channel: owned(channel), direction, kind },
            Self::QualityIssue(category) => Noted::QualityIssue(owned(category)),
            Self::PriceChanged { product_id, old, new } => Noted::PriceChanged { product_id: owned(product_id), old, new },
            Self::Cost { kind, amount } => Noted::Cost { kind, amount },
            Self::Birthday(day) => Noted::Birthday(day),
            Self::Campaign { campaign, arm, reward_granted } => {
                Noted::Campaign { campaign: owned(campaign), arm: owned(arm), reward_granted }
            }
            Self::Departure { reason, competitor, recoverable } => {
                Noted::Departure { reason: owned(reason), competitor: owned(competitor), recoverable }
            }
        }
    }
}
