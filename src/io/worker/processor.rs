//! What a worker runs.

use super::outputs::Outputs;
use crate::engine::day_close::ClosePosition;
use crate::engine::insights::Insights;
use crate::engine::models::Switch;
use crate::engine::resharding::Resharded;
use crate::engine::rules::RuleCost;
use crate::io::kafka::Record;
use crate::io::kafka::metadata::Lineage;
use crate::io::observations::PartitionSize;
use crate::model::time::{Day, EventTime};

/// A state that no longer changes, to be called for its bytes.
pub type Frozen = Box<dyn FnOnce() -> Result<Vec<u8>, String> + Send>;

/// What the users of a partition show, to be counted elsewhere while records go on.
pub struct FrozenInsights {
    /// The newest day of an accepted event.
    pub newest_day: Day,
    /// Counts as of the end of a day that is not before it.
    pub count: Box<dyn FnOnce(Day) -> Insights + Send>,
}

/// What a worker runs for each partition: records in, records out. Given equal records and equal closings in equal order, it
/// must do equal things: a recovery replays it.
pub trait Processor: Send + 'static {
    /// Told of the keys of records that are about to come: whatever is done changes nothing.
    fn expect(&self, _keys: &[&[u8]]) {}
    /// Takes in a record and says what became of it, as the name of an outcome.
    fn handle(&mut self, record: &Record<'_>, outputs: &mut Outputs) -> &'static str;
    /// Publishes what waits for the next commit; with `partials`, everything that the aggregator should know, too.
    fn flush(&mut self, partials: bool, outputs: &mut Outputs);
    /// Closes every day whose grace was over at `now`.
    fn close_by_clock(&mut self, now: EventTime, outputs: &mut Outputs);
    /// Goes on with a close that is not over, by as many users as said.
    fn close_on(&mut self, _users: usize, _outputs: &mut Outputs) {}
    /// How far a close has come that is not over: to be committed, because the log does not say it.
    fn close_position(&self) -> Option<ClosePosition> {
        None
    }
    /// Brings a close to where it was when that was committed; `None` when it was over.
    fn close_up_to(&mut self, _position: Option<ClosePosition>, _outputs: &mut Outputs) {}
    /// When the wall clock closes the next day; `None` while there is nothing to go by, so that it may at any time.
    fn next_clock_close(&self) -> Option<EventTime>;
    /// The newest event time.
    fn watermark(&self) -> Option<EventTime>;
    /// The state as it is now, to be encoded elsewhere while records go on; nothing waits to be flushed when it is called.
    fn freeze(&self, offset: i64) -> Frozen;
    /// How much the state holds.
    fn size(&self) -> PartitionSize {
        PartitionSize::default()
    }
    /// The keys of settings that wait for a barrier; empty when it counts by those of the process.
    fn waiting_settings(&self) -> &[&'static str] {
        &[]
    }
    /// Puts the settings that wait in force, and sets aside those that were. A second call undoes the first.
    fn exchange_settings(&mut self) {}
    /// Forgets the settings set aside.
    fn keep_settings(&mut self) {}
    /// Does a slice of the work that can be done before it is needed. Nothing that is published depends on it.
    fn work_ahead(&mut self) {}
    /// Schedules models that came since to take over when a day closes. The log does not say when they came: the switches are to be committed.
    fn schedule_switches(&mut self) -> Vec<Switch> {
        Vec::new()
    }
    /// Notes a switch that was committed, so that it comes about where it did.
    fn repeat_switch(&mut self, _: Switch) {}
    /// What its users show; `None` before the first event.
    fn freeze_insights(&self) -> Option<FrozenInsights> {
        None
    }
    /// What each rule of segments costs, and what it came to.
    fn rule_costs(&self) -> &[RuleCost] {
        &[]
    }
    /// A user's profile as JSON, if the user is known here.
    fn profile(&self, user_id: &str) -> Option<Vec<u8>>;
}

/// Makes processors. One for all workers.
pub trait Processors: Send + Sync + 'static {
    /// What it makes.
    type Processor: Processor;
    /// The version of the rules: records counted by one version are not counted again by another.
    fn version(&self) -> u32;
    /// The topics that are published to, in the order of their [`TopicIndex`].
    fn topics(&self) -> Vec<String>;
    /// One that has seen nothing, of a partition among `partitions`.
    fn empty(&self, partition: i32, partitions: u32, lineage: Lineage) -> Self::Processor;
    /// The one that `state` was taken from, of a partition among `partitions`. It counts by the settings that it had then; new ones wait.
    fn decode(&self, partition: i32, partitions: u32, lineage: Lineage, state: &[u8]) -> Result<Self::Processor, Undecodable>;
    /// One that goes on, as `lineage`, from a state of a partition of another history, and the offset to read on from. With what differs in
    /// its settings waiting, as for [`Self::decode`].
    fn adopt(&self, partition: i32, partitions: u32, lineage: Lineage, state: &[u8]) -> Result<(Self::Processor, i64), Undecodable> {
        let _ = (partition, partitions, lineage, state);
        Err(Undecodable::Damaged("states of this kind are not gone on from".to_owned()))
    }
    /// Moves what processors hold, in the order of their partitions, to those and one more for each of `lineages`.
    fn reshard(&self, processors: Vec<Self::Processor>, lineages: &[Lineage]) -> Result<(Vec<Self::Processor>, Resharded), String> {
        Err(format!("the states of {} partitions cannot be moved to {} more", processors.len(), lineages.len()))
    }
}

/// Why bytes are no state to go on from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// They are no state of this partition and history.
    #[error("{0}")]
    Damaged(String),
    /// Another version wrote them, in this format.
    #[error("it was stored by a version with format {theirs}, and this one reads {ours}")]
    OtherVersion {
        /// The format.
        theirs: u32,
        /// The format of this version.
        ours: u32,
    },
    /// The settings that its history belongs to are others than those of the process: the keys that differ.
    #[error("it was counted with other settings ({0}): put the old values back")]
    OtherSettings(String),
}
