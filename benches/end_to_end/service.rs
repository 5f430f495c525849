//! The service as a process on a topic, watched until it has committed the topic's end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use stickiness::io::clock::Stopwatch;
use stickiness::io::kafka::connection::Isolation;
use stickiness::io::kafka::consumer::GroupConsumer;

use crate::events::breakdown;
use crate::process::{Usage, usage};
use crate::topics::{self, ASK, PARTITIONS, connection};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// What is published of transitions where only what the peers publish is.
const AS_PEERS: &str = "publish.transitions = [\"lifecycle.new\", \"lifecycle.resurrected\", \"loyal\"]\npublish.churn_risk = []\n";

/// How a process is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch<'a> {
    /// The build that is run.
    pub(crate) binary: &'a Path,
    /// A command that is run beside it, with its process id.
    pub(crate) beside: Option<&'a str>,
}

/// A way to run the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) threads: u32,
    /// Whether all transitions and levels of risk are published, or what the peers publish.
    pub(crate) everything: bool,
    pub(crate) exactly_once: bool,
    pub(crate) commit_interval: &'static str,
    /// Partitions of the topic.
    pub(crate) partitions: i32,
    /// Properties that figures are broken down by.
    pub(crate) breakdowns: u32,
}

const COMMON: Variant = Variant {
    name: "",
    threads: 1,
    everything: false,
    exactly_once: true,
    commit_interval: "200ms",
    partitions: PARTITIONS,
    breakdowns: 0,
};

/// What takes turns.
pub(crate) const VARIANTS: [Variant; 6] = [
    Variant { name: "as-peers-1", ..COMMON },
    Variant { name: "as-peers-2", threads: 2, ..COMMON },
    Variant { name: "everything-1", everything: true, ..COMMON },
    Variant { name: "everything-2", everything: true, threads: 2, ..COMMON },
    Variant { name: "at-least-once-1", exactly_once: false, ..COMMON },
    Variant { name: "at-least-once-2", exactly_once: false, threads: 2, ..COMMON },
];

/// What latency is measured with.
pub(crate) const LIVE: Variant = Variant { name: "latency", commit_interval: "100ms", ..COMMON };

/// What costs are measured with, where nothing is changed.
pub(crate) const COSTS: Variant = Variant { name: "costs", ..COMMON };

/// What is known of a run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Records between the first commit that was seen and the end of the topic.
    pub(crate) records: i64,
    /// Seconds between the two.
    pub(crate) seconds: f64,
    /// Seconds from the start of the process to the end of the topic.
    pub(crate) wall_s: f64,
    pub(crate) usage: Usage,
    /// What it told Prometheus at the end.
    pub(crate) metrics: String,
}

/// A process of the service. It does not outlive this value, nor do the topics of its group.
pub(crate) struct Service {
    child: Child,
    group: String,
    bootstrap: String,
    topic: String,
    partitions: i32,
    since: Stopwatch,
    log: PathBuf,
    // Removed with all that is in it.
    _directory: tempfile::TempDir,
}

