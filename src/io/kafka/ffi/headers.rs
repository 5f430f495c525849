//! Headers of consumed records.

use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::ptr;
use std::slice;

use rdkafka::message::{Message as _, OwnedMessage};
use rdkafka_sys as sys;
use sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// Headers of a record, which are parsed when they are asked for, and live as long as its batch.
#[derive(Clone, Copy, Default)]
pub struct Headers<'a>(Place<'a>);

#[derive(Clone, Copy, Default)]
enum Place<'a> {
    #[default]
    Nowhere,
    Native(&'a sys::rd_kafka_message_t),
    Owned(&'a OwnedMessage),
}

impl<'a> Headers<'a> {
    pub(super) fn of_message(message: &'a sys::rd_kafka_message_t) -> Self {
        Self(Place::Native(message))
    }

    pub(in crate::io) fn of_stray(message: &'a OwnedMessage) -> Self {
        Self(Place::Owned(message))
    }

    /// The value of the last header of a name that is ASCII without zeros; nothing is copied.
    #[must_use]
    pub fn last(self, name: &str) -> Option<&'a [u8]> {
        match self.0 {
            Place::Nowhere => None,
            Place::Native(message) => last_native(message, name),
            Place::Owned(message) => {
                let headers = message.headers().into_iter().flat_map(rdkafka::message::Headers::iter);
                headers.filter(|header| header.key == name).last().and_then(|header| header.value)
            }
        }
    }

    /// All of them, in order: names and values, of which one that is absent is empty. Names that are no text are left out.
    #[must_use]
    pub fn all(self) -> Vec<(&'a str, &'a [u8])> {
        match self.0 {
            Place::Nowhere => Vec::new(),
            Place::Native(message) => native(message),
            Place::Owned(message) => {
                let headers = message.headers().into_iter().flat_map(rdkafka::message::Headers::iter);
                headers.map(|header| (header.key, header.value.unwrap_or_default())).collect()
            }
        }
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.all()).finish()
    }
}

fn native(message: &sys::rd_kafka_message_t) -> Vec<(&str, &[u8])> {
    let found = each(message).map(|(name, value)| Some((name.to_str().ok()?, value.unwrap_or_default())));
    found.flatten().collect()
}

fn last_native<'m>(message: &'m sys::rd_kafka_message_t, wanted: &str) -> Option<&'m [u8]> {
    each(message).filter(|(name, _)| name.to_bytes() == wanted.as_bytes()).last().and_then(|(_, value)| value)
}

/// The headers of a message, in order, with values that may be absent.
fn each(message: &sys::rd_kafka_message_t) -> impl Iterator<Item = (&CStr, Option<&[u8]>)> {
    let mut headers = ptr::null_mut();
    // SAFETY: the message is alive. It is consumed by one thread at a time, so that nobody else parses its headers meanwhile; they stay its own.
    let code = unsafe { sys::rd_kafka_message_headers(message, &raw mut headers) };
    let count = if code == RD_KAFKA_RESP_ERR_NO_ERROR { usize::MAX } else { 0 };
    (0..count).map_while(move |index| {
        let (mut name, mut value, mut length): (*const c_char, *const c_void, usize) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the headers are those of the message that is alive; past the last the call says so and sets nothing.
        let code = unsafe { sys::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut length) };
        // SAFETY: a name ends in zero; a value that is not null is of its length; both live as long as the message.
        (code == RD_KAFKA_RESP_ERR_NO_ERROR).then(|| unsafe {
            let value = (!value.is_null()).then(|| slice::from_raw_parts(value.cast(), length));
            (CStr::from_ptr(name), value)
        })
    })
}
