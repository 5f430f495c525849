//! Records of the internal log that everything is forwarded to when the input is not keyed by user: an event as it came, or a user on the way to another partition.

use serde::{Deserialize, Serialize};

use crate::engine::transfer::Transfer;

/// The version of the records.
const VERSION: u8 = 6;
/// The versions before it whose events are as they are now; what is known of users who move is not.
const EVENTS_ALONE: [u8; 4] = [2, 3, 4, 5];

/// One record of the internal log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Envelope<'a> {
    /// An event, as it came.
    #[serde(borrow)]
    Event(Forwarded<'a>),
    /// A user, or word of one.
    Transfer(Box<Transfer>),
}

/// An event with where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded<'a> {
    /// The input topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// The offset there.
    pub offset: i64,
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// The record's value.
    pub value: &'a [u8],
    /// Whether an engine passed it on, because the user lives in another partition than the id says.
    pub passed_on: bool,
}

/// Why a record of the internal log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Empty, or of another version.
    #[error("version {0:?} of a record of the internal log, this program reads version {VERSION}")]
    Version(Option<u8>),
    /// Not decodable.
    #[error("a record of the internal log cannot be decoded: {0}")]
    Undecodable(#[from] postcard::Error),
}

impl<'a> Envelope<'a> {
    /// Appends the value of a record.
    pub fn encode(&self) -> Result<Vec<u8>, EnvelopeError> {
        Ok(postcard::to_extend(self, vec![VERSION])?)
    }

    /// Reads the value of a record.
    pub fn decode(value: &'a [u8]) -> Result<Self, EnvelopeError> {
        match value.split_first() {
            Some((&VERSION, body)) => Ok(postcard::from_bytes(body)?),
            Some((version, body)) if EVENTS_ALONE.contains(version) => match postcard::from_bytes(body)? {
                Self::Event(forwarded) => Ok(Self::Event(forwarded)),
                Self::Transfer(_) => Err(EnvelopeError::Version(Some(*version))),
            },
            other => Err(EnvelopeError::Version(other.map(|(version, _)| *version))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::habit::Habit;
    use crate::engine::transfer::{Arrival, NamedEdge};
    use crate::model::loyalty::Loyalty;
    use crate::model::money::Money;
    use crate::model::time::{Day, EventTime};

    #[test]
    fn what_is_written_is_read() {
        let event = Forwarded { topic: "events", partition: 3, offset: 42, key: Some(b"\xff"), value: b"{\x00}", passed_on: true };
        let transfer = Transfer::Forget { id: "a".into(), time: EventTime::from_millis(1), day: Day::from_number(0) };
        for envelope in [Envelope::Event(event), Envelope::Event(Forwarded { key: None, ..event }), Envelope::Transfer(Box::new(transfer))]
        {
            let bytes = envelope.encode().expect("encodes");
            assert_eq!(Envelope::decode(&bytes).expect("decodes"), envelope);
        }
        let mut older = Envelope::Event(event).encode().expect("encodes");
        for version in EVENTS_ALONE {
            older[0] = version;
            assert_eq!(Envelope::decode(&older).expect("events of the versions before are read"), Envelope::Event(event));
        }
        assert!(Envelope::decode(b"").is_err());
        assert!(Envelope::decode(b"\x01\x00").is_err());
        assert!(Envelope::decode(b"\x02\x00\x05ab").is_err());
    }
    /// Fields that come or go without another version would be read as one another by a process of the version before. What lists hold is held by the states in
    /// tests/data/snapshots.
    #[test]
    fn bytes_of_this_version() {
        let mut habit = Habit::default();
        let rare = habit.rare_mut();
        (rare.loyalty, rare.states, rare.rules) = (Some(Loyalty::default()), Some(Box::default()), Some(Box::default()));
        let (time, day) = (EventTime::from_millis(1), Day::from_number(0));
        let arrival = Arrival {
            into: "b".into(),
            path: vec!["c".into()],
            settles: true,
            members: vec![("a".into(), habit)],
            segments: vec![(1, 0, "de".into())],
            edges: vec![NamedEdge { time, restates_from: day, from: "a".into(), into: "b".into() }],
            settled: Money::from_millionths(1),
            pending: vec![(day, Money::from_millionths(2))],
        };
        let bytes = Envelope::Transfer(Box::new(Transfer::Arrive(Box::new(arrival)))).encode().expect("encodes");
        assert_eq!(
            (VERSION, bytes.len(), crc32fast::hash(&bytes)),
            (6, 122, 2_801_885_067),
            "if fields changed: raise the version, then this"
        );
    }
}
