//! The facts that the engine counts, out of properties that the vocabulary's rules have allowed.

use std::borrow::Cow;

use super::super::json::{Document, Json};
use super::super::number;
use super::super::vocabulary::{flag, numeric};
use super::record::Properties;
use super::{LONGEST_USER_ID_BYTES, id_text, invalid, scalar_text};
use crate::model::event::{EventType, Facts, OrderFacts, ReturnFacts, SurveyFacts};
use crate::model::money::Money;
use crate::model::rejection::Rejection;

/// The facts of an event of this type.
pub(super) fn facts<'a>(kind: EventType, properties: &Properties<'_, '_, 'a>) -> Result<Facts<'a>, Rejection> {
    Ok(match kind {
        EventType::OrderPlaced => Facts::Order(order(properties)?),
        EventType::OrderReturned => {
            Facts::Return(ReturnFacts { order_id: id(properties, "order_id")?, amount: money(properties, "amount") })
        }
        EventType::SurveyResponse => Facts::Survey(survey(properties)),
        EventType::ComplaintOpened | EventType::ComplaintResolved => Facts::Complaint(id(properties, "complaint_id")?),
        EventType::UserMerged => Facts::MergedInto(merged_into(properties)?),
        EventType::Signup
        | EventType::Activity
        | EventType::ReferralSent
        | EventType::ReferralConverted
        | EventType::RewardRedeemed
        | EventType::Feedback
        | EventType::SocialInteraction
        | EventType::SubscriptionCancelled
        | EventType::CompetitorViewed
        | EventType::CompetitorPurchase
        | EventType::ContactMade
        | EventType::QualityIssue
        | EventType::PriceChanged
        | EventType::CompetitorOffer
        | EventType::CostBooked
        | EventType::CampaignExposed
        | EventType::CustomerLost
        | EventType::ProfileUpdated
        | EventType::UserDeleted => Facts::None,
    })
}

/// Visits the items of a list, which in a row is JSON text.
pub(super) fn each(name: &str, json: Json<'_, '_>, mut visit: impl FnMut(Json<'_, '_>) -> Result<(), Rejection>) -> Result<(), Rejection> {
    let not_a_list = || invalid(name, json, "must be a list of objects");
    match json {
        Json::Array(array) => array.items().try_for_each(visit),
        Json::Text(text) => {
            let document = Document::parse(text.as_bytes()).map_err(|_| not_a_list())?;
            let Json::Array(array) = document.root() else { return Err(not_a_list()) };
            array.items().try_for_each(&mut visit)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => Err(not_a_list()),
    }
}

fn order<'a>(properties: &Properties<'_, '_, 'a>) -> Result<OrderFacts<'a>, Rejection> {
    let (mut brands, mut categories) = lines(properties);
    if let Some(brand) = properties.get("brand").and_then(scalar_text).filter(|brand| !brand.is_empty()) {
        brands = vec![brand];
    }
    brands.sort_unstable();
    brands.dedup();
    categories.sort_unstable();
    categories.dedup();
    Ok(OrderFacts {
        order_id: id(properties, "order_id")?,
        amount: money(properties, "amount").unwrap_or_default(),
        discounted: is_positive(properties, "discount"),
        reward_used: is_positive(properties, "reward_used"),
        brands,
        categories,
        decision_s: double(properties, "decision_s").filter(|seconds| *seconds > 0.0),
    })
}

/// The brands and the categories of an order's lines, as they come. Lists in a row's cell do not outlive the cell, so their texts are copied.
fn lines<'a>(properties: &Properties<'_, '_, 'a>) -> (Vec<Cow<'a, str>>, Vec<Cow<'a, str>>) {
    let (mut brands, mut categories) = (Vec::new(), Vec::new());
    match properties.get("lines") {
        Some(Json::Array(array)) => {
            for line in array.items() {
                brands.extend(named(line, "brand"));
                categories.extend(named(line, "category"));
            }
        }
        Some(json @ Json::Text(_)) => {
            // The rules have already said that this is a list.
            let _ = each("lines", json, |line| {
                brands.extend(named(line, "brand").map(|brand| Cow::Owned(brand.into_owned())));
                categories.extend(named(line, "category").map(|category| Cow::Owned(category.into_owned())));
                Ok(())
            });
        }
        _ => {}
    }
    (brands, categories)
}

fn named<'a>(line: Json<'_, 'a>, key: &str) -> Option<Cow<'a, str>> {
    let Json::Object(object) = line else { return None };
    object.get(key).and_then(scalar_text).filter(|text| !text.is_empty())
}

fn survey(properties: &Properties<'_, '_, '_>) -> SurveyFacts {
    let recommend = properties.some("recommend").and_then(numeric).and_then(number::whole);
    SurveyFacts {
        recommend: recommend.and_then(|score| u8::try_from(score).ok()),
        repurchase_intention: double(properties, "repurchase_intention"),
        trust: double(properties, "trust"),
        satisfaction: double(properties, "satisfaction"),
        responsiveness: double(properties, "responsiveness"),
    }
}

fn merged_into<'a>(properties: &Properties<'_, '_, 'a>) -> Result<Cow<'a, str>, Rejection> {
    let into = properties.get("into").unwrap_or(Json::Null);
    id_text("into", into, LONGEST_USER_ID_BYTES)
}

/// An id among the properties; empty when it is absent.
fn id<'a>(properties: &Properties<'_, '_, 'a>, name: &str) -> Result<Cow<'a, str>, Rejection> {
    properties.some(name).map_or(Ok(Cow::Borrowed("")), |json| id_text(name, json, usize::MAX))
}

fn money(properties: &Properties<'_, '_, '_>, name: &str) -> Option<Money> {
    number::money(numeric(properties.some(name)?)?).ok()
}

fn double(properties: &Properties<'_, '_, '_>, name: &str) -> Option<f64> {
    number::double(numeric(properties.some(name)?)?)
}

/// Whether a property is a number above 0, or true.
fn is_positive(properties: &Properties<'_, '_, '_>, name: &str) -> bool {
    let Some(json) = properties.some(name) else { return false };
    flag(json).unwrap_or_else(|| numeric(json).and_then(number::double).is_some_and(|value| value > 0.0))
}
