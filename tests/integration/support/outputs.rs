//! What a group has published, in the form in which it must equal another's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::records::{Output, read_committed};

/// What a group has published.
#[derive(Debug, PartialEq)]
pub(crate) struct Outputs {
    /// The last record of each key, without its revision.
    pub(crate) metrics: BTreeMap<String, Value>,
    /// Every record, by user, in order.
    pub(crate) transitions: BTreeMap<String, Vec<String>>,
    /// Every churn-risk record, by user, in order.
    pub(crate) risks: BTreeMap<String, Vec<String>>,
    /// Every alert record, by fingerprint, in order.
    pub(crate) alerts: BTreeMap<String, Vec<String>>,
    /// The last record of each user.
    pub(crate) profiles: BTreeMap<String, Option<String>>,
    /// Every record, with key, headers and bytes, sorted: each input partition is in order by itself.
    pub(crate) dead: Vec<Dead>,
}

/// Key, value and headers of a dead letter.
pub(crate) type Dead = (Option<String>, Option<Vec<u8>>, Vec<(String, Vec<u8>)>);

impl Outputs {
    /// Reads everything that the group has committed.
    pub(crate) fn read(bootstrap: &str, group: &str) -> Self {
        let read = |topic: &str| read_committed(bootstrap, &format!("{group}-{topic}"));
        let by_key = |topic: &str| {
            let mut records = BTreeMap::<String, Vec<String>>::new();
            for output in read(topic) {
                records.entry(key(&output)).or_default().push(output.text().to_owned());
            }
            records
        };
        let (transitions, risks, alerts) = (by_key("transitions"), by_key("churn-risk"), by_key("alerts"));
        let profile = |output: Output| (key(&output), output.value.map(|value| String::from_utf8(value).expect("text")));
        let mut dead: Vec<Dead> = read("dead").into_iter().map(|output| (output.key, output.value, output.headers)).collect();
        dead.sort();
        let profiles = read("profiles").into_iter().map(profile).collect();
        Self { metrics: metrics(bootstrap, group), transitions, risks, alerts, profiles, dead }
    }

    /// Fails with the first difference.
    pub(crate) fn assert_equals(&self, other: &Self) {
        assert_same(&self.metrics, &other.metrics);
        assert_same(&self.transitions, &other.transitions);
        assert_same(&self.risks, &other.risks);
        assert_same(&self.alerts, &other.alerts);
        assert_same(&self.profiles, &other.profiles);
        let differs = self.dead.iter().zip(&other.dead).find(|(one, other)| one != other);
        assert!(differs.is_none(), "{differs:?}");
        assert_eq!(self.dead.len(), other.dead.len(), "dead letters");
    }
}

fn key(output: &Output) -> String {
    output.key.clone().unwrap_or_default()
}

/// Fails with the first key at which two maps differ.
pub(crate) fn assert_same<T: PartialEq + std::fmt::Debug>(one: &BTreeMap<String, T>, other: &BTreeMap<String, T>) {
    let differs = one.iter().find(|(key, value)| other.get(*key) != Some(value));
    if let Some((key, value)) = differs {
        panic!("{key:?} differs:\n{}", different_lines(value, other.get(key)));
    }
    let missing: Vec<&String> = other.keys().filter(|key| !one.contains_key(*key)).take(5).collect();
    assert!(missing.is_empty(), "only the other has {missing:?}");
}

/// What differs of two values, line by line as they are printed: a record is long, and reports of failures are cut short.
fn different_lines<T: std::fmt::Debug>(one: &T, other: Option<&T>) -> String {
    let Some(other) = other else { return format!("{one:#?}\nis not there to the other") };
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let differ = one.lines().zip(other.lines()).filter(|(one, other)| one != other);
    differ.map(|(one, other)| format!("{} | {}", one.trim(), other.trim())).collect::<Vec<_>>().join("\n")
}

/// The last metrics of each key, without their revisions.
pub(crate) fn metrics(bootstrap: &str, group: &str) -> BTreeMap<String, Value> {
    let published = read_committed(bootstrap, &format!("{group}-metrics"));
    let records = published.iter().map(|output| serde_json::from_str::<Value>(output.text()).expect("JSON"));
    records
        .map(|mut record| {
            record["revision"] = Value::Null;
            (format!("{}|{}", record["segment"].as_str().expect("text"), record["day"].as_str().expect("text")), record)
        })
        .collect()
}

/// What the batches of a partition's log say of themselves.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    /// Batches of records that are part of a transaction.
    pub(crate) transactional: u64,
    /// Batches of records that are not.
    pub(crate) plain: u64,
    /// Markers that end a transaction by a commit.
    pub(crate) commits: u64,
    /// Markers that end a transaction by an abort.
    pub(crate) aborts: u64,
}

impl Batches {
    /// Counts the batches in the segment files below a directory of the broker's log, such as `TOPIC-0`.
    pub(crate) fn count(directory: &Path) -> Self {
        let mut counted = Self::default();
        for entry in fs::read_dir(directory).expect("listed") {
            let path = entry.expect("read").path();
            if path.extension().is_some_and(|extension| extension == "log") {
                counted.add(&fs::read(path).expect("read"));
            }
        }
        counted
    }

    /// A batch begins with base offset (8), length of the rest (4), epoch (4), magic (1), checksum (4) and attributes (2).
    /// Of these, bit 4 says transactional, bit 5 control; a control record's key holds version (2) and type (2).
    fn add(&mut self, mut log: &[u8]) {
        while let Some((head, rest)) = log.split_first_chunk::<12>() {
            let length = u32::from_be_bytes(head[8..].try_into().expect("four bytes")) as usize;
            if length == 0 || rest.len() < length {
                return;
            }
            let (batch, others) = rest.split_at(length);
            log = others;
            let attributes = u16::from_be_bytes([batch[9], batch[10]]);
            match (attributes & 0x20 != 0, attributes & 0x10 != 0) {
                (true, _) => self.add_marker(batch),
                (false, true) => self.transactional += 1,
                (false, false) => self.plain += 1,
            }
        }
    }

    /// The one record of a control batch: five varints of a byte each, attributes among them, before its key.
    fn add_marker(&mut self, batch: &[u8]) {
        const RECORDS: usize = 49;
        const KEY: usize = RECORDS + 5;
        match batch.get(KEY + 3) {
            Some(1) => self.commits += 1,
            Some(0) => self.aborts += 1,
            other => panic!("a marker of unknown type {other:?}: {batch:?}"),
        }
    }
}
