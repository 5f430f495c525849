//! `stickiness generate`: synthetic events, for load tests and first steps.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use super::{Failure, is_over};
use crate::io::clock::Stopwatch;
use crate::io::files::LineFile;
use crate::io::generate::{CSV_HEADER, Generated, Generator, GeneratorSettings};
use crate::model::time::Day;

/// Longest wait between two looks at the clock, in milliseconds.
const LONGEST_WAIT_MS: u64 = 20;

/// Generate synthetic events of users with habits: the same seed gives the same bytes
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stickiness generate --events 100000 --users 5000 --days 120 --output events.ndjson
  stickiness generate --rate 500 --duration 60 | kcat -P -b localhost:9092 -t events

Records that come from a pipe have no key: read them with kafka.repartition = true.")]
pub(super) struct GenerateArguments {
    /// Count of records
    #[arg(long, default_value_t = 10_000, conflicts_with = "rate")]
    events: u64,
    /// Records a second, by the clock, for as long as --duration says
    #[arg(long, requires = "duration", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Seconds of --rate
    #[arg(long, requires = "rate", value_name = "SECONDS")]
    duration: Option<u32>,
    /// Count of users
    #[arg(long, default_value_t = 1_000)]
    users: u32,
    /// Days that the events happen on
    #[arg(long, default_value_t = 90)]
    days: u16,
    /// The first of these days
    #[arg(long, default_value = "2024-01-01", value_name = "DAY", value_parser = day)]
    start: Day,
    /// How unequal the users' shares are: Zipf's exponent, 0 to 5
    #[arg(long, default_value_t = 0.8)]
    skew: f64,
    /// Share of records that arrive an hour to --late-days after they happened
    #[arg(long, default_value_t = 0.02)]
    late_share: f64,
    /// Most days of lateness
    #[arg(long, default_value_t = 7)]
    late_days: u16,
    /// Share of records that repeat an earlier event
    #[arg(long, default_value_t = 0.01)]
    duplicate_share: f64,
    /// Share of records that are no events
    #[arg(long, default_value_t = 0.001)]
    poison_share: f64,
    /// Share of `user_merged`
    #[arg(long, default_value_t = 0.0005)]
    merge_share: f64,
    /// Share of `user_deleted`
    #[arg(long, default_value_t = 0.0005)]
    delete_share: f64,
    /// Share of `order_placed`
    #[arg(long, default_value_t = 0.1)]
    order_share: f64,
    /// Share of `order_returned`
    #[arg(long, default_value_t = 0.005)]
    return_share: f64,
    /// Decides everything else
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object a line, or rows under a header
    #[arg(long, value_enum, default_value_t = LineFormat::Ndjson)]
    format: LineFormat,
    /// Write to this file, which is there when it is complete; without it, to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LineFormat {
    Ndjson,
    Csv,
}

impl LineFormat {
    fn line(self, record: &Generated) -> String {
        match self {
            Self::Ndjson => record.json(),
            Self::Csv => record.csv(),
        }
    }
}

/// A day that events can have.
fn day(text: &str) -> Result<Day, String> {
    let years = 1990..2100;
    Day::parse(text)
        .filter(|day| years.contains(&day.date().year()))
        .ok_or_else(|| "must be a day from 1990-01-01 to 2099-12-31".to_owned())
}

impl GenerateArguments {
    fn settings(&self) -> GeneratorSettings {
        let timed = self.rate.zip(self.duration).map(|(rate, seconds)| u64::from(rate) * u64::from(seconds));
        GeneratorSettings {
            events: timed.unwrap_or(self.events),
            users: self.users,
            days: self.days,
            start: self.start,
            skew: self.skew,
            late_share: self.late_share,
            late_days: self.late_days,
            duplicate_share: self.duplicate_share,
            poison_share: self.poison_share,
            merge_share: self.merge_share,
            delete_share: self.delete_share,
            order_share: self.order_share,
            return_share: self.return_share,
            seed: self.seed,
        }
    }
}

pub(super) fn run(arguments: &GenerateArguments) -> Result<(), Failure> {
    let generator = Generator::new(arguments.settings()).map_err(|error| Failure::Usage(anyhow!("{error}")))?;
    let header = (arguments.format == LineFormat::Csv).then(|| CSV_HEADER.to_owned());
    let mut pace = arguments.rate.map(Pace::new);
    let lines = header.into_iter().chain(generator.map(|record| arguments.format.line(&record)));
    match &arguments.output {
        None => to_standard_output(lines, pace.as_mut()),
        Some(path) => {
            let mut file = LineFile::create(path).map_err(Failure::running)?;
            for line in lines {
                pace.iter_mut().for_each(Pace::wait);
                file.write(line.as_bytes()).map_err(Failure::running)?;
            }
            file.finish().map_err(Failure::running)
        }
    }
}

fn to_standard_output(lines: impl Iterator<Item = String>, mut pace: Option<&mut Pace>) -> Result<(), Failure> {
    let mut output = BufWriter::with_capacity(256 * 1024, io::stdout().lock());
    for line in lines {
        if let Some(pace) = pace.as_mut() {
            // What is due must be out before the wait.
            if pace.is_ahead() && is_over(output.flush())? {
                return Ok(());
            }
            pace.wait();
        }
        if is_over(output.write_all(line.as_bytes()).and_then(|()| output.write_all(b"\n")))? {
            return Ok(());
        }
    }
    is_over(output.flush()).map(|_| ())
}

/// Keeps to a count of lines a second.
struct Pace {
    stopwatch: Stopwatch,
    rate: u64,
    lines: u64,
    /// Lines that may be out by now, as of the last look at the clock.
    allowed: u64,
}

impl Pace {
    fn new(rate: u32) -> Self {
        Self { stopwatch: Stopwatch::start(), rate: u64::from(rate), lines: 0, allowed: 0 }
    }

    fn is_ahead(&mut self) -> bool {
        if self.lines >= self.allowed {
            let millis = u64::try_from(self.stopwatch.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.allowed = self.rate.saturating_mul(millis) / 1000;
        }
        self.lines >= self.allowed
    }

    /// Waits until the next line is due.
    fn wait(&mut self) {
        while self.is_ahead() {
            let due = (self.lines + 1).saturating_mul(1000) / self.rate;
            let now = u64::try_from(self.stopwatch.elapsed().as_millis()).unwrap_or(u64::MAX);
            thread::sleep(Duration::from_millis(due.saturating_sub(now).clamp(1, LONGEST_WAIT_MS)));
        }
        self.lines += 1;
    }
}
