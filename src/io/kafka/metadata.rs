//! What a commit says beside its offset: enough to recover exactly, in a text of less than 4 KiB.
//!
//! ```text
//! {"v":1,"lineage":"00112233445566778899aabbccddeeff","owner":"stickiness-events-0a1b","snapshot":"0000000000000000042-0000000000000000007",
//!  "engine":1,"partitions":4,"sequence":7,"barriers":[[42,1767225600000]]}
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use super::switches::NotedSwitch;
use crate::engine::day_close::ClosePosition;
use crate::engine::models::Switch;
use crate::model::time::EventTime;

/// The format written here. Another is refused: it may mean something that this version would get wrong.
const VERSION: u32 = 1;
/// The broker's limit, in bytes.
const LIMIT_BYTES: usize = 4096;
/// Barriers kept: more than any snapshot that is still there is old.
const BARRIERS: usize = 16;
/// Switches of models kept, of both processes.
const SWITCHES: usize = 8;

/// Why a commit's text says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// An offset without text: another program committed it, or a tool reset it.
    #[error("the committed offset carries no state: another program committed it, or a tool reset the group's offsets")]
    Absent,
    /// A text that is not of this service.
    #[error("the committed offset carries a text that is not of this service: {0}")]
    Unreadable(String),
    /// A text of a later version.
    #[error("the committed offset was written by another version (format {found}, this one reads {VERSION}); run that version")]
    OtherVersion {
        /// Its format.
        found: u32,
    },
    /// More than a commit can carry.
    #[error("a commit would carry {bytes} bytes, and the broker takes {LIMIT_BYTES}")]
    TooLong {
        /// How long it would be.
        bytes: usize,
    },
}

/// Names one history of a partition's state: random, made when a partition starts empty. State of one lineage never continues another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lineage([u8; 16]);

impl Lineage {
    /// The lineage of these random bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for Lineage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl From<Lineage> for String {
    fn from(lineage: Lineage) -> Self {
        lineage.to_string()
    }
}

impl TryFrom<String> for Lineage {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no lineage of 32 hexadecimal digits");
        if text.len() != 32 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; 16];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

/// A closing by the wall clock, which the log does not decide: it happened when the next record to read was `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, i64)", into = "(i64, i64)")]
pub struct Barrier {
    /// The next offset to read then.
    pub offset: i64,
    /// The wall clock that it closed by; every day whose grace was over then is closed. Whole milliseconds.
    pub now: EventTime,
}

impl From<(i64, i64)> for Barrier {
    fn from((offset, millis): (i64, i64)) -> Self {
        Self { offset, now: EventTime::from_millis(millis) }
    }
}

impl From<Barrier> for (i64, i64) {
    fn from(barrier: Barrier) -> Self {
        (barrier.offset, barrier.now.millis())
    }
}

/// What is committed with a partition's offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitMetadata {
    /// The history that the state belongs to.
    pub lineage: Lineage,
    /// The transactional id of the producer that committed; `None` once it has released the partition in good order.
    pub owner: Option<String>,
    /// The newest snapshot in the store, by name; `None` before the first.
    pub snapshot: Option<String>,
    /// The version of the engine's state and rules.
    pub engine_version: u32,
    /// How many partitions the topic had: a user's partition depends on it.
    pub partitions: u32,
    /// Counts the partition's commits in its lineage: after a commit whose end nobody saw, it tells whether it happened.
    pub sequence: u64,
    /// The closings by the clock, oldest first.
    pub barriers: Vec<Barrier>,
    /// The first commit under the settings in force: a recovery cannot start from a snapshot of an earlier one, because the records
    /// from there were counted by other settings.
    pub settings_since: u64,
    /// The switches of models, oldest first.
    pub switches: Vec<NotedSwitch>,
    /// The newest commit of whose switches some are no longer noted: of an earlier one no snapshot is enough.
    pub switches_since: u64,
    /// How far a close has come that is not over.
    pub closing: Option<ClosePosition>,
}

