//! A record's bytes to an [`Event`], or to the reason why it is none.
//!
//! The checks run in the order of [`Reason`]: a record with several mistakes is told the first of them.

mod facts;
mod found;
mod noted;
mod record;
mod usual;

use std::borrow::Cow;

use super::csv::Header;
use super::json::{Document, Json};
use super::mapping::{FieldLocations, InputMapping};
use super::number;
use super::timestamp::{self, TimestampUnit};
use super::vocabulary::{Rule, rules};
use crate::engine::settings::Breakdown;
use crate::model::event::{Event, EventType};
use crate::model::rejection::{Reason, Rejection};
use crate::model::rules::{SegmentRule, properties};
use crate::model::time::EventTime;
use found::Found;
use record::{Properties, Record};
use usual::Usual;

/// A record longer than this many bytes is `oversized`.
pub const LARGEST_RECORD_BYTES: usize = 1_048_576;
/// The longest `user_id`, in bytes.
pub const LONGEST_USER_ID_BYTES: usize = 256;
/// The longest `event_id`, in bytes.
pub const LONGEST_EVENT_ID_BYTES: usize = 128;

/// What a decoder needs to know besides the mapping.
#[derive(Clone, Debug)]
pub struct DecoderLimits {
    /// Events before this are `bad_timestamp`.
    pub earliest: EventTime,
    /// Events from this on are `bad_timestamp`.
    pub end: EventTime,
    /// The only currency that orders may name; `None` takes all.
    pub currency: Option<String>,
    /// Properties whose values go into [`Event::breakdowns`]: those of breakdowns, then those that rules look at.
    pub breakdowns: Vec<String>,
}

impl Default for DecoderLimits {
    /// 1990 to 2100 in UTC, any currency, no breakdowns.
    fn default() -> Self {
        let (earliest, end) = (EventTime::from_millis(631_152_000_000), EventTime::from_millis(4_102_444_800_000));
        Self { earliest, end, currency: None, breakdowns: Vec::new() }
    }
}

impl DecoderLimits {
    /// These limits with the properties of `breakdowns`, and those that rules look at.
    #[must_use]
    pub fn with_properties(mut self, breakdowns: &[Breakdown], rules: &[SegmentRule]) -> Self {
        self.breakdowns = breakdowns.iter().map(|breakdown| breakdown.property.clone()).chain(properties(rules)).collect();
        self
    }
}

/// An event with when it arrived, as far as its file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded<'a> {
    /// The event.
    pub event: Event<'a>,
    /// From `input.fields.arrived_at`; `None` when it is not mapped or the record has none.
    pub arrived_at: Option<EventTime>,
}

/// Decodes records under one mapping. Decoding has no state: a record always means the same.
#[derive(Clone, Debug)]
pub struct Decoder {
    mapping: InputMapping,
    limits: DecoderLimits,
    /// Where records usually have their fields, if the mapping allows that.
    usual: Option<Usual>,
}

impl Decoder {
    /// A decoder of records that are mapped by `mapping`.
    #[must_use]
    pub fn new(mapping: &InputMapping, limits: DecoderLimits) -> Self {
        Self { mapping: mapping.clone(), limits, usual: Usual::new(mapping) }
    }

