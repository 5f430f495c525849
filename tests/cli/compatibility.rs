//! What is published stays: the schemas in docs/schemas are a promise, and whatever is printed now must keep it.
//!
//! `UPDATE_GOLDEN=1` writes what was added. What would break readers is written only with `BREAK_SCHEMAS=1` too.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::golden::run;

const RECORDS: [&str; 7] = ["event", "metrics", "transitions", "churn-risk", "alerts", "profiles", "dead-letters"];

/// Who reads records of a schema: programs of others, or the service.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    Others,
    Service,
}

#[test]
fn what_is_published_keeps_its_names_types_and_meanings() {
    for name in RECORDS {
        let reader = if name == "event" { Reader::Service } else { Reader::Others };
        check_against_copy(name, &run(&["schema", name]).stdout, reader);
    }
    // Of one schema in all topics, what is required of events is judged above.
    check_against_copy("asyncapi", &run(&["schema"]).stdout, Reader::Others);
}

/// Compares with the copy in docs/schemas, which is brought up to date when it is asked for and breaks nobody.
fn check_against_copy(name: &str, printed: &str, reader: Reader) {
    let path = Path::new("docs/schemas").join(format!("{name}.json"));
    let wants = |variable| std::env::var_os(variable).is_some();
    let copy = fs::read_to_string(&path).unwrap_or_default();
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let broken = broken(&read(&copy), &read(printed), reader);
    let advice = "give it a new name beside the old one; if nobody reads it yet, BREAK_SCHEMAS=1 UPDATE_GOLDEN=1 writes it";
    assert!(broken.is_empty() || wants("BREAK_SCHEMAS"), "{name} breaks those who read it, {advice}:\n{}", broken.join("\n"));
    if wants("UPDATE_GOLDEN") {
        fs::write(&path, printed).expect("a copy that can be written");
    }
    let copy = fs::read_to_string(&path).unwrap_or_default();
    assert!(copy == printed, "{} lacks what was added; UPDATE_GOLDEN=1 writes it", path.display());
}

/// What of `published` is no more, or is something else, in `printed`: each by its place.
fn broken(published: &Value, printed: &Value, reader: Reader) -> Vec<String> {
    let mut found = Vec::new();
    compare("", published, printed, reader, &mut found);
    found
}

fn compare(place: &str, published: &Value, printed: &Value, reader: Reader, found: &mut Vec<String>) {
    match (published, printed) {
        (Value::Null, _) if place.is_empty() => {}
        (Value::Object(published), Value::Object(printed)) => {
            for (key, value) in published {
                let place = format!("{place}/{key}");
                match printed.get(key) {
                    Some(now) => compare(&place, value, now, reader, found),
                    None => found.push(format!("{place} is gone")),
                }
            }
            if reader == Reader::Service && printed.contains_key("required") && !published.contains_key("required") {
                found.push(format!("{place}/required is new, and senders do not know"));
            }
        }
        (Value::Array(published), Value::Array(printed)) => compare_lists(place, published, printed, reader, found),
        _ if published == printed => {}
        _ => found.push(format!("{place} was {published} and is {printed}")),
    }
}

/// Lists are sets: of names, of types, of schemas of which one or all apply.
fn compare_lists(place: &str, published: &[Value], printed: &[Value], reader: Reader, found: &mut Vec<String>) {
    for (index, value) in published.iter().enumerate() {
        let is_kept = printed.iter().any(|now| broken(value, now, reader).is_empty());
        // What the service no longer asks for breaks no sender.
        let is_waived = reader == Reader::Service && place.ends_with("/required");
        if !is_kept && !is_waived {
            found.push(format!("{place}/{index} was {value} and is not there"));
        }
    }
    for value in printed.iter().filter(|value| !published.contains(value)) {
        if reader == Reader::Service && place.ends_with("/required") {
            found.push(format!("{place} asks for {value}, and senders do not know"));
        }
    }
}

#[test]
fn a_field_that_goes_or_changes_is_noticed_and_one_that_comes_is_not() {
    let published = json!({
        "properties": {
            "users": {"type": "integer", "description": "users who were active"},
            "level": {"enum": ["low", "high"]},
            "risk": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        },
        "required": ["users"],
    });
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut printed = published.clone();
        change(&mut printed);
        printed
    };
    let cases: [(&str, Value, usize, usize); 9] = [
        ("nothing", published.clone(), 0, 0),
        ("a new field", changed(&|it| it["properties"]["more"] = json!({"type": "string"})), 0, 0),
        ("a new value", changed(&|it| it["properties"]["level"] = json!({"enum": ["low", "churned", "high"]})), 0, 0),
        ("a field goes", changed(&|it| _ = it["properties"].as_object_mut().map(|fields| fields.remove("users"))), 1, 1),
        ("a type changes", changed(&|it| it["properties"]["users"]["type"] = json!("string")), 1, 1),
        ("a meaning changes", changed(&|it| it["properties"]["users"]["description"] = json!("users who ordered")), 1, 1),
        ("a value goes", changed(&|it| it["properties"]["level"]["enum"] = json!(["high"])), 1, 1),
        ("null goes", changed(&|it| it["properties"]["risk"]["anyOf"] = json!([{"type": "number"}])), 1, 1),
        ("another is required", changed(&|it| it["required"] = json!(["level"])), 1, 1),
    ];
    for (what, printed, others, service) in &cases {
        assert_eq!(broken(&published, printed, Reader::Others).len(), *others, "{what}");
        assert_eq!(broken(&published, printed, Reader::Service).len(), *service, "{what}");
    }
}
