//! One user-activity event, decoded: who, what, when, and the facts that the engine counts.

mod details;

use std::borrow::Cow;

pub use details::{
    ActivityFacts, AttributeRating, ComplaintDetails, ComplaintFacts, ContactKind, CostKind, Direction, FeedbackKind, Noted, OrderDetails,
    SurveyDetails,
};

use super::money::Money;
use super::time::EventTime;

/// The vocabulary of event types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    /// `signup`
    Signup,
    /// `activity`
    Activity,
    /// `order_placed`
    OrderPlaced,
    /// `referral_sent`
    ReferralSent,
    /// `referral_converted`
    ReferralConverted,
    /// `survey_response`
    SurveyResponse,
    /// `complaint_opened`
    ComplaintOpened,
    /// `reward_redeemed`
    RewardRedeemed,
    /// `feedback`
    Feedback,
    /// `social_interaction`
    SocialInteraction,
    /// `order_returned`
    OrderReturned,
    /// `subscription_cancelled`
    SubscriptionCancelled,
    /// `competitor_viewed`
    CompetitorViewed,
    /// `competitor_purchase`
    CompetitorPurchase,
    /// `complaint_resolved`
    ComplaintResolved,
    /// `contact_made`
    ContactMade,
    /// `quality_issue`
    QualityIssue,
    /// `price_changed`
    PriceChanged,
    /// `competitor_offer`
    CompetitorOffer,
    /// `cost_booked`
    CostBooked,
    /// `campaign_exposed`
    CampaignExposed,
    /// `customer_lost`
    CustomerLost,
    /// `profile_updated`
    ProfileUpdated,
    /// `user_merged`
    UserMerged,
    /// `user_deleted`
    UserDeleted,
}

impl EventType {
    /// Every type with its name on the wire and whether it makes its user active, in the order of the contract.
    pub const ALL: [(Self, &'static str, bool); 25] = [
        (Self::Signup, "signup", true),
        (Self::Activity, "activity", true),
        (Self::OrderPlaced, "order_placed", true),
        (Self::ReferralSent, "referral_sent", true),
        (Self::ReferralConverted, "referral_converted", true),
        (Self::SurveyResponse, "survey_response", true),
        (Self::ComplaintOpened, "complaint_opened", true),
        (Self::RewardRedeemed, "reward_redeemed", true),
        (Self::Feedback, "feedback", true),
        (Self::SocialInteraction, "social_interaction", true),
        (Self::OrderReturned, "order_returned", false),
        (Self::SubscriptionCancelled, "subscription_cancelled", false),
        (Self::CompetitorViewed, "competitor_viewed", false),
        (Self::CompetitorPurchase, "competitor_purchase", false),
        (Self::ComplaintResolved, "complaint_resolved", false),
        (Self::ContactMade, "contact_made", false),
        (Self::QualityIssue, "quality_issue", false),
        (Self::PriceChanged, "price_changed", false),
        (Self::CompetitorOffer, "competitor_offer", false),
        (Self::CostBooked, "cost_booked", false),
        (Self::CampaignExposed, "campaign_exposed", false),
        (Self::CustomerLost, "customer_lost", false),
        (Self::ProfileUpdated, "profile_updated", false),
        (Self::UserMerged, "user_merged", false),
        (Self::UserDeleted, "user_deleted", false),
    ];

    /// The type with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(kind, _, _)| *kind)
    }

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Whether an event of this type makes its user active on its day, unless `activity.exclude` names it.
    #[must_use]
    pub fn is_activity(self) -> bool {
        Self::ALL[self as usize].2
    }
}

/// One event. Texts are borrowed from the record where the encoding allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// 1 to 256 bytes.
    pub user_id: Cow<'a, str>,
    /// At most 128 bytes; empty when absent.
    pub event_id: Cow<'a, str>,
    /// Its type, after mapping.
    pub kind: EventType,
    /// Event time.
    pub time: EventTime,
    /// What the engine counts beyond the activity itself; matches `kind`.
    pub facts: Facts<'a>,
    /// The values of the configured properties that the event carries: index of the property, those of breakdowns first and then those of rules, and JSON text of the
    /// value (a string without its quotes). Missing, null, objects and arrays are left out. Ascending by index.
    pub breakdowns: Vec<(u16, Cow<'a, str>)>,
}

