//! What a worker runs for the service: records are decoded, the engine counts them, and what it wants done becomes records.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::failpoint::{Place, pass};
use super::input::InputReader;
use super::kafka::Record;
use super::kafka::metadata::Lineage;
use super::observations::PartitionSize;
use super::refitting::ModelBoard;
use super::worker::{Cause, Destination, Frozen, FrozenInsights, Outputs, Processor, Processors, TopicIndex, Undecodable};
use crate::config::Settings;
use crate::config::internal_topics::partials_topic;
use crate::engine;
use crate::engine::day_close::ClosePosition;
use crate::engine::effect::{Admission, Effect, RiskChange, Transition};
use crate::engine::models::Switch;
use crate::engine::partial::{Continuation, Partial};
use crate::engine::partition::{PartitionEngine, Placement};
use crate::engine::profile::ProfileMoment;
use crate::engine::resharding::{Resharded, reshard};
use crate::engine::rules::RuleCost;
use crate::engine::settings::EngineSettings;
use crate::model::churn::ProcessKind;
use crate::model::event::Event;
use crate::model::rejection::{Reason, Rejection};
use crate::model::rules::properties;
use crate::model::time::{Calendar, EventTime, UnknownTimeZone};
use crate::wire::dead_letter;
use crate::wire::decode::Decoder;
use crate::wire::envelope::{Envelope, Forwarded};
use crate::wire::partials::{self, Told};
use crate::wire::{explanation, recent, records, snapshot};

const TRANSITIONS: TopicIndex = TopicIndex(0);
const PROFILES: TopicIndex = TopicIndex(1);
const DEAD_LETTERS: TopicIndex = TopicIndex(2);
const PARTIALS: TopicIndex = TopicIndex(3);
const CHURN_RISK: TopicIndex = TopicIndex(4);
/// The internal log; named only where that is what is read.
const LOG: TopicIndex = TopicIndex(5);

/// Users of a partition that are looked at ahead of a close at each commit: some 10 ms of work.
const USERS_AHEAD: u32 = 10_000;

/// What all partitions of a process share.
struct Shared {
    settings: Settings,
    models: Arc<ModelBoard>,
    decoder: Decoder,
    reader: Arc<InputReader>,
    calendar: Arc<Calendar>,
    topic: String,
    /// Whether `topic` is the internal log, whose records are envelopes and on which users can move to another partition.
    internal: bool,
}

/// Makes an engine for each partition.
pub struct EngineProcessors {
    shared: Arc<Shared>,
}

