//! Settings: the TOML as written, and what it means once validated.
//!
//! [`Settings::read`] finds every mistake at once; what it returns holds only values that are allowed.

mod alerts;
mod churn;
mod counting;
mod duration;
mod input;
pub mod internal_topics;
mod log;
mod loyalty;
mod mistakes;
mod registry;
mod section;
mod segments;
mod service;
mod traces;
mod webhooks;
mod written;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

pub use log::{LogFormat, LogSettings};
pub use mistakes::{Mistake, Mistakes};
pub use traces::TracingSettings;
pub use webhooks::{SecretSource, WebhookSettings, WebhookStart, WebhookUrl};

use crate::engine::alerts::AlertSettings;
use crate::engine::effect::Wanted;
use crate::engine::settings::EngineSettings;
use crate::model::churn::level::RiskLevel;
use crate::model::lifecycle::Lifecycle;
use crate::model::loyalty::stage::LifeStage;
use crate::model::time::{Day, EventTime};
use crate::wire::decode::{Decoder, DecoderLimits};
use crate::wire::mapping::InputMapping;

/// Everything that the settings say, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `[kafka]`
    pub kafka: KafkaSettings,
    /// `[topics]`
    pub topics: TopicNames,
    /// `[input]`
    pub input: InputMapping,
    /// `[input.registry]`: where the schemas of records are; `None` when records say none.
    pub registry: Option<RegistrySettings>,
    /// `[publish]`
    pub publish: PublishSettings,
    /// `time.earliest`: the first day whose events are taken.
    pub earliest: Day,
    /// `time.idle_after`: how long a partition has no record before the wall clock may close its days.
    pub idle_after: Duration,
    /// What decides the figures: the rest of `[time]`, `[activity]`, `[purchases]`, `[complaints]`, `[deletion]`, `[breakdowns]`, `[profiles]`, `[churn]`, `[clv]`, `[loyalty]`, `[[segments]]`.
    pub engine: EngineSettings,
    /// `[alerts]`, without where they go; `None` when `alerts.enabled` is false.
    pub alerts: Option<AlertSettings>,
    /// `alerts.alertmanager_…`: where alerts are sent beside their topic.
    pub alertmanager: Option<AlertmanagerSettings>,
    /// `purchases.currency`: the only currency that orders may name; `None` takes all.
    pub currency: Option<String>,
    /// `[delivery]`
    pub delivery: DeliverySettings,
    /// `[snapshots]`
    pub snapshots: SnapshotSettings,
    /// `[http]`
    pub http: HttpSettings,
    /// `workers.threads`: worker threads of this process; `None` is one for each core.
    pub worker_threads: Option<NonZeroU16>,
    /// `workers.step_limit`: how long a thread may go without coming round before the process ends.
    pub step_limit: Duration,
    /// `[log]`
    pub log: LogSettings,
    /// `[tracing]`; `None` when nothing is traced.
    pub tracing: Option<TracingSettings>,
    /// `[[webhooks]]`
    pub webhooks: Vec<WebhookSettings>,
}

impl Settings {
    /// Reads the text of a settings file, and the variables `STICKINESS__…` of `environment` over it. An empty text is all defaults.
    ///
    /// # Errors
    /// All mistakes, when there are any.
    pub fn read(text: &str, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Mistakes> {
        let written = written::read(text, environment);
        let top = written.top();
        let kafka = service::kafka(top.section("kafka"));
        let topics = service::topics(top.section("topics"), &kafka);
        let (input, registry) = input::input(top.section("input"));
        let segments = segments::segments(&top);
        let publish = service::publish(top.section("publish"), &segments);
        let (mut engine, counting) = counting::counting(&top);
        let (mut alerts, alertmanager) = alerts::alerts(top.section("alerts"));
        engine.churn = churn::churn(top.section("churn"));
        if let Some(alerts) = &mut alerts {
            engine.churn.process.name().clone_into(&mut alerts.process);
        }
        engine.clv = churn::clv(top.section("clv"));
        (engine.loyalty, engine.holidays) = loyalty::loyalty(top.section("loyalty"));
        engine.segments = segments;
        let delivery = service::delivery(top.section("delivery"));
        let snapshots = service::snapshots(top.section("snapshots"));
        let http = service::http(top.section("http"));
        let (worker_threads, step_limit) = service::workers(top.section("workers"));
        let log = log::log(top.section("log"));
        let tracing = traces::traces(top.section("tracing"), traces::CAN_TRACE);
        let webhooks = webhooks::webhooks(&top);
        top.finish();
        let counting::Counting { earliest, idle_after, currency } = counting;
        let mistakes = written.mistakes.into_inner();
        if !mistakes.is_empty() {
            return Err(Mistakes(mistakes));
        }
        Ok(Self {
            kafka,
            topics,
            input,
            registry,
            publish,
            earliest,
            idle_after,
            engine,
            alerts,
            alertmanager,
            currency,
            delivery,
            snapshots,
            http,
            worker_threads,
            step_limit,
            log,
            tracing,
            webhooks,
        })
    }

    /// A decoder of the input that these settings describe.
    #[must_use]
    pub fn decoder(&self) -> Decoder {
        let start_of = |day: Day| {
            let zone = jiff::tz::TimeZone::get(&self.engine.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
            let millis = day.date().to_zoned(zone).map_or(i64::MIN, |midnight| midnight.timestamp().as_millisecond());
            EventTime::from_millis(millis)
        };
        let end = start_of(Day::from_date(jiff::civil::date(2100, 1, 1)));
        let limits = DecoderLimits { earliest: start_of(self.earliest), end, currency: self.currency.clone(), breakdowns: Vec::new() };
        Decoder::new(&self.input, limits.with_properties(&self.engine.breakdowns, &self.engine.segments))
    }
}

/// `[kafka]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    /// Brokers to start from, `host:port` with commas between.
    pub bootstrap_servers: String,
    /// The consumer group; internal topics and transactional ids are named after it.
    pub group_id: String,
    /// Topics to read, at least one.
    pub inputs: Vec<String>,
    /// Whether everything is first forwarded to one internal topic keyed by user.
    pub repartition: bool,
    /// Properties of the client library, none of which is owned by the service.
    pub properties: ClientProperties,
}

impl KafkaSettings {
    /// The topic whose records the engines count: the input, or the internal log that everything is forwarded to.
    #[must_use]
    pub fn counted_topic(&self) -> String {
        if self.repartition { internal_topics::log_topic(&self.group_id) } else { self.inputs.first().cloned().unwrap_or_default() }
    }
}

/// Properties that are passed to the Kafka client library as they are. Printing redacts the secret ones.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientProperties(pub BTreeMap<String, String>);

impl fmt::Debug for ClientProperties {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(key, value): (&String, &String)| {
            (key.clone(), if mistakes::is_secret(key) { mistakes::REDACTED.to_owned() } else { value.clone() })
        };
        formatter.debug_map().entries(self.0.iter().map(shown)).finish()
    }
}

