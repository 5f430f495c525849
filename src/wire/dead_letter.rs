//! Dead letters as a replay writes them: one JSON object a record that was not taken.

use serde_json::{Map, Value};

use crate::model::rejection::Rejection;

/// A longer value is cut to this many bytes where it cannot be kept whole.
pub const CUT_VALUE_BYTES: usize = 65_536;

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
        Err(_) => record.insert("value_base64".to_owned(), base64(value).into()),
    };
    if u64::try_from(value.len()) != Ok(length) {
        record.insert("length".to_owned(), length.into());
    }
    Value::Object(record)
}

/// Base64 with the standard alphabet and padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4_usize {
            let sextet = (group >> (18 - 6 * place)) & 0x3f;
            text.push(if place <= chunk.len() { char::from(ALPHABET[sextet as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rejection::Reason;

    #[test]
    fn base64_of_the_standards_examples() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(b"\xff\xfe\xfd"), "//79");
    }

    #[test]
    fn values_are_text_where_they_can_be() {
        let rejection = Rejection::new(Reason::Malformed, "why");
        let text = of_file_record(&rejection, "a.csv", 7, "é".as_bytes(), 2).to_string();
        assert_eq!(text, r#"{"reason":"malformed","detail":"why","source":"a.csv","line":7,"value":"é"}"#);
        let bytes = of_file_record(&rejection, "-", 1, b"\xff", 9).to_string();
        assert_eq!(bytes, r#"{"reason":"malformed","detail":"why","source":"-","line":1,"value_base64":"/w==","length":9}"#);
    }
}
