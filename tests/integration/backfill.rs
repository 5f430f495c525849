//! History goes into the log before live events do, each record once whatever happens to the process, and is counted with them as one history.

mod seam;
mod writing;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use jiff::Timestamp;
use serde_json::Value;
use stickiness::io::generate::{CSV_HEADER, Generated, Generator, GeneratorSettings};
use stickiness::model::time::Day;

use crate::support::process::Group;

/// Settings of all groups. No model is refitted: which day takes a new one is no function of the events, and a replay refits none.
const MORE: &str = "time.idle_after = \"1d\"\nworkers.threads = 2\nbreakdowns.properties = [\"channel\", \"plan\"]\nchurn.refit = false";

/// Runs `backfill`, which ends or waits at a place if one is named.
fn backfill(group: &Group, arguments: &[&str], failpoint: &str) -> Output {
    let mut command = group.command("backfill");
    command.args(arguments).env("STICKINESS_FAILPOINT", failpoint).output().expect("run")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What it printed, when it did its work.
fn done(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn assert_refused(output: &Output, reason: &str) {
    assert!(output.status.code() == Some(1) && said(output).contains(reason), "{:?}: {}", output.status, said(output));
}

fn assert_crashed(output: &Output, failpoint: &str) {
    assert!(output.status.code().is_none(), "{failpoint} is a crash, not {:?}: {}", output.status, said(output));
}

/// Generated events, those of the past and those of now.
struct Events {
    past: Vec<Generated>,
    live: Vec<Generated>,
}

impl Events {
    /// Events of some hundred users, which are live from the day `seam` on; each part by time.
    fn generate(settings: GeneratorSettings, seam: &str) -> Self {
        let time = |event: &Generated| {
            let parsed: Option<Value> = serde_json::from_str(&event.json()).ok();
            parsed.and_then(|event| event["timestamp"].as_str()?.parse::<Timestamp>().ok()).unwrap_or(Timestamp::MIN)
        };
        let seam: Timestamp = format!("{seam}T00:00:00Z").parse().expect("a day");
        let mut events: Vec<(Timestamp, Generated)> =
            Generator::new(settings).expect("settings").map(|event| (time(&event), event)).collect();
        events.sort_by_key(|(time, _)| *time);
        let at = events.partition_point(|(time, _)| *time < seam);
        let mut past: Vec<Generated> = events.into_iter().map(|(_, event)| event).collect();
        let live = past.split_off(at);
        Self { past, live }
    }

    fn settings() -> GeneratorSettings {
        GeneratorSettings {
            events: 30_000,
            users: 300,
            days: 120,
            start: Day::parse("2025-01-01").expect("a day"),
            late_share: 0.0,
            duplicate_share: 0.02,
            poison_share: 0.003,
            merge_share: 0.0,
            delete_share: 0.001,
            seed: 7,
            ..GeneratorSettings::default()
        }
    }

    /// The past in three files of different kinds, in no order, then the live events in one. Returns the paths.
    fn write(&self, group: &Group) -> [PathBuf; 4] {
        let count = self.past.len();
        let scrambled = (0..count).map(|index| &self.past[index * 7_919 % count]);
        // A row that is no row may take those after it with it, in ways that are not of interest here.
        let (rows, json): (Vec<_>, Vec<_>) = scrambled.enumerate().partition(|(index, event)| index % 2 == 0 && !event.is_poison());
        let [rows, json] = [rows, json].map(|half| half.into_iter().map(|(_, event)| event).collect::<Vec<&Generated>>());
        let (first, second) = json.split_at(json.len() / 2);
        let lines = |events: &[&Generated]| events.iter().map(|event| event.json() + "\n").collect::<String>();
        let paths = ["old-1.ndjson.zst", "old-2.ndjson", "old-3.csv", "live.ndjson"].map(|name| group.path(name));
        fs::write(&paths[0], zstd::encode_all(lines(first).as_bytes(), 1).expect("memory")).expect("written");
        fs::write(&paths[1], lines(second)).expect("written");
        let rows: String = rows.iter().map(|event| event.csv() + "\n").collect();
        fs::write(&paths[2], format!("{CSV_HEADER}\n{rows}")).expect("written");
        fs::write(&paths[3], lines(&self.live.iter().collect::<Vec<_>>())).expect("written");
        paths
    }
}

fn texts(paths: &[PathBuf]) -> Vec<&str> {
    paths.iter().map(|path| path.to_str().expect("UTF-8")).collect()
}
