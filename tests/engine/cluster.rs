//! Several partition engines and an aggregator in one process, as `replay --partitions` has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use stickiness::engine::aggregator::Aggregator;
use stickiness::engine::effect::{Admission, Effect};
use stickiness::engine::partial::{AlertInputs, Partial};
use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::engine::predictions::Predictions;
use stickiness::engine::resharding::reshard;
use stickiness::engine::settings::EngineSettings;
use stickiness::model::event::Event;
use stickiness::model::partition::partition_of;
use stickiness::model::time::{Calendar, Day};
use stickiness::wire::{records, snapshot};

/// Counts of levels, which are decided when a day closes.
pub(crate) const DECIDED_RISK: [&str; 7] =
    ["risk_low", "risk_medium", "risk_high", "risk_churned", "became_high", "became_churned", "reactivated"];

pub(crate) struct Cluster {
    pub(crate) engines: Vec<PartitionEngine>,
    aggregator: Aggregator,
    settings: EngineSettings,
    calendar: Arc<Calendar>,
    records: BTreeMap<(String, Day), Value>,
    /// Every transition of each partition, in order.
    pub(crate) transitions: Vec<Vec<Value>>,
    /// Every churn-risk record of each partition, in order.
    pub(crate) risks: Vec<Vec<Value>>,
    /// The churn-risk records of partitions before there were more.
    pub(crate) earlier_risks: Vec<Value>,
    /// All that the aggregator was told.
    told: Vec<(u32, Partial)>,
    /// What each partition told of closed days for alerts.
    pub(crate) alerts: BTreeMap<(u32, Day), (bool, BTreeMap<String, AlertInputs>)>,
    /// What the partitions told of predictions that were scored.
    pub(crate) predictions: Predictions,
    /// How many users are looked at after each event, by turns, of a day that closes; closes are over at once without.
    pieces: Vec<usize>,
    handled: usize,
}

impl Cluster {
    pub(crate) fn new(settings: &EngineSettings, partitions: u32) -> Self {
        let calendar = Arc::new(Calendar::new(&settings.time_zone).expect("a zone"));
        let placement = |partition| Placement { partition, partitions, transfers: true };
        let engines = (0..partitions)
            .map(|partition| PartitionEngine::new(settings.clone(), placement(partition), calendar.clone(), [7; 16]))
            .collect();
        Self {
            engines,
            aggregator: Aggregator::new(partitions),
            settings: settings.clone(),
            calendar,
            records: BTreeMap::new(),
            transitions: vec![Vec::new(); partitions as usize],
            risks: vec![Vec::new(); partitions as usize],
            earlier_risks: Vec::new(),
            told: Vec::new(),
            alerts: BTreeMap::new(),
            predictions: Predictions::new(partitions),
            pieces: Vec::new(),
            handled: 0,
        }
    }

    /// The same, which closes days in pieces of so many users, by turns.
    pub(crate) fn in_pieces(settings: &EngineSettings, partitions: u32, pieces: Vec<usize>) -> Self {
        let mut cluster = Self { pieces, ..Self::new(settings, partitions) };
        cluster.engines.iter_mut().for_each(PartitionEngine::close_in_pieces);
        cluster
    }

    fn close_on(&mut self) {
        self.handled += 1;
        let Some(users) = self.pieces.get(self.handled % self.pieces.len().max(1)).copied() else { return };
        for at in 0..self.engines.len() {
            self.engines[at].close_on(users);
            assert_eq!(self.effects(at), None);
        }
    }

    /// Moves all users to `more` partitions beside those there are.
    pub(crate) fn reshard(&mut self, more: u8) {
        if let Some(day) = self.engines.iter().filter_map(PartitionEngine::closed_through).max() {
            self.close_through(day);
        }
        self.publish();
        let salts: Vec<[u8; 16]> = (0..more).map(|number| [100 + number; 16]).collect();
        let (engines, done) = reshard(std::mem::take(&mut self.engines), &salts).expect("resharded");
        assert!(done.moved <= done.users, "{done:?}");
        self.engines = engines;
        let partitions = self.engines.len();
        for at in 0..partitions {
            assert_eq!(self.effects(at), None);
            assert_eq!(*self.engines[at].alert_ledger(), self.engines[at].recounted_alert_ledger(), "what alerts count moves along");
            self.restore(at);
        }
        // An aggregator that starts anew, as after a rebalance, and is told all that is in force.
        self.aggregator = Aggregator::new(u32::try_from(partitions).expect("few"));
        self.predictions = Predictions::new(u32::try_from(partitions).expect("few"));
        for (partition, partial) in self.told.clone() {
            self.aggregator.update(partition, partial);
        }
        self.transitions.resize(partitions, Vec::new());
        self.earlier_risks.extend(std::mem::replace(&mut self.risks, vec![Vec::new(); partitions]).into_iter().flatten());
    }