/// `[topics]`: the names of the output topics, all different and none of them an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicNames {
    /// One day of one segment a record.
    pub metrics: String,
    /// Changes of users' states.
    pub transitions: String,
    /// Changes of users' levels of churn risk.
    pub churn_risk: String,
    /// Churn spikes and return deficits that started, go on or ended.
    pub alerts: String,
    /// Whole profiles, when `profiles.publish` is on.
    pub profiles: String,
    /// Records that are no events, or came too late.
    pub dead_letters: String,
}

/// `[publish]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishSettings {
    /// The transitions to publish; `None` is all.
    pub transitions: Option<Vec<TransitionFilter>>,
    /// The levels of churn risk to publish when they are reached; `None` is every change, the loss of a level included.
    pub churn_risk: Option<Vec<RiskLevel>>,
    /// Whether records have the headers of `CloudEvents` 1.0, in binary mode.
    pub cloud_events: bool,
    /// How records become Avro; `None` when they are JSON.
    pub avro: Option<AvroOutputs>,
    /// Where the schemas of records are that are Avro, or were.
    pub registry: Option<RegistrySettings>,
}

/// `publish.format = "avro"`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvroOutputs {
    /// Whether schemas are registered that are not; if not, someone has done it.
    pub register: bool,
}

impl PublishSettings {
    /// Whether a change of churn risk to a level is published.
    #[must_use]
    pub fn wants_risk(&self, to: Option<RiskLevel>) -> bool {
        self.churn_risk.as_ref().is_none_or(|levels| to.is_some_and(|to| levels.contains(&to)))
    }

    /// Whether a transition of `kind` to the state `to` is published.
    #[must_use]
    pub fn wants_transition(&self, kind: &str, to: &str) -> bool {
        let matches = |filter: &TransitionFilter| filter.kind == kind && filter.state.as_ref().is_none_or(|state| state == to);
        self.transitions.as_ref().is_none_or(|filters| filters.iter().any(matches))
    }

    /// What an engine need not make effects of.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let lifecycle = |to: Lifecycle| self.wants_transition("lifecycle", to.name());
        let stage = |to: LifeStage| self.wants_transition("life_stage", to.name());
        Wanted::new(lifecycle, |to| self.wants_risk(to)).with_stages(stage)
    }
}

/// Transitions of one kind, or of one kind to one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitionFilter {
    /// Such as `lifecycle`.
    pub kind: String,
    /// The state that is reached, such as `dormant`; `None` is any.
    pub state: Option<String>,
}

/// `[delivery]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliverySettings {
    /// What a crash may do to the outputs.
    pub guarantee: Guarantee,
    /// How often outputs and offsets are committed.
    pub commit_interval: Duration,
}

/// What a crash may do to the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// Outputs and offsets commit in one transaction.
    ExactlyOnce,
    /// Outputs may come twice.
    AtLeastOnce,
}

/// `[snapshots]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// A path, `file:///…` or `s3://bucket/…`.
    pub url: String,
    /// How often a partition's state is stored.
    pub interval: Duration,
    /// How many snapshots of a partition are kept; at least 1.
    pub keep: u16,
}

/// `[http]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Address and port to listen on; 0 takes a free port.
    pub listen: SocketAddr,
    /// What requests must carry as `Authorization: Bearer TOKEN`; always there when `listen` is not loopback.
    pub token: Option<Secret>,
    /// Where the other processes of the group reach this one, `http` or `https`, without a path; none, and they do not ask it.
    pub advertise: Option<url::Url>,
}

/// `alerts.alertmanager_…`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertmanagerSettings {
    /// Where an Alertmanager listens, `http` or `https`, with a path when it runs below one; without credentials.
    pub url: url::Url,
    /// What requests carry to be let in.
    pub credentials: Option<Credentials>,
}

/// `[input.registry]`, `[publish.registry]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Where it is, `http` or `https`, with a path when it is below one; without credentials.
    pub url: url::Url,
    /// What requests carry to be let in.
    pub credentials: Option<Credentials>,
}

/// What lets requests in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `Authorization: Bearer TOKEN`
    Bearer(Secret),
    /// `Authorization: Basic …`
    Basic {
        /// The user's name.
        username: String,
        /// The password.
        password: Secret,
    },
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(mistakes::REDACTED)
    }
}
