//! The service as processes: a group with its topics, settings and state in a directory of its own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stickiness::io::clock::Stopwatch;

use super::records::is_committed;

/// How long a process may take to leave in good order.
const LEAVE: Duration = Duration::from_secs(60);

/// A group of processes that share settings and state. Its output topics are called `GROUP-metrics` and so on.
pub(crate) struct Group {
    pub(crate) name: String,
    /// Variables of its processes.
    pub(crate) environment: Vec<(String, String)>,
    dir: tempfile::TempDir,
    started: AtomicU32,
}

impl Group {
    /// Settings for a group on `inputs`, with `more` after them. HTTP takes a free port, so that processes can be many.
    pub(crate) fn new(bootstrap: &str, name: &str, inputs: &[&str], more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let settings = format!(
            "kafka.bootstrap_servers = \"{bootstrap}\"\nkafka.group_id = \"{name}\"\nkafka.inputs = {inputs:?}\n\
             http.listen = \"127.0.0.1:0\"\nprofiles.publish = true\ndelivery.commit_interval = \"50ms\"\n\
             topics.metrics = \"{name}-metrics\"\ntopics.transitions = \"{name}-transitions\"\n\
             topics.churn_risk = \"{name}-churn-risk\"\ntopics.alerts = \"{name}-alerts\"\n\
             topics.profiles = \"{name}-profiles\"\ntopics.dead_letters = \"{name}-dead\"\n\
             snapshots.url = \"{}\"\n{more}\n",
            dir.path().join("state").display()
        );
        let group = Self { name: name.to_owned(), environment: Vec::new(), dir, started: AtomicU32::new(0) };
        group.write_settings(&settings);
        group
    }

    /// Its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn settings(&self) -> String {
        fs::read_to_string(self.path("settings.toml")).expect("read")
    }

    pub(crate) fn write_settings(&self, settings: &str) {
        fs::write(self.path("settings.toml"), settings).expect("written");
    }

    /// Whether everything in `topics`, inputs or the internal log, is committed. Past the last record there may be markers of transactions.
    pub(crate) fn has_committed_all(&self, bootstrap: &str, topics: &[&str]) -> bool {
        let repartition = self.settings().contains("kafka.repartition = true");
        topics.iter().all(|topic| {
            let is_input = !topic.ends_with(".events");
            let group = if repartition && is_input { format!("{}.forward.{topic}", self.name) } else { self.name.clone() };
            is_committed(bootstrap, &group, topic)
        })
    }

    /// A command of the binary with the group's settings.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stickiness"));
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command.arg(name).arg("--config").arg(self.path("settings.toml"));
        command
    }

    /// A process of the service.
    pub(crate) fn start(&self) -> Process {
        self.start_with(&[])
    }

    /// A process of the service, with more arguments.
    pub(crate) fn start_with(&self, arguments: &[&str]) -> Process {
        self.launch(arguments, None)
    }

    fn launch(&self, arguments: &[&str], failpoint: Option<&str>) -> Process {
        let log = self.path(&format!("service-{}.log", self.started.fetch_add(1, Ordering::Relaxed)));
        let mut command = self.command("run");
        if let Some(failpoint) = failpoint {
            command.env("STICKINESS_FAILPOINT", failpoint);
        }
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log).expect("a log"));
        Process { child: command.spawn().expect("started"), log }
    }

    /// A process of the service that ends or hangs at a place, such as `commit.before@3`.
    pub(crate) fn start_to_fail(&self, failpoint: &str) -> Process {
        self.launch(&[], Some(failpoint))
    }

    /// The same, with more arguments.
    pub(crate) fn start_to_fail_with(&self, failpoint: &str, arguments: &[&str]) -> Process {
        self.launch(arguments, Some(failpoint))
    }

    /// What its processes have logged, one after the other.
    pub(crate) fn log(&self) -> String {
        (0..self.started.load(Ordering::Relaxed)).map(|number| read(&self.path(&format!("service-{number}.log")))).collect()
    }
}

/// A process of the service. It does not outlive the test.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Ends it like a power cut.
    pub(crate) fn kill9(mut self) {
        self.assert_runs();
        self.child.kill().expect("killed");
        self.child.wait().expect("it is dead");
    }

    /// Ends it like a power cut if it has not ended.
    pub(crate) fn end(mut self) {
        // It may have ended.
        drop(self.child.kill());
        self.child.wait().expect("it is dead");
    }

    /// Waits until it has logged a text.
    pub(crate) fn wait_for_log(&self, text: &str, patience: Duration) {
        let stopwatch = Stopwatch::start();
        while !self.log().contains(text) {
            assert!(stopwatch.elapsed() < patience, "`{text}` is logged\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks it to leave, and checks that it does, in good order.
    pub(crate) fn terminate(mut self) {
        self.assert_runs();
        self.signal("-TERM");
        let status = self.wait(LEAVE);
        assert!(status.success(), "{status}\n{}", read(&self.log));
    }

    /// Sends it a signal, such as `-STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("ran").success());
    }

    /// A number that it tells Prometheus, by the name of the series; `None` while it tells none.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let page = self.metrics_page()?;
        page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.trim().parse().ok())
    }

    /// All that it tells Prometheus; `None` while it does not listen.
    pub(crate) fn metrics_page(&self) -> Option<String> {
        self.get("/metrics")
    }

    /// The JSON that it answers; `None` while it does not listen, or answers something else.
    pub(crate) fn answer(&self, path: &str) -> Option<serde_json::Value> {
        serde_json::from_str(self.get(path)?.split_once("\r\n\r\n")?.1).ok()
    }

    /// An answer with its head; `None` while it does not listen.
    fn get(&self, path: &str) -> Option<String> {
        let log = self.log();
        let address = log.lines().find_map(|line| line.split_once("listening address="))?.1.trim().to_owned();
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Memory that it takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") * 1024
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("asked").is_some()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    /// It runs: a test that waits for what it publishes need not wait any longer if it does not.
    pub(crate) fn assert_runs(&mut self) {
        if let Some(status) = self.child.try_wait().expect("asked") {
            panic!("it ended by itself, {status}\n{}", read(&self.log));
        }
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self, patience: Duration) -> ExitStatus {
        let stopwatch = Stopwatch::start();
        loop {
            if let Some(status) = self.child.try_wait().expect("asked") {
                return status;
            }
            assert!(stopwatch.elapsed() < patience, "it ends within {patience:?}\n{}", read(&self.log));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
