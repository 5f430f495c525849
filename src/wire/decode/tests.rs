//! What every record of the contract, and every bad one, becomes.

mod details;

use std::fmt::Write as _;

use proptest::prelude::*;

use super::super::mapping::Location;
use super::*;
use crate::model::event::{
    ActivityFacts, AttributeRating, ComplaintDetails, ComplaintFacts, ContactKind, CostKind, Direction, Facts, FeedbackKind, Noted,
    OrderDetails, OrderFacts, ReturnFacts, SurveyDetails, SurveyFacts,
};
use crate::model::money::Money;
use crate::model::month_day::MonthDay;

fn decoder() -> Decoder {
    Decoder::new(&InputMapping::default(), DecoderLimits::default())
}

/// A record with these fields beside a user, a type and a timestamp.
fn record(kind: &str, properties: &str) -> String {
    format!(r#"{{"user_id":"u","type":"{kind}","timestamp":"2024-05-01T12:00:00Z","properties":{properties}}}"#)
}

fn outcome(decoder: &Decoder, payload: &[u8]) -> String {
    match decoder.decode_json(payload) {
        Ok(event) => format!("{} {} {}", event.kind.name(), event.user_id, event.time),
        Err(rejection) => rejection.reason.name().to_owned(),
    }
}

#[test]
fn shapes() {
    let long = |bytes| "x".repeat(bytes);
    let deep = format!(r#"{{"user_id":"u","type":"activity","timestamp":0,"properties":{}"#, "[".repeat(100_000));
    let with_user = |user: &str| format!(r#"{{"user_id":{user},"type":"activity","timestamp":1714564800000}}"#);
    let with_event = |id: &str| format!(r#"{{"event_id":{id},"user_id":"u","type":"activity","timestamp":1714564800000}}"#);
    let with_type = |kind: &str| format!(r#"{{"user_id":"u","type":{kind},"timestamp":1714564800000}}"#);
    let fine = "activity u 2024-05-01T12:00:00Z";
    for (payload, expected) in [
        (String::new(), "malformed"),
        (" ".to_owned(), "malformed"),
        ("null".to_owned(), "malformed"),
        ("[]".to_owned(), "malformed"),
        ("\"text\"".to_owned(), "malformed"),
        ("{".to_owned(), "malformed"),
        (deep, "malformed"),
        (with_user("\"u\"") + "x", "malformed"),
        (r#"{"user_id":"u","user_id":"u","type":"activity","timestamp":0}"#.to_owned(), "malformed"),
        (record("activity", r#"{"a":{"b":1,"b":1}}"#), "malformed"),
        ("{}".to_owned(), "missing_field"),
        (with_user("\"\""), "missing_field"),
        (with_user("null"), "missing_field"),
        (with_user("\"u\""), fine),
        (with_user(r#""\u0075""#), fine),
        (with_user("17"), "activity 17 2024-05-01T12:00:00Z"),
        (with_user("-0"), "activity 0 2024-05-01T12:00:00Z"),
        (with_user("123456789012345678901234567890"), "activity 123456789012345678901234567890 2024-05-01T12:00:00Z"),
        (with_user("1.0"), "invalid_value"),
        (with_user("1e3"), "invalid_value"),
        (with_user("true"), "invalid_value"),
        (with_user("[]"), "invalid_value"),
        (with_user(r#""a\"\\\n\u00e9""#), "activity a\"\\\né 2024-05-01T12:00:00Z"),
        (with_user(r#""\ud800""#), "malformed"),
        (with_user(&format!("\"{}\"", long(257))), "invalid_value"),
        (with_user(&format!("\"{}\"", "é".repeat(129))), "invalid_value"),
        (with_event(&format!("\"{}\"", long(128))), fine),
        (with_event(&format!("\"{}\"", long(129))), "invalid_value"),
        (with_event("\"\""), fine),
        (with_event("null"), fine),
        (with_event("5"), "invalid_value"),
        (with_type("\"\""), "missing_field"),
        (with_type("null"), "missing_field"),
        (with_type("\"Activity\""), "unknown_type"),
        (with_type("\"purchase\""), "unknown_type"),
        (with_type("7"), "invalid_value"),
        (record("activity", "null"), fine),
        (record("activity", "{}"), fine),
        (record("activity", r#"{"anything":[{"x":null}]}"#), fine),
        (record("activity", "[]"), "invalid_value"),
        (record("activity", "\"{}\""), "invalid_value"),
    ] {
        assert_eq!(outcome(&decoder(), payload.as_bytes()), expected, "{payload:.120}");
    }
    assert_eq!(outcome(&decoder(), b"{\"user_id\":\"\xff\",\"type\":\"activity\",\"timestamp\":0}"), "malformed");
    let longest = with_user(&format!("\"{}\"", long(256)));
    assert!(decoder().decode_json(longest.as_bytes()).is_ok());
}

#[test]
fn sizes() {
    let frame = record("activity", r#"{"note":""}"#).len();
    for (bytes, expected) in [(LARGEST_RECORD_BYTES, "activity u 2024-05-01T12:00:00Z"), (LARGEST_RECORD_BYTES + 1, "oversized")] {
        let payload = record("activity", &format!(r#"{{"note":"{}"}}"#, "x".repeat(bytes - frame)));
        assert_eq!(payload.len(), bytes);
        assert_eq!(outcome(&decoder(), payload.as_bytes()), expected);
    }
    assert_eq!(outcome(&decoder(), &vec![b'['; LARGEST_RECORD_BYTES + 1]), "oversized");
}

#[test]
fn timestamps() {
    for (timestamp, expected) in [
        ("\"2024-05-01T14:00:00+02:00\"", Some("2024-05-01T12:00:00Z")),
        ("1714564800000", Some("2024-05-01T12:00:00Z")),
        ("1.7145648e12", Some("2024-05-01T12:00:00Z")),
        ("\"1714564800000\"", Some("2024-05-01T12:00:00Z")),
        ("\"1990-01-01T00:00:00Z\"", Some("1990-01-01T00:00:00Z")),
        ("\"1989-12-31T23:59:59.999Z\"", None),
        ("\"2099-12-31T23:59:59.999Z\"", Some("2099-12-31T23:59:59.999Z")),
        ("\"2100-01-01T00:00:00Z\"", None),
        ("\"0001-01-01T00:00:00Z\"", None),
        ("\"9999-12-31T23:59:59Z\"", None),
        ("\"2024-05-01T12:00:00\"", None),
        ("\"2024-05-01\"", None),
        ("\"now\"", None),
        ("0", None),
        ("-1", None),
        ("1714564800000.5", None),
        ("1e300", None),
        ("99999999999999999999999999", None),
        ("true", None),
        ("{}", None),
    ] {
        let payload = format!(r#"{{"user_id":"u","type":"activity","timestamp":{timestamp}}}"#);
        let found = decoder().decode_json(payload.as_bytes());
        assert_eq!(found.as_ref().ok().map(|event| event.time.to_string()).as_deref(), expected, "{timestamp}");
        if let Err(rejection) = found {
            assert_eq!(rejection.reason, Reason::BadTimestamp, "{timestamp}");
        }
    }
}

/// Type, properties, whether they are valid.
const VALUES: [(&str, &str, bool); 75] = [
    ("activity", r#"{"duration_s":"12.5"}"#, true),
    ("activity", r#"{"duration_s":"soon"}"#, false),
    ("activity", r#"{"amount":"soon","recommend":99}"#, true),
    ("order_placed", r#"{"amount":12.123456}"#, true),
    ("order_placed", r#"{"amount":"12.123456"}"#, true),
    ("order_placed", r#"{"amount":12.1234567}"#, false),
    ("order_placed", r#"{"amount":1.0000000000000000001}"#, false),
    ("order_placed", r#"{"amount":1e13}"#, false),
    ("order_placed", r#"{"amount":"12,50"}"#, false),
    ("order_placed", r#"{"amount":""}"#, false),
    ("order_placed", r#"{"amount":true}"#, false),
    ("order_placed", r#"{"amount":null}"#, true),
    ("order_placed", r#"{"discount":true,"reward_used":0.1}"#, true),
    ("order_placed", r#"{"discount":"none"}"#, false),
    ("order_placed", r#"{"list_amount":"x"}"#, false),
    ("order_placed", r#"{"wait_s":-1}"#, false),
    ("order_placed", r#"{"expected_amount":"x"}"#, false),
    ("survey_response", r#"{"time_cost":6}"#, false),
    ("survey_response", r#"{"attention":0}"#, false),
    ("order_placed", r#"{"reward_granted":"some"}"#, false),
    ("campaign_exposed", r#"{"reward_granted":"some"}"#, false),
    ("survey_response", r#"{"about_competitor":"maybe"}"#, false),
    ("survey_response", r#"{"names_brand":"TRUE"}"#, false),
    ("survey_response", r#"{"about_competitor":"true","names_brand":0}"#, true),
    ("order_placed", r#"{"cost":"x"}"#, false),
    ("order_placed", r#"{"decision_s":[]}"#, false),
    ("order_placed", r#"{"decision_s":1e999}"#, false),
    ("order_placed", r#"{"order_id":{}}"#, false),
    ("order_placed", r#"{"order_id":7}"#, true),
    ("order_placed", r#"{"lines":{}}"#, false),
    ("order_placed", r#"{"lines":[1]}"#, false),
    ("order_placed", r#"{"lines":[{"quantity":"two"}]}"#, false),
    ("order_placed", r#"{"lines":[{"quantity":"2","amount":"1.5"},{}]}"#, true),
    ("order_placed", r#"{"lines":[{"amount":0.0000001}]}"#, false),
    ("order_returned", r#"{"amount":"x"}"#, false),
    ("survey_response", r#"{"recommend":10}"#, true),
    ("survey_response", r#"{"recommend":"0"}"#, true),
    ("survey_response", r#"{"recommend":9.0}"#, true),
    ("survey_response", r#"{"recommend":9.5}"#, false),
    ("survey_response", r#"{"recommend":11}"#, false),
    ("survey_response", r#"{"recommend":-1}"#, false),
    ("survey_response", r#"{"trust":1}"#, true),
    ("survey_response", r#"{"trust":0.99}"#, false),
    ("survey_response", r#"{"trust":5.01}"#, false),
    ("survey_response", r#"{"responsiveness":6}"#, false),
    ("survey_response", r#"{"satisfaction":0}"#, false),
    ("survey_response", r#"{"repurchase_intention":6}"#, false),
    ("survey_response", r#"{"effort":7}"#, true),
    ("survey_response", r#"{"effort":8}"#, false),
    ("survey_response", r#"{"quality":6}"#, false),
    ("survey_response", r#"{"service":6}"#, false),
    ("survey_response", r#"{"price":6}"#, false),
    ("survey_response", r#"{"benefit":"x"}"#, false),
    ("survey_response", r#"{"attributes":[{"attribute":"taste","importance":5,"rating":"1"}]}"#, true),
    ("survey_response", r#"{"attributes":[{"attribute":"taste","importance":6}]}"#, false),
    ("survey_response", r#"{"attributes":[{"competitor_rating":0}]}"#, false),
    ("reward_redeemed", r#"{"amount":"x"}"#, false),
    ("feedback", r#"{"kind":"review","sentiment":-1}"#, true),
    ("feedback", r#"{"kind":"rant"}"#, false),
    ("feedback", r#"{"kind":1}"#, false),
    ("feedback", r#"{"sentiment":1.1}"#, false),
    ("competitor_purchase", r#"{"amount":[]}"#, false),
    ("complaint_resolved", r#"{"cost":"x"}"#, false),
    ("complaint_opened", r#"{"complaint_id":[]}"#, false),
    ("contact_made", r#"{"direction":"outbound","kind":"thanks"}"#, true),
    ("contact_made", r#"{"direction":"sideways"}"#, false),
    ("contact_made", r#"{"kind":"review"}"#, false),
    ("price_changed", r#"{"old":"1","new":"x"}"#, false),
    ("competitor_offer", r#"{"days":"x"}"#, false),
    ("cost_booked", r#"{"kind":"serve","amount":1}"#, true),
    ("cost_booked", r#"{"kind":"other"}"#, false),
    ("user_merged", r#"{"into":"v"}"#, true),
    ("user_merged", r#"{"into":12}"#, true),
    ("user_merged", r#"{"into":{}}"#, false),
    ("user_deleted", "{}", true),
];

#[test]
fn values_of_the_vocabulary() {
    for (kind, properties, valid) in VALUES {
        let payload = record(kind, properties);
        let reason = decoder().decode_json(payload.as_bytes()).err().map(|rejection| rejection.reason);
        assert_eq!(reason, (!valid).then_some(Reason::InvalidValue), "{kind} {properties}");
    }
}

#[test]
fn a_merge_names_its_user() {
    for (properties, reason) in [("{}", Reason::MissingField), ("null", Reason::MissingField), (r#"{"into":""}"#, Reason::MissingField)] {
        let payload = record("user_merged", properties);
        assert_eq!(decoder().decode_json(payload.as_bytes()).expect_err("no user").reason, reason, "{properties}");
    }
    let payload = record("user_merged", &format!(r#"{{"into":"{}"}}"#, "v".repeat(257)));
    assert_eq!(decoder().decode_json(payload.as_bytes()).expect_err("too long").reason, Reason::InvalidValue);
}

#[test]
fn the_first_mistake_of_several_is_told() {
    for (payload, reason) in [
        (r#"{"user_id":true,"type":"nonsense"}"#, Reason::MissingField),
        (r#"{"user_id":true,"type":"nonsense","timestamp":"x"}"#, Reason::InvalidValue),
        (r#"{"user_id":"u","type":"nonsense","timestamp":"x"}"#, Reason::UnknownType),
        (r#"{"user_id":"u","type":"feedback","timestamp":"x","properties":{"sentiment":9}}"#, Reason::InvalidValue),
        (r#"{"user_id":"u","type":"feedback","timestamp":"x"}"#, Reason::BadTimestamp),
    ] {
        assert_eq!(decoder().decode_json(payload.as_bytes()).expect_err("a mistake").reason, reason, "{payload}");
    }
}

#[test]
fn facts_of_each_type() {
    let order = r#"{"order_id":"o","amount":"10.50","discount":1,"reward_used":false,"decision_s":3,
        "lines":[{"brand":"b","category":"y"},{"brand":"a","category":"x"},{"brand":"b","category":"y"}]}"#;
    let expected = OrderFacts {
        order_id: "o".into(),
        amount: Money::from_millionths(10_500_000),
        discounted: true,
        reward_used: false,
        brands: vec!["a".into(), "b".into()],
        categories: vec!["x".into(), "y".into()],
        decision_s: Some(3.0),
        details: None,
    };
    let survey = SurveyFacts { recommend: Some(9), trust: Some(4.5), ..SurveyFacts::default() };
    for (kind, properties, facts) in [
        ("order_placed", order, Facts::Order(expected)),
        (
            "order_placed",
            r#"{"brand":"own","discount":"0","decision_s":0,"lines":[{"brand":"b"}]}"#,
            Facts::Order(OrderFacts { brands: vec!["own".into()], ..OrderFacts::default() }),
        ),
        ("order_returned", r#"{"order_id":7}"#, Facts::Return(ReturnFacts { order_id: "7".into(), amount: None })),
        ("survey_response", r#"{"recommend":"9","trust":4.5}"#, Facts::Survey(survey)),
        ("complaint_opened", r#"{"complaint_id":"c"}"#, Facts::Complaint("c".into())),
        ("complaint_resolved", "{}", Facts::Complaint("".into())),
        ("user_merged", r#"{"into":5}"#, Facts::MergedInto("5".into())),
        ("signup", "{}", Facts::None),
        ("activity", "{}", Facts::None),
        ("activity", r#"{"plan":"pro","duration_s":null}"#, Facts::None),
    ] {
        let payload = record(kind, properties);
        assert_eq!(decoder().decode_json(payload.as_bytes()).expect(properties).facts, facts, "{kind} {properties}");
    }
}

#[test]
fn only_the_named_currency_is_taken() {
    let decoder = Decoder::new(&InputMapping::default(), DecoderLimits { currency: Some("EUR".to_owned()), ..DecoderLimits::default() });
    for (currency, valid) in [("\"EUR\"", true), ("null", true), ("\"USD\"", false), ("\"eur\"", false), ("978", false)] {
        let payload = record("order_placed", &format!(r#"{{"currency":{currency}}}"#));
        assert_eq!(decoder.decode_json(payload.as_bytes()).is_ok(), valid, "{currency}");
    }
    assert!(decoder.decode_json(record("activity", r#"{"currency":"USD"}"#).as_bytes()).is_ok());
}

#[test]
fn breakdowns_carry_json_text() {
    let breakdowns = ["country", "plan", "absent"].map(str::to_owned).to_vec();
    let decoder = Decoder::new(&InputMapping::default(), DecoderLimits { breakdowns, ..DecoderLimits::default() });
    for (properties, expected) in [
        (r#"{"country":"DE","plan":"pro"}"#, vec![(0, "DE"), (1, "pro")]),
        (r#"{"plan":1.50}"#, vec![(1, "1.50")]),
        (r#"{"plan":true}"#, vec![(1, "true")]),
        (r#"{"country":null,"plan":[1]}"#, vec![]),
        (r#"{"country":{"code":"DE"}}"#, vec![]),
    ] {
        let payload = record("activity", properties);
        let event = decoder.decode_json(payload.as_bytes()).expect(properties);
        let found: Vec<_> = event.breakdowns.iter().map(|(index, value)| (*index, value.as_ref())).collect();
        assert_eq!(found, expected, "{properties}");
    }
}

fn mapped() -> InputMapping {
    let location = |text| Location::parse(text).expect("a location");
    InputMapping {
        fields: FieldLocations {
            event_id: location("/meta/id"),
            user_id: location("/context/traits/id"),
            kind: location("event"),
            timestamp: location("sentAt"),
            properties: location(""),
            arrived_at: Some(location("receivedAt")),
        },
        timestamp_unit: TimestampUnit::Seconds,
        types: [("Order Completed".to_owned(), EventType::OrderPlaced), ("signup".to_owned(), EventType::Activity)].into(),
        default_type: Some(EventType::Activity),
        properties: [("amount".to_owned(), location("total")), ("brand".to_owned(), location("/context/brand"))].into(),
        ..InputMapping::default()
    }
}

#[test]
fn mappings_read_other_shapes() {
    let decoder = Decoder::new(&mapped(), DecoderLimits::default());
    let payload = br#"{"meta":{"id":"e"},"context":{"traits":{"id":42},"brand":"b"},"event":"Order Completed","sentAt":1714564800,
        "receivedAt":"2024-05-01T12:00:01Z","total":"9.99","amount":"not ours"}"#;
    let Decoded { event, arrived_at } = decoder.decode_json_line(payload).expect("an event");
    assert_eq!((event.user_id.as_ref(), event.event_id.as_ref(), event.kind), ("42", "e", EventType::OrderPlaced));
    assert_eq!(event.time.to_string(), "2024-05-01T12:00:00Z");
    assert_eq!(arrived_at.map(|time| time.to_string()).as_deref(), Some("2024-05-01T12:00:01Z"));
    let Facts::Order(order) = event.facts else { panic!("an order") };
    assert_eq!((order.amount, order.brands), (Money::from_millionths(9_990_000), vec!["b".into()]));
    for (kind, expected) in
        [("signup", EventType::Activity), ("order_placed", EventType::OrderPlaced), ("Page Viewed", EventType::Activity)]
    {
        let payload = format!(r#"{{"context":{{"traits":{{"id":"u"}}}},"event":"{kind}","sentAt":"1714564800"}}"#);
        assert_eq!(decoder.decode_json(payload.as_bytes()).expect(kind).kind, expected);
    }
    let missing = decoder.decode_json(br#"{"context":{}}"#).expect_err("no user");
    assert_eq!(missing.detail, "`user_id` (at `/context/traits/id`) is absent or empty");
}

#[test]
fn rows() {
    let header = Header::parse(b"user_id,type,timestamp,order_id,amount,plan,lines,event_id").expect("a header");
    let limits = DecoderLimits { breakdowns: vec!["plan".to_owned(), "type".to_owned()], ..DecoderLimits::default() };
    let decoder = Decoder::new(&InputMapping::default(), limits);
    let decode = |row: &'static str| decoder.decode_row(&header, row.as_bytes()).map(|decoded| decoded.event);
    let event = decode(r#"u,order_placed,1714564800000,o,9.5,pro,"[{""category"":""x""}]",e"#).expect("an event");
    assert_eq!(event.breakdowns, vec![(0, "pro".into())]);
    let Facts::Order(order) = event.facts else { panic!("an order") };
    assert_eq!((order.amount.millionths(), order.categories), (9_500_000, vec!["x".into()]));
    for (row, reason) in [
        (",activity,1714564800000,,,,,", Reason::MissingField),
        ("u,activity,1714564800000,,,,", Reason::Malformed),
        ("u,activity,\"1714564800000,,,,,", Reason::Malformed),
        ("u,order_placed,1714564800000,,x,,,", Reason::InvalidValue),
        ("u,order_placed,1714564800000,,,,[1],", Reason::InvalidValue),
        ("u,order_placed,yesterday,,,,,", Reason::BadTimestamp),
        ("u,visit,1714564800000,,,,,", Reason::UnknownType),
    ] {
        assert_eq!(decode(row).expect_err(row).reason, reason, "{row}");
    }
}

#[test]
fn details_say_what_was_found_and_what_is_allowed() {
    let mut details = String::new();
    for payload in [
        record("survey_response", r#"{"trust":"high"}"#),
        record("order_placed", r#"{"amount":1.23456789}"#),
        record("order_placed", r#"{"lines":[{"amount":"x"}]}"#),
        record("feedback", r#"{"kind":"rant"}"#),
        record("visit", "{}"),
        r#"{"user_id":"u","type":"activity","timestamp":"1989-01-01T00:00:00Z"}"#.to_owned(),
        r#"{"user_id":"u","type":"activity","timestamp":"x"}"#.to_owned(),
        r#"{"user_id":"u","type":"activity""#.to_owned(),
        format!("{{\"user_id\":\"{}\",\"type\":\"activity\",\"timestamp\":0}}", "é".repeat(200)),
    ] {
        let rejection = decoder().decode_json(payload.as_bytes()).expect_err("a mistake");
        let _ = writeln!(details, "{}: {}", rejection.reason.name(), rejection.detail);
    }
    let expected = "invalid_value: `trust` is \"high\": must be a number from 1 to 5
invalid_value: `amount` is 1.23456789: must be money: more than 6 decimals
invalid_value: `lines[].amount` is \"x\": must be money: not a number
invalid_value: `kind` is \"rant\": must be one of suggestion, review
unknown_type: `type` is \"visit\": neither in the vocabulary nor in [input.types]
bad_timestamp: `timestamp` is \"1989-01-01T00:00:00Z\", which is 1989-01-01T00:00:00Z: not from 1990-01-01T00:00:00Z to before 2100-01-01T00:00:00Z
bad_timestamp: `timestamp` is \"x\": must be RFC 3339 with an offset, or an integer in the unit of input.timestamp_unit
malformed: not JSON: neither `,` nor `}` after a member at byte 32
invalid_value: `user_id` is \"éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé…\": has 400 bytes, at most 256 are allowed
";
    assert_eq!(details, expected);
}

proptest! {
    #[test]
    fn no_bytes_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decoder().decode_json(&payload);
        let header = Header::parse(b"user_id,type,timestamp,amount").expect("a header");
        let _ = decoder().decode_row(&header, &payload);
    }

    #[test]
    fn no_values_panic(kind in 0_usize..25, values in prop::collection::vec("[-0-9.eE\"\\[\\]{}a-z]{0,12}", 6)) {
        let (_, name, _) = EventType::ALL[kind];
        let [user, time, id, amount, trust, lines] = values.as_slice() else { unreachable!("six values") };
        let payload = serde_json::json!({
            "user_id": user, "type": name, "timestamp": time, "event_id": id,
            "properties": { "amount": amount, "trust": trust, "lines": lines, "into": id, "discount": amount },
        });
        let _ = decoder().decode_json(payload.to_string().as_bytes());
    }
}
