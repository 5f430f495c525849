//! The shape that records usually have: every field at the top of an object, in any order. Such a record is read in one pass, without a tree.
//!
//! Where this way gives up (`None`), nothing is said of the record: the general way decides. What it does not give up on, it reads as the general way
//! does; tests hold the two against each other.

use std::borrow::Cow;

use super::super::json::flat::{Flat, FlatReader, Members};
use super::super::json::{Document, Json};
use super::super::mapping::{Format, InputMapping, Location};
use super::super::number;
use super::super::timestamp::{self, TimestampUnit};
use super::super::vocabulary::rules;
use super::facts;
use super::record::{Properties, Record};
use super::{Decoded, Decoder, LONGEST_EVENT_ID_BYTES, LONGEST_USER_ID_BYTES};
use crate::model::event::{ActivityFacts, Event, EventType, Facts};
use crate::model::time::EventTime;

/// Values of breakdowns by index.
type Breakdowns<'a> = Vec<(u16, Cow<'a, str>)>;

/// How many fields an event has.
const FIELDS: usize = 6;
/// Where the object of properties is among them.
const PROPERTIES: usize = 4;

/// Where the fields are, when each is a key at the top.
#[derive(Clone, Debug)]
pub(super) struct Usual {
    /// Event id, user id, type, timestamp, properties and, where it is mapped, arrival, each as `"key":`. Mostly they come in this order.
    quoted: Vec<Box<[u8]>>,
}

/// A record's fields in the order of [`Usual::quoted`], and its properties. Filled where it is: it is as large as twenty records' ids.
#[derive(Default)]
struct Fields<'a> {
    fields: [Flat<'a>; FIELDS],
    properties: Members<'a>,
}

impl Usual {
    /// `None` when something is anywhere else, or called what JSON has to escape.
    pub(super) fn new(mapping: &InputMapping) -> Option<Self> {
        if mapping.format == Format::Segment {
            return None;
        }
        let names = mapping.fields.all().map(Location::written);
        let is_plain = |location: &Location| location.pointer().is_none();
        let is_unescaped = |name: &str| !name.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\');
        let mut quoted: Vec<Box<[u8]>> = Vec::with_capacity(FIELDS);
        for name in names {
            let key = format!("\"{name}\":").into_bytes().into_boxed_slice();
            if !is_unescaped(name) || quoted.contains(&key) {
                return None;
            }
            quoted.push(key);
        }
        let all = mapping.fields.all().chain(mapping.properties.values()).all(is_plain);
        all.then_some(Self { quoted })
    }

    fn read<'a>(&self, payload: &'a [u8], read: &mut Fields<'a>) -> Option<()> {
        let mut reader = FlatReader::new(payload)?;
        let mut others = Members::default();
        let mut expected = 0;
        loop {
            match self.field(&mut reader, expected)? {
                Ok(field) => {
                    let value = if field == PROPERTIES { reader.members(&mut read.properties)? } else { reader.value()? };
                    if read.fields[field] != Flat::Absent {
                        return None;
                    }
                    read.fields[field] = value;
                    expected = field + 1;
                }
                Err(key) => {
                    let value = reader.value()?;
                    others.add(key, value)?;
                }
            }
            if !reader.goes_on()? {
                break;
            }
        }
        reader.end()
    }

    /// The field whose key is next, or the key when it is no field's.
    #[inline]
    fn field<'a>(&self, reader: &mut FlatReader<'a>, expected: usize) -> Option<Result<usize, &'a str>> {
        if self.quoted.get(expected).is_some_and(|quoted| reader.pass_key(quoted)) {
            return Some(Ok(expected));
        }
        let key = reader.key()?;
        let is_key = |quoted: &[u8]| quoted.len() == key.len() + 3 && &quoted[1..=key.len()] == key.as_bytes();
        Some(self.quoted.iter().position(|quoted| is_key(quoted)).ok_or(key))
    }
}

