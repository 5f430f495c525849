//! The sections that say how the service runs: Kafka, topics, delivery, snapshots, HTTP, workers.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use toml::Value;
use url::Url;

use super::internal_topics::internal_topics;
use super::mistakes::did_you_mean;
use super::registry::registry;
use super::section::Section;
use super::{
    AvroOutputs, ClientProperties, DeliverySettings, Guarantee, HttpSettings, KafkaSettings, PublishSettings, RegistrySettings, Secret,
    SnapshotSettings, TopicNames, TransitionFilter,
};
use crate::model::churn::level::RiskLevel;
use crate::model::loyalty::stage::LifeStage;
use crate::model::loyalty::states::{ComplaintRisk, LoyaltyKind, LoyaltyStep, LoyaltyType};
use crate::model::rules::SegmentRule;
use crate::model::rules::facts::ActionState;

/// Client properties that the service sets itself, with the reason.
const OWNED: [(&str, &str); 11] = [
    ("auto.offset.reset", "a lost offset must stop the service, not skip records"),
    ("isolation.level", "only committed records are read"),
    ("enable.auto.commit", "offsets are committed with the outputs"),
    ("enable.auto.offset.store", "offsets are committed with the outputs"),
    ("enable.idempotence", "transactions need it"),
    ("transactional.id", "it is made of kafka.group_id and the process"),
    ("partition.assignment.strategy", "partitions move with their state"),
    ("group.", "the group is kafka.group_id"),
    ("bootstrap.servers", "set kafka.bootstrap_servers"),
    ("metadata.broker.list", "set kafka.bootstrap_servers"),
    ("partitioner", "users go to partitions by murmur2"),
];

/// Kinds of transitions with their states.
const TRANSITIONS: [(&str, &[&str]); 10] = [
    ("lifecycle", &["new", "retained", "resurrected", "dormant", "absent"]),
    ("loyal", &["true", "false"]),
    ("purchase", &["first_order", "repeat_order", "order_fell"]),
    ("loyalty_type", LoyaltyType::NAMES),
    ("loyalty_step", LoyaltyStep::NAMES),
    ("loyalty_kind", LoyaltyKind::NAMES),
    ("life_stage", LifeStage::NAMES),
    ("complaint_risk", ComplaintRisk::NAMES),
    ("action", ActionState::NAMES),
    // Brands are the shop's own names: the kind selects them all.
    ("brand", &[]),
];

pub(super) fn kafka(section: Section<'_>) -> KafkaSettings {
    let bootstrap_servers = section.text("bootstrap_servers", "localhost:9092");
    let group_id = section.text("group_id", "stickiness");
    if !group_id.is_empty() && (!is_topic_name(&group_id) || group_id.len() > LONGEST_GROUP_ID) {
        let allowed = format!("internal topics are named after it: letters, digits, `.`, `_` and `-` only, at most {LONGEST_GROUP_ID}");
        section.mistake("group_id", allowed);
    }
    let inputs = section.texts("inputs").unwrap_or_else(|| vec!["events".to_owned()]);
    if inputs.is_empty() {
        section.mistake("inputs", "must name at least one topic");
    }
    for (index, input) in inputs.iter().enumerate() {
        if !is_topic_name(input) {
            section.mistake("inputs", format!("`{input}` is not a topic name: letters, digits, `.`, `_` and `-` only, at most 249"));
        } else if inputs[..index].contains(input) {
            section.mistake("inputs", format!("names `{input}` twice"));
        } else if internal_topics(&group_id).contains(input) {
            section.mistake("inputs", format!("`{input}` is an internal topic of kafka.group_id"));
        }
    }
    let repartition = section.flag("repartition", false);
    let properties = ClientProperties(client_properties(&section));
    section.finish();
    KafkaSettings { bootstrap_servers, group_id, inputs, repartition, properties }
}

/// The longest `kafka.group_id`: with the longest ending of an internal topic it is as long as a topic's name may be.
const LONGEST_GROUP_ID: usize = 249 - ".aggregator".len();

