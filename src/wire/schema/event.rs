//! An event as it comes in, under the default mapping.

use serde_json::{Map, Value, json};

use super::super::vocabulary::{Rule, rules};
use crate::model::event::EventType;

/// Type, property, meaning. Limits come from the vocabulary's rules.
const PROPERTIES: &[(EventType, &str, &str)] = &[
    (EventType::Activity, "name", "what was done"),
    (EventType::Activity, "channel", "where it was done"),
    (EventType::Activity, "item", "the item concerned"),
    (EventType::Activity, "category", "the item's category"),
    (EventType::Activity, "brand", "the item's brand"),
    (EventType::Activity, "duration_s", "how long it took, in seconds"),
    (EventType::OrderPlaced, "order_id", "the order, a text or an integer; copies of it count once; without one, event_id is used"),
    (EventType::OrderPlaced, "amount", "money of the whole order; missing counts as 0"),
    (EventType::OrderPlaced, "currency", "the currency; only purchases.currency when that is set"),
    (EventType::OrderPlaced, "discount", "above 0 or true: the order had a discount"),
    (EventType::OrderPlaced, "reward_used", "above 0 or true: the order used a reward"),
    (EventType::OrderPlaced, "list_amount", "money of the order at list prices"),
    (EventType::OrderPlaced, "brand", "the brand; without one, those of the lines"),
    (EventType::OrderPlaced, "channel", "where it was placed"),
    (EventType::OrderPlaced, "decision_s", "time that the decision took, in seconds"),
    (EventType::OrderPlaced, "cost", "what the order costs the seller, in money"),
    (EventType::OrderPlaced, "wait_s", "seconds that the user waited for it, in a line or for the product to come"),
    (EventType::OrderPlaced, "expected_amount", "money that the user expected to pay"),
    (EventType::OrderPlaced, "intermediary", "through whom it came, such as a distributor"),
    (EventType::OrderPlaced, "campaign", "the campaign or offer that it answers"),
    (EventType::OrderPlaced, "reward_granted", "above 0 or true: a reward was given out with it, to be redeemed later"),
    (EventType::OrderPlaced, "lines", "its lines, each with product_id, brand, category, quantity, amount"),
    (EventType::ReferralConverted, "referred_user_id", "who came"),
    (EventType::SurveyResponse, "recommend", "would recommend us, 0 to 10"),
    (EventType::SurveyResponse, "repurchase_intention", "would buy again, 1 to 5"),
    (EventType::SurveyResponse, "trust", "trust, 1 to 5"),
    (EventType::SurveyResponse, "responsiveness", "responsiveness, 1 to 5"),
    (EventType::SurveyResponse, "satisfaction", "satisfaction, 1 to 5"),
    (EventType::SurveyResponse, "effort", "customer effort, 1 to 7"),
    (EventType::SurveyResponse, "quality", "quality, 1 to 5"),
    (EventType::SurveyResponse, "service", "service, 1 to 5"),
    (EventType::SurveyResponse, "price", "price, 1 to 5"),
    (EventType::SurveyResponse, "benefit", "perceived benefit"),
    (EventType::SurveyResponse, "cost", "perceived cost"),
    (EventType::SurveyResponse, "expectation", "what was expected"),
    (EventType::SurveyResponse, "category_spend", "spend in the category, with everyone"),
    (EventType::SurveyResponse, "time_cost", "time that it takes, 1 (little) to 5 (much)"),
    (EventType::SurveyResponse, "attention", "pays attention to the brand, 1 to 5"),
    (EventType::SurveyResponse, "names_brand", "true or above 0: the user named the brand when asked for one"),
    (EventType::SurveyResponse, "competitor", "the competitor compared with"),
    (EventType::SurveyResponse, "about_competitor", "true or above 0: the answers are about the competitor, and not about the business"),
    (EventType::SurveyResponse, "attributes", "ratings, each with attribute, importance, rating, competitor_rating"),
    (EventType::ComplaintOpened, "complaint_id", "the complaint, a text or an integer"),
    (EventType::ComplaintOpened, "category", "what it is about"),
    (EventType::ComplaintOpened, "channel", "where it was made"),
    (EventType::ComplaintOpened, "severity", "how bad it is"),
    (EventType::RewardRedeemed, "amount", "the reward's worth in money"),
    (EventType::RewardRedeemed, "programme", "the programme"),
    (EventType::Feedback, "kind", "what it is"),
    (EventType::Feedback, "sentiment", "-1 to 1"),
    (EventType::SocialInteraction, "peer", "with whom"),
    (EventType::SocialInteraction, "kind", "what it is"),
    (EventType::OrderReturned, "order_id", "the order, a text or an integer"),
    (EventType::OrderReturned, "amount", "money given back; without it, the whole order"),
    (EventType::SubscriptionCancelled, "reason", "why"),
    (EventType::SubscriptionCancelled, "competitor", "to whom"),
    (EventType::SubscriptionCancelled, "recoverable", "whether the user can be won back"),
    (EventType::CompetitorViewed, "competitor", "whom"),
    (EventType::CompetitorPurchase, "competitor", "from whom"),
    (EventType::CompetitorPurchase, "amount", "money spent there"),
    (EventType::ComplaintResolved, "complaint_id", "the complaint; without one, the oldest open one"),
    (EventType::ComplaintResolved, "remedy", "what was done"),
    (EventType::ComplaintResolved, "satisfied", "whether the user was satisfied"),
    (EventType::ComplaintResolved, "cost", "what it cost, in money"),
    (EventType::ContactMade, "channel", "how"),
    (EventType::ContactMade, "direction", "who called"),
    (EventType::ContactMade, "kind", "what for"),
    (EventType::QualityIssue, "category", "what sort"),
    (EventType::PriceChanged, "product_id", "the product"),
    (EventType::PriceChanged, "old", "money before"),
    (EventType::PriceChanged, "new", "money now"),
    (EventType::CompetitorOffer, "competitor", "whose"),
    (EventType::CompetitorOffer, "days", "how long it is open"),
    (EventType::CostBooked, "kind", "what for"),
    (EventType::CostBooked, "amount", "money spent"),
    (EventType::ProfileUpdated, "birthday", "YYYY-MM-DD or MM-DD, a time after it does not matter; anything else says nothing"),
    (EventType::CampaignExposed, "campaign", "the campaign"),
    (EventType::CampaignExposed, "arm", "the arm of its experiment"),
    (EventType::CampaignExposed, "reward_granted", "above 0 or true: a reward was given out with it, to be redeemed later"),
    (EventType::CustomerLost, "reason", "why"),
    (EventType::CustomerLost, "competitor", "to whom"),
    (EventType::CustomerLost, "recoverable", "whether the user can be won back"),
    (EventType::UserMerged, "into", "the id that the user becomes, a text or an integer"),
];

