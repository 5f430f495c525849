//! `[input]`: how records are read as events.

use std::collections::BTreeMap;

use super::RegistrySettings;
use super::mistakes::did_you_mean;
use super::registry::registry;
use super::section::Section;
use crate::model::event::EventType;
use crate::wire::mapping::{FieldLocations, Format, InputMapping, Location, segment};
use crate::wire::timestamp::TimestampUnit;

const FORMATS: [(Format, &str); 6] = [
    (Format::Json, "json"),
    (Format::Csv, "csv"),
    (Format::Segment, "segment"),
    (Format::CloudEvents, "cloudevents"),
    (Format::Avro, "avro"),
    (Format::Protobuf, "protobuf"),
];

pub(super) fn input(section: Section<'_>) -> (InputMapping, Option<RegistrySettings>) {
    let format = section.one_of("format", &FORMATS, Format::default());
    let needs_registry = matches!(format, Format::Avro | Format::Protobuf);
    let registry = registry(section.section("registry"), needs_registry);
    let timestamp_unit = section.one_of("timestamp_unit", &TimestampUnit::ALL.map(|(unit, name)| (unit, name)), TimestampUnit::default());
    let fields = fields(section.section("fields"), format);
    let (mut types, mut default_type) = types(&section);
    let mut properties = properties(&section);
    if format == Format::Segment {
        segment::complete(&mut types, &mut default_type, &mut properties);
    }
    section.finish();
    (InputMapping { format, timestamp_unit, fields, types, default_type, properties }, registry)
}

fn fields(section: Section<'_>, format: Format) -> FieldLocations {
    let default = FieldLocations::of(format);
    let read = |key: &'static str| {
        let written = section.optional_text(key)?;
        if written.is_empty() && key != "properties" {
            section.mistake(key, "must be the name of a key or column, or a JSON Pointer");
            return None;
        }
        let location = location(&written);
        if location.is_none() {
            section.mistake(key, NOT_A_POINTER);
        }
        location
    };
    let fields = FieldLocations {
        event_id: read("event_id").unwrap_or(default.event_id),
        user_id: read("user_id").unwrap_or(default.user_id),
        kind: read("type").unwrap_or(default.kind),
        timestamp: read("timestamp").unwrap_or(default.timestamp),
        properties: read("properties").unwrap_or(default.properties),
        arrived_at: read("arrived_at"),
    };
    section.finish();
    fields
}

const NOT_A_POINTER: &str = "not a JSON Pointer: `~` must be followed by 0 or 1";

fn location(written: &str) -> Option<Location> {
    Location::parse(written)
}

fn types(section: &Section<'_>) -> (BTreeMap<String, EventType>, Option<EventType>) {
    let mut types = BTreeMap::new();
    let mut default_type = None;
    for (theirs, value) in section.entries("types") {
        let Some(kind) = value.as_str().and_then(EventType::from_name) else {
            section.item_mistake("types", theirs, Some(value), not_a_type(value.as_str().unwrap_or_default()));
            continue;
        };
        if theirs == "default" {
            default_type = Some(kind);
        } else {
            types.insert(theirs.clone(), kind);
        }
    }
    (types, default_type)
}

/// What to say about a name that is no type.
pub(super) fn not_a_type(name: &str) -> String {
    let names = EventType::ALL.map(|(_, name, _)| name);
    match did_you_mean(name, names) {
        Some(meant) => format!("not an event type; did you mean `{meant}`?"),
        None => format!("must be an event type: {}", names.join(", ")),
    }
}

fn properties(section: &Section<'_>) -> BTreeMap<String, Location> {
    let mut properties = BTreeMap::new();
    for (ours, value) in section.entries("properties") {
        let theirs = value.as_str().filter(|theirs| !theirs.is_empty()).and_then(location);
        match theirs {
            Some(theirs) => _ = properties.insert(ours.clone(), theirs),
            None => section.item_mistake("properties", ours, Some(value), "must be the property's name in the records, or a JSON Pointer"),
        }
    }
    properties
}