impl Decoder {
    /// The event of a record that is as most are.
    pub(super) fn decode_usual<'a>(&self, payload: &'a [u8]) -> Option<Decoded<'a>> {
        let mut read = Fields::default();
        self.usual.as_ref()?.read(payload, &mut read)?;
        let Fields { fields, properties } = &read;
        let [event_id, user_id, kind, time, object, arrived_at] = *fields;
        let Flat::Text(name) = kind else { return None };
        let kind = self.mapping.event_type(name).filter(|_| !name.is_empty())?;
        let (user_id, event_id) = (usual_user_id(user_id)?, usual_event_id(event_id)?);
        let unit = self.mapping.timestamp_unit;
        let time = usual_instant(time, unit).filter(|time| *time >= self.limits.earliest && *time < self.limits.end)?;
        let arrived_at = match arrived_at {
            Flat::Absent | Flat::Null | Flat::Text("") => None,
            other => Some(usual_instant(other, unit)?),
        };
        let object = match object {
            Flat::Absent | Flat::Null => None,
            Flat::Object(text) => Some(text),
            _ => return None,
        };
        let (facts, breakdowns) = match kind {
            // That it must name somebody is left to the general way.
            EventType::UserMerged => return None,
            EventType::Activity => {
                let breakdowns = self.usual_breakdowns(kind, properties)?;
                (self.usual_activity(properties), breakdowns)
            }
            _ if facts::is_bare(kind) => (Facts::None, self.usual_breakdowns(kind, properties)?),
            _ => self.usual_facts(kind, object)?,
        };
        let (user_id, event_id) = (Cow::Borrowed(user_id), Cow::Borrowed(event_id));
        Some(Decoded { event: Event { user_id, event_id, kind, time, facts, breakdowns }, arrived_at })
    }

    /// Facts and breakdowns out of a tree of the properties alone.
    fn usual_facts<'a>(&self, kind: EventType, object: Option<&'a str>) -> Option<(Facts<'a>, Breakdowns<'a>)> {
        let document = Document::parse(object.unwrap_or("{}").as_bytes()).ok()?;
        let root = document.root();
        let Json::Object(nested) = root else { return None };
        let properties = Properties { record: Record::Json(root), nested: Some(nested), into: None, mapping: &self.mapping };
        self.check_properties(kind, &properties).ok()?;
        let found = facts::facts(kind, &properties).ok()?;
        Some((found, self.breakdowns(&properties)))
    }

    /// The facts of an `activity`, without a tree: it is by far the commonest.
    fn usual_activity<'a>(&self, properties: &Members<'a>) -> Facts<'a> {
        let of = |name| properties.get(self.mapping.properties.get(name).map_or(name, Location::written));
        let text = |name| match of(name) {
            Flat::Text(text) | Flat::Number(text) => Cow::Borrowed(text),
            Flat::Bool(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
            _ => Cow::Borrowed(""),
        };
        let duration_s = match of("duration_s") {
            Flat::Text(text) | Flat::Number(text) => number::double(text),
            _ => None,
        };
        let [name, channel, item, category, brand] = ["name", "channel", "item", "category", "brand"].map(text);
        let facts = ActivityFacts { name, channel, item, category, brand, duration_s };
        if facts == ActivityFacts::default() { Facts::None } else { Facts::Activity(facts) }
    }

    /// The breakdowns of an event without facts, when its properties are as the rules want them.
    fn usual_breakdowns<'a>(&self, kind: EventType, properties: &Members<'a>) -> Option<Breakdowns<'a>> {
        let written = |name| self.mapping.properties.get(name).map_or(name, Location::written);
        for (name, rule) in rules(kind) {
            let broken = match properties.get(written(name)) {
                Flat::Absent | Flat::Null => false,
                Flat::Bool(flag) => rule.violated(Json::Bool(flag)).is_some(),
                Flat::Number(digits) => rule.violated(Json::Number(digits)).is_some(),
                Flat::Text(text) => rule.violated(Json::Text(&Cow::Borrowed(text))).is_some(),
                Flat::Escaped | Flat::Array | Flat::Object(_) => true,
            };
            if broken {
                return None;
            }
        }
        let mut breakdowns = Vec::new();
        for (index, name) in (0_u16..).zip(&self.limits.breakdowns) {
            match properties.get(written(name)) {
                Flat::Bool(flag) => breakdowns.push((index, Cow::Borrowed(if flag { "true" } else { "false" }))),
                Flat::Number(text) | Flat::Text(text) => breakdowns.push((index, Cow::Borrowed(text))),
                Flat::Absent | Flat::Null | Flat::Array | Flat::Object(_) => {}
                Flat::Escaped => return None,
            }
        }
        Some(breakdowns)
    }
}

fn usual_user_id(id: Flat<'_>) -> Option<&str> {
    let id = match id {
        Flat::Text(text) => text,
        Flat::Number(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits,
        _ => return None,
    };
    (1..=LONGEST_USER_ID_BYTES).contains(&id.len()).then_some(id)
}

fn usual_event_id(id: Flat<'_>) -> Option<&str> {
    match id {
        Flat::Absent | Flat::Null => Some(""),
        Flat::Text(text) => (text.len() <= LONGEST_EVENT_ID_BYTES).then_some(text),
        _ => None,
    }
}

fn usual_instant(written: Flat<'_>, unit: TimestampUnit) -> Option<EventTime> {
    match written {
        Flat::Text(text) => timestamp::from_text(text, unit),
        Flat::Number(digits) => number::whole(digits).and_then(|count| timestamp::from_integer(count, unit)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