/// A decimal number as text.
const NUMERIC_TEXT: &str = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$";

pub(super) fn event() -> Value {
    let names = EventType::ALL.map(|(_, name, _)| name);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "event",
        "description": "One event of one user, under the default mapping. Numbers may be numeric text. Unknown fields and properties are ignored, keys must be unique.",
        "type": "object",
        "required": ["user_id", "type", "timestamp"],
        "properties": {
            "event_id": { "type": ["string", "null"], "maxLength": 128, "description": "at most 128 bytes; repeats with the same user, type and day count once" },
            "user_id": {
                "anyOf": [{ "type": "string", "minLength": 1, "maxLength": 256 }, { "type": "integer" }],
                "description": "1 to 256 bytes; an integer is read as its decimal text",
            },
            "type": { "enum": names, "description": "what happened" },
            "timestamp": {
                "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "integer" }],
                "description": "event time: RFC 3339 with an offset, or an integer, in milliseconds unless input.timestamp_unit says otherwise",
            },
            "properties": { "type": ["object", "null"], "description": "what the type has, and anything else" },
        },
        "allOf": names.map(of_type).into_iter().flatten().collect::<Vec<_>>(),
    })
}

/// What the properties of one type are.
fn of_type(name: &str) -> Option<Value> {
    let kind = EventType::from_name(name)?;
    let described: Map<String, Value> = PROPERTIES
        .iter()
        .filter(|(owner, _, _)| *owner == kind)
        .map(|(_, property, meaning)| ((*property).to_owned(), described(kind, property, meaning)))
        .collect();
    let mut then = json!({ "properties": { "properties": { "properties": described } } });
    if kind == EventType::UserMerged {
        then["required"] = json!(["properties"]);
        then["properties"]["properties"]["required"] = json!(["into"]);
    }
    Some(json!({ "if": { "properties": { "type": { "const": name } } }, "then": then }))
}