/// The text's fields. Unknown ones are ignored: a later version may add what an earlier need not know.
#[derive(Serialize, Deserialize)]
struct Written {
    v: u32,
    lineage: Lineage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot: Option<String>,
    engine: u32,
    partitions: u32,
    sequence: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    barriers: Vec<Barrier>,
    #[serde(default, skip_serializing_if = "is_zero")]
    settings_since: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    switches: Vec<NotedSwitch>,
    #[serde(default, skip_serializing_if = "is_zero")]
    switches_since: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closing: Option<ClosePosition>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl CommitMetadata {
    /// Of a history that begins, before anything is known of its partitions and snapshots.
    #[must_use]
    pub fn beginning(lineage: Lineage, engine_version: u32) -> Self {
        Self {
            lineage,
            owner: None,
            snapshot: None,
            engine_version,
            partitions: 0,
            sequence: 0,
            barriers: Vec::new(),
            settings_since: 0,
            switches: Vec::new(),
            switches_since: 0,
            closing: None,
        }
    }

    /// Notes a closing by the clock. It says all that earlier ones at the same offset did, because closings only go forward.
    pub fn push_barrier(&mut self, barrier: Barrier) {
        self.barriers.retain(|known| known.offset != barrier.offset);
        self.barriers.push(barrier);
        let excess = self.barriers.len().saturating_sub(BARRIERS);
        self.barriers.drain(..excess);
    }

    /// Whether one more closing can be noted so that none gets lost of those at or after `offset`.
    #[must_use]
    pub fn has_room_for_barrier(&self, offset: i64) -> bool {
        self.barriers.iter().filter(|known| known.offset >= offset).count() < BARRIERS
    }

    /// Whether every closing at or after `offset` is noted: earlier ones may have been dropped for want of room.
    #[must_use]
    pub fn knows_barriers_from(&self, offset: i64) -> bool {
        self.barriers.len() < BARRIERS || self.barriers.first().is_none_or(|first| first.offset <= offset)
    }

    /// Notes a switch that the next commit names first.
    pub fn push_switch(&mut self, switch: Switch) {
        self.switches.push(NotedSwitch { sequence: self.sequence + 1, switch });
        let excess = self.switches.len().saturating_sub(SWITCHES);
        if let Some(last) = self.switches.drain(..excess).next_back() {
            self.switches_since = self.switches_since.max(last.sequence);
        }
    }

    /// Whether a switch of each process can be noted so that none gets lost that the snapshot of commit `stored` does not hold.
    #[must_use]
    pub fn has_room_for_switches(&self, stored: u64) -> bool {
        self.switches_after(stored).count() + 2 <= SWITCHES
    }

    /// The switches that the snapshot of a commit does not hold, in the order in which they were scheduled.
    pub fn switches_after(&self, sequence: u64) -> impl Iterator<Item = Switch> + '_ {
        self.switches.iter().filter(move |noted| noted.sequence > sequence).map(|noted| noted.switch)
    }

    /// The text to commit.
    pub fn encode(&self) -> Result<String, MetadataError> {
        let written = Written {
            v: VERSION,
            lineage: self.lineage,
            owner: self.owner.clone(),
            snapshot: self.snapshot.clone(),
            engine: self.engine_version,
            partitions: self.partitions,
            sequence: self.sequence,
            barriers: self.barriers.clone(),
            settings_since: self.settings_since,
            switches: self.switches.clone(),
            switches_since: self.switches_since,
            closing: self.closing,
        };
        let text = serde_json::to_string(&written).map_err(|error| MetadataError::Unreadable(error.to_string()))?;
        if text.len() > LIMIT_BYTES { Err(MetadataError::TooLong { bytes: text.len() }) } else { Ok(text) }
    }

