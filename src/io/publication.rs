//! How what is published looks on its topics: as JSON or as Avro, with or without the headers of `CloudEvents`. Whatever it looks like, the service reads its own
//! outputs back as JSON, each as it was before.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::Value;

use super::kafka::Outgoing;
use super::kafka::producer::{ProduceError, Producer};
use super::registry::{Known, Registry};
use crate::config::{Settings, TopicNames};
use crate::wire::cloud_event;
use crate::wire::registry::avro::{AvroSchema, AvroWriter};
use crate::wire::registry::{Framed, RegisteredSchema};
use crate::wire::schema::{ALERTS, CHURN_RISK, METRICS, PROFILES, TRANSITIONS, avro};

/// What is published on one topic.
struct Output {
    /// The `schema` of its records.
    schema: &'static str,
    avro: Option<Encoding>,
}

/// How its records are Avro.
struct Encoding {
    /// What each begins with: a zero byte and the schema's id.
    frame: [u8; 5],
    writer: AvroWriter,
}

/// The outputs for readers outside, by topic. The default knows of none: records go out as they are.
#[derive(Default)]
pub struct Publication {
    /// What says `CloudEvents`, when records are such.
    source: Option<String>,
    outputs: BTreeMap<String, Output>,
    registry: Option<Registry>,
}

/// Why nothing can be published.
#[derive(Debug, thiserror::Error)]
pub enum PublicationError {
    /// The HTTP client, TLS above all, cannot be set up.
    #[error("publish.registry: no HTTP client: {0:#}")]
    Client(anyhow::Error),
    /// The registry does not take a schema.
    #[error("publish.format = \"avro\": {0}")]
    Schema(String),
}

impl Publication {
    /// The outputs that settings describe. Schemas of Avro are registered, or asked for, which is waited for while the registry does not answer. `runtime` makes the
    /// requests; this must not be called from one of its tasks. Nothing is waited for after `stop`.
    pub fn new(settings: &Settings, runtime: &tokio::runtime::Handle, stop: &Arc<AtomicBool>) -> Result<Self, PublicationError> {
        let Settings { publish, topics, .. } = settings;
        let client = |registry| Registry::new(registry, runtime.clone(), Arc::clone(stop));
        let registry = publish.registry.as_ref().map(client).transpose().map_err(|error| PublicationError::Client(error.into()))?;
        let mut outputs = BTreeMap::new();
        for (topic, schema) in published(topics) {
            let is_published = schema != PROFILES || settings.engine.publish_profiles;
            let encoding = match (&registry, &publish.avro) {
                (Some(registry), Some(avro)) if is_published => {
                    Some(Encoding::new(registry, avro.register, topic, schema, settings.engine.mau_days)?)
                }
                _ => None,
            };
            outputs.insert(topic.to_owned(), Output { schema, avro: encoding });
        }
        let source = publish.cloud_events.then(|| cloud_event::source(&settings.kafka.group_id));
        Ok(Self { source, outputs, registry })
    }

    /// Hands records over, in order. Those of topics that are not for readers outside stay as they are.
    pub fn send(&self, producer: &mut Producer, topic: &str, records: &[Outgoing<'_>]) -> Result<(), ProduceError> {
        let is_plain = |output: &&Output| output.avro.is_none() && self.source.is_none();
        let Some(output) = self.outputs.get(topic).filter(|output| !is_plain(output)) else { return producer.send(topic, records) };
        let values = output.values(topic, records)?;
        let records: Vec<Outgoing<'_>> = records.iter().zip(&values).map(|(record, value)| with_value(record, value)).collect();
        if self.source.is_none() {
            return producer.send(topic, &records);
        }
        records.iter().try_for_each(|record| self.send_event(producer, (topic, output), record, &[]))
    }

    /// Hands one record over, with these headers besides those that the topic's records have anyway.
    pub fn send_with_headers(
        &self,
        producer: &mut Producer,
        topic: &str,
        record: &Outgoing<'_>,
        headers: &[(&str, &[u8])],
    ) -> Result<(), ProduceError> {
        let Some(output) = self.outputs.get(topic) else { return producer.send_with_headers(topic, record, headers) };
        let values = output.values(topic, std::slice::from_ref(record))?;
        let record = values.first().map_or(*record, |value| with_value(record, value));
        self.send_event(producer, (topic, output), &record, headers)
    }

    /// Hands one record over as a `CloudEvent`, if records are such; a tombstone is none.
    fn send_event(
        &self,
        producer: &mut Producer,
        (topic, output): (&str, &Output),
        record: &Outgoing<'_>,
        more: &[(&str, &[u8])],
    ) -> Result<(), ProduceError> {
        let (Some(source), Some(value)) = (&self.source, record.value) else {
            return producer.send_with_headers(topic, record, more);
        };
        let content_type = if output.avro.is_some() { "application/avro" } else { "application/json" };
        let event = cloud_event::headers((source, output.schema, content_type), record.key.unwrap_or_default(), value);
        let event = event.iter().map(|(name, value)| (*name, value.as_slice()));
        let headers: Vec<(&str, &[u8])> = event.chain(more.iter().copied()).collect();
        producer.send_with_headers(topic, record, &headers)
    }

    /// A published value as JSON, whatever was published when it was. The registry is waited for.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn json<'v>(&self, value: &'v [u8]) -> Result<Cow<'v, [u8]>, String> {
        self.json_by(value, Registry::schema)
    }

