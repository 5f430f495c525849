//! Snapshots as bytes: a readable head, then the engine's state, compressed, with a checksum over everything.
//!
//! Layout: the magic `STKSNAP1`, the length of the head (u32, little endian), the head as JSON, the body (zstd of postcard, in one frame or several), and a CRC-32 (little endian) over all before it.

use std::sync::Arc;

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::engine::partition::{PartitionEngine, State};
use crate::model::time::Calendar;

/// The first bytes of a snapshot.
const MAGIC: &[u8; 8] = b"STKSNAP1";
/// The version of the body. A body of another version is refused, never guessed at.
pub const VERSION: u32 = 11;
/// How hard the body is compressed: speed first.
const COMPRESSION: i32 = 1;
/// Bytes that are compressed at a time, each a frame of its own.
const FRAME: usize = 1 << 20;
/// How many times its size a body may grow to when it is decompressed: states compress to a third or so, and what grows more than this was
/// made to exhaust memory.
const EXPANSION: u64 = 200;
/// What any body may grow to, in bytes.
const EMPTY_BODY: u64 = 1 << 20;

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Version of the body.
    pub version: u32,
    /// The unbroken history that it belongs to.
    pub lineage: String,
    /// The topic of the log.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// How many partitions the topic had.
    pub partitions: u32,
    /// The next offset to read.
    pub offset: i64,
    /// The ids known.
    pub users: u64,
}

/// Why bytes are no usable snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Not a snapshot, or cut off.
    #[error("not a whole snapshot: {0}")]
    Torn(&'static str),
    /// The checksum does not match.
    #[error("the checksum does not match: some bytes have changed")]
    Corrupt,
    /// Written by another version.
    #[error("snapshot version {found}, this program reads version {VERSION}")]
    Version {
        /// The version of the snapshot.
        found: u32,
    },
    /// The head or body cannot be decoded.
    #[error("cannot be decoded: {0}")]
    Undecodable(String),
}

/// The bytes of a snapshot.
pub fn encode<P: Serialize>(head: &Head, state: &State<P>) -> Result<Vec<u8>, SnapshotError> {
    let undecodable = |error: &dyn std::fmt::Display| SnapshotError::Undecodable(error.to_string());
    let head = serde_json::to_vec(head).map_err(|error| undecodable(&error))?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(head);
    let compressor = zstd::bulk::Compressor::new(COMPRESSION).map_err(|error| undecodable(&error))?;
    let body = Body { plain: Vec::with_capacity(FRAME), frame: Vec::new(), compressor, bytes };
    let mut bytes = postcard::serialize_with_flavor(state, body).map_err(|error| undecodable(&error))?;
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    Ok(bytes)
}

/// Where a body is written to. Field by field, each of a few bytes, the compressor would be called a hundred million times for a million users, and nearly as many
/// fields are of one byte.
struct Body {
    /// What is to be compressed next.
    plain: Vec<u8>,
    frame: Vec<u8>,
    compressor: zstd::bulk::Compressor<'static>,
    /// The snapshot as far as it is written.
    bytes: Vec<u8>,
}

impl Body {
    fn make_room(&mut self, more: usize) -> postcard::Result<()> {
        if self.plain.len() + more > FRAME { self.compress() } else { Ok(()) }
    }

    #[cold]
    fn compress(&mut self) -> postcard::Result<()> {
        self.frame.clear();
        self.frame.reserve(zstd::zstd_safe::compress_bound(self.plain.len()));
        self.compressor.compress_to_buffer(&self.plain, &mut self.frame).map_err(|_| postcard::Error::SerializeBufferFull)?;
        self.bytes.extend_from_slice(&self.frame);
        self.plain.clear();
        Ok(())
    }
}

impl Flavor for Body {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.make_room(1)?;
        self.plain.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if let [byte] = bytes {
            return self.try_push(*byte);
        }
        self.make_room(bytes.len())?;
        self.plain.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(mut self) -> postcard::Result<Self::Output> {
        self.compress()?;
        Ok(self.bytes)
    }
}

/// The head of a snapshot and where its body is, the checksum verified.
pub fn open(bytes: &[u8]) -> Result<(Head, &[u8]), SnapshotError> {
    let (covered, checksum) = bytes.split_last_chunk::<4>().ok_or(SnapshotError::Torn("shorter than its checksum"))?;
    let rest = covered.strip_prefix(MAGIC).ok_or(SnapshotError::Torn("it does not start like one"))?;
    if crc32fast::hash(covered) != u32::from_le_bytes(*checksum) {
        return Err(SnapshotError::Corrupt);
    }
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(SnapshotError::Torn("no head"))?;
    let length = u32::from_le_bytes(*length) as usize;
    let (head, body) = rest.split_at_checked(length).ok_or(SnapshotError::Torn("the head is cut off"))?;
    let head: Head = serde_json::from_slice(head).map_err(|error| SnapshotError::Undecodable(error.to_string()))?;
    Ok((head, body))
}

/// The engine that a snapshot was taken of. `calendar_of` gives the calendar of a time zone.
pub fn decode<E: std::fmt::Display>(
    bytes: &[u8],
    calendar_of: impl FnOnce(&str) -> Result<Arc<Calendar>, E>,
) -> Result<(Head, PartitionEngine), SnapshotError> {
    let (head, body) = open(bytes)?;
    if head.version != VERSION {
        return Err(SnapshotError::Version { found: head.version });
    }
    let undecodable = |error: &dyn std::fmt::Display| SnapshotError::Undecodable(error.to_string());
    let decoder = zstd::Decoder::new(body).map_err(|error| undecodable(&error))?;
    let mut plain = Vec::new();
    let largest = EMPTY_BODY + EXPANSION * body.len() as u64;
    std::io::Read::read_to_end(&mut std::io::Read::take(decoder, largest), &mut plain).map_err(|error| undecodable(&error))?;
    if plain.len() as u64 == largest {
        return Err(SnapshotError::Undecodable(format!("it grows to more than {EXPANSION} times its size when it is decompressed")));
    }
    let state: State = postcard::from_bytes(&plain).map_err(|error| undecodable(&error))?;
    state.check().map_err(|reason| undecodable(&reason))?;
    let calendar = calendar_of(state.time_zone()).map_err(|error| undecodable(&error))?;
    Ok((head, PartitionEngine::from_state(state, calendar)))
}