impl Event<'_> {
    /// The same event with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        let owned = details::owned;
        let all = |texts: Vec<Cow<'_, str>>| texts.into_iter().map(owned).collect();
        let facts = match self.facts {
            Facts::None => Facts::None,
            Facts::Order(facts) => Facts::Order(OrderFacts {
                order_id: owned(facts.order_id),
                brands: all(facts.brands),
                categories: all(facts.categories),
                amount: facts.amount,
                discounted: facts.discounted,
                reward_used: facts.reward_used,
                decision_s: facts.decision_s,
                details: facts.details.map(|details| Box::new(details.into_owned())),
            }),
            Facts::Activity(facts) => Facts::Activity(facts.into_owned()),
            Facts::Return(facts) => Facts::Return(ReturnFacts { order_id: owned(facts.order_id), amount: facts.amount }),
            Facts::Survey(facts) => {
                let details = facts.details.map(|details| Box::new(details.into_owned()));
                let SurveyFacts { recommend, repurchase_intention, trust, satisfaction, responsiveness, .. } = facts;
                Facts::Survey(SurveyFacts { recommend, repurchase_intention, trust, satisfaction, responsiveness, details })
            }
            Facts::Complaint(facts) => Facts::Complaint(facts.into_owned()),
            Facts::Noted(noted) => Facts::Noted(Box::new(noted.into_owned())),
            Facts::MergedInto(into) => Facts::MergedInto(owned(into)),
        };
        Event {
            user_id: owned(self.user_id),
            event_id: owned(self.event_id),
            kind: self.kind,
            time: self.time,
            facts,
            breakdowns: self.breakdowns.into_iter().map(|(property, value)| (property, owned(value))).collect(),
        }
    }
}

/// The facts of an event that counters need. Types without such facts carry [`Facts::None`].
#[derive(Clone, Debug, PartialEq)]
pub enum Facts<'a> {
    /// Nothing beyond type, user and time.
    None,
    /// Of an `activity` that carries any.
    Activity(ActivityFacts<'a>),
    /// Of an `order_placed`.
    Order(OrderFacts<'a>),
    /// Of an `order_returned`.
    Return(ReturnFacts<'a>),
    /// Of a `survey_response`.
    Survey(SurveyFacts<'a>),
    /// Of a `complaint_opened` or `complaint_resolved`.
    Complaint(ComplaintFacts<'a>),
    /// Of what happens to a user now and then.
    Noted(Box<Noted<'a>>),
    /// Of a `user_merged`: the id that the user becomes, 1 to 256 bytes.
    MergedInto(Cow<'a, str>),
}

/// Facts of an `order_placed`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrderFacts<'a> {
    /// Empty when absent.
    pub order_id: Cow<'a, str>,
    /// Missing counts as 0.
    pub amount: Money,
    /// `discount` is a number above 0, or `true`.
    pub discounted: bool,
    /// `reward_used` is a number above 0, or `true`.
    pub reward_used: bool,
    /// Distinct brands: the order's own `brand`, or without one those of its lines; sorted.
    pub brands: Vec<Cow<'a, str>>,
    /// Distinct categories of its lines; sorted.
    pub categories: Vec<Cow<'a, str>>,
    /// Decision time in seconds, when given and above 0.
    pub decision_s: Option<f64>,
    /// What no metric needs, when any of it is there.
    pub details: Option<Box<OrderDetails<'a>>>,
}

/// Facts of an `order_returned`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReturnFacts<'a> {
    /// The order it belongs to; empty when absent, and then it matches none.
    pub order_id: Cow<'a, str>,
    /// What is given back; `None` takes back the whole order.
    pub amount: Option<Money>,
}

/// The items of a `survey_response` that attitude and NPS are made of; `None` where not answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SurveyFacts<'a> {
    /// A whole number, 0 to 10.
    pub recommend: Option<u8>,
    /// 1 to 5.
    pub repurchase_intention: Option<f64>,
    /// 1 to 5.
    pub trust: Option<f64>,
    /// 1 to 5.
    pub satisfaction: Option<f64>,
    /// 1 to 5.
    pub responsiveness: Option<f64>,
    /// The other items, when any of them is answered.
    pub details: Option<Box<SurveyDetails<'a>>>,
}

impl SurveyFacts<'_> {
    /// Whether the answers are about the business.
    #[must_use]
    pub fn is_own(&self) -> bool {
        !self.details.as_deref().is_some_and(|details| details.about_competitor)
    }

    /// The competitor that the answers are about: one is named, and the response says that it is about that one. `None` when they are about the business.
    #[must_use]
    pub fn rival(&self) -> Option<&str> {
        let details = self.details.as_deref()?;
        (details.about_competitor && !details.competitor.is_empty()).then_some(&details.competitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_competitor_is_what_answers_are_about_where_they_say_so() {
        let facts = |competitor: &'static str, about_competitor: bool| {
            let details = SurveyDetails { competitor: competitor.into(), about_competitor, ..SurveyDetails::default() };
            SurveyFacts { trust: Some(1.0), details: Some(Box::new(details)), ..SurveyFacts::default() }
        };
        assert_eq!(facts("rival", true).rival(), Some("rival"));
        assert_eq!((facts("rival", false).rival(), facts("", true).rival()), (None, None));
        assert_eq!(["rival", ""].map(|name| facts(name, true).is_own()), [false, false], "of one who has no name, too");
        assert!(facts("rival", false).is_own());
    }

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        assert_eq!(
            EventType::ALL.len(),
            EventType::UserDeleted as usize + 1,
            "a type without its row, or a new one that is not before the last"
        );
        for (kind, name, activity) in EventType::ALL {
            assert_eq!(kind.name(), name);
            assert_eq!(kind.is_activity(), activity);
            assert_eq!(EventType::from_name(name), Some(kind));
        }
    }
}
