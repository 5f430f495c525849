//! The facts that no metric needs: of activity, of surveys, and of what happens to a user now and then.

use std::borrow::Cow;

use super::super::json::Json;
use super::super::number;
use super::super::vocabulary::{flag, numeric};
use super::facts::{double, each, is_positive, money, named, text};
use super::record::{Properties, Record};
use crate::model::event::{
    ActivityFacts, AttributeRating, ContactKind, CostKind, Direction, EventType, Facts, FeedbackKind, Noted, SurveyDetails,
};
use crate::model::month_day::MonthDay;

/// The facts of an `activity`. Most carry none, and nothing is looked for where there is no object of properties.
pub(super) fn activity<'a>(properties: &Properties<'_, '_, 'a>) -> Facts<'a> {
    if properties.nested.is_none() && properties.mapping.properties.is_empty() && matches!(properties.record, Record::Json(_)) {
        return Facts::None;
    }
    let facts = ActivityFacts {
        name: text(properties, "name"),
        channel: text(properties, "channel"),
        item: text(properties, "item"),
        category: text(properties, "category"),
        brand: text(properties, "brand"),
        duration_s: double(properties, "duration_s"),
    };
    if facts == ActivityFacts::default() { Facts::None } else { Facts::Activity(facts) }
}

/// The facts of a type that happens now and then.
pub(super) fn noted<'a>(kind: EventType, properties: &Properties<'_, '_, 'a>) -> Facts<'a> {
    let words = |name| text(properties, name);
    let competitor = || text(properties, "competitor");
    let amount = || money(properties, "amount");
    let noted = match kind {
        EventType::RewardRedeemed => Noted::Reward { amount: amount(), programme: words("programme") },
        EventType::Feedback => {
            let kinds = [("suggestion", FeedbackKind::Suggestion), ("review", FeedbackKind::Review)];
            Noted::Feedback { kind: one_of(properties, "kind", &kinds), sentiment: double(properties, "sentiment") }
        }
        EventType::SocialInteraction => Noted::Social { peer: words("peer"), kind: words("kind") },
        EventType::CompetitorViewed => Noted::CompetitorViewed(competitor()),
        EventType::CompetitorPurchase => Noted::CompetitorPurchase { competitor: competitor(), amount: amount() },
        EventType::CompetitorOffer => Noted::CompetitorOffer { competitor: competitor(), days: double(properties, "days") },
        EventType::ContactMade => contact(properties),
        EventType::QualityIssue => Noted::QualityIssue(words("category")),
        EventType::PriceChanged => {
            Noted::PriceChanged { product_id: words("product_id"), old: money(properties, "old"), new: money(properties, "new") }
        }
        EventType::CostBooked => {
            let kinds = [("acquire", CostKind::Acquire), ("retain", CostKind::Retain), ("serve", CostKind::Serve)];
            Noted::Cost { kind: one_of(properties, "kind", &kinds), amount: amount() }
        }
        // Traits may be anything: what is no date is no birthday.
        EventType::ProfileUpdated => match MonthDay::parse(&words("birthday")) {
            Some(day) => Noted::Birthday(day),
            None => return Facts::None,
        },
        EventType::CampaignExposed => {
            let reward_granted = is_positive(properties, "reward_granted");
            Noted::Campaign { campaign: words("campaign"), arm: words("arm"), reward_granted }
        }
        EventType::SubscriptionCancelled | EventType::CustomerLost => {
            let recoverable = properties.some("recoverable").and_then(flag);
            Noted::Departure { reason: words("reason"), competitor: competitor(), recoverable }
        }
        EventType::Signup
        | EventType::Activity
        | EventType::OrderPlaced
        | EventType::ReferralSent
        | EventType::ReferralConverted
        | EventType::SurveyResponse
        | EventType::ComplaintOpened
        | EventType::OrderReturned
        | EventType::ComplaintResolved
        | EventType::UserMerged
        | EventType::UserDeleted => return Facts::None,
    };
    Facts::Noted(Box::new(noted))
}

fn contact<'a>(properties: &Properties<'_, '_, 'a>) -> Noted<'a> {
    let directions = [("outbound", Direction::Outbound), ("inbound", Direction::Inbound)];
    let kinds = [
        ("thanks", ContactKind::Thanks),
        ("offer", ContactKind::Offer),
        ("support", ContactKind::Support),
        ("survey", ContactKind::Survey),
    ];
    Noted::Contact {
        channel: text(properties, "channel"),
        direction: one_of(properties, "direction", &directions),
        kind: one_of(properties, "kind", &kinds),
    }
}

/// The value that a property's text names; the rules have already said that it names one.
fn one_of<T: Copy>(properties: &Properties<'_, '_, '_>, name: &str, names: &[(&str, T)]) -> Option<T> {
    let Some(Json::Text(text)) = properties.some(name) else { return None };
    names.iter().find(|(known, _)| known == text).map(|(_, value)| *value)
}

/// The items of a `survey_response` that attitude is not made of.
pub(super) fn survey_details<'a>(properties: &Properties<'_, '_, 'a>) -> Option<Box<SurveyDetails<'a>>> {
    let details = SurveyDetails {
        effort: double(properties, "effort"),
        quality: double(properties, "quality"),
        service: double(properties, "service"),
        price: double(properties, "price"),
        benefit: double(properties, "benefit"),
        cost: double(properties, "cost"),
        expectation: double(properties, "expectation"),
        category_spend: double(properties, "category_spend"),
        time_cost: double(properties, "time_cost"),
        attention: double(properties, "attention"),
        names_brand: properties.some("names_brand").map(|_| is_positive(properties, "names_brand")),
        competitor: text(properties, "competitor"),
        about_competitor: is_positive(properties, "about_competitor"),
        attributes: attributes(properties),
    };
    (details != SurveyDetails::default()).then(|| Box::new(details))
}

/// The attributes that were rated. A list in a row's cell does not outlive the cell, so its texts are copied.
fn attributes<'a>(properties: &Properties<'_, '_, 'a>) -> Vec<AttributeRating<'a>> {
    let mut found = Vec::new();
    match properties.get("attributes") {
        Some(Json::Array(array)) => {
            for item in array.items() {
                found.push(rated(item, named(item, "attribute").unwrap_or_default()));
            }
        }
        Some(json @ Json::Text(_)) => {
            // The rules have already said that this is a list.
            let _ = each("attributes", json, |item| {
                let name = named(item, "attribute").map(Cow::into_owned).unwrap_or_default();
                found.push(rated(item, Cow::Owned(name)));
                Ok(())
            });
        }
        _ => {}
    }
    found
}

fn rated<'a>(item: Json<'_, '_>, attribute: Cow<'a, str>) -> AttributeRating<'a> {
    let Json::Object(object) = item else { return AttributeRating { attribute, ..AttributeRating::default() } };
    let score = |name| object.get(name).and_then(numeric).and_then(number::double);
    AttributeRating { attribute, importance: score("importance"), rating: score("rating"), competitor_rating: score("competitor_rating") }
}