fn client_properties(section: &Section<'_>) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    for (name, value) in section.entries("properties") {
        let owned = OWNED.iter().find(|(owned, _)| name == owned || (owned.ends_with('.') && name.starts_with(owned)));
        if let Some((_, why)) = owned {
            section.item_mistake("properties", name, Some(value), format!("is set by the service: {why}"));
        }
        match scalar_text(value) {
            Some(text) => _ = properties.insert(name.clone(), text),
            None => section.item_mistake("properties", name, Some(value), "must be text, a number, true or false"),
        }
    }
    properties
}

/// A text, or the text of a number or boolean.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Some(value.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

/// Whether Kafka takes this as the name of a topic.
fn is_topic_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name.bytes().all(legal) && name != "." && name != ".."
}

pub(super) fn topics(section: Section<'_>, kafka: &KafkaSettings) -> TopicNames {
    let mut taken: Vec<(String, String)> = kafka.inputs.iter().map(|input| (input.clone(), "kafka.inputs".to_owned())).collect();
    taken.extend(internal_topics(&kafka.group_id).map(|internal| (internal, "kafka.group_id, an internal one,".to_owned())));
    let mut name = |key: &'static str, default: &str| {
        let name = section.text(key, default);
        if !name.is_empty() && !is_topic_name(&name) {
            section.mistake(key, "not a topic name: letters, digits, `.`, `_` and `-` only, at most 249");
        }
        if let Some((_, other)) = taken.iter().find(|(taken, _)| *taken == name) {
            section.mistake(key, format!("`{name}` is the topic of {other} too"));
        }
        taken.push((name.clone(), format!("topics.{key}")));
        name
    };
    let names = TopicNames {
        metrics: name("metrics", "stickiness.metrics"),
        transitions: name("transitions", "stickiness.transitions"),
        churn_risk: name("churn_risk", "stickiness.churn-risk"),
        alerts: name("alerts", "stickiness.alerts"),
        profiles: name("profiles", "stickiness.profiles"),
        dead_letters: name("dead_letters", "stickiness.dead-letters"),
    };
    section.finish();
    names
}

pub(super) fn publish(section: Section<'_>, segments: &[SegmentRule]) -> PublishSettings {
    let written = section.texts("transitions");
    let filter = |text: &String| {
        let (kind, state) = text.split_once('.').map_or((text.as_str(), None), |(kind, state)| (kind, Some(state)));
        let known = TRANSITIONS.iter().find(|(known, _)| *known == kind);
        let is_segment = kind == "segment" && state.is_none_or(|state| state == "null" || segments.iter().any(|rule| rule.name == state));
        if !is_segment && !known.is_some_and(|(_, states)| state.is_none_or(|state| states.contains(&state))) {
            section.mistake("transitions", unknown_transition(text));
        }
        TransitionFilter { kind: kind.to_owned(), state: state.map(str::to_owned) }
    };
    let transitions = written.map(|filters| filters.iter().map(filter).collect());
    let level = |text: &String| {
        let known = RiskLevel::ALL.into_iter().find(|level| level.name() == text);
        if known.is_none() {
            section.mistake("churn_risk", format!("`{text}` is no level; known are {}", RiskLevel::ALL.map(RiskLevel::name).join(", ")));
        }
        known
    };
    let churn_risk = section.texts("churn_risk").map(|levels| levels.iter().filter_map(level).collect());
    let cloud_events = section.one_of("headers", &[(false, "none"), (true, "cloudevents")], false);
    let (avro, registry) = avro(&section);
    section.finish();
    PublishSettings { transitions, churn_risk, cloud_events, avro, registry }
}

/// Whether records are Avro, and where their schemas are. Without a format the registry is still read: earlier records may be Avro.
fn avro(section: &Section<'_>) -> (Option<AvroOutputs>, Option<RegistrySettings>) {
    let is_avro = section.one_of("format", &[(false, "json"), (true, "avro")], false);
    let inner = section.section("registry");
    let register = inner.flag("register", true);
    (is_avro.then_some(AvroOutputs { register }), registry(inner, is_avro))
}