    /// Reads a committed text.
    pub fn parse(text: &str) -> Result<Self, MetadataError> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        if text.is_empty() {
            return Err(MetadataError::Absent);
        }
        let unreadable = |error: serde_json::Error| MetadataError::Unreadable(error.to_string());
        let Version { v: found } = serde_json::from_str(text).map_err(unreadable)?;
        if found != VERSION {
            return Err(MetadataError::OtherVersion { found });
        }
        let written: Written = serde_json::from_str(text).map_err(unreadable)?;
        Ok(Self {
            lineage: written.lineage,
            owner: written.owner,
            snapshot: written.snapshot,
            engine_version: written.engine,
            partitions: written.partitions,
            sequence: written.sequence,
            barriers: written.barriers,
            settings_since: written.settings_since,
            switches: written.switches,
            switches_since: written.switches_since,
            closing: written.closing,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Day;

    fn metadata() -> CommitMetadata {
        CommitMetadata {
            lineage: Lineage::from_bytes(*b"0123456789abcdef"),
            owner: Some("stickiness-events-1".to_owned()),
            snapshot: Some("s-42".to_owned()),
            engine_version: 1,
            partitions: 4,
            sequence: 7,
            barriers: vec![Barrier { offset: 42, now: EventTime::from_millis(1_767_225_600_000) }],
            settings_since: 3,
            switches: vec![super::super::switches::tests::noted(5)],
            switches_since: 4,
            closing: Some(ClosePosition { day: Day::from_number(20_500), next: 7 }),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let released = CommitMetadata {
            owner: None,
            snapshot: None,
            barriers: Vec::new(),
            settings_since: 0,
            switches: Vec::new(),
            switches_since: 0,
            closing: None,
            ..metadata()
        };
        for one in [metadata(), released] {
            let text = one.encode().expect("short enough");
            assert_eq!(CommitMetadata::parse(&text), Ok(one), "{text}");
        }
    }

    #[test]
    fn only_the_newest_barriers_are_kept() {
        let mut one = metadata();
        for number in 0..200 {
            one.push_barrier(Barrier { offset: number / 2, now: EventTime::from_millis(i64::MAX / 1_000_000) });
        }
        let text = one.encode().expect("short enough");
        let read = CommitMetadata::parse(&text).expect("readable");
        assert_eq!((read.barriers.len(), read.barriers[0].offset), (16, 84));
        assert!(read.knows_barriers_from(84) && !read.knows_barriers_from(83));
        assert!(read.has_room_for_barrier(85) && !read.has_room_for_barrier(84));
    }

    #[test]
    fn switches_are_dropped_only_where_a_snapshot_holds_them() {
        let mut one = metadata();
        for number in 0..16 {
            one.sequence = 100 + number;
            assert!(one.has_room_for_switches(one.sequence - 3), "{number}");
            one.push_switch(super::super::switches::tests::noted(0).switch);
        }
        let read = CommitMetadata::parse(&one.encode().expect("short enough")).expect("readable");
        assert_eq!((read.switches.len(), read.switches[0].sequence, read.switches_since), (8, 109, 108));
        assert_eq!((read.switches_after(110).count(), read.has_room_for_switches(110), read.has_room_for_switches(109)), (6, true, false));
    }

    #[test]
    fn the_fullest_text_is_short_enough() {
        let mut one = CommitMetadata { owner: Some("o".repeat(300)), sequence: u64::MAX - 1, settings_since: u64::MAX, ..metadata() };
        for number in 0..16 {
            one.push_barrier(Barrier { offset: i64::MAX - number, now: EventTime::from_millis(i64::MAX / 1_000_000) });
            one.push_switch(super::super::switches::tests::noted(0).switch);
        }
        assert!(one.encode().expect("short enough").len() < 3_000);
    }

    #[test]
    fn fields_of_later_versions_are_ignored() {
        let text = metadata().encode().expect("short enough").replace("\"v\":1", "\"v\":1,\"models\":{\"a\":[1,2]}");
        assert_eq!(CommitMetadata::parse(&text), Ok(metadata()));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (text, said) in [
            ("", "carries no state"),
            ("hello", "not of this service"),
            ("{\"v\":1}", "missing field `lineage`"),
            ("{\"v\":2,\"anything\":1}", "format 2, this one reads 1"),
            ("{\"v\":1,\"lineage\":\"xyz\",\"engine\":1}", "`xyz` is no lineage"),
        ] {
            let error = CommitMetadata::parse(text).expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_text_too_long_for_the_broker_is_refused_here() {
        let one = CommitMetadata { snapshot: Some("s".repeat(5000)), ..metadata() };
        assert!(matches!(one.encode(), Err(MetadataError::TooLong { .. })));
    }
}
