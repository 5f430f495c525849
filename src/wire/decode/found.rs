//! Where the fields of a record are: at the places of the mapping, or where the calls of the Segment spec have them.

use super::super::json::Json;
use super::super::mapping::{Format, InputMapping, Location, segment};
use super::record::Record;

/// The fields of a record, as far as they are there.
pub(super) struct Found<'d, 'a> {
    pub(super) user_id: Option<Json<'d, 'a>>,
    /// The name of its type.
    pub(super) kind: Option<Json<'d, 'a>>,
    pub(super) event_id: Option<Json<'d, 'a>>,
    pub(super) timestamp: Option<Json<'d, 'a>>,
    /// The object of properties.
    pub(super) properties: Option<Json<'d, 'a>>,
    /// The id that the user becomes, where the format has a place of its own for it.
    pub(super) into: Option<Json<'d, 'a>>,
}

impl<'d, 'a> Found<'d, 'a> {
    /// Finds the fields of a record.
    pub(super) fn of(record: Record<'d, 'a>, mapping: &InputMapping) -> Self {
        match record {
            Record::Json(root) if mapping.format == Format::Segment => Self::of_call(root, mapping),
            _ => Self::of_mapping(record, mapping),
        }
    }

    fn of_mapping(record: Record<'d, 'a>, mapping: &InputMapping) -> Self {
        let fields = &mapping.fields;
        let properties = if let Record::Json(_) = record { record.field(&fields.properties) } else { None };
        Self {
            user_id: record.field(&fields.user_id),
            kind: record.field(&fields.kind),
            event_id: record.field(&fields.event_id),
            timestamp: record.field(&fields.timestamp),
            properties,
            into: None,
        }
    }

    /// A call: `track` is of the type that its `event` names, the others are of the type of their own name.
    fn of_call(root: Json<'d, 'a>, mapping: &InputMapping) -> Self {
        let record = Record::Json(root);
        let at = |name: &str| record.field(&Location::name(name)).filter(|json| !is_nothing(json));
        let first = |names: &[&str]| names.iter().find_map(|name| at(name));
        let call = at("type");
        let name = if let Some(Json::Text(call)) = call { call.as_ref() } else { "" };
        let (user_id, into) = match name {
            "alias" => (at("previousId"), at("userId")),
            _ => (first(&["userId", "anonymousId"]), None),
        };
        Self {
            user_id,
            kind: if name == "track" { record.field(&mapping.fields.kind) } else { call },
            event_id: record.field(&mapping.fields.event_id),
            // What a server or a phone sent itself may lack the corrected time.
            timestamp: record.field(&mapping.fields.timestamp).filter(|json| !is_nothing(json)).or_else(|| first(&segment::OTHER_TIMES)),
            properties: at(if segment::CALLS_WITH_TRAITS.contains(&name) { "traits" } else { "properties" }),
            into,
        }
    }
}

/// Whether a value is as good as absent.
fn is_nothing(json: &Json<'_, '_>) -> bool {
    json.is_null() || matches!(json, Json::Text(text) if text.is_empty())
}