impl EngineProcessors {
    /// Engines that count what `settings` say: of the input, or of the internal log that everything is forwarded to.
    /// Models that are on the board take over in time.
    pub fn new(settings: &Settings, models: &Arc<ModelBoard>, reader: &Arc<InputReader>) -> Result<Self, UnknownTimeZone> {
        let calendar = Arc::new(Calendar::new(&settings.engine.time_zone)?);
        let (internal, topic) = (settings.kafka.repartition, settings.kafka.counted_topic());
        let (settings, decoder) = (settings.clone(), settings.decoder());
        let shared = Shared { settings, models: Arc::clone(models), decoder, reader: Arc::clone(reader), calendar, topic, internal };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl EngineProcessors {
    /// The engine in a state, if it is of this partition.
    fn open(&self, partition: i32, partitions: u32, state: &[u8]) -> Result<(snapshot::Head, PartitionEngine), Undecodable> {
        let current = Arc::clone(&self.shared.calendar);
        let calendar_of = |zone: &str| if zone == current.time_zone() { Ok(current) } else { Calendar::new(zone).map(Arc::new) };
        let (head, engine) = snapshot::decode(state, calendar_of).map_err(|error| match error {
            snapshot::SnapshotError::Version { found } => Undecodable::OtherVersion { theirs: found, ours: snapshot::VERSION },
            other => Undecodable::Damaged(other.to_string()),
        })?;
        if head.partition != partition.cast_unsigned() || head.partitions != partitions {
            return Err(Undecodable::Damaged(format!("it is of partition {} of {}", head.partition, head.partitions)));
        }
        Ok((head, engine))
    }
}

impl Processors for EngineProcessors {
    type Processor = EngineProcessor;

    fn version(&self) -> u32 {
        engine::RULES
    }

    fn topics(&self) -> Vec<String> {
        let Settings { topics, kafka, .. } = &self.shared.settings;
        let mut names = vec![
            topics.transitions.clone(),
            topics.profiles.clone(),
            topics.dead_letters.clone(),
            partials_topic(&kafka.group_id),
            topics.churn_risk.clone(),
        ];
        names.extend(self.shared.internal.then(|| self.shared.topic.clone()));
        names
    }

    fn empty(&self, partition: i32, partitions: u32, lineage: Lineage) -> EngineProcessor {
        let placement = Placement { partition: partition.cast_unsigned(), partitions, transfers: self.shared.internal };
        let Shared { settings, calendar, .. } = &*self.shared;
        let engine = PartitionEngine::new(settings.engine.clone(), placement, Arc::clone(calendar), lineage.bytes());
        EngineProcessor::new(&self.shared, engine, partition, partitions, lineage)
    }

    fn decode(&self, partition: i32, partitions: u32, lineage: Lineage, state: &[u8]) -> Result<EngineProcessor, Undecodable> {
        let (head, engine) = self.open(partition, partitions, state)?;
        if head.lineage != lineage.to_string() {
            return Err(Undecodable::Damaged(format!("it is of history {}", head.lineage)));
        }
        let mut processor = EngineProcessor::new(&self.shared, engine, partition, partitions, lineage);
        processor.compare_settings().map_err(|changed| Undecodable::OtherSettings(changed.join(", ")))?;
        Ok(processor)
    }

    fn adopt(&self, partition: i32, partitions: u32, lineage: Lineage, state: &[u8]) -> Result<(EngineProcessor, i64), Undecodable> {
        let (head, mut engine) = self.open(partition, partitions, state)?;
        let continuation = engine.continue_from(head.lineage);
        let mut processor = EngineProcessor::new(&self.shared, engine, partition, partitions, lineage);
        processor.compare_settings().map_err(|changed| Undecodable::OtherSettings(changed.join(", ")))?;
        processor.continuation = Some(continuation);
        Ok((processor, head.offset))
    }

    fn reshard(&self, processors: Vec<EngineProcessor>, lineages: &[Lineage]) -> Result<(Vec<EngineProcessor>, Resharded), String> {
        let all: Vec<Lineage> = processors.iter().map(|one| one.lineage).chain(lineages.iter().copied()).collect();
        let salts: Vec<[u8; 16]> = lineages.iter().map(|lineage| lineage.bytes()).collect();
        let engines = processors.into_iter().map(|one| one.engine).collect();
        let (engines, done) = reshard(engines, &salts).map_err(|error| error.to_string())?;
        let partitions = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let processor = |((partition, engine), lineage)| EngineProcessor::new(&self.shared, engine, partition, partitions, lineage);
        Ok(((0..).zip(engines).zip(all).map(processor).collect(), done))
    }
}

/// What is to be published about a user's profile.
#[derive(Clone, Debug, PartialEq)]
enum ProfileNews {
    /// It changed last at this moment. It is published as of then: as of the commit, the record would depend on when commits happen.
    Changed(Box<ProfileMoment>),
    Removed,
}

/// The engine of one partition, with bytes on both sides.
pub struct EngineProcessor {
    shared: Arc<Shared>,
    engine: PartitionEngine,
    partition: i32,
    partitions: u32,
    lineage: Lineage,
    /// Users whose profile is due, by id: at most once a commit, with what changed it last, if that is traced.
    profiles: BTreeMap<String, (ProfileNews, Option<Cause>)>,
    /// What the history stands on, to be told before anything else.
    continuation: Option<Continuation>,
    /// Settings that are not those of the engine: new ones that wait for a barrier, or those before it. With the keys that differ.
    aside: Option<(EngineSettings, Vec<&'static str>)>,
}

impl Processor for EngineProcessor {
    fn expect(&self, keys: &[&[u8]]) {
        // Keys are ids where the log is keyed by user; what else they are is simply not found.
        self.engine.warm(keys);
    }

    fn handle(&mut self, record: &Record<'_>, outputs: &mut Outputs) -> &'static str {
        if self.shared.internal {
            return self.handle_envelope(record, outputs);
        }
        let arrival = record.timestamp_ms.map(EventTime::from_millis);
        let admission = self.shared.reader.event_bytes(record).and_then(|payload| {
            let admission = self.admit(&payload, |engine, event| engine.handle(event, arrival));
            self.publish_effects(&payload, None, outputs);
            admission
        });
        admission.unwrap_or_else(|rejection| push_dead_letter(outputs, DEAD_LETTERS, &self.shared.topic, record, &rejection))
    }

    fn flush(&mut self, partials: bool, outputs: &mut Outputs) {
        if let Some(continuation) = self.continuation.take() {
            self.tell(Partial::Continues(continuation), outputs);
        }
        for (user_id, (news, cause)) in std::mem::take(&mut self.profiles) {
            outputs.set_cause(cause);
            let profile = match news {
                ProfileNews::Changed(moment) => self.engine.profile_at(&user_id, *moment),
                ProfileNews::Removed => None,
            };
            let key = user_id.as_bytes();
            match profile {
                Some(profile) => push_json(outputs, PROFILES, key, &records::profile(&profile)),
                None => outputs.push_tombstone(PROFILES, Destination::ByKey, key),
            }
        }
        outputs.set_cause(None);
        if partials {
            self.tell_aggregator(outputs);
        }
    }

    fn close_by_clock(&mut self, now: EventTime, outputs: &mut Outputs) {
        self.engine.close_by_clock(now);
        self.publish_effects(&[], None, outputs);
    }

    fn close_on(&mut self, users: usize, outputs: &mut Outputs) {
        self.engine.close_on(users);
        self.publish_effects(&[], None, outputs);
    }

    fn close_position(&self) -> Option<ClosePosition> {
        self.engine.close_position()
    }

    fn close_up_to(&mut self, position: Option<ClosePosition>, outputs: &mut Outputs) {
        self.engine.close_up_to(position);
        self.publish_effects(&[], None, outputs);
    }

    fn next_clock_close(&self) -> Option<EventTime> {
        self.engine.next_clock_close()
    }

    fn watermark(&self) -> Option<EventTime> {
        self.engine.newest_time()
    }

    fn freeze(&self, offset: i64) -> Frozen {
        let head = snapshot::Head {
            version: snapshot::VERSION,
            lineage: self.lineage.to_string(),
            topic: self.shared.topic.clone(),
            partition: self.partition.cast_unsigned(),
            partitions: self.partitions,
            offset,
            users: self.engine.users() as u64,
        };
        let state = self.engine.frozen_once();
        Box::new(move || snapshot::encode(&head, &state).map_err(|error| error.to_string()))
    }

    fn size(&self) -> PartitionSize {
        PartitionSize {
            users: self.engine.users() as u64,
            merged_users: self.engine.merged_users() as u64,
            state_bytes: self.engine.approximate_bytes() as u64,
            overflows: self.engine.overflows(),
        }
    }

    fn waiting_settings(&self) -> &[&'static str] {
        self.aside.as_ref().map_or(&[], |(_, keys)| keys)
    }

    fn exchange_settings(&mut self) {
        let Some((settings, keys)) = self.aside.take() else { return };
        let before = self.engine.settings().clone();
        match self.engine.adopt(&settings) {
            Ok(()) => self.aside = Some((before, keys)),
            Err(changed) => tracing::error!(?changed, "settings that belong to the history cannot be exchanged"),
        }
    }

    fn keep_settings(&mut self) {
        self.aside = None;
        self.engine.keep_rules();
    }

    fn work_ahead(&mut self) {
        self.engine.work_ahead(USERS_AHEAD);
    }

    fn schedule_switches(&mut self) -> Vec<Switch> {
        let newest = ProcessKind::NAMES.iter().filter_map(|(process, _)| self.shared.models.newest(*process));
        newest.filter_map(|newest| self.engine.schedule_model(&newest.model, newest.takes_effect)).collect()
    }

    fn repeat_switch(&mut self, switch: Switch) {
        self.engine.repeat_switch(switch);
    }

    fn freeze_insights(&self) -> Option<FrozenInsights> {
        let newest_day = self.engine.newest_day()?;
        let state = self.engine.frozen();
        Some(FrozenInsights { newest_day, count: Box::new(move |day| state.insights(day)) })
    }

    fn rule_costs(&self) -> &[RuleCost] {
        self.engine.rule_costs()
    }

    fn profile(&self, user_id: &str) -> Option<Vec<u8>> {
        let mut answer = records::profile(&self.engine.profile(user_id)?);
        answer["explain"] = explanation::explain(&self.engine.explain(user_id));
        answer["recent"] = self.engine.recent(user_id).map_or(serde_json::Value::Null, |recent| recent::recent(&recent));
        serde_json::to_vec(&answer).ok()
    }
}

impl EngineProcessor {
    fn new(shared: &Arc<Shared>, mut engine: PartitionEngine, partition: i32, partitions: u32, lineage: Lineage) -> Self {
        engine.want(shared.settings.publish.wanted());
        engine.close_in_pieces();
        engine.read_properties(properties(&shared.settings.engine.segments));
        Self {
            shared: Arc::clone(shared),
            engine,
            partition,
            partitions,
            lineage,
            profiles: BTreeMap::new(),
            continuation: None,
            aside: None,
        }
    }

    /// Takes over settings that decide nothing, and lays those aside that wait for a barrier. Those that belong to the history must not
    /// differ: their keys.
    fn compare_settings(&mut self) -> Result<(), Vec<&'static str>> {
        let (ours, its) = (&self.shared.settings.engine, self.engine.settings());
        let historical = its.historical_differences(ours);
        if !historical.is_empty() {
            return Err(historical);
        }
        let onward = its.onward_differences(ours);
        if onward.is_empty() {
            return self.engine.adopt(&ours.clone());
        }
        self.aside = Some((ours.clone(), onward));
        Ok(())
    }

    /// Hands an event to the engine: the name of its outcome, or why it is none.
    fn admit(
        &mut self,
        payload: &[u8],
        handle: impl FnOnce(&mut PartitionEngine, &Event<'_>) -> Admission,
    ) -> Result<&'static str, Rejection> {
        let event = self.shared.decoder.decode_json(payload)?;
        match handle(&mut self.engine, &event) {
            Admission::Accepted => Ok("accepted"),
            Admission::Duplicate => Ok("duplicate"),
            Admission::Deleted => Ok("deleted"),
            Admission::Forwarded => Ok("forwarded"),
            Admission::Rejected(rejection) => Err(rejection),
        }
    }

    /// Takes in a record of the internal log. Its arrival was checked where it came in.
    fn handle_envelope(&mut self, record: &Record<'_>, outputs: &mut Outputs) -> &'static str {
        match Envelope::decode(record.payload.unwrap_or_default()) {
            Ok(Envelope::Event(forwarded)) => {
                let admission = self.admit(forwarded.value, |engine, event| {
                    if forwarded.passed_on { engine.handle_passed_on(event) } else { engine.handle(event, None) }
                });
                self.publish_effects(forwarded.value, Some(&forwarded), outputs);
                let Err(rejection) = admission else { return admission.unwrap_or_default() };
                let Forwarded { topic, partition, offset, key, value, .. } = forwarded;
                let original =
                    Record { partition, offset, timestamp_ms: record.timestamp_ms, key, payload: Some(value), headers: record.headers };
                push_dead_letter(outputs, DEAD_LETTERS, topic, &original, &rejection)
            }
            Ok(Envelope::Transfer(transfer)) => {
                self.engine.receive(*transfer);
                self.publish_effects(&[], None, outputs);
                pass(Place::TransferReceived);
                "transferred"
            }
            Err(error) => {
                let rejection = Rejection::new(Reason::Malformed, error.to_string());
                push_dead_letter(outputs, DEAD_LETTERS, &self.shared.topic, record, &rejection)
            }
        }
    }

    /// Publishes what the engine wants done. `payload` is the event at hand, and `forwarded` where it came from in the internal log.
    fn publish_effects(&mut self, payload: &[u8], forwarded: Option<&Forwarded<'_>>, outputs: &mut Outputs) {
        for effect in self.engine.drain_effects() {
            match effect {
                Effect::Transition(transition) => self.publish_transition(&transition, outputs),
                Effect::RiskChanged(change) => self.publish_risk(&change, outputs),
                Effect::ProfileChanged(user_id) => {
                    let moment = self.engine.profile_moment(&user_id);
                    let news = moment.map_or(ProfileNews::Removed, |moment| ProfileNews::Changed(Box::new(moment)));
                    self.note_profile(user_id, news, outputs.cause());
                }
                Effect::ProfileRemoved(user_id) => self.note_profile(user_id, ProfileNews::Removed, outputs.cause()),
                Effect::ForwardEvent { user_id } => {
                    let event = forwarded.map(|forwarded| Envelope::Event(Forwarded { value: payload, passed_on: true, ..*forwarded }));
                    self.push_envelope(&user_id, event, outputs);
                }
                Effect::Transfer { to, transfer } => {
                    self.push_envelope(&to, Some(Envelope::Transfer(transfer)), outputs);
                    pass(Place::TransferSent);
                }
            }
        }
    }

    /// Sends an event or a user on to the partition of an id, in the internal log.
    fn push_envelope(&self, user_id: &str, envelope: Option<Envelope<'_>>, outputs: &mut Outputs) {
        let bytes = envelope.filter(|_| self.shared.internal).map(|envelope| envelope.encode());
        match bytes {
            Some(Ok(bytes)) => outputs.push(LOG, Destination::ByKey, Some(user_id.as_bytes()), |value| value.extend_from_slice(&bytes)),
            Some(Err(error)) => tracing::error!(partition = self.partition, %error, "a record of the internal log cannot be encoded"),
            // Engines of an input are placed without transfers, so that users never leave their partition.
            None => tracing::error!(partition = self.partition, "an engine without transfers wants one"),
        }
    }

    fn publish_transition(&self, transition: &Transition, outputs: &mut Outputs) {
        let (kind, to) = records::transition_selector(transition);
        if self.shared.settings.publish.wants_transition(kind, to) {
            push_json(outputs, TRANSITIONS, transition.user_id.as_bytes(), &records::TransitionRecord::new(transition));
        }
    }

    fn publish_risk(&self, change: &RiskChange, outputs: &mut Outputs) {
        if self.shared.settings.publish.wants_risk(change.to) {
            push_json(outputs, CHURN_RISK, change.user_id.as_bytes(), &records::ChurnRiskRecord::new(change));
        }
    }

    fn note_profile(&mut self, user_id: String, news: ProfileNews, cause: Option<Cause>) {
        if self.shared.settings.engine.publish_profiles {
            self.profiles.insert(user_id, (news, cause));
        }
    }

    fn tell_aggregator(&mut self, outputs: &mut Outputs) {
        pass(Place::PartialsBefore);
        for partial in self.engine.take_partials() {
            self.tell(partial, outputs);
        }
        pass(Place::PartialsAfter);
    }

    fn tell(&self, partial: Partial, outputs: &mut Outputs) {
        let key = partials::key(&partial);
        match partials::encode(&Told { lineage: self.lineage.to_string(), partial }) {
            Ok(value) => outputs
                .push(PARTIALS, Destination::Partition(self.partition), Some(key.as_bytes()), |bytes| bytes.extend_from_slice(&value)),
            Err(error) => tracing::error!(partition = self.partition, key, %error, "figures cannot be encoded"),
        }
    }
}

/// Sends a record to the dead letters, byte for byte, and gives the name of the reason. `topic` is where it came from.
pub(super) fn push_dead_letter(
    outputs: &mut Outputs,
    to: TopicIndex,
    topic: &str,
    record: &Record<'_>,
    rejection: &Rejection,
) -> &'static str {
    let own = dead_letter::headers(rejection.reason.name(), &rejection.detail, (topic, record.partition, record.offset));
    let original = record.headers.all().into_iter().filter(|(name, _)| !name.starts_with("stickiness."));
    let original = original.map(|(name, value)| (Cow::Owned(name.to_owned()), value.to_vec()));
    let headers = own.map(|(name, value)| (Cow::Borrowed(name), value)).into_iter().chain(original).collect();
    outputs.push_verbatim(to, record.key, record.payload, headers);
    rejection.reason.name()
}

fn push_json(outputs: &mut Outputs, topic: TopicIndex, key: &[u8], record: &impl serde::Serialize) {
    outputs.push(topic, Destination::ByKey, Some(key), |bytes| {
        // Memory takes everything, and records have names for keys.
        if let Err(error) = serde_json::to_writer(bytes, record) {
            tracing::error!(%error, "a record cannot be written");
        }
    });
}