    fn partition(&self, id: &str) -> usize {
        partition_of(id.as_bytes(), u32::try_from(self.engines.len()).expect("few")) as usize
    }

    pub(crate) fn handle(&mut self, event: &Event<'_>) -> Admission {
        let admission = self.hand_on(event);
        self.close_on();
        admission
    }

    fn hand_on(&mut self, event: &Event<'_>) -> Admission {
        let mut at = self.partition(&event.user_id);
        for hop in 0..20 {
            let engine = &mut self.engines[at];
            let admission = if hop == 0 { engine.handle(event, None) } else { engine.handle_passed_on(event) };
            let forwarded = self.effects(at);
            match forwarded {
                Some(home) => at = self.partition(&home),
                None => return admission,
            }
        }
        panic!("an event is forwarded in a circle");
    }

    /// Delivers what an engine wants done; the id to whose partition the event at hand goes.
    fn effects(&mut self, at: usize) -> Option<String> {
        let mut forwarded = None;
        for effect in self.engines[at].drain_effects() {
            match effect {
                Effect::ForwardEvent { user_id } => forwarded = Some(user_id),
                Effect::Transfer { to, transfer } => {
                    let to = self.partition(&to);
                    self.engines[to].receive(*transfer);
                    assert_eq!(self.effects(to), None);
                }
                Effect::Transition(transition) => self.transitions[at].push(records::transition(&transition)),
                Effect::RiskChanged(change) => self.risks[at].push(records::churn_risk(&change)),
                Effect::ProfileChanged(_) | Effect::ProfileRemoved(_) => {}
            }
        }
        forwarded
    }

    pub(crate) fn publish(&mut self) {
        for (partition, engine) in (0..).zip(&mut self.engines) {
            for partial in engine.take_partials() {
                self.told.push((partition, partial.clone()));
                if let Partial::Alerts { day, has_data, segments } = &partial {
                    self.alerts.insert((partition, *day), (*has_data, segments.clone()));
                }
                self.predictions.update(partition, &partial);
                self.aggregator.update(partition, partial);
            }
        }
        for metric in self.aggregator.take_changed() {
            self.records.insert((metric.segment.clone(), metric.day), records::metric(&metric, 0, &self.settings));
        }
    }

    pub(crate) fn restore(&mut self, partition: usize) {
        let head = snapshot::Head {
            version: snapshot::VERSION,
            lineage: "a".into(),
            topic: "t".into(),
            partition: 0,
            partitions: 1,
            offset: 0,
            users: 0,
        };
        let bytes = snapshot::encode(&head, self.engines[partition].state()).expect("encodes");
        let calendar = self.calendar.clone();
        let (read, engine) = snapshot::decode(&bytes, |_| Ok::<_, String>(calendar)).expect("decodes");
        assert_eq!(read, head);
        let again = snapshot::encode(&head, engine.state()).expect("encodes");
        assert!(bytes == again, "a restored state is the same, byte for byte");
        self.engines[partition] = engine;
        if !self.pieces.is_empty() {
            self.engines[partition].close_in_pieces();
        }
    }

    pub(crate) fn close_through(&mut self, day: Day) {
        for at in 0..self.engines.len() {
            self.engines[at].close_through(day);
            assert_eq!(self.effects(at), None);
        }
    }

    /// The counts of levels of a closed day.
    pub(crate) fn decided_risk(&mut self, day: Day) -> Option<[i64; 7]> {
        self.publish();
        let record = self.records.get(&("all".to_owned(), day))?;
        Some(DECIDED_RISK.map(|field| record[field].as_i64().expect("decided")))
    }

    /// What was decided of a closed day: counts of levels, loyal buyers, share of revenue.
    pub(crate) fn decided(&mut self, day: Day) -> Vec<Value> {
        self.publish();
        let record = self.records.get(&("all".to_owned(), day)).cloned().unwrap_or_default();
        DECIDED_RISK.iter().chain(&["loyal_buyers", "top20_revenue_share"]).map(|field| record[*field].clone()).collect()
    }

    /// The last record of each key, without what depends on the log.
    pub(crate) fn last_records(&mut self) -> BTreeMap<(String, Day), Map<String, Value>> {
        self.publish();
        let strip = |record: &Value| {
            let mut record = record.as_object().expect("an object").clone();
            for field in
                ["schema", "revision", "loyal_buyers", "top20_revenue_share", "time_zone", "segment", "day", "final", "values_limited"]
            {
                record.shift_remove(field);
            }
            for field in DECIDED_RISK {
                record.shift_remove(field);
            }
            record
        };
        self.records.iter().map(|(key, record)| (key.clone(), strip(record))).collect()
    }

    pub(crate) fn profiles(&self, day: Day) -> BTreeMap<String, Value> {
        let all = self.engines.iter().flat_map(|engine| engine.profiles_on(day).collect::<Vec<_>>());
        all.map(|profile| (profile.user_id.clone(), records::profile(&profile))).collect()
    }
}
