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

    pub(super) fn of_stray(message: &'a OwnedMessage) -> Self {
        Self(Place::Owned(message))
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
    let mut found = Vec::new();
    let mut headers = ptr::null_mut();
    // SAFETY: the message is alive. It is consumed by one thread at a time, so that nobody else parses its headers meanwhile; they stay its own.
    let code = unsafe { sys::rd_kafka_message_headers(message, &raw mut headers) };
    if code != RD_KAFKA_RESP_ERR_NO_ERROR {
        return found;
    }
    for index in 0.. {
        let (mut name, mut value, mut length): (*const c_char, *const c_void, usize) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the headers are those of the message that is alive; past the last the call says so and sets nothing.
        let code = unsafe { sys::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut length) };
        if code != RD_KAFKA_RESP_ERR_NO_ERROR {
            break;
        }
        // SAFETY: a name ends in zero; a value is null or of its length; both live as long as the message.
        let (name, value) = unsafe {
            let value = if value.is_null() { &[][..] } else { slice::from_raw_parts(value.cast(), length) };
            (CStr::from_ptr(name), value)
        };
        if let Ok(name) = name.to_str() {
            found.push((name, value));
        }
    }
    found
}
