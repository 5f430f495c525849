//! A worker against a real broker: whatever happens to it, each record counts once.

mod barriers;
mod crash;
mod refusals;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use stickiness::io::clock::Stopwatch;
use stickiness::io::kafka::Record;
use stickiness::io::kafka::connection::Connection;
use stickiness::io::kafka::metadata::Lineage;
use stickiness::io::observations::Observations;
use stickiness::io::snapshots::Snapshots;
use stickiness::io::worker::{
    Beginning, Destination, Frozen, Guarantee, Outputs, Processor, Processors, TopicIndex, Undecodable, Worker, WorkerError, WorkerParts,
    WorkerSettings,
};
use stickiness::model::time::EventTime;

use crate::support::broker::Broker;
use crate::support::records::{Input, create_topic, produce, read_committed};

const PATIENCE: Duration = Duration::from_secs(90);

/// Counts the records of each key, and publishes every count: a record counted twice or not at all shows.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Counting {
    counts: BTreeMap<String, u64>,
    closed: Option<i64>,
    #[serde(skip)]
    changed: bool,
}

const OUT: TopicIndex = TopicIndex(0);
const TOTALS: TopicIndex = TopicIndex(1);

impl Processor for Counting {
    fn handle(&mut self, record: &Record<'_>, outputs: &mut Outputs) -> &'static str {
        let Some(key) = record.key else {
            outputs.push_verbatim(OUT, None, record.payload, vec![("stickiness.reason".into(), b"malformed".to_vec())]);
            return "malformed";
        };
        let count = self.counts.entry(String::from_utf8_lossy(key).into_owned()).or_default();
        *count += 1;
        self.changed = true;
        let text = format!("{}{count}", if self.closed.is_some() { "closed " } else { "" });
        outputs.push(OUT, Destination::ByKey, Some(key), |bytes| bytes.extend_from_slice(text.as_bytes()));
        "accepted"
    }

    fn flush(&mut self, partials: bool, outputs: &mut Outputs) {
        if partials && std::mem::take(&mut self.changed) {
            let total = self.counts.values().sum::<u64>().to_string();
            outputs.push(TOTALS, Destination::Partition(0), Some(b"total"), |bytes| bytes.extend_from_slice(total.as_bytes()));
        }
    }

    fn close_by_clock(&mut self, now: EventTime, outputs: &mut Outputs) {
        self.closed = Some(now.millis());
        outputs.push(OUT, Destination::ByKey, Some(b"clock"), |bytes| bytes.extend_from_slice(b"closing"));
    }

    fn next_clock_close(&self) -> Option<EventTime> {
        Some(self.closed.map_or(EventTime::MIN, |_| EventTime::from_nanos(i64::MAX)))
    }

    fn watermark(&self) -> Option<EventTime> {
        None
    }

    fn freeze(&self, _offset: i64) -> Frozen {
        let state = serde_json::to_vec(self).map_err(|error| error.to_string());
        Box::new(move || state)
    }

    fn profile(&self, user_id: &str) -> Option<Vec<u8>> {
        self.counts.get(user_id).map(|count| count.to_string().into_bytes())
    }
}

struct Countings {
    topics: Vec<String>,
}

impl Processors for Countings {
    type Processor = Counting;

    fn version(&self) -> u32 {
        1
    }

    fn topics(&self) -> Vec<String> {
        self.topics.clone()
    }

    fn empty(&self, _partition: i32, _partitions: u32, _lineage: Lineage) -> Counting {
        Counting::default()
    }

    fn decode(&self, _partition: i32, _partitions: u32, _lineage: Lineage, state: &[u8]) -> Result<Counting, Undecodable> {
        serde_json::from_slice(state).map_err(|error| Undecodable::Damaged(error.to_string()))
    }
}

/// One log with its outputs and snapshots, all named after the test.
#[derive(Clone)]
struct Bench {
    bootstrap: String,
    name: String,
    state: PathBuf,
    idle_after: Duration,
    guarantee: Guarantee,
}

impl Bench {
    fn new(broker: &Broker, name: &str, partitions: i32, state: &Path) -> Self {
        let bench = Self {
            bootstrap: broker.bootstrap(),
            name: name.to_owned(),
            state: state.to_path_buf(),
            idle_after: Duration::from_secs(3_600),
            guarantee: Guarantee::ExactlyOnce,
        };
        create_topic(&bench.bootstrap, name, partitions);
        create_topic(&bench.bootstrap, &bench.out(), partitions);
        create_topic(&bench.bootstrap, &bench.totals(), 1);
        bench
    }