    /// The same, unless the registry would have to be waited for.
    ///
    /// # Errors
    /// Why it cannot be read, now at least.
    pub fn json_at_once<'v>(&self, value: &'v [u8]) -> Result<Cow<'v, [u8]>, String> {
        self.json_by(value, Registry::schema_at_once)
    }

    fn json_by<'v>(&self, value: &'v [u8], schema: impl Fn(&Registry, u32) -> Known) -> Result<Cow<'v, [u8]>, String> {
        let Some(framed) = Framed::read(value) else { return Ok(Cow::Borrowed(value)) };
        let registry = self.registry.as_ref().ok_or("it is Avro, and publish.registry.url does not say where its schema is")?;
        match &*schema(registry, framed.schema).map_err(|reason| reason.to_string())? {
            RegisteredSchema::Avro(schema) => {
                let mut value = schema.to_value(framed.datum)?;
                if let Value::Object(record) = &mut value {
                    avro::leave_out_absent(record);
                }
                Ok(Cow::Owned(value.to_string().into_bytes()))
            }
            other => other.to_json(framed.datum).map(Cow::Owned),
        }
    }
}

impl Output {
    /// The values of records as they go to the topic; those of tombstones are empty.
    fn values<'r>(&self, topic: &str, records: &[Outgoing<'r>]) -> Result<Vec<Cow<'r, [u8]>>, ProduceError> {
        let value = |record: &Outgoing<'r>| match (&self.avro, record.value) {
            (Some(encoding), Some(value)) => encoding.encode(value).map(Cow::Owned),
            (_, value) => Ok(Cow::Borrowed(value.unwrap_or_default())),
        };
        let values: Result<_, String> = records.iter().map(value).collect();
        values.map_err(|reason| ProduceError::Fatal { reason: format!("a record cannot go to `{topic}`: {reason}") })
    }
}

/// The record with a value in place of its own; tombstones have none.
fn with_value<'r>(record: &Outgoing<'r>, value: &'r [u8]) -> Outgoing<'r> {
    Outgoing { value: record.value.map(|_| value), ..*record }
}

impl Encoding {
    /// The encoding of the records of a schema, whose id under the subject `TOPIC-value` the registry tells.
    fn new(registry: &Registry, register: bool, topic: &str, schema: &str, mau_days: u16) -> Result<Self, PublicationError> {
        let text = avro::avro(schema, mau_days).unwrap_or_default().to_string();
        let writer = AvroWriter::parse(&text).map_err(PublicationError::Schema)?;
        let id = registry.id(&format!("{topic}-value"), &text, register).map_err(PublicationError::Schema)?;
        let own = AvroSchema::parse(&text, &[]).map_err(PublicationError::Schema)?;
        registry.keep(id, RegisteredSchema::Avro(Box::new(own)));
        Ok(Self { frame: Framed { schema: id, datum: &[] }.head(), writer })
    }

    fn encode(&self, json: &[u8]) -> Result<Vec<u8>, String> {
        let record: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let mut value = self.frame.to_vec();
        self.writer.append(&record, &mut value)?;
        Ok(value)
    }
}

/// The topics that are for readers outside, with the schemas of their records.
fn published(topics: &TopicNames) -> [(&str, &'static str); 5] {
    [
        (&topics.metrics, METRICS),
        (&topics.transitions, TRANSITIONS),
        (&topics.churn_risk, CHURN_RISK),
        (&topics.alerts, ALERTS),
        (&topics.profiles, PROFILES),
    ]
}
