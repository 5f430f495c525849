//! Snapshots as each version of the format wrote them: what this version writes it reads, and what others wrote it names.
//!
//! `UPDATE_GOLDEN=1` writes the file of this version, when the version is new.

use std::path::PathBuf;
use std::sync::Arc;

use stickiness::config::Settings;
use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::io::generate::{Generator, GeneratorSettings};
use stickiness::model::event::{Event, EventType, Facts};
use stickiness::model::time::{Calendar, EventTime};
use stickiness::wire::records;
use stickiness::wire::snapshot::{self, Head, SnapshotError, VERSION};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/snapshots")
}

/// An engine that has counted nothing yet, and events of all kinds.
pub(crate) fn beginning() -> (PartitionEngine, Vec<Event<'static>>) {
    let settings = Settings::read("[breakdowns]\nproperties = [\"channel\"]", []).expect("valid");
    let calendar = Arc::new(Calendar::new("UTC").expect("a zone"));
    let engine = PartitionEngine::new(settings.engine.clone(), Placement::ALONE, calendar, [7; 16]);
    let more = GeneratorSettings { events: 2_000, users: 40, merge_share: 0.01, delete_share: 0.005, ..GeneratorSettings::default() };
    let decoder = settings.decoder();
    let events = Generator::new(more).expect("settings in their ranges");
    let all = events.filter_map(|event| decoder.decode_json(event.json().as_bytes()).ok().map(Event::into_owned));
    (engine, all.collect())
}

/// An engine that has counted some events of all kinds, and is closing a day.
fn engine() -> PartitionEngine {
    let (mut engine, events) = beginning();
    engine.close_in_pieces();
    for event in &events {
        engine.handle(event, None);
    }
    assert!(engine.close_position().is_some());
    engine
}

fn head() -> Head {
    let lineage = "0123456789abcdef0123456789abcdef".to_owned();
    Head { version: VERSION, lineage, topic: "events".to_owned(), partition: 0, partitions: 1, offset: 2_000, users: 40 }
}

/// The profiles of all users, as JSON, sorted.
fn profiles(engine: &PartitionEngine) -> Vec<String> {
    let day = engine.newest_day().expect("a day");
    let mut profiles: Vec<String> = engine.profiles_on(day).map(|profile| records::profile(&profile).to_string()).collect();
    profiles.sort();
    profiles
}

#[test]
fn a_snapshot_of_this_version_is_read_as_it_was_written() {
    let path = directory().join(format!("v{VERSION}.snapshot"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !path.exists() {
        std::fs::create_dir_all(directory()).expect("made");
        std::fs::write(&path, snapshot::encode(&head(), engine().state()).expect("encoded")).expect("written");
    }
    let bytes = std::fs::read(&path).expect("the golden file of this version: write it with UPDATE_GOLDEN=1, and keep those of others");
    let (read, engine_read) =
        snapshot::decode(&bytes, |zone| Calendar::new(zone).map(Arc::new)).expect("readable: a change of a state type is a new VERSION");
    assert_eq!(read, head());
    assert_eq!(profiles(&engine_read), profiles(&engine()));
}

/// States are compressed a mebibyte at a time.
#[test]
fn a_large_state_is_read_as_it_was_written() {
    let (mut engine, _) = beginning();
    let (kind, time, facts) = (EventType::Activity, EventTime::from_millis(0), Facts::None);
    for number in 0..12_000 {
        let event =
            Event { user_id: format!("{number:0200}").into(), event_id: "".into(), kind, time, facts: facts.clone(), breakdowns: vec![] };
        engine.handle(&event, None);
    }
    let plain = postcard::to_stdvec(engine.state()).expect("written");
    assert!(plain.len() > 2 << 20, "{}", plain.len());
    let bytes = snapshot::encode(&head(), engine.state()).expect("encoded");
    let (_, read) = snapshot::decode(&bytes, |zone| Calendar::new(zone).map(Arc::new)).expect("readable");
    assert!(postcard::to_stdvec(read.state()).expect("written") == plain);
}

#[test]
fn a_snapshot_of_another_version_is_told_by_its_number() {
    let mut others = 0;
    for entry in std::fs::read_dir(directory()).expect("listed") {
        let path = entry.expect("read").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let version: u32 = name.strip_prefix('v').and_then(|number| number.parse().ok()).expect("vN.snapshot");
        if version != VERSION {
            let read = snapshot::decode(&std::fs::read(&path).expect("read"), |zone| Calendar::new(zone).map(Arc::new));
            assert!(matches!(read, Err(SnapshotError::Version { found }) if found == version), "{}", path.display());
            others += 1;
        }
    }
    assert_eq!(others, VERSION - 1, "a file of each version before this one");
}