fn described(kind: EventType, property: &str, meaning: &str) -> Value {
    let rule = rules(kind).iter().find(|(name, _)| *name == property).map(|(_, rule)| *rule);
    let mut schema = rule.map_or_else(|| json!({}), of_rule);
    schema["description"] = meaning.into();
    schema
}

fn of_rule(rule: Rule) -> Value {
    let number = |schema: Value| json!({ "anyOf": [schema, { "type": "string", "pattern": NUMERIC_TEXT }, { "type": "null" }] });
    match rule {
        Rule::Number(low, high) => number(json!({ "type": "number", "minimum": low, "maximum": high })),
        Rule::Whole(low, high) => number(json!({ "type": "integer", "minimum": low, "maximum": high })),
        Rule::AnyNumber => number(json!({ "type": "number" })),
        Rule::Money => number(json!({ "type": "number", "minimum": -1e12, "maximum": 1e12 })),
        Rule::FlagOrNumber => json!({ "anyOf": [
            { "type": ["number", "boolean", "null"] }, { "enum": ["true", "false"] }, { "type": "string", "pattern": NUMERIC_TEXT },
        ] }),
        Rule::OneOf(texts) => json!({ "anyOf": [{ "enum": texts }, { "type": "null" }] }),
        Rule::Each(inner) => {
            let properties: Map<String, Value> = inner.iter().map(|(name, rule)| ((*name).to_owned(), of_rule(*rule))).collect();
            json!({ "type": ["array", "null"], "items": { "type": "object", "properties": properties } })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::decode::{Decoder, DecoderLimits};
    use crate::wire::mapping::InputMapping;

    #[test]
    fn every_rule_is_in_the_schema() {
        for (kind, name, _) in EventType::ALL {
            for (property, _) in rules(kind) {
                assert!(PROPERTIES.iter().any(|(owner, known, _)| *owner == kind && known == property), "{name} {property}");
            }
        }
    }

    #[test]
    fn the_schema_and_the_decoder_agree() {
        let schema = jsonschema::validator_for(&event()).expect("a schema");
        let decoder = Decoder::new(&InputMapping::default(), DecoderLimits::default());
        for (kind, properties) in [
            ("activity", json!({"duration_s": 3})),
            ("activity", json!({"duration_s": "x"})),
            ("order_placed", json!({"amount": "12.5", "discount": true, "lines": [{"quantity": 2, "amount": null}]})),
            ("order_placed", json!({"discount": "much"})),
            ("order_placed", json!({"lines": [{"quantity": "two"}]})),
            ("order_placed", json!({"lines": 3})),
            ("survey_response", json!({"recommend": 10, "trust": 5})),
            ("survey_response", json!({"recommend": 11})),
            ("survey_response", json!({"recommend": 9.5})),
            ("survey_response", json!({"trust": 0})),
            ("survey_response", json!({"attributes": [{"rating": 6}]})),
            ("feedback", json!({"kind": "review", "sentiment": -0.5})),
            ("feedback", json!({"kind": "rant"})),
            ("contact_made", json!({"direction": "inbound"})),
            ("user_merged", json!({"into": "v"})),
            ("user_merged", json!({})),
            ("weather", json!({})),
            ("user_deleted", Value::Null),
        ] {
            let event = json!({"user_id": "u", "type": kind, "timestamp": 1_714_564_800_000_i64, "properties": properties});
            let accepted = decoder.decode_json(event.to_string().as_bytes()).is_ok();
            assert_eq!(schema.is_valid(&event), accepted, "{event}");
        }
    }
}
