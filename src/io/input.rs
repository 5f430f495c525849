//! What a record of an input topic is as an event.

use std::borrow::Cow;

use super::kafka::Record;
use crate::model::rejection::{Reason, Rejection};
use crate::wire::cloud_event::{MARK, in_structured_mode};
use crate::wire::mapping::Format;

/// The bytes of the event: the value of the record, or, of a `CloudEvent` in binary mode, the same event in structured mode.
pub(super) fn event_bytes<'r>(format: Format, record: &Record<'r>) -> Result<Cow<'r, [u8]>, Rejection> {
    let value = record.payload.ok_or_else(|| Rejection::new(Reason::Malformed, "a tombstone"))?;
    if format != Format::CloudEvents {
        return Ok(Cow::Borrowed(value));
    }
    let headers = record.headers.all();
    if !headers.iter().any(|(name, _)| *name == MARK) {
        return Ok(Cow::Borrowed(value));
    }
    let structured = in_structured_mode(headers.into_iter(), value);
    structured.map(Cow::Owned).map_err(|error| Rejection::new(Reason::Malformed, error.to_string()))
}
