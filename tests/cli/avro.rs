//! Records as Avro: what a reader of an Avro topic gets is what is in the JSON of a replay.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use serde_json::{Value, json};
use stickiness::wire::registry::avro::{AvroSchema, AvroWriter};
use stickiness::wire::schema::avro::{OUTPUTS, leave_out_absent};

use crate::exodus::{SETTINGS, events};
use crate::golden::run;

/// A window of its own, values of a breakdown that are not all counted, and a segment that asks for something to be done.
const MORE: &str = r#"
[time]
mau_days = 28
[[segments]]
name = "buyer"
when = { count = "order_placed", at_least = 2 }
[segments.on_enter]
within = "24h"
fulfilled_by = ["contact_made"]
"#;

/// What users do besides being active: two orders with an id, and one without, of which one is returned; answers, a complaint, a referral.
fn more_events() -> Vec<String> {
    let event = |user: u32, day: u32, kind: &str, properties: Value| {
        let timestamp = format!("2026-02-{day:02}T12:30:00.123456789Z");
        json!({"user_id": format!("u{user}"), "timestamp": timestamp, "type": kind, "properties": properties}).to_string()
    };
    let order = |id: &str| json!({"order_id": id, "amount": 19.99, "cost": 7, "brand": "Löwe", "products": [{"category": "tea"}]});
    (1..9)
        .flat_map(|user| {
            [
                event(user, 2, "order_placed", order("a")),
                event(user, 9, "order_placed", json!({"amount": 5})),
                event(user, 12, "order_placed", order("b")),
                event(user, 13, "order_returned", json!({"order_id": "b"})),
                event(user, 14, "survey_answered", json!({"item": "satisfaction", "score": 4})),
                event(user, 14, "survey_answered", json!({"item": "recommend", "score": 10})),
                event(user, 15, "complaint_opened", json!({"complaint_id": "c", "category": "late"})),
                event(user, 16, "referral_sent", json!({})),
            ]
        })
        .collect()
}

/// The outputs of a replay, by schema, line by line.
fn replayed() -> BTreeMap<&'static str, Vec<String>> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    fs::write(path("settings.toml"), settings()).expect("disk");
    let lines: String = events().into_iter().map(|line| line.2).chain(more_events()).map(|line| line + "\n").collect();
    fs::write(path("events.ndjson"), lines).expect("disk");
    let (config, output, input) = (path("settings.toml"), path("out"), path("events.ndjson"));
    let done = run(&["replay", "--config", &config, "--output", &output, "--order", "event-time", &input]);
    assert_eq!(done.status, 0, "{}", done.stderr);
    let read = |name: &str| fs::read_to_string(path(&format!("out/{name}.ndjson"))).expect("the file");
    OUTPUTS.iter().map(|(name, _)| (*name, read(name).lines().map(str::to_owned).collect())).collect()
}

fn settings() -> String {
    let one_section = SETTINGS.replace("[breakdowns]\n", "[breakdowns]\nmax_values = 2\n");
    format!("{one_section}{MORE}")
}

fn schema(name: &str, config: &[&str]) -> String {
    let done = run(&[&["schema", name, "--avro"], config].concat());
    assert_eq!(done.status, 0, "{}", done.stderr);
    done.stdout
}

/// Numbers as doubles: where a field can be any number, JSON has a whole one as it was given.
fn as_doubles(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.iter().map(as_doubles).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), as_doubles(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn records_come_back_from_avro_as_they_were() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("settings.toml");
    fs::write(&config, settings()).expect("disk");
    for (name, lines) in replayed() {
        let schema = schema(name, &["--config", config.to_str().expect("UTF-8")]);
        let (writer, reader) = (AvroWriter::parse(&schema).expect("a schema"), AvroSchema::parse(&schema, &[]).expect("a schema"));
        assert!(lines.len() > 10, "{name}");
        for line in &lines {
            let record: Value = serde_json::from_str(line).expect("JSON");
            let mut datum = Vec::new();
            writer.append(&record, &mut datum).unwrap_or_else(|reason| panic!("{reason}: {line}"));
            let mut back = reader.to_value(&datum).expect("a datum");
            leave_out_absent(back.as_object_mut().expect("a record"));
            if name == "metrics" {
                // What the aggregator compares with what it would publish.
                assert_eq!(&back.to_string(), line);
            } else {
                assert_eq!(as_doubles(&back), as_doubles(&record));
                assert_eq!(
                    back.as_object().expect("a record").keys().collect::<Vec<_>>(),
                    record.as_object().expect("a record").keys().collect::<Vec<_>>()
                );
            }
        }
        let has = |what: &str| lines.iter().any(|line| line.contains(what));
        let wanted: &[&str] = match name {
            "metrics" => &["mau_28d", "values_limited", "\"risk_high\":null"],
            "transitions" => {
                &["\"order_id\":null", "\"order_fell\"", "\"deadline\"", "\"from\":false", "\"kind\":\"segment\"", ".123456789Z"]
            }
            "profiles" => &["\"loyalty_evidence\":{", "Löwe"],
            "alerts" => &["\"ends_at\":null", "\"top_segments\":[{"],
            _ => &["\"to\":\"high\""],
        };
        for what in wanted {
            assert!(has(what), "no {what} in {name}");
        }
    }
}

#[test]
fn old_and_new_readers_read_old_and_new_records() {
    for (name, _) in OUTPUTS {
        let printed = schema(name, &[]);
        let path = Path::new("docs/schemas").join(format!("{name}.avsc"));
        let copy = fs::read_to_string(&path).unwrap_or_default();
        if let Ok(copy) = Schema::parse_str(&copy) {
            let now = Schema::parse_str(&printed).expect("a schema");
            let both = SchemaCompatibility::mutual_read(&copy, &now);
            assert!(both.is_ok() || std::env::var_os("BREAK_SCHEMAS").is_some(), "{name} breaks those who read it: {both:?}");
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &printed).expect("a copy that can be written");
        }
        let copy = fs::read_to_string(&path).unwrap_or_default();
        assert!(copy == printed, "{} lacks what was added; UPDATE_GOLDEN=1 writes it", path.display());
    }
}

#[test]
fn any_field_that_is_not_identity_can_come_and_go() {
    for (name, _) in OUTPUTS {
        let whole: Value = serde_json::from_str(&schema(name, &[])).expect("JSON");
        let mut without = whole.clone();
        let fields = without["fields"].as_array_mut().expect("fields");
        fields.retain(|field| field.get("default").is_none());
        assert!(fields.len() >= 2 && fields.len() <= 3, "{name}: identity alone");
        let [whole, without] = [whole, without].map(|schema| Schema::parse(&schema).expect("a schema"));
        SchemaCompatibility::mutual_read(&whole, &without).expect("either way");
    }
}

#[test]
fn what_is_never_avro_has_no_schema() {
    let done = run(&["schema", "event", "--avro"]);
    assert_eq!(done.status, 1);
    assert!(
        done.stderr.contains("with --avro, the record is one of metrics, transitions, churn-risk, alerts, profiles"),
        "{}",
        done.stderr
    );
    assert_eq!(run(&["schema", "--avro"]).status, 2);
}
