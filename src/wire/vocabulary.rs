//! What the properties of the vocabulary may be: the table that every event is checked against, and that its JSON Schema is made of.

use super::json::Json;
use super::number;
use crate::model::event::EventType;

/// What a property may be, when it is there and not null.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// A finite number from the first to the second, both included.
    Number(f64, f64),
    /// A whole number from the first to the second, both included.
    Whole(i64, i64),
    /// Any finite number.
    AnyNumber,
    /// Money.
    Money,
    /// `true`, `false` or any finite number.
    FlagOrNumber,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of objects whose properties follow these rules; in a row, JSON text of such a list.
    Each(&'static [(&'static str, Self)]),
}

const FIVE: Rule = Rule::Number(1.0, 5.0);
const LINE: &[(&str, Rule)] = &[("quantity", Rule::AnyNumber), ("amount", Rule::Money)];
const ATTRIBUTE: &[(&str, Rule)] = &[("importance", FIVE), ("rating", FIVE), ("competitor_rating", FIVE)];
const SURVEY: &[(&str, Rule)] = &[
    ("recommend", Rule::Whole(0, 10)),
    ("repurchase_intention", FIVE),
    ("trust", FIVE),
    ("responsiveness", FIVE),
    ("satisfaction", FIVE),
    ("effort", Rule::Number(1.0, 7.0)),
    ("quality", FIVE),
    ("service", FIVE),
    ("price", FIVE),
    ("benefit", Rule::AnyNumber),
    ("cost", Rule::AnyNumber),
    ("expectation", Rule::AnyNumber),
    ("category_spend", Rule::AnyNumber),
    ("time_cost", FIVE),
    ("attention", FIVE),
    ("names_brand", Rule::FlagOrNumber),
    ("about_competitor", Rule::FlagOrNumber),
    ("attributes", Rule::Each(ATTRIBUTE)),
];
const ORDER: &[(&str, Rule)] = &[
    ("amount", Rule::Money),
    ("discount", Rule::FlagOrNumber),
    ("reward_used", Rule::FlagOrNumber),
    ("list_amount", Rule::Money),
    ("decision_s", Rule::AnyNumber),
    ("wait_s", Rule::Number(0.0, f64::MAX)),
    ("expected_amount", Rule::Money),
    ("cost", Rule::Money),
    ("reward_granted", Rule::FlagOrNumber),
    ("lines", Rule::Each(LINE)),
];

/// The rules for the properties of a type. Properties without a rule may be anything.
#[must_use]
pub fn rules(kind: EventType) -> &'static [(&'static str, Rule)] {
    match kind {
        EventType::Activity => &[("duration_s", Rule::AnyNumber)],
        EventType::OrderPlaced => ORDER,
        EventType::SurveyResponse => SURVEY,
        EventType::OrderReturned | EventType::RewardRedeemed | EventType::CompetitorPurchase => &[("amount", Rule::Money)],
        EventType::Feedback => &[("kind", Rule::OneOf(&["suggestion", "review"])), ("sentiment", Rule::Number(-1.0, 1.0))],
        EventType::ComplaintResolved => &[("cost", Rule::Money)],
        EventType::ContactMade => {
            &[("direction", Rule::OneOf(&["outbound", "inbound"])), ("kind", Rule::OneOf(&["thanks", "offer", "support", "survey"]))]
        }
        EventType::PriceChanged => &[("old", Rule::Money), ("new", Rule::Money)],
        EventType::CampaignExposed => &[("reward_granted", Rule::FlagOrNumber)],
        EventType::CompetitorOffer => &[("days", Rule::AnyNumber)],
        EventType::CostBooked => &[("kind", Rule::OneOf(&["acquire", "retain", "serve"])), ("amount", Rule::Money)],
        EventType::Signup
        | EventType::ReferralSent
        | EventType::ReferralConverted
        | EventType::ComplaintOpened
        | EventType::SocialInteraction
        | EventType::SubscriptionCancelled
        | EventType::CompetitorViewed
        | EventType::QualityIssue
        | EventType::CustomerLost
        | EventType::ProfileUpdated
        | EventType::UserMerged
        | EventType::UserDeleted => &[],
    }
}

/// The digits of a number, or the text that may hold one.
pub(super) fn numeric<'d>(json: Json<'d, '_>) -> Option<&'d str> {
    match json {
        Json::Number(digits) => Some(digits),
        Json::Text(text) => Some(text),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// `true` and `false`, as texts too.
pub(super) fn flag(json: Json<'_, '_>) -> Option<bool> {
    match json {
        Json::Bool(flag) => Some(flag),
        Json::Text(text) if text == "true" => Some(true),
        Json::Text(text) if text == "false" => Some(false),
        _ => None,
    }
}

impl Rule {
    /// What is allowed, when `json` is not; lists are left to the caller.
    pub(super) fn violated(self, json: Json<'_, '_>) -> Option<String> {
        let text = numeric(json);
        let double = || text.and_then(number::double);
        match self {
            Self::Number(low, high) => {
                let allowed = double().is_some_and(|value| (low..=high).contains(&value));
                (!allowed).then(|| format!("must be a number from {low} to {high}"))
            }
            Self::Whole(low, high) => {
                let allowed = text.and_then(number::whole).is_some_and(|value| (low..=high).contains(&value));
                (!allowed).then(|| format!("must be a whole number from {low} to {high}"))
            }
            Self::AnyNumber => double().is_none().then(|| "must be a number".to_owned()),
            Self::Money => match text.map(number::money) {
                Some(Ok(_)) => None,
                Some(Err(error)) => Some(format!("must be money: {error}")),
                None => Some("must be money".to_owned()),
            },
            Self::FlagOrNumber => (flag(json).is_none() && double().is_none()).then(|| "must be a number, true or false".to_owned()),
            Self::OneOf(allowed) => {
                let known = matches!(json, Json::Text(text) if allowed.contains(&text.as_ref()));
                (!known).then(|| format!("must be one of {}", allowed.join(", ")))
            }
            Self::Each(_) => None,
        }
    }
}
