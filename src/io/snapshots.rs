//! Snapshots of engines in an object store: put, list, get, verify, prune.
//!
//! An object is named `GROUP/TOPIC/PARTITION/LINEAGE/OFFSET-SEQUENCE` below the URL, with numbers that sort as text, or, when it is kept by an operator,
//! `GROUP/TOPIC/kept/NAME/PARTITION`. It holds eight bytes of mark, the state, and the CRC-32 of both, little-endian. Objects are written whole or not at all.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, PutPayloadMut, RetryConfig, parse_url_opts};
use url::Url;

use crate::io::kafka::metadata::Lineage;

/// The mark of the format.
const MARK: &[u8; 8] = b"STKSTOR1";
/// How long a request to a store that fails is repeated.
const RETRY: Duration = Duration::from_secs(20);
/// Bytes of the checksum at the end.
const CRC_BYTES: usize = 4;

/// Why a snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The URL names no store that is known.
    #[error("snapshots.url = \"{url}\" is neither a directory, file:// nor s3://: {reason}")]
    Url {
        /// As it was written.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The state has something that the format cannot say.
    #[error("the state cannot be encoded: {0}; recovery will replay more")]
    Unencodable(String),
    /// The store failed. Worth trying again.
    #[error("cannot {attempted} snapshots in {store}: {reason}")]
    Store {
        /// What was attempted.
        attempted: &'static str,
        /// The store.
        store: String,
        /// What it said.
        reason: Box<object_store::Error>,
    },
    /// What the store gave is not what was kept under a name.
    #[error("the snapshot of partition {partition} kept as {name} is damaged: {reason}")]
    DamagedKept {
        /// The name.
        name: KeptName,
        /// The partition.
        partition: i32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// What the store gave is not what was put.
    #[error("snapshot {name} is damaged: {reason}")]
    Damaged {
        /// The snapshot.
        name: SnapshotName,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The name under which an operator keeps snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptName(String);

impl KeptName {
    /// Takes a name of 1 to 64 letters, digits, `-` and `_`; `None` for any other text, because the name is part of a path.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        (plain && (1..=64).contains(&text.len())).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for KeptName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Names a snapshot of one partition. Greater is newer within a lineage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotName {
    /// The next offset to read: every record before it is in the state.
    pub offset: i64,
    /// Counts the commits of the lineage: two snapshots of one offset differ by a closing by the clock.
    pub sequence: u64,
}

impl SnapshotName {
    /// Reads what [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (offset, sequence) = text.split_once('-')?;
        Some(Self { offset: offset.parse().ok()?, sequence: sequence.parse().ok()? })
    }
}

/// `OFFSET-SEQUENCE`, with leading zeros.
impl fmt::Display for SnapshotName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:019}-{:019}", self.offset, self.sequence)
    }
}

/// Where the snapshots of one group and topic are.
#[derive(Clone, Debug)]
pub struct Snapshots {
    store: Arc<dyn ObjectStore>,
    below: Path,
    keep: usize,
}

