//! What else is measured: `replay` over a file, and the peers.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::process::Command;

use serde_json::{Value, json};
use stickiness::io::clock::Stopwatch;

use crate::arguments::Arguments;
use crate::broker::Broker;
use crate::events::Events;
use crate::figures::Figures;
use crate::service::command;
use crate::topics::plan;
use crate::{TOPICS, process};

/// The peers that take part, with the variant of each.
const PEERS: [(&str, &str); 2] = [("kafka-streams", "inmem"), ("flink", "1000")];

/// Replays each topic's events from a file that is in memory, in one partition and in two.
pub(crate) fn replay(arguments: &Arguments, figures: &mut Figures) {
    let directory = tempfile::tempdir().expect("a directory");
    let (settings, input) = (directory.path().join("settings.toml"), directory.path().join("events.ndjson"));
    std::fs::write(&settings, "kafka.inputs = [\"events\"]\n").expect("written");
    for (topic, users) in TOPICS {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&input).expect("a file"));
        let mut line = String::new();
        for drawn in Events::new(plan(arguments.events, users)).take(usize::try_from(arguments.events).expect("memory is larger")) {
            line.clear();
            drawn.write(&mut line);
            line.push('\n');
            file.write_all(line.as_bytes()).expect("written");
        }
        file.flush().expect("written");
        for _ in 0..arguments.runs {
            for partitions in ["1", "2"] {
                let output = directory.path().join("output");
                let mut replay = command("replay");
                replay.arg("--config").arg(&settings).args(["--partitions", partitions]).arg("--output").arg(&output).arg(&input);
                let stopwatch = Stopwatch::start();
                let done = replay.output().expect("ran");
                let seconds = stopwatch.elapsed().as_secs_f64();
                assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
                #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
                let rate = arguments.events as f64 / seconds;
                figures.add(topic, &format!("replay-{partitions}"), json!({"records_per_s": rate, "seconds": seconds, "wall_s": seconds}));
                std::fs::remove_dir_all(&output).expect("removed");
            }
        }
    }
}

/// The turns of the peers, where they are built: see their own description for how.
pub(crate) fn peers(arguments: &Arguments, broker: &Broker, topic: &str, figures: &mut Figures) {
    let Some(directory) = &arguments.peers else { return };
    let bootstrap = broker.bootstrap();
    for (peer, variant) in PEERS {
        if !arguments.wants(&format!("{topic}-{peer}")) {
            continue;
        }
        let raw = crate::raw_rate(&bootstrap, topic, figures);
        let app = format!("peer-{peer}-{topic}-{}", std::process::id());
        let mut run = Command::new(directory.join(peer).join("run.sh"));
        let run = run.args([topic, variant]).env("KAFKA_BOOTSTRAP", &bootstrap).env("APP", &app).output().expect("bash runs");
        let last = String::from_utf8_lossy(&run.stdout).lines().last().map(str::to_owned).unwrap_or_default();
        let Ok(mut result) = serde_json::from_str::<Value>(&last) else {
            eprintln!("{peer} does not run: {}", String::from_utf8_lossy(&run.stderr));
            continue;
        };
        let number = |key: &str| result[key].as_f64();
        let (rate, cpu, peak) = (number("events_per_s"), number("cpu_seconds"), number("peak_rss_mb"));
        let wall = number("wall_s");
        result = json!({
            "records_per_s": rate, "ratio": rate.map(|rate| rate / raw), "cpu_s": cpu, "peak_bytes": peak.map(|peak| peak * 1e6), "wall_s": wall,
            "load_before": process::load(), "said": result,
        });
        figures.add(topic, &format!("{peer}-{variant}"), result);
        crate::topics::remove(&bootstrap, &app);
    }
}