    /// The event of a JSON record. A tombstone is an empty payload.
    ///
    /// # Errors
    /// When it is no event; the reason is one of the shape checks.
    pub fn decode_json<'a>(&self, payload: &'a [u8]) -> Result<Event<'a>, Rejection> {
        self.decode_json_line(payload).map(|decoded| decoded.event)
    }

    /// The event of a JSON record in a file, with its arrival.
    ///
    /// # Errors
    /// As [`Decoder::decode_json`].
    pub fn decode_json_line<'a>(&self, payload: &'a [u8]) -> Result<Decoded<'a>, Rejection> {
        check_size(payload.len())?;
        self.decode_usual(payload).map_or_else(|| self.decode_any(payload), Ok)
    }

    /// The event of any JSON record that is not too long.
    fn decode_any<'a>(&self, payload: &'a [u8]) -> Result<Decoded<'a>, Rejection> {
        if payload.is_empty() {
            return Err(Rejection::new(Reason::Malformed, "an empty value"));
        }
        let document = Document::parse(payload).map_err(|error| Rejection::new(Reason::Malformed, format!("not JSON: {error}")))?;
        let root = document.root();
        if !matches!(root, Json::Object(_)) {
            return Err(Rejection::new(Reason::Malformed, format!("not an object but {}", root.shown())));
        }
        self.decode(Record::Json(root))
    }

    /// The event of a row under `header`, with its arrival.
    ///
    /// # Errors
    /// As [`Decoder::decode_json`].
    pub fn decode_row<'a>(&self, header: &Header, row: &'a [u8]) -> Result<Decoded<'a>, Rejection> {
        check_size(row.len())?;
        let malformed = |error| Rejection::new(Reason::Malformed, format!("not a row of the file: {error}"));
        let cells = header.cells(row).map_err(malformed)?;
        self.decode(Record::Row { header, cells: &cells })
    }

    fn decode<'a>(&self, record: Record<'_, 'a>) -> Result<Decoded<'a>, Rejection> {
        let FieldLocations { user_id, kind, timestamp, arrived_at, .. } = &self.mapping.fields;
        let found = Found::of(record, &self.mapping);
        let user = found.user_id.filter(is_there).ok_or_else(|| missing("user_id", user_id.written()))?;
        let name = found.kind.filter(is_there).ok_or_else(|| missing("type", kind.written()))?;
        let time = found.timestamp.filter(is_there).ok_or_else(|| missing("timestamp", timestamp.written()))?;
        let event_type = if let Json::Text(name) = name { self.mapping.event_type(name) } else { None };
        let nested = found.properties.filter(|json| !json.is_null());
        let object = if let Some(Json::Object(object)) = nested { Some(object) } else { None };
        let properties = Properties { record, nested: object, into: found.into, mapping: &self.mapping };
        if event_type == Some(EventType::UserMerged) && !properties.get("into").as_ref().is_some_and(is_there) {
            return Err(missing("into", "into"));
        }
        let user_id = id_text("user_id", user, LONGEST_USER_ID_BYTES)?;
        let event_id = event_id_text(found.event_id)?;
        if !matches!(name, Json::Text(_)) {
            return Err(invalid("type", name, "must be a text"));
        }
        if let Some(other) = nested.filter(|json| !matches!(json, Json::Object(_))) {
            return Err(invalid("properties", other, "must be an object"));
        }
        let kind = event_type.ok_or_else(|| unknown_type(name))?;
        self.check_properties(kind, &properties)?;
        let facts = facts::facts(kind, &properties)?;
        let time = self.event_time(time)?;
        let arrived_at = arrived_at.as_ref().and_then(|location| record.field(location)).filter(is_there);
        let arrived_at = arrived_at.map(|arrival| instant("arrived_at", arrival, self.mapping.timestamp_unit)).transpose()?;
        let breakdowns = self.breakdowns(&properties);
        Ok(Decoded { event: Event { user_id, event_id, kind, time, facts, breakdowns }, arrived_at })
    }

    fn event_time(&self, json: Json<'_, '_>) -> Result<EventTime, Rejection> {
        let time = instant("timestamp", json, self.mapping.timestamp_unit)?;
        let DecoderLimits { earliest, end, .. } = &self.limits;
        if time < *earliest || time >= *end {
            let detail = format!("`timestamp` is {}, which is {time}: not from {earliest} to before {end}", json.shown());
            return Err(Rejection::new(Reason::BadTimestamp, detail));
        }
        Ok(time)
    }

    fn check_properties(&self, kind: EventType, properties: &Properties<'_, '_, '_>) -> Result<(), Rejection> {
        for (name, rule) in rules(kind) {
            if let Some(json) = properties.some(name) {
                check_rule(name, *rule, json)?;
            }
        }
        let Some(currency) = self.limits.currency.as_ref().filter(|_| kind == EventType::OrderPlaced) else { return Ok(()) };
        match properties.some("currency") {
            None => Ok(()),
            Some(Json::Text(text)) if text == currency => Ok(()),
            Some(other) => Err(invalid("currency", other, &format!("must be {currency}, the one that purchases.currency names"))),
        }
    }

    fn breakdowns<'a>(&self, properties: &Properties<'_, '_, 'a>) -> Vec<(u16, Cow<'a, str>)> {
        let value = |(index, name): (u16, &String)| Some((index, scalar_text(properties.get(name)?)?));
        (0_u16..).zip(&self.limits.breakdowns).filter_map(value).collect()
    }
}