impl Snapshots {
    /// The store at `url`: `s3://bucket/path` with the usual `AWS_` variables, `file:///path`, or a directory, made if it is
    /// not there. Of each partition the newest `keep` snapshots are kept, at least one.
    pub fn open(url: &str, group_id: &str, topic: &str, keep: usize) -> Result<Self, SnapshotError> {
        let wrong = |reason: String| SnapshotError::Url { url: url.to_owned(), reason };
        let parsed =
            if url.contains("://") { Url::parse(url).map_err(|error| wrong(error.to_string()))? } else { directory(url).map_err(wrong)? };
        let credentials = std::env::vars().filter(|(key, _)| key.starts_with("AWS_")).map(|(key, value)| (key.to_ascii_lowercase(), value));
        let (store, root) = if parsed.scheme() == "s3" { s3(&parsed, credentials) } else { parse_url_opts(&parsed, credentials) }
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self { store: store.into(), below: root.join(group_id).join(topic), keep: keep.max(1) })
    }

    fn directory(&self, partition: i32) -> Path {
        self.below.clone().join(partition.to_string())
    }

    fn path(&self, partition: i32, lineage: Lineage, name: SnapshotName) -> Path {
        self.directory(partition).join(lineage.to_string()).join(name.to_string())
    }

    /// Stores a snapshot.
    pub async fn put(&self, partition: i32, lineage: Lineage, name: SnapshotName, state: Vec<u8>) -> Result<(), SnapshotError> {
        let path = self.path(partition, lineage, name);
        self.store.put(&path, framed(state)).await.map_err(|error| self.failed("write", error))?;
        Ok(())
    }

    /// The snapshots of a partition and lineage, oldest first.
    pub async fn list(&self, partition: i32, lineage: Lineage) -> Result<Vec<SnapshotName>, SnapshotError> {
        let directory = self.directory(partition).join(lineage.to_string());
        let objects: Vec<_> = self.store.list(Some(&directory)).try_collect().await.map_err(|error| self.failed("list", error))?;
        let mut names: Vec<SnapshotName> = objects.iter().filter_map(|object| SnapshotName::parse(object.location.filename()?)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Whether there is any snapshot of a partition, of whatever lineage, that was taken after a commit. The one that a lineage begins
    /// with says nothing: a crash may have come before the first commit.
    pub async fn any_history(&self, partition: i32) -> Result<bool, SnapshotError> {
        let directory = self.directory(partition);
        let mut objects = self.store.list(Some(&directory));
        while let Some(object) = objects.try_next().await.map_err(|error| self.failed("list", error))? {
            if object.location.filename().and_then(SnapshotName::parse).is_some_and(|name| name.sequence > 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The state in a snapshot, verified.
    pub async fn get(&self, partition: i32, lineage: Lineage, name: SnapshotName) -> Result<Vec<u8>, SnapshotError> {
        let path = self.path(partition, lineage, name);
        self.read(&path).await?.map_err(|reason| SnapshotError::Damaged { name, reason })
    }

    /// Removes what is older than the newest `keep` snapshots of a partition and lineage.
    pub async fn prune(&self, partition: i32, lineage: Lineage) -> Result<(), SnapshotError> {
        let names = self.list(partition, lineage).await?;
        for name in &names[..names.len().saturating_sub(self.keep)] {
            let path = self.path(partition, lineage, *name);
            self.store.delete(&path).await.map_err(|error| self.failed("remove", error))?;
        }
        Ok(())
    }

    fn kept(&self, name: &KeptName) -> Path {
        self.below.clone().join("kept").join(name.0.as_str())
    }

    /// Keeps a state of a partition under a name, until somebody removes the object.
    pub async fn keep(&self, name: &KeptName, partition: i32, state: Vec<u8>) -> Result<(), SnapshotError> {
        let path = self.kept(name).join(partition.to_string());
        self.store.put(&path, framed(state)).await.map_err(|error| self.failed("write", error))?;
        Ok(())
    }

    /// The partitions of which a state is kept under a name, ascending.
    pub async fn kept_partitions(&self, name: &KeptName) -> Result<Vec<i32>, SnapshotError> {
        let objects: Vec<_> = self.store.list(Some(&self.kept(name))).try_collect().await.map_err(|error| self.failed("list", error))?;
        let mut partitions: Vec<i32> = objects.iter().filter_map(|object| object.location.filename()?.parse().ok()).collect();
        partitions.sort_unstable();
        Ok(partitions)
    }

    /// The state of a partition that is kept under a name, verified.
    pub async fn get_kept(&self, name: &KeptName, partition: i32) -> Result<Vec<u8>, SnapshotError> {
        let path = self.kept(name).join(partition.to_string());
        self.read(&path).await?.map_err(|reason| SnapshotError::DamagedKept { name: name.clone(), partition, reason })
    }

    /// The state in an object, or what is wrong with it.
    async fn read(&self, path: &Path) -> Result<Result<Vec<u8>, &'static str>, SnapshotError> {
        let found = self.store.get(path).await.map_err(|error| self.failed("read", error))?;
        let object = found.bytes().await.map_err(|error| self.failed("read", error))?;
        Ok(verified(&object).map(<[u8]>::to_vec))
    }

    fn failed(&self, attempted: &'static str, reason: object_store::Error) -> SnapshotError {
        SnapshotError::Store { attempted, store: self.store.to_string(), reason: Box::new(reason) }
    }
}

/// A bucket, with the region, endpoint and credentials of the usual variables. A store that is away is told after some seconds, and not, as the
/// library would, after some minutes: records go on meanwhile, and the next snapshot is tried soon.
fn s3(url: &Url, options: impl Iterator<Item = (String, String)>) -> object_store::Result<(Box<dyn ObjectStore>, Path)> {
    let retry = RetryConfig { max_retries: 3, retry_timeout: RETRY, ..RetryConfig::default() };
    let builder = AmazonS3Builder::new().with_url(url.as_str()).with_retry(retry);
    let known = options.filter_map(|(key, value)| Some((key.parse::<AmazonS3ConfigKey>().ok()?, value)));
    let store = known.fold(builder, |builder, (key, value)| builder.with_config(key, value)).build()?;
    Ok((Box::new(store), Path::parse(url.path())?))
}

/// The URL of a directory, which is made.
fn directory(path: &str) -> Result<Url, String> {
    std::fs::create_dir_all(path).map_err(|error| error.to_string())?;
    let absolute = std::fs::canonicalize(path).map_err(|error| error.to_string())?;
    Url::from_directory_path(&absolute).map_err(|()| format!("{} is no directory", absolute.display()))
}

/// A state with its mark and checksum; not copied, for it is most of what is sent.
fn framed(state: Vec<u8>) -> PutPayload {
    let mut crc = crc32fast::Hasher::new();
    crc.update(MARK);
    crc.update(&state);
    let mut object = PutPayloadMut::new();
    object.extend_from_slice(MARK);
    object.push(state.into());
    object.extend_from_slice(&crc.finalize().to_le_bytes());
    object.freeze()
}

/// The state in an object, if its mark and checksum are right.
fn verified(object: &[u8]) -> Result<&[u8], &'static str> {
    let (content, crc) = object.split_last_chunk::<CRC_BYTES>().ok_or("it is too short")?;
    if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
        return Err("its checksum is wrong");
    }
    content.strip_prefix(MARK).ok_or("it is of another format")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEAGE: Lineage = Lineage::from_bytes([7; 16]);

    fn name(offset: i64, sequence: u64) -> SnapshotName {
        SnapshotName { offset, sequence }
    }

    fn open(dir: &std::path::Path) -> Snapshots {
        Snapshots::open(&dir.join("state").display().to_string(), "group", "events", 2).expect("opened")
    }

    #[test]
    fn names_sort_as_they_are_counted() {
        let names = [name(9, 1), name(10, 0), name(10, 2), name(1_000_000_000_000, 0)];
        assert!(names.windows(2).all(|pair| pair[0] < pair[1] && pair[0].to_string() < pair[1].to_string()));
        assert!(names.iter().all(|one| SnapshotName::parse(&one.to_string()) == Some(*one)));
        assert_eq!(SnapshotName::parse("x-1"), None);
    }

    #[tokio::test]
    async fn the_newest_snapshots_are_kept_and_come_back_as_they_were() {
        let dir = tempfile::tempdir().expect("a directory");
        let snapshots = open(dir.path());
        snapshots.put(3, LINEAGE, name(5, 0), b"nothing yet".to_vec()).await.expect("put");
        assert!(!snapshots.any_history(3).await.expect("listed"), "before the first commit there is no history");
        for offset in [5, 50, 500] {
            snapshots.put(3, LINEAGE, name(offset, 1), format!("state {offset}").into_bytes()).await.expect("put");
        }
        snapshots.prune(3, LINEAGE).await.expect("pruned");
        assert!(snapshots.any_history(3).await.expect("listed"));
        assert!(!snapshots.any_history(4).await.expect("listed"));
        assert_eq!(snapshots.list(3, LINEAGE).await.expect("listed"), [name(50, 1), name(500, 1)]);
        assert_eq!(snapshots.list(3, Lineage::from_bytes([8; 16])).await.expect("listed"), []);
        assert_eq!(snapshots.get(3, LINEAGE, name(500, 1)).await.expect("read"), b"state 500");
    }

    #[tokio::test]
    async fn a_damaged_snapshot_is_found_out() {
        let dir = tempfile::tempdir().expect("a directory");
        let snapshots = open(dir.path());
        snapshots.put(0, LINEAGE, name(1, 1), b"state".to_vec()).await.expect("put");
        let file = dir.path().join("state/group/events/0").join(LINEAGE.to_string()).join(name(1, 1).to_string());
        let whole = std::fs::read(&file).expect("read");
        let mut flipped = whole.clone();
        flipped[9] ^= 1;
        for damaged in [&flipped[..], &whole[..whole.len() - 1], &[]] {
            std::fs::write(&file, damaged).expect("written");
            let error = snapshots.get(0, LINEAGE, name(1, 1)).await.expect_err("damaged");
            assert!(matches!(error, SnapshotError::Damaged { .. }), "{error}");
        }
    }

    #[test]
    fn a_url_that_is_no_store_is_named() {
        let error = Snapshots::open("gopher://x", "g", "t", 1).expect_err("no such store");
        assert!(error.to_string().contains("gopher://x"), "{error}");
    }
}
