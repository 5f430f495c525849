//! Results: one JSON object for each, and a table of medians.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::process::load;
use crate::service::Run;

/// Columns of the table, with the key of each figure and what it is divided by.
const COLUMNS: [(&str, &str, f64); 12] = [
    ("k records/s", "records_per_s", 1e3),
    ("of raw", "ratio", 1.0),
    ("CPU s", "cpu_s", 1.0),
    ("us CPU/record", "cpu_us", 1.0),
    ("peak RSS MB", "peak_bytes", 1e6),
    ("B/user", "bytes_a_user", 1.0),
    ("published k", "published", 1e3),
    ("commit p50 ms", "commit_p50_ms", 1.0),
    ("p99", "commit_p99_ms", 1.0),
    ("max", "commit_max_ms", 1.0),
    ("wall s", "wall_s", 1.0),
    ("load", "load", 1.0),
];

/// All that was measured.
pub(crate) struct Figures {
    rows: Vec<Value>,
    output: Option<File>,
}

impl Figures {
    pub(crate) fn new(output: Option<&Path>) -> Self {
        let output = output.map(|path| File::options().create(true).append(true).open(path).expect("a file for results"));
        Self { rows: Vec::new(), output }
    }

    /// Adds a result of `name` on `topic`, tells it, and notes the load of the machine.
    pub(crate) fn add(&mut self, topic: &str, name: &str, mut result: Value) {
        result["topic"] = json!(topic);
        result["name"] = json!(name);
        result["load"] = json!(load());
        println!("{result}");
        if let Some(output) = &mut self.output {
            writeln!(output, "{result}").expect("written");
        }
        self.rows.push(result);
    }

    /// The medians of all runs, as a table in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut by_name: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row["records_per_s"].is_number()) {
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            by_name.entry((text("topic"), text("name"))).or_default().push(row);
        }
        let heads: Vec<&str> = COLUMNS.iter().map(|(head, ..)| *head).collect();
        let mut table = format!("| topic | what | runs | {} |\n|---|---|{}\n", heads.join(" | "), "---|".repeat(COLUMNS.len() + 1));
        for ((topic, name), rows) in by_name {
            let cells: Vec<String> = COLUMNS.iter().map(|(_, key, unit)| cell(&rows, key, *unit)).collect();
            table.extend([format!("| {topic} | {name} | {} | {} |\n", rows.len(), cells.join(" | "))]);
        }
        table
    }
}

/// The median of a figure, and of rates the range.
fn cell(rows: &[&Value], key: &str, unit: f64) -> String {
    let mut found: Vec<f64> = rows.iter().filter_map(|row| row[key].as_f64()).map(|figure| figure / unit).collect();
    found.sort_unstable_by(f64::total_cmp);
    let (Some(first), Some(last)) = (found.first(), found.last()) else { return String::new() };
    let median = found[found.len() / 2];
    match key {
        "records_per_s" => format!("{median:.0} ({first:.0}-{last:.0})"),
        "ratio" => format!("{median:.2} ({first:.2}-{last:.2})"),
        _ if median < 10.0 => format!("{median:.2}"),
        _ => format!("{median:.0}"),
    }
}

/// What a run of the service comes to; `raw` is the rate of the raw consumer before it.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(crate) fn of_run(run: &Run, records: u64, raw: Option<f64>) -> Value {
    let series = |name: &str| series(&run.metrics, name);
    let rate = run.records as f64 / run.seconds;
    let mut result = json!({
        "records": run.records, "seconds": run.seconds, "wall_s": run.wall_s, "records_per_s": rate, "ratio": raw.map(|raw| rate / raw),
        "cpu_s": run.usage.cpu_s, "cpu_us": run.usage.cpu_s * 1e6 / records as f64, "peak_bytes": run.usage.peak_bytes,
        "bytes_a_user": series("stickiness_user_state_bytes"), "published": series("stickiness_published_records_total"),
        "commits": series("stickiness_commits_total"),
    });
    for (key, family) in
        [("commit", "stickiness_commit_duration_quantile_seconds"), ("publish", "stickiness_publish_latency_quantile_seconds")]
    {
        for (name, quantile) in [("p50", "0.5"), ("p99", "0.99"), ("max", "1")] {
            let value = series(&format!("{family}{{q=\"{quantile}\"}}"));
            result[format!("{key}_{name}_ms")] = json!(value.map(|seconds| seconds * 1e3));
        }
    }
    result
}

/// The value of a series.
fn series(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}