    fn out(&self) -> String {
        format!("{}-out", self.name)
    }

    fn totals(&self) -> String {
        format!("{}-totals", self.name)
    }

    fn snapshots(&self) -> Snapshots {
        Snapshots::open(&self.state.display().to_string(), &self.name, &self.name, 3).expect("opened")
    }

    /// A worker that has not started to run.
    fn worker(
        &self,
        id: &str,
        runtime: &tokio::runtime::Runtime,
        observations: &Arc<Observations>,
    ) -> Result<Worker<Countings>, WorkerError> {
        let settings = WorkerSettings {
            group_id: self.name.clone(),
            topic: self.name.clone(),
            transactional_id: format!("{}-{id}", self.name),
            guarantee: self.guarantee,
            commit_interval: Duration::from_millis(50),
            partials_interval: Duration::from_millis(200),
            output_limit: 500,
            idle_after: self.idle_after,
            snapshot_interval: Duration::from_millis(500),
            retention: None,
            beginning: Beginning::Unheard,
            partitions: None,
        };
        // A dropped sender means that nobody asks.
        let (_, queries) = mpsc::channel();
        let parts = WorkerParts {
            connection: crate::support::connection(&self.bootstrap),
            processors: Arc::new(Countings { topics: vec![self.out(), self.totals()] }),
            publication: Arc::default(),
            snapshots: self.snapshots(),
            runtime: runtime.handle().clone(),
            observations: Arc::clone(observations),
            queries,
            pulse: Arc::default(),
            traces: None,
        };
        Worker::new(settings, parts)
    }

    /// Runs a worker in a thread of this process.
    fn start(&self, id: &str) -> Running {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (stop, observations) = (Arc::new(AtomicBool::new(false)), Arc::<Observations>::default());
        let (bench, id, told, observed) = (self.clone(), id.to_owned(), Arc::clone(&stop), Arc::clone(&observations));
        // As the service does: a worker that failed is followed by another, unless that would fail as well.
        let thread = std::thread::spawn(move || {
            loop {
                let result = bench.worker(&id, &runtime, &observed).and_then(|worker| worker.run(&told));
                match result {
                    Err(error) if error.passes() => eprintln!("a worker ended, another follows: {error}"),
                    other => return other.inspect_err(|error| eprintln!("the last worker ended: {error}")),
                }
            }
        });
        Running { stop, thread, observations }
    }

    /// Fills the log with `rounds` records of each of `users` users, in rounds.
    fn fill(&self, users: i32, rounds: i32) {
        let partitions = read_partitions(&self.bootstrap, &self.name);
        let keys: Vec<String> = (0..users).map(|user| format!("user-{user}")).collect();
        let inputs = (0..rounds).flat_map(|_| keys.iter().zip(0..)).map(|(key, user)| Input {
            partition: user % partitions,
            key,
            value: "event",
            timestamp_ms: 1_000,
        });
        produce(&self.bootstrap, &self.name, inputs);
    }

    /// What was published of each user, in order.
    fn published(&self) -> BTreeMap<String, Vec<String>> {
        let mut published = BTreeMap::<String, Vec<String>>::new();
        for output in read_committed(&self.bootstrap, &self.out()) {
            published.entry(output.key.clone().unwrap_or_default()).or_default().push(output.text().to_owned());
        }
        published
    }

