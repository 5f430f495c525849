//! Events on their way from the threads that decode to those that count: without allocations of their own, because their texts stay where they were read.

use std::borrow::Cow;
use std::sync::Arc;

use crate::io::files::Block;
use crate::model::event::{Event, EventType, Facts};
use crate::model::rejection::Rejection;
use crate::model::time::EventTime;
use crate::wire::decode::Decoded;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its turn in the batch, from 0.
    pub(super) at: u32,
    /// Its block among those of the batch.
    pub(super) block: u32,
    /// Its place in the block.
    pub(super) row: u32,
}

/// A record that is not taken, and why.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) place: Place,
    pub(super) rejection: Rejection,
}

/// The blocks that the events of a batch are in.
pub(super) type Blocks = Arc<[Arc<Block>]>;

/// A text of an event.
#[derive(Debug)]
enum Packed {
    /// In the block.
    Within { start: u32, end: u32 },
    /// Not as it is written there.
    Own(Box<str>),
}

impl Packed {
    fn new(text: Cow<'_, str>, block: &[u8]) -> Self {
        let start = text.as_ptr().addr().wrapping_sub(block.as_ptr().addr());
        let end = start.wrapping_add(text.len());
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(last)) if end <= block.len() && matches!(text, Cow::Borrowed(_)) => Self::Within { start, end: last },
            _ => Self::Own(text.into_owned().into_boxed_str()),
        }
    }

    fn unpack<'b>(&'b self, block: &'b [u8]) -> Cow<'b, str> {
        match self {
            Self::Within { start, end } => {
                let bytes = &block[*start as usize..*end as usize];
                Cow::Borrowed(std::str::from_utf8(bytes).unwrap_or_default())
            }
            Self::Own(text) => Cow::Borrowed(text),
        }
    }
}

/// An event whose texts are in a block.
#[derive(Debug)]
pub(super) struct PackedEvent {
    pub(super) place: Place,
    /// The partition of its user's id.
    pub(super) partition: u32,
    pub(super) kind: EventType,
    pub(super) time: EventTime,
    pub(super) arrived_at: Option<EventTime>,
    user_id: Packed,
    event_id: Packed,
    /// `None` are [`Facts::None`].
    facts: Option<Box<Facts<'static>>>,
    breakdowns: Vec<(u16, Packed)>,
}

/// Facts with texts of their own.
fn owned(facts: Facts<'_>, kind: EventType, time: EventTime) -> Option<Box<Facts<'static>>> {
    if matches!(facts, Facts::None) {
        return None;
    }
    let (user_id, event_id) = (Cow::Borrowed(""), Cow::Borrowed(""));
    let bare = Event { user_id, event_id, kind, time, facts, breakdowns: Vec::new() };
    Some(Box::new(bare.into_owned().facts))
}

impl PackedEvent {
    /// The event of a row of `block`.
    pub(super) fn new(row: u32, partition: u32, decoded: Decoded<'_>, block: &Block) -> Self {
        let Decoded { event: Event { user_id, event_id, kind, time, facts, breakdowns }, arrived_at } = decoded;
        let pack = |text: Cow<'_, str>| Packed::new(text, block.bytes());
        Self {
            place: Place { at: row, block: 0, row },
            partition,
            kind,
            time,
            arrived_at,
            user_id: pack(user_id),
            event_id: pack(event_id),
            facts: owned(facts, kind, time),
            breakdowns: breakdowns.into_iter().map(|(property, value)| (property, pack(value))).collect(),
        }
    }

    /// The user's id.
    pub(super) fn user_id<'b>(&'b self, blocks: &'b Blocks) -> Cow<'b, str> {
        self.user_id.unpack(self.block(blocks))
    }

    /// The id that a merge joins the user to.
    pub(super) fn merged_into(&self) -> Option<&str> {
        match self.facts.as_deref() {
            Some(Facts::MergedInto(into)) => Some(into),
            _ => None,
        }
    }

    fn block<'b>(&self, blocks: &'b Blocks) -> &'b [u8] {
        blocks[self.place.block as usize].bytes()
    }

    /// The event as an engine takes it. Its facts are taken out: it is counted once.
    pub(super) fn unpack<'b>(&'b mut self, blocks: &'b Blocks) -> Event<'b> {
        let facts = self.facts.take().map_or(Facts::None, |facts| *facts);
        let block = self.block(blocks);
        let breakdowns = self.breakdowns.iter().map(|(property, value)| (*property, value.unpack(block))).collect();
        let (user_id, event_id) = (self.user_id.unpack(block), self.event_id.unpack(block));
        Event { user_id, event_id, kind: self.kind, time: self.time, facts, breakdowns }
    }
}