impl Service {
    /// Starts the service as a group that begins at the start of the topic.
    pub(crate) fn start(bootstrap: &str, topic: &str, variant: Variant, group: &str, launch: Launch<'_>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let settings = directory.path().join("settings.toml");
        fs::write(&settings, settings_of(bootstrap, topic, variant, group, directory.path())).expect("written");
        let made = command("topics").arg("--config").arg(&settings).output().expect("ran");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let log = directory.path().join("log");
        let mut run = command_of(launch.binary, "run");
        run.arg("--config").arg(&settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log).expect("a log"));
        let since = Stopwatch::start();
        let child = run.spawn().expect("started");
        if let Some(beside) = launch.beside {
            let shell = format!("{beside} {}", child.id());
            drop(Command::new("bash").args(["-c", &shell]).env("VARIANT", group).spawn().expect("bash runs"));
        }
        let own = |text: &str| text.to_owned();
        Self {
            child,
            group: own(group),
            bootstrap: own(bootstrap),
            topic: own(topic),
            partitions: variant.partitions,
            since,
            log,
            _directory: directory,
        }
    }

    /// Waits until the group has committed the end of the topic, and says how long that took.
    pub(crate) fn run_to_the_end(&mut self) -> Run {
        let onlooker =
            GroupConsumer::alone(&connection(&self.bootstrap), &self.group, &self.topic, Isolation::Uncommitted).expect("a reader");
        let partitions: Vec<i32> = (0..self.partitions).collect();
        let ends: i64 = partitions.iter().map(|partition| onlooker.watermarks(*partition, ASK).expect("an end").high).sum();
        let mut first = None;
        loop {
            let committed = onlooker.committed(&partitions, ASK).expect("offsets");
            let done: i64 = committed.iter().filter_map(|one| one.offset).sum();
            if done > 0 && first.is_none() {
                first = Some((done, self.since.elapsed()));
            }
            if done >= ends {
                let (wall, usage) = (self.since.elapsed(), usage(self.child.id()));
                let (before, began) = first.unwrap_or_default();
                let seconds = wall.saturating_sub(began).as_secs_f64();
                return Run { records: done - before, seconds, wall_s: wall.as_secs_f64(), usage, metrics: self.metrics() };
            }
            self.assert_runs();
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until all partitions are counted live.
    pub(crate) fn wait_until_live(&mut self) {
        let live = |text: &str| text.lines().filter(|line| line.starts_with("stickiness_partition_live{") && line.ends_with(" 1")).count();
        while live(&self.metrics()) < usize::try_from(self.partitions).expect("small") {
            self.assert_runs();
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it tells Prometheus; nothing while it does not listen.
    pub(crate) fn metrics(&self) -> String {
        self.ask().unwrap_or_default()
    }

    fn ask(&self) -> Option<String> {
        let log = fs::read_to_string(&self.log).ok()?;
        let address = log.lines().find_map(|line| line.split_once("listening address="))?.1.trim().to_owned();
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Ends the process; its topics stay. Nothing that it would do in good order is measured.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    fn assert_runs(&mut self) {
        let ended = self.child.try_wait().expect("asked");
        let log = || fs::read_to_string(&self.log).unwrap_or_default();
        assert!(ended.is_none() && self.since.elapsed() < PATIENCE, "{ended:?} after {:?}\n{}", self.since.elapsed(), log());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
        topics::remove(&self.bootstrap, &self.group);
    }
}

/// The build of the service that belongs to this benchmark.
pub(crate) fn own_binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_stickiness"))
}

/// A command of that build.
pub(crate) fn command(name: &str) -> Command {
    command_of(own_binary(), name)
}

fn command_of(binary: &Path, name: &str) -> Command {
    let mut command = Command::new(binary);
    command.arg(name).env("NO_COLOR", "1");
    command
}

fn settings_of(bootstrap: &str, topic: &str, variant: Variant, group: &str, directory: &Path) -> String {
    let Variant { threads, everything, exactly_once, commit_interval, breakdowns, .. } = variant;
    let guarantee = if exactly_once { "exactly-once" } else { "at-least-once" };
    let published = if everything { "" } else { AS_PEERS };
    let properties: Vec<String> = (0..breakdowns).map(|number| format!("{:?}", breakdown(number))).collect();
    let state = directory.join("state").display().to_string();
    format!(
        "kafka.bootstrap_servers = \"{bootstrap}\"\nkafka.group_id = \"{group}\"\nkafka.inputs = [\"{topic}\"]\n\
         http.listen = \"127.0.0.1:0\"\nworkers.threads = {threads}\nsnapshots.url = {state:?}\nsnapshots.interval = \"4s\"\n\
         delivery.guarantee = \"{guarantee}\"\ndelivery.commit_interval = \"{commit_interval}\"\n{published}breakdowns.properties = [{}]\n\
         topics.metrics = \"{group}-metrics\"\ntopics.transitions = \"{group}-transitions\"\ntopics.churn_risk = \"{group}-churn-risk\"\n\
         topics.alerts = \"{group}-alerts\"\ntopics.profiles = \"{group}-profiles\"\ntopics.dead_letters = \"{group}-dead\"\n",
        properties.join(", ")
    )
}