    /// Waits until as many records were published.
    fn wait_for(&self, records: usize) {
        let stopwatch = Stopwatch::start();
        loop {
            let published = self.published().values().map(Vec::len).sum::<usize>();
            if published >= records {
                return;
            }
            assert!(stopwatch.elapsed() < PATIENCE, "{published} of {records} were published");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// How many records, committed or not, the output topic has had.
    fn written(&self) -> i64 {
        let reader: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &self.bootstrap).create().expect("a client");
        let ends = (0..read_partitions(&self.bootstrap, &self.out()))
            .map(|partition| reader.fetch_watermarks(&self.out(), partition, PATIENCE).expect("an answer").1);
        ends.sum()
    }

    /// Waits until a transaction writes: what happens next happens in the middle of it, or soon after.
    fn wait_for_writing(&self, before: i64) {
        let stopwatch = Stopwatch::start();
        while self.written() <= before {
            assert!(stopwatch.elapsed() < PATIENCE, "nothing is written");
        }
    }

    /// Every user was counted from 1 to `rounds`, each once, in order.
    fn assert_exact(&self, users: i32, rounds: u64) {
        let published = self.published();
        assert_eq!(published.len(), usize::try_from(users).expect("few"));
        let expected: Vec<String> = (1..=rounds).map(|count| count.to_string()).collect();
        for (user, counts) in published {
            assert_eq!(counts, expected, "{user}");
        }
    }
}

fn read_partitions(bootstrap: &str, topic: &str) -> i32 {
    let connection = Connection::new(bootstrap, BTreeMap::new()).expect("allowed");
    let topics = stickiness::io::kafka::topics::Topics::new(&connection).expect("a client");
    i32::try_from(topics.partition_counts().expect("an answer")[topic]).expect("few")
}

/// A worker in a thread.
struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), WorkerError>>,
    observations: Arc<Observations>,
}

impl Running {
    fn stop(self) -> Arc<Observations> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic").expect("left in good order");
        self.observations
    }
}

#[test]
fn what_is_stopped_goes_on_where_it_was_without_a_replay() {
    let (broker, dir) = (Broker::shared(), tempfile::tempdir().expect("a directory"));
    let bench = Bench::new(broker, "worker-stop", 3, dir.path());
    bench.fill(30, 20);
    let first = bench.start("a");
    bench.wait_for(600);
    let observed = first.stop();
    assert_eq!(observed.outcomes(), BTreeMap::from([("accepted", 600)]));
    assert!(observed.commits.get() > 0);
    bench.fill(30, 20);
    let second = bench.start("b");
    bench.wait_for(1_200);
    let observed = second.stop();
    assert_eq!(observed.replayed.get(), 0, "the last snapshot is of the last commit");
    bench.assert_exact(30, 40);
    let totals = read_committed(&bench.bootstrap, &bench.totals());
    assert!(!totals.is_empty());
}

#[test]
fn partitions_move_between_workers_without_a_loss_or_a_repeat() {
    let (broker, dir) = (Broker::shared(), tempfile::tempdir().expect("a directory"));
    let bench = Bench::new(broker, "worker-move", 4, dir.path());
    bench.fill(40, 25);
    let first = bench.start("a");
    bench.wait_for(500);
    let second = bench.start("b");
    bench.fill(40, 25);
    bench.wait_for(1_500);
    let stopwatch = Stopwatch::start();
    while second.observations.partitions().len() < 2 {
        assert!(stopwatch.elapsed() < PATIENCE, "the second gets its share");
        std::thread::sleep(Duration::from_millis(50));
    }
    bench.fill(40, 25);
    bench.wait_for(2_500);
    first.stop();
    bench.fill(40, 25);
    bench.wait_for(4_000);
    second.stop();
    bench.assert_exact(40, 100);
}

#[test]
fn a_broker_that_dies_and_comes_back_is_waited_for() {
    let (mut broker, dir) = (Broker::start(), tempfile::tempdir().expect("a directory"));
    let bench = Bench::new(&broker, "worker-broker", 2, dir.path());
    let running = bench.start("a");
    for round in 1..=3 {
        bench.wait_for(round * 20_000 - 20_000);
        let before = bench.written();
        bench.fill(2_000, 10);
        bench.wait_for_writing(before);
        broker.kill9();
        broker.restart();
    }
    bench.wait_for(60_000);
    println!("aborts: {:?}", running.stop().aborts());
    bench.assert_exact(2_000, 30);
}

#[test]
fn at_least_once_loses_nothing() {
    let (broker, dir) = (Broker::shared(), tempfile::tempdir().expect("a directory"));
    let mut bench = Bench::new(broker, "worker-at-least-once", 2, dir.path());
    bench.guarantee = Guarantee::AtLeastOnce;
    bench.fill(20, 10);
    let first = bench.start("a");
    bench.wait_for(200);
    first.stop();
    bench.fill(20, 10);
    let second = bench.start("b");
    bench.wait_for(400);
    second.stop();
    bench.assert_exact(20, 20);
}
