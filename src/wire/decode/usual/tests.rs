//! What the usual way reads is what the general way reads, for records that are right, nearly right, and damaged.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::DecoderLimits;
use super::*;

/// What may stand where an id, a type, a time or a property is expected.
const VALUES: [&str; 44] = [
    "\"u1\"",
    "\"\"",
    "\"é\"",
    "\"a\\u0062\\n\"",
    "\"\\ud800\"",
    "\"a\nb\"",
    "\"a\tn\"",
    "17",
    "007",
    "-0",
    "-5",
    "1.0",
    "1e3",
    "1714564800000",
    "1714564800",
    "123456789012345678901234567890",
    "\"1714564800000\"",
    "\"2024-05-01T12:00:00Z\"",
    "\"2024-05-01T12:00:00.250Z\"",
    "\"2024-05-01t12:00:60+05:45\"",
    "\"2024-02-30T12:00:00Z\"",
    "\"1989-12-31T23:59:59.999Z\"",
    "\"2024-05-01T12:00:0:Z\"",
    "\"2O24-05-01T12:00:00Z\"",
    "null",
    "true",
    "false",
    "nul",
    "[]",
    "[1,[2,{\"a\":[]}],\"]\"]",
    "[1,]",
    "{}",
    "{\"a\":1}",
    "{\"a\":1,\"a\":1}",
    "{\"a\":{\"b\":1,\"b\":2}}",
    "{\"a\":[{\"b\":1,\"\\u0062\":2}]}",
    "\"activity\"",
    "\"order_placed\"",
    "\"survey_response\"",
    "\"complaint_opened\"",
    "\"feedback\"",
    "\"contact_made\"",
    "\"user_merged\"",
    "\"page_view\"",
];

const PROPERTIES: [&str; 16] = [
    "country",
    "plan",
    "duration_s",
    "amount",
    "order_id",
    "recommend",
    "trust",
    "kind",
    "sentiment",
    "direction",
    "complaint_id",
    "into",
    "brand",
    "lines",
    "currency",
    "c\\u006funtry",
];

fn renamed() -> InputMapping {
    let mut mapping = InputMapping::default();
    mapping.fields.kind = Location::name("event");
    mapping.fields.arrived_at = Some(Location::name("received"));
    mapping.timestamp_unit = TimestampUnit::Seconds;
    mapping.types = [("page_view".to_owned(), EventType::Activity)].into();
    mapping.properties = [("amount".to_owned(), Location::name("trust")), ("plan".to_owned(), Location::name("brand"))].into();
    mapping
}

fn decoders() -> Vec<Decoder> {
    let limits = |currency: Option<&str>, breakdowns: &[&str]| DecoderLimits {
        currency: currency.map(str::to_owned),
        breakdowns: breakdowns.iter().map(|name| (*name).to_owned()).collect(),
        ..DecoderLimits::default()
    };
    let plain = InputMapping::default();
    vec![
        Decoder::new(&plain, limits(None, &[])),
        Decoder::new(&plain, limits(Some("u1"), &["country", "plan", "absent"])),
        Decoder::new(&renamed(), limits(None, &["plan", "trust"])),
    ]
}

/// Both ways, where the usual one does not give up; whether it did not.
fn agree(decoder: &Decoder, payload: &[u8]) -> bool {
    let Some(usual) = decoder.decode_usual(payload) else { return false };
    assert_eq!(decoder.decode_any(payload), Ok(usual), "{}", payload.escape_ascii());
    true
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(&VALUES[..]).prop_map(str::to_owned),
        1 => "[-+0-9.eE]{1,24}",
        1 => "\"[ -~]{0,40}\"",
        1 => (1_usize..400).prop_map(|length| format!("\"{}\"", "x".repeat(length))),
        1 => (1_usize..140).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth)),
        1 => "\"20[0-9]{2}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,11})?(Z|z|[+-][0-2][0-9]:[0-6][0-9])\"",
    ]
}

fn any_object() -> impl Strategy<Value = String> {
    let member = (select(&PROPERTIES[..]), any_value());
    prop::collection::vec(member, 0..20).prop_map(|members| {
        let members: Vec<String> = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(", "))
    })
}

