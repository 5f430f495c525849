//! What a webhook carries: the record as it was published, with the headers of the Standard Webhooks specification (1.0.0,
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>), and which records it is of.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::model::rules::PropertyTest;

/// The header that tells a record from every other: the same in each attempt, after a restart, and by whichever process.
pub const ID: &str = "webhook-id";
/// The header with the time of the attempt, in whole seconds since the epoch.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures, one for each secret, with spaces between.
pub const SIGNATURE: &str = "webhook-signature";
/// The reason in the header `stickiness.reason` of a dead letter that no webhook could be given.
pub const UNDELIVERED: &str = "undelivered";

/// What a secret begins with.
const SECRET_PREFIX: &str = "whsec_";
/// Bytes that a secret may have.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The records that webhooks can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    /// `stickiness.transitions.v1`
    Transitions,
    /// `stickiness.churn-risk.v1`
    ChurnRisk,
    /// `stickiness.alerts.v1`
    Alerts,
}

impl RecordKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Transitions, Self::ChurnRisk, Self::Alerts];

    /// The name, as in `[topics]`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transitions => "transitions",
            Self::ChurnRisk => "churn_risk",
            Self::Alerts => "alerts",
        }
    }

    /// The name of its schema, as `stickiness schema` takes it.
    #[must_use]
    pub const fn schema(self) -> &'static str {
        match self {
            Self::Transitions => "transitions",
            Self::ChurnRisk => "churn-risk",
            Self::Alerts => "alerts",
        }
    }
}

/// A secret that signs. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

/// What is no secret, without saying what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret must be `whsec_` and the Base64 of 24 to 64 random bytes; `echo \"whsec_$(openssl rand -base64 32)\"` makes one")]
pub struct NoSecret;

impl fmt::Debug for SigningSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

impl SigningSecret {
    /// The secrets of a text, one at least, with spaces or line ends between.
    pub fn all_in(text: &str) -> Result<Vec<Self>, NoSecret> {
        let secrets: Vec<Self> = text.split_whitespace().map(Self::parse).collect::<Result<_, _>>()?;
        if secrets.is_empty() { Err(NoSecret) } else { Ok(secrets) }
    }

    fn parse(text: &str) -> Result<Self, NoSecret> {
        let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(NoSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| NoSecret)?;
        if SECRET_BYTES.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(NoSecret) }
    }

    /// `v1,` and the Base64 of the HMAC-SHA256 of `id.timestamp.body`.
    fn signature(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { unreachable!("HMAC takes keys of any length") };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The value of [`SIGNATURE`]: whoever knows one of the secrets finds one signature that fits, so that a secret can be replaced
/// while both are in use. `timestamp` is in whole seconds since the epoch.
#[must_use]
pub fn signatures(secrets: &[SigningSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.signature(id, timestamp, body)).collect();
    signatures.join(" ")
}

/// Where a record is, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'p> {
    /// What it is.
    pub kind: RecordKind,
    /// Its topic.
    pub topic: &'p str,
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
    /// The record's timestamp in Kafka, in milliseconds since the epoch; 0 when it has none.
    pub timestamp_ms: i64,
}

/// The value of [`ID`]: where the record is, to find it by, and the beginning of a digest of topic, timestamp and value. A topic that is made anew, and
/// that of another cluster, have the same offsets; without the digest, receivers would drop their records as repeats.
#[must_use]
pub fn id(place: &Place<'_>, value: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(place.topic.as_bytes());
    digest.update([0]);
    digest.update(place.timestamp_ms.to_be_bytes());
    digest.update(value);
    let digest = digest.finalize();
    let beginning = digest.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    format!("{}-{}-{}-{beginning:016x}", place.kind.name(), place.partition, place.offset)
}

/// Which records are sent: those of which every test holds. Without tests, all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordFilter(pub Vec<FieldTest>);

/// What a field of a record has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldTest {
    /// The name of a field, or a JSON Pointer such as `/labels/process`.
    pub field: String,
    /// What it has to be. `null` is the text `null`; of a list, one value has to be it.
    pub test: PropertyTest,
}

impl RecordFilter {
    /// Whether a published record passes. What is no JSON passes no test.
    #[must_use]
    pub fn accepts(&self, record: &[u8]) -> bool {
        if self.0.is_empty() {
            return true;
        }
        serde_json::from_slice::<Value>(record).is_ok_and(|record| self.0.iter().all(|test| test.accepts(&record)))
    }
}

