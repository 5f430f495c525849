//! What is to be measured.

use std::path::PathBuf;

/// The arguments after `--`.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    /// Events of each topic.
    pub(crate) events: u64,
    /// How often each contender has its turn.
    pub(crate) runs: u32,
    /// What is measured; all when empty. A name stands for all that begin with it.
    pub(crate) only: Vec<String>,
    /// Where the peers are.
    pub(crate) peers: Option<PathBuf>,
    /// Another build of the service, which takes turns with this one.
    pub(crate) against: Option<PathBuf>,
    /// Users of the measurement of memory.
    pub(crate) users: u32,
    /// Where results go as JSON lines, besides standard output.
    pub(crate) output: Option<PathBuf>,
    /// Where the plot of costs goes, as SVG.
    pub(crate) plot: Option<PathBuf>,
    /// A command that is run beside each run of the service with its process id as last argument: a profiler.
    pub(crate) beside: Option<String>,
}

impl Arguments {
    /// Reads what stands after `--`; `Err` is what to tell whoever wrote it.
    pub(crate) fn read(written: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut read = Self {
            events: 8_000_000,
            runs: 3,
            only: Vec::new(),
            peers: None,
            against: None,
            users: 10_000_000,
            output: None,
            plot: None,
            beside: None,
        };
        // What cargo itself passes.
        let mut written = written.filter(|argument| argument != "--bench");
        while let Some(name) = written.next() {
            let value = written.next().ok_or_else(|| format!("{name} wants a value"))?;
            match name.as_str() {
                "--events" => read.events = number(&name, &value)?,
                "--runs" => read.runs = number(&name, &value)?,
                "--only" => read.only.push(value),
                "--peers" => read.peers = Some(value.into()),
                "--against" => read.against = Some(value.into()),
                "--users" => read.users = number(&name, &value)?,
                "--output" => read.output = Some(value.into()),
                "--plot" => read.plot = Some(value.into()),
                "--beside" => read.beside = Some(value),
                _ => return Err(format!("{name} is unknown: see docs/performance.md")),
            }
        }
        Ok(read)
    }

    /// Whether something of this name is to be measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.starts_with(only.as_str()))
    }

    /// Whether anything on this topic is to be measured.
    pub(crate) fn wants_topic(&self, topic: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only.starts_with(topic))
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} wants a number, not {value}"))
}
