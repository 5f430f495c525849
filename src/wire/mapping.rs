//! Where in a record the fields of an event are, and what its types and properties are called there: `[input]` of the settings.

pub mod segment;

use std::collections::BTreeMap;

use super::json::pointer_tokens;
use super::timestamp::TimestampUnit;
use crate::model::event::EventType;

/// The encoding of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a record or line.
    #[default]
    Json,
    /// Comma-separated values with a header row (files only).
    Csv,
    /// Calls of the Segment spec, as `RudderStack`'s: `track`, `page`, `screen`, `identify`, `group`, `alias`.
    Segment,
    /// `CloudEvents` 1.0 in structured mode: JSON objects with `id`, `subject`, `type`, `time`, `data`.
    CloudEvents,
    /// Apache Avro, with the schema in a registry.
    Avro,
    /// Protocol Buffers, with the schema in a registry.
    Protobuf,
}

/// Where a field is: the name of a column or of a key at the top of the object, or a JSON Pointer (empty, or with a leading `/`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    written: String,
    pointer: Option<Vec<String>>,
}

impl Location {
    /// The location as the settings write it. `None` for a JSON Pointer with a `~` that escapes nothing.
    #[must_use]
    pub fn parse(written: &str) -> Option<Self> {
        let is_pointer = written.is_empty() || written.starts_with('/');
        let pointer = if is_pointer { Some(pointer_tokens(written)?) } else { None };
        Some(Self { written: written.to_owned(), pointer })
    }

    /// A key or column of this name, whatever it starts with.
    #[must_use]
    pub fn name(name: &str) -> Self {
        Self { written: name.to_owned(), pointer: None }
    }

    /// As the settings write it; the column name in a row.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// The tokens, when it is a JSON Pointer.
    #[must_use]
    pub fn pointer(&self) -> Option<&[String]> {
        self.pointer.as_deref()
    }
}

/// `[input.fields]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldLocations {
    /// Optional in a record.
    pub event_id: Location,
    /// Required in a record.
    pub user_id: Location,
    /// Required in a record.
    pub kind: Location,
    /// Required in a record.
    pub timestamp: Location,
    /// Optional in a record; in a row, the columns that are no field are properties too.
    pub properties: Location,
    /// When a record arrived, in files; not mapped by default.
    pub arrived_at: Option<Location>,
}

impl Default for FieldLocations {
    fn default() -> Self {
        Self {
            event_id: Location::name("event_id"),
            user_id: Location::name("user_id"),
            kind: Location::name("type"),
            timestamp: Location::name("timestamp"),
            properties: Location::name("properties"),
            arrived_at: None,
        }
    }
}

impl FieldLocations {
    /// Where records of a format have their fields unless settings say otherwise.
    #[must_use]
    pub fn of(format: Format) -> Self {
        let named = |[event_id, user_id, kind, timestamp, properties]: [&str; 5]| Self {
            event_id: Location::name(event_id),
            user_id: Location::name(user_id),
            kind: Location::name(kind),
            timestamp: Location::name(timestamp),
            properties: Location::name(properties),
            arrived_at: None,
        };
        match format {
            Format::Json | Format::Csv | Format::Avro | Format::Protobuf => Self::default(),
            Format::Segment => named(["messageId", "userId", "event", "timestamp", "properties"]),
            Format::CloudEvents => named(["id", "subject", "type", "time", "data"]),
        }
    }

    /// All that are mapped.
    pub(super) fn all(&self) -> impl Iterator<Item = &Location> {
        [&self.event_id, &self.user_id, &self.kind, &self.timestamp, &self.properties].into_iter().chain(&self.arrived_at)
    }
}

/// `[input]`: how records are read as events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputMapping {
    /// The encoding of Kafka records and of standard input; files say theirs by their names.
    pub format: Format,
    /// What integer timestamps count.
    pub timestamp_unit: TimestampUnit,
    /// Where the fields are.
    pub fields: FieldLocations,
    /// Types by their name in the records, for those that are renamed.
    pub types: BTreeMap<String, EventType>,
    /// The type of records whose own is neither renamed nor in the vocabulary; `None` refuses them.
    pub default_type: Option<EventType>,
    /// Where properties of our names are: the name they have in the records, or a JSON Pointer from the top of the record.
    pub properties: BTreeMap<String, Location>,
}

impl InputMapping {
    /// The type of a record that calls it `name`.
    #[must_use]
    pub fn event_type(&self, name: &str) -> Option<EventType> {
        self.types.get(name).copied().or_else(|| EventType::from_name(name)).or(self.default_type)
    }
}
