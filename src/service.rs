//! The service: starts workers and the aggregator, watches over them, and stops them. The only place that knows them all.

mod backfilling;
mod keeping;
mod preparation;
mod resharding;
mod traces;
mod view;
mod watchdog;
mod webhooks;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::config::{self, Settings};
use crate::io::aggregation::{self, MetricsBoard};
use crate::io::backfill::BackfillError;
use crate::io::clock::Stopwatch;
use crate::io::counting::EngineProcessors;
use crate::io::forwarding::{Forwarders, forwarding_group};
use crate::io::http::View;
use crate::io::input::InputReader;
use crate::io::kafka::connection::{Connection, RefusedProperties};
use crate::io::kafka::probe::ProbeError;
use crate::io::kafka::topics::TopicError;
use crate::io::observations::Observations;
use crate::io::publication::{Publication, PublicationError};
use crate::io::refitting::ModelBoard;
use crate::io::registry::Stopped;
use crate::io::snapshots::{KeptName, SnapshotError, Snapshots};
use crate::io::traces::Traces;
use crate::io::webhooks::SecretError;
use crate::io::worker::{
    Beginning, FrozenInsights, FrozenShare, Processors, Pulse, Query, Worker, WorkerError, WorkerParts, WorkerSettings,
};
use crate::model::time::{Day, UnknownTimeZone};
use crate::wire::insights::share::Share;

pub use backfilling::backfill;
pub use keeping::{Kept, keep};
use preparation::prepare;
pub use preparation::topic_plans;
pub use resharding::{Moved, reshard};
use view::ServiceView;

/// How often partitions tell the aggregator.
const PARTIALS_INTERVAL: Duration = Duration::from_secs(1);
/// Records waiting to be published that make a commit due at once.
const OUTPUT_LIMIT: usize = 20_000;
/// The pause before a failed worker is replaced.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a worker may take to answer a question.
const ANSWER: Duration = Duration::from_secs(2);

