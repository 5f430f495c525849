//! JSON Schemas (2020-12) of everything that goes in and out, and an `AsyncAPI` 3 document of the topics.

mod alerts;
mod asyncapi;
pub mod avro;
mod event;
mod loyalty;
mod metrics;
mod user;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

pub use asyncapi::{Channels, asyncapi};

use super::dead_letter;
use super::webhook::UNDELIVERED;
use crate::engine::ledger::RETENTION_DAYS;

/// `schema` of a metrics record.
pub const METRICS: &str = "stickiness.metrics.v1";
/// `schema` of a transition record.
pub const TRANSITIONS: &str = "stickiness.transitions.v1";
/// `schema` of a churn-risk record.
pub const CHURN_RISK: &str = "stickiness.churn-risk.v1";
/// `schema` of an alert record.
pub const ALERTS: &str = "stickiness.alerts.v1";
/// `schema` of a profile record.
pub const PROFILES: &str = "stickiness.profiles.v1";

/// Every schema by its name: `event`, `metrics`, `transitions`, `churn-risk`, `alerts`, `profiles`, `dead-letters`.
#[must_use]
pub fn all() -> [(&'static str, Value); 7] {
    [
        ("event", event::event()),
        ("metrics", metrics::metrics()),
        ("transitions", user::transition()),
        ("churn-risk", user::churn_risk()),
        ("alerts", alerts::alert()),
        ("profiles", user::profile()),
        ("dead-letters", dead_letter_headers()),
    ]
}

/// The names of all schemas.
pub const NAMES: [&str; 7] = ["event", "metrics", "transitions", "churn-risk", "alerts", "profiles", "dead-letters"];

/// The schema called `name`.
#[must_use]
pub fn named(name: &str) -> Option<Value> {
    all().into_iter().find(|(known, _)| *known == name).map(|(_, schema)| schema)
}

/// The fields of the record called `name`, those of some kinds alone too. Where a field has one of a few texts, or null, these are told, as
/// texts.
#[must_use]
pub fn fields(name: &str) -> BTreeMap<String, Option<Vec<String>>> {
    let schema = named(name).unwrap_or_default();
    let by_kind = schema["allOf"].as_array().into_iter().flatten().filter_map(|one| one["then"]["properties"].as_object());
    // Of a kind alone, values are one kind's: other kinds may have others.
    let mut fields: BTreeMap<_, _> = by_kind.flatten().map(|(field, _)| (field.clone(), None)).collect();
    let of_all = schema["properties"].as_object().into_iter().flatten();
    fields.extend(of_all.map(|(field, shape)| (field.clone(), values(shape))));
    fields
}

/// The texts of a field that has one of a few.
fn values(shape: &Value) -> Option<Vec<String>> {
    let (shape, is_nullable) = shape["anyOf"].get(0).map_or((shape, false), |inner| (inner, true));
    let mut known: Vec<String> = match shape["enum"].as_array() {
        Some(texts) => texts.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None if shape["type"] == "boolean" => [true, false].map(|flag| flag.to_string()).to_vec(),
        None => return None,
    };
    known.extend(is_nullable.then(|| "null".to_owned()));
    Some(known)
}

/// What a field of a record is.
#[derive(Clone, Copy)]
enum Shape {
    /// This very text.
    Constant(&'static str),
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    Flag,
    /// `YYYY-MM-DD`
    Day,
    /// RFC 3339.
    Instant,
    /// A whole number from 0.
    Count,
    /// Any number.
    Number,
    /// A number from the first to the second.
    Between(i32, i32),
    /// As the inner one, or null.
    OrNull(&'static Shape),
    /// A list of exactly so many counts.
    Counts(u32),
    /// A list of texts.
    Texts,
    /// The list of `retention`.
    Retention,
    /// A state by name, or whether it is so, or null.
    State,
    /// The labels of an alert.
    Labels,
    /// An object with these fields.
    Record(&'static [Field]),
    /// A list of objects with these fields.
    Records(&'static [Field]),
}

impl Shape {
    fn schema(self) -> Value {
        match self {
            Self::Constant(text) => json!({ "const": text }),
            Self::Text => json!({ "type": "string" }),
            Self::OneOf(texts) => json!({ "enum": texts }),
            Self::Flag => json!({ "type": "boolean" }),
            Self::Day => json!({ "type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" }),
            Self::Instant => json!({ "type": "string", "format": "date-time" }),
            Self::Count => json!({ "type": "integer", "minimum": 0 }),
            Self::Number => json!({ "type": "number" }),
            Self::Between(low, high) => json!({ "type": "number", "minimum": low, "maximum": high }),
            Self::OrNull(inner) => json!({ "anyOf": [inner.schema(), { "type": "null" }] }),
            Self::Counts(length) => json!({ "type": "array", "items": Self::Count.schema(), "minItems": length, "maxItems": length }),
            Self::Texts => json!({ "type": "array", "items": { "type": "string" } }),
            Self::Retention => {
                let mut list = Self::Records(RETENTION).schema();
                list["items"]["properties"]["after_days"] = json!({ "enum": RETENTION_DAYS, "description": "n" });
                list["minItems"] = RETENTION_DAYS.len().into();
                list["maxItems"] = RETENTION_DAYS.len().into();
                list
            }
            // What it can be depends on the kind of the record.
            Self::State => json!({}),
            Self::Labels => json!({
                "type": "object",
                "required": ["segment", "process"],
                "properties": { "level": { "enum": ["high", "churned"] } },
                "additionalProperties": { "type": "string" },
            }),
            Self::Record(fields) => json!({ "type": "object", "required": names(fields), "properties": properties(fields) }),
            Self::Records(fields) => json!({ "type": "array", "items": Self::Record(fields).schema() }),
        }
    }
}

/// Labels of alerts.
const LABELS: &[Field] = &[
    ("level", Shape::Text, "the level that is entered, of a churn spike alone"),
    ("process", Shape::Text, "`activity` or `purchase`"),
    ("segment", Shape::Text, "`all` or property=value"),
];

/// What `retention` tells of each number of days.
const RETENTION: &[Field] = &[
    ("after_days", Shape::Count, "n"),
    ("cohort", Shape::Count, "users first active n days before the day"),
    ("returned", Shape::Count, "those of the cohort who are active on the day"),
];

/// A ratio, null when its denominator is 0.
const RATIO: Shape = Shape::OrNull(&Shape::Number);
/// A count, null where it is not decided or not known.
const COUNT_OR_NULL: Shape = Shape::OrNull(&Shape::Count);

/// Name, shape and meaning of a field.
type Field = (&'static str, Shape, &'static str);

fn properties(fields: &[Field]) -> Map<String, Value> {
    let property = |(name, shape, meaning): &Field| {
        let mut schema = shape.schema();
        schema["description"] = (*meaning).into();
        ((*name).to_owned(), schema)
    };
    fields.iter().map(property).collect()
}

fn names(fields: &[Field]) -> Vec<&'static str> {
    fields.iter().map(|(name, _, _)| *name).collect()
}

/// The schema of a record with all of `fields`, and perhaps more: fields are added without a new version.
fn record(title: &str, description: &str, fields: &[Field]) -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": description,
        "type": "object",
        "required": names(fields),
        "properties": properties(fields),
    })
}

fn dead_letter_headers() -> Value {
    const HEADERS: &[Field] = &[
        (
            dead_letter::REASON,
            Shape::OneOf(&[
                "oversized",
                "malformed",
                "missing_field",
                "invalid_value",
                "unknown_type",
                "bad_timestamp",
                "future",
                "too_late",
                UNDELIVERED,
            ]),
            "the class of the mistake",
        ),
        (dead_letter::DETAIL, Shape::Text, "what was found and what is allowed"),
        (dead_letter::TOPIC, Shape::Text, "the topic of the original record"),
        (dead_letter::PARTITION, Shape::Text, "its partition, in decimal digits"),
        (dead_letter::OFFSET, Shape::Text, "its offset, in decimal digits"),
    ];
    const MORE: &[Field] = &[
        (dead_letter::WEBHOOK, Shape::Text, "the webhook that did not take the record; of `undelivered` alone"),
        (
            dead_letter::LENGTH,
            Shape::Text,
            "the length of the original value in bytes, in decimal digits, when the broker takes it only cut to 64 KiB",
        ),
        (dead_letter::SHA256, Shape::Text, "the SHA-256 of the original value in hex, when it is cut"),
        (
            dead_letter::HEADERS_LENGTH,
            Shape::Text,
            "the length of the headers of the original record in bytes, in decimal digits, when they are left out for it",
        ),
    ];
    let description = "Headers of a dead letter, whose key and value are those of the record that was not accepted, byte for byte.";
    let mut schema = record("stickiness.dead-letters headers", description, HEADERS);
    if let Some(known) = schema["properties"].as_object_mut() {
        known.extend(properties(MORE));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rejection::Reason;

    #[test]
    fn schemas_are_schemas_and_every_field_is_described() {
        for (name, schema) in all() {
            jsonschema::meta::validate(&schema).expect(name);
            for (field, property) in schema["properties"].as_object().expect(name) {
                assert!(property["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} {field}");
            }
            assert_eq!(named(name), Some(schema));
        }
        assert_eq!(named("weather"), None);
    }

    #[test]
    fn the_reasons_are_those_of_the_model() {
        let reasons: Vec<Value> = Reason::ALL.iter().map(|reason| Value::from(reason.name())).chain([UNDELIVERED.into()]).collect();
        assert_eq!(dead_letter_headers()["properties"]["stickiness.reason"]["enum"], Value::from(reasons));
    }

    #[test]
    fn fields_of_records_are_told_with_their_values() {
        let transitions = fields("transitions");
        assert!(transitions["kind"].as_ref().is_some_and(|kinds| kinds.contains(&"segment".to_owned())));
        for field in ["user_id", "from", "to", "segment", "deadline", "order_id", "orders"] {
            assert_eq!(transitions.get(field), Some(&None), "{field}");
        }
        let levels = ["low", "medium", "high", "churned", "null"].map(str::to_owned);
        assert_eq!(fields("churn-risk")["to"], Some(levels.to_vec()));
        assert!(fields("alerts").contains_key("severity") && fields("weather").is_empty());
    }
}