fn unknown_transition(text: &str) -> String {
    let names = TRANSITIONS.iter().flat_map(|(kind, states)| {
        let with_states = states.iter().map(move |state| format!("{kind}.{state}"));
        std::iter::once((*kind).to_owned()).chain(with_states)
    });
    let names: Vec<String> = names.collect();
    match did_you_mean(text, names.iter().map(String::as_str)) {
        Some(meant) => format!("`{text}` is no transition; did you mean `{meant}`?"),
        None => format!("`{text}` is no transition; known are {}", names.join(", ")),
    }
}

pub(super) fn delivery(section: Section<'_>) -> DeliverySettings {
    let names = [(Guarantee::ExactlyOnce, "exactly-once"), (Guarantee::AtLeastOnce, "at-least-once")];
    let guarantee = section.one_of("guarantee", &names, Guarantee::ExactlyOnce);
    let commit_interval = section.duration("commit_interval", "10ms"..="60s", "200ms");
    section.finish();
    DeliverySettings { guarantee, commit_interval }
}

pub(super) fn snapshots(section: Section<'_>) -> SnapshotSettings {
    let url = section.text("url", "./stickiness-state");
    let known = match url.split_once("://") {
        None => true,
        Some(("file", path)) => path.starts_with('/') && path.len() > 1,
        Some(("s3", bucket)) => !bucket.is_empty() && !bucket.starts_with('/'),
        Some(_) => false,
    };
    if !known {
        section.mistake("url", "must be a path, `file:///path` or `s3://bucket/path`");
    }
    let interval = section.duration("interval", "1s"..="1d", "60s");
    let keep = section.whole("keep", 1..=1000, 3);
    section.finish();
    SnapshotSettings { url, interval, keep }
}

pub(super) fn http(section: Section<'_>) -> HttpSettings {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let listen = section.text("listen", "127.0.0.1:8080");
    let listen = listen.strip_prefix("localhost:").map_or(listen.clone(), |port| format!("127.0.0.1:{port}"));
    let listen = listen.parse().unwrap_or_else(|_| {
        section.mistake("listen", "must be an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"");
        default
    });
    let token = section.optional_text("token");
    if token.as_ref().is_some_and(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        section.mistake("token", "must be visible ASCII characters without spaces, at least one");
    }
    if token.is_none() && !listen.ip().is_loopback() {
        section.mistake("listen", "is reachable from other machines: set http.token too, or listen on 127.0.0.1");
    }
    let advertise = section.optional_text("advertise").and_then(|text| {
        let address = origin(&text);
        if address.is_none() {
            let allowed =
                "must be an http or https address of this process without user, path, query or fragment, such as \"http://10.0.0.5:8080\"";
            section.secret_mistake("advertise", allowed);
        }
        address
    });
    if advertise.as_ref().is_some_and(|url| !is_reached(listen, url)) {
        let allowed = format!(
            "names another machine or none, and http.listen = \"{listen}\" is reached from this one alone: listen where others come in"
        );
        section.mistake("advertise", allowed);
    }
    section.finish();
    HttpSettings { listen, token: token.map(Secret), advertise }
}

/// Whether whoever goes to an address can come to what listens.
fn is_reached(listen: SocketAddr, advertised: &Url) -> bool {
    let (is_loopback, is_nowhere) = match advertised.host() {
        Some(url::Host::Ipv4(address)) => (address.is_loopback(), address.is_unspecified()),
        Some(url::Host::Ipv6(address)) => (address.is_loopback(), address.is_unspecified()),
        Some(url::Host::Domain(name)) => (name == "localhost", false),
        None => (false, true),
    };
    !is_nowhere && (is_loopback || !listen.ip().is_loopback())
}

/// An address that is a scheme, a host and a port, and nothing else.
fn origin(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain && url.path() == "/").then_some(url)
}

pub(super) fn workers(section: Section<'_>) -> (Option<NonZeroU16>, Duration) {
    let threads = section.whole("threads", 1_u16..=1024, 0);
    let step_limit = section.duration("step_limit", "1s"..="1h", "60s");
    section.finish();
    (NonZeroU16::new(threads), step_limit)
}
