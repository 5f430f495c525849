//! What the calls and the standard events of the Segment spec are here. <https://segment.com/docs/connections/spec/>

use std::collections::BTreeMap;

use super::Location;
use crate::model::event::EventType;

/// Calls whose object of properties is `traits`.
pub const CALLS_WITH_TRAITS: [&str; 2] = ["identify", "group"];
/// Where the time of a call is when `timestamp` is missing.
pub const OTHER_TIMES: [&str; 3] = ["originalTimestamp", "sentAt", "receivedAt"];

/// Calls but `track`, and the standard events that are more than activity.
const TYPES: [(&str, EventType); 14] = [
    ("page", EventType::Activity),
    ("screen", EventType::Activity),
    ("identify", EventType::ProfileUpdated),
    ("group", EventType::ProfileUpdated),
    ("alias", EventType::UserMerged),
    ("Signed Up", EventType::Signup),
    ("Account Created", EventType::Signup),
    ("Order Completed", EventType::OrderPlaced),
    ("Order Refunded", EventType::OrderReturned),
    ("Order Cancelled", EventType::OrderReturned),
    ("Invite Sent", EventType::ReferralSent),
    ("Product Shared", EventType::ReferralSent),
    ("Product Reviewed", EventType::Feedback),
    ("Subscription Cancelled", EventType::SubscriptionCancelled),
];
/// Properties of the vocabulary under the names that the spec for commerce gives them.
const PROPERTIES: [(&str, &str); 3] = [("amount", "revenue"), ("lines", "products"), ("item", "product_id")];

/// Adds what the spec says to what settings say, which goes first. What is neither is `activity`, unless settings have another default.
pub fn complete(
    types: &mut BTreeMap<String, EventType>,
    default_type: &mut Option<EventType>,
    properties: &mut BTreeMap<String, Location>,
) {
    for (name, kind) in TYPES {
        types.entry(name.to_owned()).or_insert(kind);
    }
    default_type.get_or_insert(EventType::Activity);
    for (ours, theirs) in PROPERTIES {
        properties.entry(ours.to_owned()).or_insert_with(|| Location::name(theirs));
    }
}
