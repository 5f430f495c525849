//! A record of a history on its way through the sort.

use serde::{Deserialize, Serialize};

/// Where a record stands in the order of the log: by time, records of one time as they stand in the inputs. What is no event comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    /// Event time in nanoseconds since the epoch; the least there is for what is no event.
    pub(super) nanos: i64,
    /// The number of the input: files first, then topics.
    pub(super) source: u32,
    /// The partition of a topic; 0 in files.
    pub(super) partition: i32,
    /// The offset there, or the line of a file.
    pub(super) place: i64,
}

/// Bytes of an encoded turn.
pub(super) const TURN_BYTES: usize = 24;

impl Turn {
    pub(super) fn encode(self) -> [u8; TURN_BYTES] {
        let mut bytes = [0; TURN_BYTES];
        bytes[..8].copy_from_slice(&self.nanos.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.source.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.partition.to_le_bytes());
        bytes[16..].copy_from_slice(&self.place.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: [u8; TURN_BYTES]) -> Self {
        let part = |from: usize| -> [u8; 4] { [bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]] };
        let long = |from: usize| {
            let (low, high) = (u32::from_le_bytes(part(from)), i32::from_le_bytes(part(from + 4)));
            i64::from(high) << 32 | i64::from(low)
        };
        let (source, partition) = (u32::from_le_bytes(part(8)), i32::from_le_bytes(part(12)));
        Self { nanos: long(0), source, partition, place: long(16) }
    }
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Entry<'a> {
    /// An event, for the log.
    Event {
        /// Whose it is.
        user_id: &'a str,
        /// The key it had in its topic.
        key: Option<&'a [u8]>,
        /// As the service reads it.
        value: &'a [u8],
    },
    /// What the service would not take, for the dead letters.
    Refused {
        /// The name of the reason.
        reason: &'a str,
        /// What exactly is wrong.
        detail: &'a str,
        /// The key it had in its topic.
        key: Option<&'a [u8]>,
        /// As it came; of an oversized record of a file, the beginning.
        value: Option<&'a [u8]>,
        /// The length of the whole value in bytes.
        length: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for nanos in [i64::MIN, -1, 0, 1_767_225_600_000_000_000, i64::MAX] {
            let turn = Turn { nanos, source: 7, partition: -3, place: nanos / 3 };
            assert_eq!(Turn::decode(turn.encode()), turn);
        }
        let event = Entry::Event { user_id: "a", key: Some(b"\xff"), value: b"{}" };
        let refused = Entry::Refused { reason: "malformed", detail: "why", key: None, value: None, length: 9 };
        for entry in [event, refused] {
            let bytes = postcard::to_allocvec(&entry).expect("encodes");
            assert_eq!(postcard::from_bytes::<Entry<'_>>(&bytes).expect("decodes"), entry);
        }
    }
}