impl FieldTest {
    fn accepts(&self, record: &Value) -> bool {
        let found = if self.field.starts_with('/') { record.pointer(&self.field) } else { record.get(&self.field) };
        match found {
            Some(Value::Array(values)) => values.iter().any(|value| self.accepts_value(value)),
            Some(value) => self.accepts_value(value),
            None => false,
        }
    }

    fn accepts_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.test.accepts(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => self.test.accepts(&value.to_string()),
            Value::Array(_) | Value::Object(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rules::{End, Range};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_signature_of_the_specifications_example() {
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let secrets = SigningSecret::all_in(SECRET).expect("a secret");
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signatures(&secrets, id, 1_614_265_330, body), expected);
        let two = format!("whsec_{}\n {SECRET}\n", STANDARD.encode([7; 64]));
        let signed = signatures(&SigningSecret::all_in(&two).expect("two secrets"), id, 1_614_265_330, body);
        let (first, second) = signed.split_once(' ').expect("two signatures");
        assert!(first != expected && second == expected, "{signed}");
    }

    #[test]
    fn what_is_no_secret_is_refused_and_a_secret_is_not_printed() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![1_u8; bytes]));
        for text in ["", " \n", "hunter2", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_hunter2!", &of(23), &of(65)] {
            assert_eq!(SigningSecret::all_in(text), Err(NoSecret), "{text}");
        }
        assert_eq!(SigningSecret::all_in(&format!("{SECRET} hunter2")), Err(NoSecret));
        assert!(SigningSecret::all_in(&of(24)).is_ok() && SigningSecret::all_in(&of(64)).is_ok());
        assert_eq!(format!("{:?}", SigningSecret::all_in(SECRET).expect("a secret")), "[<redacted>]");
    }

    #[test]
    fn an_id_is_that_of_one_record() {
        let place = Place { kind: RecordKind::ChurnRisk, topic: "t", partition: 3, offset: 1042, timestamp_ms: 5 };
        let one = id(&place, b"{}");
        assert_eq!(one, id(&place, b"{}"));
        let (place_of_it, digest) = one.rsplit_once('-').expect("a digest");
        assert_eq!((place_of_it, digest.len()), ("churn_risk-3-1042", 16));
        assert!(!one.contains('.'), "the full stop parts what is signed");
        for other in [
            id(&Place { topic: "u", ..place }, b"{}"),
            id(&Place { offset: 1043, ..place }, b"{}"),
            id(&Place { timestamp_ms: 6, ..place }, b"{}"),
            id(&place, b"{ }"),
        ] {
            assert_ne!(one, other);
        }
    }

    fn test(field: &str, test: PropertyTest) -> FieldTest {
        FieldTest { field: field.to_owned(), test }
    }

    fn one_of(texts: &[&str]) -> PropertyTest {
        PropertyTest::OneOf(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn records_pass_by_every_field() {
        let record =
            br#"{"kind":"segment","from":null,"to":"vip","risk":0.91,"is":true,"reasons":["a","b"],"labels":{"process":"activity"}}"#;
        let high = Range { low: Some(End { at: 0.9, included: true }), high: None };
        for (tests, passes) in [
            (vec![], true),
            (vec![test("kind", one_of(&["action", "segment"]))], true),
            (vec![test("kind", one_of(&["action"]))], false),
            (vec![test("kind", one_of(&["segment"])), test("to", one_of(&["vip"]))], true),
            (vec![test("kind", one_of(&["segment"])), test("to", one_of(&["trial"]))], false),
            (vec![test("from", one_of(&["null"]))], true),
            (vec![test("to", one_of(&["null"]))], false),
            (vec![test("is", one_of(&["true"]))], true),
            (vec![test("risk", PropertyTest::In(high))], true),
            (vec![test("kind", PropertyTest::In(high))], false),
            (vec![test("risk", PropertyTest::AnyOf(vec!["0.910".into()], vec![0.91]))], true),
            (vec![test("reasons", one_of(&["b"]))], true),
            (vec![test("reasons", one_of(&["c"]))], false),
            (vec![test("/labels/process", one_of(&["activity"]))], true),
            (vec![test("labels", one_of(&["activity"]))], false),
            (vec![test("absent", one_of(&["null"]))], false),
        ] {
            assert_eq!(RecordFilter(tests.clone()).accepts(record), passes, "{tests:?}");
        }
        let any = RecordFilter(vec![test("kind", one_of(&["segment"]))]);
        assert!(!any.accepts(b"no JSON") && !any.accepts(b"[]"));
    }
}
