//! The topics as an `AsyncAPI` 3.0 document.

use serde_json::{Map, Value, json};

use super::all;

/// Names of the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channels<'n> {
    /// Topics of events, at least one.
    pub inputs: &'n [String],
    /// Topic of metrics.
    pub metrics: &'n str,
    /// Topic of transitions.
    pub transitions: &'n str,
    /// Topic of changes of churn risk.
    pub churn_risk: &'n str,
    /// Topic of alerts.
    pub alerts: &'n str,
    /// Topic of profiles.
    pub profiles: &'n str,
    /// Topic of dead letters.
    pub dead_letters: &'n str,
}

/// Name of the schema, summary, key, cleanup policy of an output.
const OUTPUTS: [(&str, &str, &str, &str); 6] = [
    ("metrics", "one day of one segment", "segment|day", "compact"),
    ("transitions", "a user's state changed", "the user id", "delete"),
    ("churn-risk", "a user's risk level changed", "the user id", "delete"),
    ("alerts", "a churn spike or return deficit started, goes on or ended", "fingerprint", "compact"),
    ("profiles", "a user's whole profile, when profiles.publish is true; a tombstone when the user is deleted", "the user id", "compact"),
    ("dead-letters", "a record that was not accepted, byte for byte", "the original's", "delete"),
];

/// The document for topics of these names, with the schemas of all records inside.
#[must_use]
pub fn asyncapi(names: &Channels<'_>) -> Value {
    let mut channels = Map::new();
    let mut operations = Map::new();
    for (index, input) in names.inputs.iter().enumerate() {
        let id = if index == 0 { "events".to_owned() } else { format!("events-{}", index + 1) };
        channels.insert(id.clone(), channel(input, "event", "events of users", None));
        operations.insert(format!("read-{id}"), operation("receive", &id));
    }
    for (name, summary, _, policy) in OUTPUTS {
        let address = match name {
            "metrics" => names.metrics,
            "transitions" => names.transitions,
            "churn-risk" => names.churn_risk,
            "alerts" => names.alerts,
            "profiles" => names.profiles,
            _ => names.dead_letters,
        };
        channels.insert(name.to_owned(), channel(address, name, summary, Some(policy)));
        operations.insert(format!("write-{name}"), operation("send", name));
    }
    let schemas: Map<String, Value> = all().into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "stickiness",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "User-activity events in, stickiness metrics and user transitions out, exactly once.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages(), "schemas": schemas },
    })
}

fn channel(address: &str, message: &str, summary: &str, policy: Option<&str>) -> Value {
    let kafka = policy.map_or_else(|| json!({}), |policy| json!({ "topicConfiguration": { "cleanup.policy": [policy] } }));
    json!({
        "address": address,
        "summary": summary,
        "messages": { message: { "$ref": format!("#/components/messages/{message}") } },
        "bindings": { "kafka": kafka },
    })
}

fn operation(action: &str, channel: &str) -> Value {
    json!({ "action": action, "channel": { "$ref": format!("#/channels/{channel}") } })
}

fn messages() -> Map<String, Value> {
    let key = |description: &str| json!({ "kafka": { "key": { "type": "string", "description": description } } });
    let schema = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let mut messages = Map::new();
    messages.insert("event".to_owned(), json!({ "payload": schema("event"), "bindings": key("the user id") }));
    for (name, summary, keyed, _) in OUTPUTS {
        let mut message = json!({ "summary": summary, "bindings": key(keyed) });
        let part = if name == "dead-letters" { "headers" } else { "payload" };
        message[part] = schema(name);
        messages.insert(name.to_owned(), message);
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` in the document.
    fn references(value: &Value) -> Vec<&str> {
        match value {
            Value::Object(members) => {
                let inner = members.values().flat_map(references);
                members.get("$ref").and_then(Value::as_str).into_iter().chain(inner).collect()
            }
            Value::Array(items) => items.iter().flat_map(references).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let inputs = ["clicks".to_owned(), "orders".to_owned()];
        let names =
            Channels { inputs: &inputs, metrics: "m", transitions: "t", churn_risk: "c", alerts: "a", profiles: "p", dead_letters: "d" };
        let document = asyncapi(&names);
        let references = references(&document);
        assert!(references.len() > 15);
        for reference in references {
            let pointer = reference.strip_prefix('#').expect("a reference inside the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        assert_eq!(document["channels"]["events-2"]["address"], "orders");
        assert_eq!(document["channels"]["dead-letters"]["address"], "d");
    }
}
