//! What a record of an input topic is as an event.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::kafka::Record;
use super::registry::Registry;
use crate::config::Settings;
use crate::model::rejection::{Reason, Rejection};
use crate::wire::cloud_event::{MARK, in_structured_mode};
use crate::wire::mapping::Format;
use crate::wire::registry::Framed;

/// Makes JSON of records that are not.
pub struct InputReader {
    format: Format,
    registry: Option<Registry>,
}

impl InputReader {
    /// A reader of the input that settings describe. `runtime` asks the registry for schemas, and waits for it until `stop`.
    pub fn new(settings: &Settings, runtime: &tokio::runtime::Handle, stop: &Arc<AtomicBool>) -> Result<Self, reqwest::Error> {
        let registry = |registry| Registry::new(registry, runtime.clone(), Arc::clone(stop));
        let registry = settings.registry.as_ref().map(registry).transpose()?;
        Ok(Self { format: settings.input.format, registry })
    }

    /// The event as JSON: the value of the record, with a registry what it is by its schema, and of a `CloudEvent` in binary mode the same event in structured mode.
    pub(super) fn event_bytes<'r>(&self, record: &Record<'r>) -> Result<Cow<'r, [u8]>, Rejection> {
        let malformed = |reason: &str| Rejection::new(Reason::Malformed, reason.to_owned());
        let value = record.payload.ok_or_else(|| malformed("a tombstone"))?;
        let value = match &self.registry {
            Some(registry) => registered(registry, self.format, value).map_err(|reason| malformed(&reason))?,
            None => Cow::Borrowed(value),
        };
        if self.format != Format::CloudEvents {
            return Ok(value);
        }
        let headers = record.headers.all();
        if !headers.iter().any(|(name, _)| *name == MARK) {
            return Ok(value);
        }
        let structured = in_structured_mode(headers.into_iter(), &value);
        structured.map(Cow::Owned).map_err(|error| malformed(&error.to_string()))
    }
}

/// The JSON of a record of a topic whose schemas are in a registry. JSON without a frame is taken as it is, as a history from files is written.
fn registered<'r>(registry: &Registry, format: Format, value: &'r [u8]) -> Result<Cow<'r, [u8]>, String> {
    let Some(framed) = Framed::read(value) else {
        let is_binary = matches!(format, Format::Avro | Format::Protobuf) && value.trim_ascii_start().first() != Some(&b'{');
        return if is_binary { Err("it does not begin with the id of a schema".to_owned()) } else { Ok(Cow::Borrowed(value)) };
    };
    let schema = registry.schema(framed.schema).map_err(|reason| reason.to_string())?;
    let json = schema.to_json(framed.datum).map_err(|reason| format!("it is not of schema {}: {reason}", framed.schema))?;
    Ok(Cow::Owned(json))
}