/// The text of a text, number or boolean; `None` for anything else.
fn scalar_text<'a>(json: Json<'_, 'a>) -> Option<Cow<'a, str>> {
    match json {
        Json::Text(text) => Some(text.clone()),
        Json::Number(digits) => Some(Cow::Borrowed(digits)),
        Json::Bool(flag) => Some(Cow::Borrowed(if flag { "true" } else { "false" })),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Whether a required field is more than null or an empty text.
fn is_there(json: &Json<'_, '_>) -> bool {
    !matches!(json, Json::Null) && !matches!(json, Json::Text(text) if text.is_empty())
}

fn check_size(bytes: usize) -> Result<(), Rejection> {
    if bytes > LARGEST_RECORD_BYTES { Err(oversized(bytes as u64)) } else { Ok(()) }
}

/// The rejection of a record of this many bytes.
#[must_use]
pub fn oversized(bytes: u64) -> Rejection {
    Rejection::new(Reason::Oversized, format!("{bytes} bytes; at most {LARGEST_RECORD_BYTES} are allowed"))
}

fn missing(field: &str, written: &str) -> Rejection {
    let place = if field == written { String::new() } else { format!(" (at `{written}`)") };
    Rejection::new(Reason::MissingField, format!("`{field}`{place} is absent or empty"))
}

fn unknown_type(name: Json<'_, '_>) -> Rejection {
    Rejection::new(Reason::UnknownType, format!("`type` is {}: neither in the vocabulary nor in [input.types]", name.shown()))
}

fn invalid(name: &str, json: Json<'_, '_>, why: &str) -> Rejection {
    Rejection::new(Reason::InvalidValue, format!("`{name}` is {}: {why}", json.shown()))
}

/// An id: a text, or an integer as its decimal text.
fn id_text<'a>(name: &str, json: Json<'_, 'a>, longest: usize) -> Result<Cow<'a, str>, Rejection> {
    let id = match json {
        Json::Text(text) => text.clone(),
        Json::Number("-0") => Cow::Borrowed("0"),
        Json::Number(digits) if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => Cow::Borrowed(digits),
        other => return Err(invalid(name, other, "must be a text or an integer")),
    };
    if id.len() > longest {
        return Err(invalid(name, json, &format!("has {} bytes, at most {longest} are allowed", id.len())));
    }
    Ok(id)
}

fn event_id_text<'a>(json: Option<Json<'_, 'a>>) -> Result<Cow<'a, str>, Rejection> {
    match json {
        None | Some(Json::Null) => Ok(Cow::Borrowed("")),
        Some(json @ Json::Text(text)) if text.len() > LONGEST_EVENT_ID_BYTES => {
            Err(invalid("event_id", json, &format!("has {} bytes, at most {LONGEST_EVENT_ID_BYTES} are allowed", text.len())))
        }
        Some(Json::Text(text)) => Ok(text.clone()),
        Some(json) => Err(invalid("event_id", json, "must be a text")),
    }
}

fn instant(name: &str, json: Json<'_, '_>, unit: TimestampUnit) -> Result<EventTime, Rejection> {
    let time = match json {
        Json::Text(text) => timestamp::from_text(text, unit),
        Json::Number(digits) => number::whole(digits).and_then(|count| timestamp::from_integer(count, unit)),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    };
    let why =
        || format!("`{name}` is {}: must be RFC 3339 with an offset, or an integer in the unit of input.timestamp_unit", json.shown());
    time.ok_or_else(|| Rejection::new(Reason::BadTimestamp, why()))
}

fn check_rule(name: &str, rule: Rule, json: Json<'_, '_>) -> Result<(), Rejection> {
    match rule {
        Rule::Each(rules) => facts::each(name, json, |item| check_item(name, rules, item)),
        other => other.violated(json).map_or(Ok(()), |why| Err(invalid(name, json, &why))),
    }
}

fn check_item(list: &str, rules: &[(&str, Rule)], item: Json<'_, '_>) -> Result<(), Rejection> {
    let Json::Object(object) = item else {
        return Err(invalid(list, item, "must be a list of objects"));
    };
    for (name, rule) in rules {
        if let Some(json) = object.get(name).filter(|json| !json.is_null()) {
            check_rule(&format!("{list}[].{name}"), *rule, json)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
