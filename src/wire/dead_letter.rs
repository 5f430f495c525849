//! Dead letters: what their headers are called, and how a replay writes them, one JSON object a record that was not taken.

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::model::rejection::Rejection;

/// A longer value is cut to this many bytes where it cannot be kept whole.
pub const CUT_VALUE_BYTES: usize = 65_536;

/// The header that says the class of the mistake.
pub const REASON: &str = "stickiness.reason";
/// The header that says what was found and what is allowed.
pub const DETAIL: &str = "stickiness.detail";
/// The header that says the topic of the original record.
pub const TOPIC: &str = "stickiness.topic";
/// The header that says its partition.
pub const PARTITION: &str = "stickiness.partition";
/// The header that says its offset.
pub const OFFSET: &str = "stickiness.offset";
/// The header that says which webhook did not take it.
pub const WEBHOOK: &str = "stickiness.webhook";
/// The header that says the length of a value that is cut.
pub const LENGTH: &str = "stickiness.length";
/// The header that says the SHA-256 of such a value.
pub const SHA256: &str = "stickiness.sha256";
/// The header that says the length of headers that are left out.
pub const HEADERS_LENGTH: &str = "stickiness.headers_length";

/// The headers that every dead letter has, of a record at a place.
pub fn headers(reason: &str, detail: &str, (topic, partition, offset): (&str, i32, impl Display)) -> [(&'static str, Vec<u8>); 5] {
    [
        (REASON, reason.as_bytes().to_vec()),
        (DETAIL, detail.as_bytes().to_vec()),
        (TOPIC, topic.as_bytes().to_vec()),
        (PARTITION, partition.to_string().into_bytes()),
        (OFFSET, offset.to_string().into_bytes()),
    ]
}

/// The dead letter of a record of a file: `reason`, `detail`, `source`, `line`, then `value`, or `value_base64` when it is not UTF-8.
/// `length` is there, in bytes, when `value` is only the beginning of the record.
#[must_use]
pub fn of_file_record(rejection: &Rejection, source: &str, line: u64, value: &[u8], length: u64) -> Value {
    let mut record = Map::new();
    record.insert("reason".to_owned(), rejection.reason.name().into());
    record.insert("detail".to_owned(), rejection.detail.as_str().into());
    record.insert("source".to_owned(), source.into());
    record.insert("line".to_owned(), line.into());
    match std::str::from_utf8(value) {
        Ok(text) => record.insert("value".to_owned(), text.into()),
        Err(_) => record.insert("value_base64".to_owned(), STANDARD.encode(value).into()),
    };
    if u64::try_from(value.len()) != Ok(length) {
        record.insert("length".to_owned(), length.into());
    }
    Value::Object(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rejection::Reason;

    #[test]
    fn values_are_text_where_they_can_be() {
        let rejection = Rejection::new(Reason::Malformed, "why");
        let text = of_file_record(&rejection, "a.csv", 7, "é".as_bytes(), 2).to_string();
        assert_eq!(text, r#"{"reason":"malformed","detail":"why","source":"a.csv","line":7,"value":"é"}"#);
        let bytes = of_file_record(&rejection, "-", 1, b"\xff", 9).to_string();
        assert_eq!(bytes, r#"{"reason":"malformed","detail":"why","source":"-","line":1,"value_base64":"/w==","length":9}"#);
    }
}