/// A record whose fields are mostly right, in any order, some of them missing, there twice or something else.
fn any_record() -> impl Strategy<Value = String> {
    let right = |name: &'static str, value: &'static str| {
        prop_oneof![12 => Just(value.to_owned()), 1 => any_value()].prop_map(move |value| (name, value))
    };
    let kind = prop_oneof![3 => select(&VALUES[36..]).prop_map(str::to_owned), 1 => any_value()];
    let named = select(vec!["type", "event"]);
    let fields = (
        right("event_id", "\"e\""),
        right("user_id", "\"u\""),
        (named, kind),
        right("timestamp", "\"2024-05-01T12:00:00Z\""),
        prop_oneof![6 => any_object(), 1 => any_value()].prop_map(|object| ("properties", object)),
        right("received", "1714564800"),
    );
    let others = prop::collection::vec((select(vec!["a", "b", "é", "user_id", "type", "\\u0061", "properties"]), any_value()), 0..3);
    let present = prop::collection::vec(prop::bool::weighted(0.9), 6);
    (fields, others, present, any::<Index>(), select(vec!["", " ", "\n\t"])).prop_map(|(fields, others, present, turn, space)| {
        let fields: [(&str, String); 6] = fields.into();
        let mut members: Vec<_> =
            fields.into_iter().zip(present).filter(|(_, there)| *there).map(|(member, _)| member).chain(others).collect();
        let turn = turn.index(members.len().max(1));
        members.rotate_left(turn);
        let members: Vec<String> = members.iter().map(|(name, value)| format!("{space}\"{name}\"{space}:{space}{value}")).collect();
        format!("{space}{{{}{space}}}{space}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn reads_as_the_general_way_does(record in any_record()) {
        for decoder in decoders() {
            agree(&decoder, record.as_bytes());
        }
    }

    #[test]
    fn reads_damaged_records_as_the_general_way_does(record in any_record(), at in any::<Index>(), byte in any::<u8>(), change in 0..3) {
        let mut bytes = record.into_bytes();
        let at = at.index(bytes.len());
        match change {
            0 => bytes[at] = byte,
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, byte),
        }
        for decoder in decoders() {
            agree(&decoder, &bytes);
        }
    }
}

#[test]
fn usual_records_are_read_the_usual_way() {
    let decoders = decoders();
    for (payload, decoder) in [
        (r#"{"event_id":"e","user_id":"u","type":"activity","timestamp":"2024-05-01T12:00:00Z","properties":{"name":"x"}}"#, 0),
        (r#" { "timestamp": 1714564800000, "type": "signup", "user_id": 17, "context": {"a": [1, {"b": "\n"}]} } "#, 0),
        (r#"{"user_id":"u","type":"feedback","timestamp":"2024-05-01T12:00:00Z","properties":{"kind":"review","sentiment":0.5}}"#, 0),
        (r#"{"user_id":"u","type":"order_placed","timestamp":"2024-05-01T12:00:00Z","properties":{"amount":"1.5","lines":[]}}"#, 0),
        (r#"{"user_id":"u","type":"activity","timestamp":"2024-05-01T12:00:00Z","properties":{"plan":true,"country":"\u0061"}}"#, 0),
        (r#"{"user_id":"u","type":"activity","timestamp":"2024-05-01T12:00:00Z","properties":{"plan":true,"country":1.50}}"#, 1),
        (r#"{"user_id":"u","event":"page_view","timestamp":1714564800,"received":"","properties":{"brand":"x"}}"#, 2),
    ] {
        assert!(agree(&decoders[decoder], payload.as_bytes()), "{payload}");
    }
}

#[test]
fn what_has_its_fields_elsewhere_is_read_the_general_way() {
    let elsewhere = |change: fn(&mut InputMapping)| {
        let mut mapping = InputMapping::default();
        change(&mut mapping);
        Usual::new(&mapping).is_none()
    };
    assert!(elsewhere(|mapping| mapping.fields.user_id = Location::parse("/user/id").expect("a pointer")));
    assert!(elsewhere(|mapping| mapping.fields.user_id = Location::name("event_id")));
    assert!(elsewhere(|mapping| mapping.fields.kind = Location::name("a\":\"b")));
    assert!(elsewhere(|mapping| _ = mapping.properties.insert("amount".to_owned(), Location::parse("/total").expect("a pointer"))));
    assert!(!elsewhere(|mapping| mapping.fields.kind = Location::name("é")));
}
