//! The readers.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use stickiness::config::Settings;
use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::engine::settings::EngineSettings;
use stickiness::io::generate::{Generator, GeneratorSettings};
use stickiness::io::kafka::metadata::CommitMetadata;
use stickiness::model::time::Calendar;
use stickiness::wire::csv::Header;
use stickiness::wire::decode::Decoder;
use stickiness::wire::envelope::{Envelope, Forwarded};
use stickiness::wire::partials::{self, Told};
use stickiness::wire::snapshot;

/// A reader, what it is given, and what it may take.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) corpus: fn() -> Vec<Vec<u8>>,
    /// Pieces that mean something to it.
    pub(crate) tokens: &'static [&'static [u8]],
    /// What makes a mutation pass the first gate, such as a checksum.
    pub(crate) finish: fn(Vec<u8>) -> Vec<u8>,
    pub(crate) read: fn(&[u8]),
    /// Bytes of memory that it may take for a byte of input.
    pub(crate) multiple: f64,
    /// How many times fewer mutations it is given than the fastest.
    pub(crate) weight: u64,
}

const JSON: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"null",
    b"true",
    b"-0",
    b"1e400",
    b"-1e-400",
    b"0.0000001",
    b"99999999999999999999",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00",
    b"\\",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\"properties\":",
    b"\"lines\":[",
    b"\"user_id\":",
    b"\"timestamp\":\"0001-01-01T00:00:00Z\"",
    b"\"timestamp\":\"9999-12-31T23:59:60Z\"",
    b"\"timestamp\":-9223372036854775808",
    b"\"amount\":\"1e5\"",
    b"[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":",
];
const CSV: &[&[u8]] = &[b",", b"\"", b"\"\"", b"\n", b"\r\n", b";", b"\t", b"\x00", b"\xff", b"1e400", b"2026-01-01T00:00:00Z"];
const TOML: &[&[u8]] = &[
    b"[",
    b"]",
    b"[[",
    b"]]",
    b"=",
    b"\"",
    b"'''",
    b"\n",
    b"#",
    b"1979-05-27",
    b"inf",
    b"nan",
    b"-1",
    b"99999999999999999999",
    b"\"-5min\"",
    b"\"9999999999999d\"",
    b"[kafka]\n",
    b"[breakdowns.values]\n",
    b"[input.fields]\n",
    b"{",
    b"}",
    b"a.b.c.d",
    b"true",
    b"\xff",
];

pub(crate) fn all() -> Vec<Target> {
    vec![
        Target { name: "json", corpus: events, tokens: JSON, finish: same, read: read_json, multiple: 32.0, weight: 1 },
        Target { name: "mapped json", corpus: events, tokens: JSON, finish: same, read: read_mapped, multiple: 32.0, weight: 1 },
        Target { name: "csv", corpus: rows, tokens: CSV, finish: same, read: read_csv, multiple: 256.0, weight: 1 },
        Target { name: "envelope", corpus: envelopes, tokens: &[], finish: same, read: read_envelope, multiple: 512.0, weight: 1 },
        Target { name: "partials", corpus: told, tokens: &[], finish: same, read: read_partial, multiple: 64.0, weight: 1 },
        Target { name: "snapshot", corpus: snapshots, tokens: &[], finish: same, read: read_snapshot, multiple: 4_096.0, weight: 20 },
        Target {
            name: "snapshot body",
            corpus: snapshots,
            tokens: &[],
            finish: signed,
            read: read_snapshot,
            multiple: 4_096.0,
            weight: 40,
        },
        Target { name: "state", corpus: states, tokens: &[], finish: wrapped, read: read_snapshot, multiple: 4_096.0, weight: 40 },
        Target { name: "commit metadata", corpus: commits, tokens: JSON, finish: same, read: read_commit, multiple: 64.0, weight: 1 },
        Target { name: "settings", corpus: settings, tokens: TOML, finish: same, read: read_settings, multiple: 2_048.0, weight: 20 },
    ]
}