/// Why the service cannot start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A setting that this version does not carry out.
    #[error("{0}")]
    Unsupported(&'static str),
    /// Properties that the service sets itself.
    #[error(transparent)]
    Property(#[from] RefusedProperties),
    /// The time zone of the settings is unknown.
    #[error(transparent)]
    TimeZone(#[from] UnknownTimeZone),
    /// The brokers refuse to speak with this client.
    #[error(transparent)]
    Brokers(#[from] ProbeError),
    /// Topics cannot be read or created.
    #[error(transparent)]
    Topics(#[from] TopicError),
    /// The input is not there.
    #[error("topic `{topic}` does not exist on {brokers}; create it with `stickiness topics`")]
    MissingInput {
        /// The topic.
        topic: String,
        /// The bootstrap servers.
        brokers: String,
    },
    /// The snapshot store cannot be used.
    #[error(transparent)]
    Snapshots(#[from] SnapshotError),
    /// A webhook has no secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// History cannot go into the log.
    #[error(transparent)]
    Backfill(#[from] BackfillError),
    /// Users cannot be moved to more partitions, or states not be kept or gone on from.
    #[error("{0}")]
    Refused(String),
    /// A worker ended and another would end as well.
    #[error("{0}")]
    Ended(String),
    /// The schema registry cannot be asked.
    #[error("input.registry: no HTTP client: {0:#}")]
    Registry(anyhow::Error),
    /// What is published cannot have its format.
    #[error(transparent)]
    Publication(#[from] PublicationError),
    /// Other processes of the group cannot be asked.
    #[error("http.advertise: other processes cannot be asked: {0:#}")]
    Peers(anyhow::Error),
    /// Spans cannot be sent.
    #[error("{0:#}")]
    Tracing(anyhow::Error),
    /// The operating system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// The connection that the settings describe.
pub fn connection(settings: &Settings) -> Result<Connection, ServiceError> {
    let config::KafkaSettings { bootstrap_servers, properties, .. } = &settings.kafka;
    Ok(Connection::new(bootstrap_servers, properties.0.clone())?.advertising(settings.http.advertise.as_ref()))
}

/// What reads records of the input, asking a registry for their schemas if there is one.
fn reader(settings: &Settings, runtime: &tokio::runtime::Handle, stop: &Arc<AtomicBool>) -> Result<Arc<InputReader>, ServiceError> {
    InputReader::new(settings, runtime, stop).map(Arc::new).map_err(|error| ServiceError::Registry(error.into()))
}

/// What threads of the service share.
struct Common {
    settings: Settings,
    history: History,
    /// How long the log keeps its records.
    retention: Option<Duration>,
    connection: Connection,
    runtime: tokio::runtime::Handle,
    observations: Arc<Observations>,
    traces: Option<Traces>,
    board: Arc<MetricsBoard>,
    models: Arc<ModelBoard>,
    /// How what is published looks.
    publication: Arc<Publication>,
    stop: Arc<AtomicBool>,
    /// Told to the aggregator when the workers have said all that they have to say.
    stop_aggregator: AtomicBool,
    /// Why everything must end.
    fatal: Mutex<Option<String>>,
    /// Where each worker takes questions.
    askers: Mutex<Vec<Option<Sender<Query>>>>,
    /// The threads that must not hang.
    pulses: Mutex<Vec<watchdog::Named>>,
}

impl Common {
    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether all threads were told to end.
    fn has_ended(&self) -> bool {
        self.is_stopping() && self.stop_aggregator.load(Ordering::Relaxed)
    }

    /// The pulses of threads that have not ended: of others, only the list holds the pulse.
    fn pulses(&self) -> Vec<watchdog::Named> {
        let pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        pulses.iter().filter(|(_, pulse)| Arc::strong_count(pulse) > 1).cloned().collect()
    }

    /// A pulse that is watched until the returned value is dropped.
    fn watched(&self, name: String) -> Arc<Pulse> {
        let pulse = Arc::<Pulse>::default();
        let mut pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        pulses.retain(|(_, pulse)| Arc::strong_count(pulse) > 1);
        pulses.push((name, Arc::clone(&pulse)));
        pulse
    }

    /// Ends everything.
    fn fail(&self, reason: String) {
        tracing::error!(reason, "cannot go on");
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.stop.store(true, Ordering::Relaxed);
        self.stop_aggregator.store(true, Ordering::Relaxed);
    }

    /// Asks the workers of this process, and gives their answers as they come, for at most two seconds; `None` in place of each that does not come.
    fn ask<A>(&self, query: impl Fn(Sender<A>) -> Query) -> impl Iterator<Item = Option<A>> {
        let (reply, answers) = mpsc::channel();
        let askers = self.askers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let count = askers.into_iter().flatten().filter(|asker| asker.send(query(reply.clone())).is_ok()).count();
        drop(reply);
        let stopwatch = Stopwatch::start();
        (0..count).map(move |_| answers.recv_timeout(stopwatch.remaining(ANSWER)).ok())
    }

    /// A user's profile, as JSON.
    fn profile(&self, user_id: &str) -> Option<Vec<u8>> {
        self.ask(|reply| Query::Profile { user_id: user_id.to_owned(), reply }).find_map(|answer| answer?)
    }

    /// What the users of this process show at the end of `day`, or of their newest day when that is later; `None` while a partition is restored, or does not answer.
    /// And whether that day is its newest. Workers stand still for a millisecond; the counting is done here.
    fn share(&self, day: Option<Day>) -> Option<(Share, bool)> {
        let answers: Option<Vec<FrozenShare>> = self.ask(|reply| Query::Insights { reply }).map(Option::flatten).collect();
        let (partitions, frozen): (Vec<i32>, Vec<Option<FrozenInsights>>) = answers?.into_iter().flatten().unzip();
        let frozen: Vec<FrozenInsights> = frozen.into_iter().flatten().collect();
        let newest = frozen.iter().map(|one| one.newest_day).max();
        let mut share = Share { partitions, day: newest.map(|newest| newest.max(day.unwrap_or(newest))), ..Share::default() };
        for one in frozen {
            share.insights.absorb(&(one.count)(share.day?));
        }
        let is_newest = share.day == newest;
        Some((share, is_newest))
    }

    fn pause(&self) {
        let stopwatch = Stopwatch::start();
        while !self.is_stopping() && stopwatch.elapsed() < PAUSE {
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What a service does about what was counted before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History {
    /// It goes on from there.
    Continued,
    /// It forgets what the group has committed and counts the log again from its start. No other process of the group may run.
    New,
    /// It forgets what the group has committed and goes on from the states that are kept under a name. No other process of the group may run.
    Kept(KeptName),
}

/// The running service.
pub struct Service {
    common: Arc<Common>,
    view: Arc<dyn View>,
    threads: Vec<JoinHandle<()>>,
    aggregator: Option<JoinHandle<()>>,
}

impl Service {
    /// Waits until the brokers answer, creates the output and internal topics that are missing, and starts to work.
    /// `runtime` runs what waits for the object store; this must not be called from one of its tasks.
    pub fn start(settings: Settings, history: History, runtime: tokio::runtime::Handle) -> Result<Self, ServiceError> {
        if settings.kafka.inputs.len() > 1 && !settings.kafka.repartition {
            return Err(ServiceError::Unsupported("several kafka.inputs need kafka.repartition = true"));
        }
        webhooks::check_secrets(&settings)?;
        let connection = connection(&settings)?;
        let retention = runtime.block_on(prepare(&settings, &history, &connection))?;
        Self::start_with(settings, history, retention, connection, runtime)
    }

    /// As [`Self::start`], with topics that are there already.
    pub fn start_prepared(settings: Settings, connection: Connection, runtime: tokio::runtime::Handle) -> Result<Self, ServiceError> {
        Self::start_with(settings, History::Continued, None, connection, runtime)
    }

    fn start_with(
        settings: Settings,
        history: History,
        retention: Option<Duration>,
        connection: Connection,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, ServiceError> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = settings.worker_threads.map_or(cores, |threads| usize::from(threads.get()));
        let stop = Arc::<AtomicBool>::default();
        let publication = Arc::new(Publication::new(&settings, &runtime, &stop)?);
        let observations = Arc::<Observations>::default();
        let traces = traces::start(&settings, &observations, &runtime)?;
        let common = Arc::new(Common {
            settings,
            history,
            retention,
            connection,
            runtime,
            observations,
            traces,
            board: Arc::default(),
            models: Arc::default(),
            publication,
            stop,
            stop_aggregator: AtomicBool::new(false),
            fatal: Mutex::default(),
            askers: Mutex::new((0..threads).map(|_| None).collect()),
            pulses: Mutex::default(),
        });
        let view = Arc::new(ServiceView::new(&common)?);
        let mut service = Self { common: Arc::clone(&common), view, threads: Vec::new(), aggregator: None };
        let reader = reader(&common.settings, &common.runtime, &common.stop)?;
        let engines = EngineProcessors::new(&common.settings, &common.models, &reader)?;
        let kafka = &common.settings.kafka;
        let engines =
            Stage::new(&common, engines, &kafka.group_id, &common.settings.kafka.counted_topic(), Arc::clone(&common.observations), true)?;
        service.start_stage(threads, &engines)?;
        for input in kafka.inputs.iter().filter(|_| kafka.repartition) {
            let observations = Arc::new(Observations::beside(&common.observations));
            common.observations.watch_forwarding(input, Arc::clone(&observations));
            let group_id = forwarding_group(&kafka.group_id, input);
            let forwarders = Stage::new(&common, Forwarders::new(&common.settings, input, &reader), &group_id, input, observations, false)?;
            service.start_stage(threads, &forwarders)?;
        }
        webhooks::start(&mut service)?;
        service.spawn("watchdog".to_owned(), watchdog::watch)?;
        service.aggregator = Some(service.spawn("aggregator".to_owned(), supervise_aggregator)?);
        Ok(service)
    }

    /// Starts the workers of one stage, each with a transactional id of its own.
    fn start_stage<F: Processors>(&mut self, threads: usize, stage: &Arc<Stage<F>>) -> Result<(), ServiceError> {
        let process = format!("{:08x}", rand::random::<u32>());
        for number in 0..threads {
            let stage = Arc::clone(stage);
            let id = format!("{}-{process}-{number}", stage.group_id);
            let thread = self.spawn(format!("{}-{number}", stage.topic), move |common| stage.supervise_worker(common, number, &id))?;
            self.threads.push(thread);
        }
        Ok(())
    }

    /// A thread that ends the service when it panics.
    fn spawn(&self, name: String, work: impl FnOnce(&Common) + Send + 'static) -> Result<JoinHandle<()>, ServiceError> {
        let common = Arc::clone(&self.common);
        let thread = thread::Builder::new().name(name.clone()).spawn(move || match catch_unwind(AssertUnwindSafe(|| work(&common))) {
            Err(payload) if !payload.is::<Stopped>() => common.fail(format!("{name} panicked; its message is above")),
            _ => {}
        });
        thread.map_err(ServiceError::Thread)
    }

    /// What is observed.
    #[must_use]
    pub fn observations(&self) -> Arc<Observations> {
        Arc::clone(&self.common.observations)
    }

    /// What the service shows over HTTP.
    #[must_use]
    pub fn view(&self) -> Arc<dyn View> {
        Arc::clone(&self.view)
    }

    /// Whether it ended by itself; [`Self::stop`] says why.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.common.is_stopping()
    }

    /// Stops in good order: commits, stores snapshots, releases the partitions, leaves the group.
    pub fn stop(self) -> Result<(), ServiceError> {
        self.common.stop.store(true, Ordering::Relaxed);
        // Panics are caught inside.
        self.threads.into_iter().for_each(|thread| drop(thread.join()));
        self.common.stop_aggregator.store(true, Ordering::Relaxed);
        self.aggregator.into_iter().for_each(|thread| drop(thread.join()));
        self.common.traces.iter().for_each(Traces::finish);
        let fatal = self.common.fatal.lock().unwrap_or_else(PoisonError::into_inner).take();
        fatal.map_or(Ok(()), |reason| Err(ServiceError::Ended(reason)))
    }
}

/// The workers of one log: engines on the one log, or forwarders on an input.
struct Stage<F> {
    group_id: String,
    topic: String,
    processors: Arc<F>,
    snapshots: Snapshots,
    observations: Arc<Observations>,
    /// Whether its workers know users.
    answers: bool,
}

impl<F: Processors> Stage<F> {
    fn new(
        common: &Common,
        processors: F,
        group_id: &str,
        topic: &str,
        observations: Arc<Observations>,
        answers: bool,
    ) -> Result<Arc<Self>, ServiceError> {
        let config::SnapshotSettings { url, keep, .. } = &common.settings.snapshots;
        let snapshots = Snapshots::open(url, group_id, topic, usize::from(*keep))?;
        let (group_id, topic) = (group_id.to_owned(), topic.to_owned());
        Ok(Arc::new(Self { group_id, topic, processors: Arc::new(processors), snapshots, observations, answers }))
    }

    /// Runs one worker after another until the service stops, or a worker ends in a way that the next would, too.
    fn supervise_worker(&self, common: &Common, number: usize, transactional_id: &str) {
        while !common.is_stopping() {
            match self.run_worker(common, number, transactional_id) {
                Ok(()) => return,
                Err(error) if error.passes() => {
                    tracing::warn!(topic = self.topic, worker = number, %error, "a worker failed, another goes on from its last commit");
                    common.pause();
                }
                Err(error) => common.fail(error.to_string()),
            }
        }
    }

    fn run_worker(&self, common: &Common, number: usize, transactional_id: &str) -> Result<(), WorkerError> {
        let (asker, queries) = mpsc::channel();
        let mut askers = common.askers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = askers.get_mut(number).filter(|_| self.answers) {
            *slot = Some(asker);
        }
        drop(askers);
        let parts = WorkerParts {
            connection: common.connection.clone(),
            processors: Arc::clone(&self.processors),
            publication: Arc::clone(&common.publication),
            snapshots: self.snapshots.clone(),
            runtime: common.runtime.clone(),
            observations: Arc::clone(&self.observations),
            queries,
            pulse: common.watched(format!("worker {number} of {}", self.topic)),
            traces: common.traces.as_ref().map(|traces| if self.reads_forwarded(common) { traces.going_on() } else { traces.clone() }),
        };
        Worker::new(self.worker_settings(common, transactional_id), parts)?.run(&common.stop)
    }

    /// Whether forwarders have read its records before.
    fn reads_forwarded(&self, common: &Common) -> bool {
        self.answers && common.settings.kafka.repartition
    }

    fn worker_settings(&self, common: &Common, transactional_id: &str) -> WorkerSettings {
        WorkerSettings {
            // The forwarders' state is next to nothing: their inputs are not replayed.
            retention: common.retention.filter(|_| self.answers),
            beginning: match &common.history {
                History::Continued => Beginning::Unheard,
                History::New => Beginning::Empty,
                History::Kept(name) => Beginning::Kept(name.clone()),
            },
            ..worker_settings(&common.settings, (&self.group_id, &self.topic), transactional_id)
        }
    }
}

/// How workers of a group on a topic run, as far as the settings say it.
fn worker_settings(settings: &Settings, (group_id, topic): (&str, &str), transactional_id: &str) -> WorkerSettings {
    WorkerSettings {
        group_id: group_id.to_owned(),
        topic: topic.to_owned(),
        transactional_id: transactional_id.to_owned(),
        guarantee: settings.delivery.guarantee,
        commit_interval: settings.delivery.commit_interval,
        partials_interval: PARTIALS_INTERVAL,
        output_limit: OUTPUT_LIMIT,
        idle_after: settings.idle_after,
        snapshot_interval: settings.snapshots.interval,
        retention: None,
        beginning: Beginning::Unheard,
        partitions: None,
    }
}

fn supervise_aggregator(common: &Common) {
    let stop = &common.stop_aggregator;
    while !stop.load(Ordering::Relaxed) {
        let pulse = common.watched("the aggregator".to_owned());
        let (boards, observations) = ((&*common.board, &*common.models), &common.observations);
        let reach = (&common.connection, &*common.publication);
        if let Err(error) = aggregation::run(&common.settings, reach, boards, observations, &pulse, stop) {
            tracing::warn!(%error, "the aggregator failed, it runs for election again");
            common.pause();
        }
    }
}