fn same(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

/// The files of a corpus.
fn files(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut paths: Vec<_> = std::fs::read_dir(dir).expect("listed").map(|entry| entry.expect("read").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("read")).collect()
}

fn generator(events: u64) -> Generator {
    let settings =
        GeneratorSettings { events, users: 30, poison_share: 0.1, merge_share: 0.05, delete_share: 0.02, ..GeneratorSettings::default() };
    Generator::new(settings).expect("settings in their ranges")
}

fn events() -> Vec<Vec<u8>> {
    generator(200).map(|event| event.json().clone().into_bytes()).chain(files("json")).collect()
}

/// A decoder under the settings of a text.
fn decoder(settings: &str) -> Decoder {
    Settings::read(settings, []).expect("valid").decoder()
}

fn read_json(bytes: &[u8]) {
    static PLAIN: LazyLock<Decoder> = LazyLock::new(|| decoder(""));
    drop(PLAIN.decode_json(bytes));
}

fn read_mapped(bytes: &[u8]) {
    const MAPPING: &str = "[input]\ntimestamp_unit = \"s\"\n[input.fields]\nuser_id = \"/properties/plan\"\nproperties = \"\"\n[input.types]\n\
        default = \"activity\"\n[input.properties]\namount = \"/properties/amount\"\n[breakdowns]\nproperties = [\"country\", \"name\"]";
    static MAPPED: LazyLock<Decoder> = LazyLock::new(|| decoder(MAPPING));
    drop(MAPPED.decode_json_line(bytes));
}

fn rows() -> Vec<Vec<u8>> {
    let header = stickiness::io::generate::CSV_HEADER;
    generator(100).map(|event| format!("{header}\n{}", event.csv()).into_bytes()).chain(files("csv")).collect()
}

/// A header, and a row under it.
fn read_csv(bytes: &[u8]) {
    static ROWS: LazyLock<Decoder> = LazyLock::new(|| decoder("[input]\nformat = \"csv\""));
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let Ok(header) = Header::parse(&bytes[..at]) else { return };
    drop(ROWS.decode_row(&header, bytes.get(at + 1..).unwrap_or_default()));
}

/// Engines of two partitions that have counted some events, users of one having moved to the other.
fn engines(mut each: impl FnMut(&mut PartitionEngine)) {
    let settings = Settings::read("[breakdowns]\nproperties = [\"channel\"]", []).expect("valid");
    let calendar = Arc::new(Calendar::new("UTC").expect("a zone"));
    for partition in 0..2 {
        let placement = Placement { partition, partitions: 2, transfers: true };
        let engine_settings: EngineSettings = settings.engine.clone();
        let mut engine = PartitionEngine::new(engine_settings, placement, Arc::clone(&calendar), [7; 16]);
        engine.close_in_pieces();
        for event in generator(600) {
            if let Ok(event) = settings.decoder().decode_json(event.json().as_bytes()) {
                engine.handle(&event, None);
            }
        }
        each(&mut engine);
    }
}

fn envelopes() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    engines(|engine| {
        for effect in engine.drain_effects() {
            if let stickiness::engine::effect::Effect::Transfer { transfer, .. } = effect {
                found.push(Envelope::Transfer(transfer).encode().expect("encodes"));
            }
        }
    });
    assert!(!found.is_empty(), "users move");
    let value = br#"{"user_id":"u","type":"activity","timestamp":0}"#;
    let event = Forwarded { topic: "events", partition: 3, offset: 42, key: Some(b"k"), value, passed_on: true };
    found.push(Envelope::Event(event).encode().expect("encodes"));
    found
}

fn read_envelope(bytes: &[u8]) {
    drop(Envelope::decode(bytes));
}

fn told() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    engines(|engine| {
        let partials = engine.take_partials().into_iter().take(60);
        found.extend(partials.map(|partial| partials::encode(&Told { lineage: "0".repeat(32), partial }).expect("encodes")));
    });
    found
}

fn read_partial(bytes: &[u8]) {
    drop(partials::decode(bytes));
}

fn snapshots() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    engines(|engine| {
        let head = snapshot::Head {
            version: snapshot::VERSION,
            lineage: "0".repeat(32),
            topic: "events".to_owned(),
            partition: 0,
            partitions: 2,
            offset: 600,
            users: 30,
        };
        found.push(snapshot::encode(&head, engine.state()).expect("encodes"));
    });
    found
}

fn read_snapshot(bytes: &[u8]) {
    drop(snapshot::decode(bytes, |zone| Calendar::new(zone).map(Arc::new)));
}

/// The checksum made anew, so that what is behind it is read.
fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len().saturating_sub(4));
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The states inside snapshots, decompressed.
fn states() -> Vec<Vec<u8>> {
    let body = |snapshot: Vec<u8>| {
        let (_, body) = snapshot::open(&snapshot).expect("whole");
        zstd::decode_all(body).expect("compressed")
    };
    snapshots().into_iter().map(body).collect()
}

/// A state as the snapshot that would hold it.
#[expect(clippy::needless_pass_by_value, reason = "targets are finished by value")]
fn wrapped(state: Vec<u8>) -> Vec<u8> {
    let head =
        format!(r#"{{"version":{},"lineage":"","topic":"events","partition":0,"partitions":2,"offset":0,"users":0}}"#, snapshot::VERSION);
    let mut bytes = b"STKSNAP1".to_vec();
    bytes.extend(u32::try_from(head.len()).expect("short").to_le_bytes());
    bytes.extend(head.as_bytes());
    bytes.extend(zstd::encode_all(&*state, 1).expect("compressed"));
    bytes.extend([0; 4]);
    signed(bytes)
}

fn commits() -> Vec<Vec<u8>> {
    files("commit")
}

fn read_commit(bytes: &[u8]) {
    drop(CommitMetadata::parse(&String::from_utf8_lossy(bytes)));
}

fn settings() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = files("settings");
    for file in ["config/stickiness.toml", "config/examples/cdnow.toml", "tests/data/settings/mistakes.toml"] {
        found.push(std::fs::read(root.join(file)).expect("read"));
    }
    found
}

fn read_settings(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let variable = ("STICKINESS__KAFKA__INPUTS".to_owned(), text.chars().take(200).collect());
    drop(Settings::read(&text, [variable]));
}
