//! Daily refits: the aggregator has histories fitted beside the stream and publishes what is better; every process reads what was published.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use super::clock::Stopwatch;
use super::kafka::Record;
use super::kafka::connection::Connection;
use super::kafka::consumer::ConsumeError;
use super::kafka::reader::TopicReader;
use super::observations::Observations;
use super::rest::Rest;
use crate::engine::models::takes;
use crate::engine::partial::Partial;
use crate::engine::refits::{Due, Refits};
use crate::model::churn::ProcessKind;
use crate::model::churn::fit::{Degenerate, REFIT_USERS};
use crate::model::churn::refit::{Accepted, FittedModel, Kept, refit};
use crate::model::churn::settings::ChurnSettings;
use crate::wire::model::PublishedModel;

/// Fits take a fortieth of a processor at most: while a log is caught up with, each day of it could have one.
const FIT_SHARE: u32 = 40;

/// The newest published model of each process.
#[derive(Debug, Default)]
pub struct ModelBoard(RwLock<BTreeMap<ProcessKind, PublishedModel>>);

impl ModelBoard {
    /// The newest of a process.
    #[must_use]
    pub fn newest(&self, process: ProcessKind) -> Option<PublishedModel> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&process).cloned()
    }

    fn put(&self, models: &BTreeMap<ProcessKind, PublishedModel>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clone_from(models);
    }
}

/// Reads the model topic on and on.
pub struct ModelFollower {
    reader: TopicReader,
    read: BTreeMap<ProcessKind, PublishedModel>,
}

impl ModelFollower {
    /// Begins with the oldest record.
    pub fn start(connection: &Connection, group_id: &str, topic: &str) -> Result<Self, ConsumeError> {
        Ok(Self { reader: TopicReader::start(connection, group_id, topic)?, read: BTreeMap::new() })
    }

    /// Puts what came on the board, once everything that was there at the start is read: an older model must not take over on the way.
    pub fn follow(&mut self, board: &ModelBoard, observations: &Observations) -> Result<(), ConsumeError> {
        let read = &mut self.read;
        let came = self.reader.read(Duration::ZERO, |record| note(record, read))?;
        if self.reader.caught_up() && (came > 0 || self.read.keys().any(|process| board.newest(*process).is_none())) {
            board.put(&self.read);
            for model in self.read.values() {
                observations.set_model(model.key(), &model.model.model_id(), model.takes_effect);
            }
        }
        Ok(())
    }
}

fn note(record: &Record<'_>, read: &mut BTreeMap<ProcessKind, PublishedModel>) {
    match record.payload.map(PublishedModel::decode) {
        Some(Ok(model)) => _ = read.insert(model.model.process, model),
        Some(Err(error)) => tracing::warn!(offset = record.offset, %error, "a model that cannot be read is passed over"),
        None => {}
    }
}

/// Reads all models that were published so far.
pub(super) fn read_models(
    connection: &Connection,
    group_id: &str,
    topic: &str,
) -> Result<BTreeMap<ProcessKind, PublishedModel>, ConsumeError> {
    let mut follower = ModelFollower::start(connection, group_id, topic)?;
    let read = &mut follower.read;
    while !follower.reader.caught_up() {
        follower.reader.read(Duration::from_millis(50), |record| note(record, read))?;
    }
    Ok(follower.read)
}

/// What a fit gave.
type Outcome = Result<Accepted, Kept>;

/// The refits of one aggregator's term of office: one fit at a time, on a thread of its own. While days of a log close one after the other, not each of them is
/// worth a fit: what comes meanwhile is fitted together.
pub(super) struct Refitting {
    churn: ChurnSettings,
    refits: Refits,
    /// The newest published models.
    published: BTreeMap<ProcessKind, PublishedModel>,
    running: Option<(Due, Receiver<Outcome>, Stopwatch)>,
    rest: Rest,
}

impl Refitting {
    pub(super) fn new(churn: &ChurnSettings, partitions: u32, published: BTreeMap<ProcessKind, PublishedModel>) -> Self {
        let mut refits = Refits::new(partitions);
        for (process, model) in &published {
            refits.note_fitted(*process, model.judged_through);
        }
        Self { churn: churn.clone(), refits, published, running: None, rest: Rest::none(FIT_SHARE) }
    }

    /// Takes in what a partition told, if it is of histories.
    pub(super) fn update(&mut self, partition: i32, partial: &Partial) {
        if let Partial::Histories { process, day, holdout } = partial {
            self.refits.update(partition.cast_unsigned(), *process, *day, holdout.clone());
        }
    }

    /// Forgets what partitions told.
    pub(super) fn begin_again(&mut self) {
        self.refits.begin_again();
    }

    /// Begins a fit that is due; the model of one that has ended and is to be published.
    pub(super) fn step(&mut self, observations: &Observations) -> Option<PublishedModel> {
        if let Some((due, receiver, since)) = self.running.take() {
            return match receiver.try_recv() {
                Ok(outcome) => {
                    self.rest.begin_after(since.elapsed());
                    self.end(&due, outcome, observations)
                }
                Err(TryRecvError::Empty) => {
                    self.running = Some((due, receiver, since));
                    None
                }
                Err(TryRecvError::Disconnected) => {
                    tracing::error!(process = due.process.name(), "a fit ended without a result; the next day is fitted again");
                    None
                }
            };
        }
        if !self.rest.is_over() {
            return None;
        }
        for (process, _) in ProcessKind::NAMES {
            let current = self.current(process);
            if !takes(&self.churn, &current) {
                continue;
            }
            if let Some(due) = self.refits.take_due(process) {
                self.begin(due, current);
                break;
            }
        }
        None
    }

    /// The model that is or will be in force: the newest published one, or the settings'.
    fn current(&self, process: ProcessKind) -> FittedModel {
        let settings = &self.churn.of(process).process;
        let own = FittedModel { process, model: settings.model, unit: settings.unit, parameters: settings.parameters };
        self.published.get(&process).map(|published| published.model).filter(|model| takes(&self.churn, model)).unwrap_or(own)
    }

    fn begin(&mut self, due: Due, current: FittedModel) {
        let (sender, receiver) = mpsc::channel();
        let holdout = due.holdout.clone();
        let begun = thread::Builder::new().name("refit".to_owned()).spawn(move || {
            // Whoever waited may be gone.
            drop(sender.send(refit(&current, &holdout, REFIT_USERS)));
        });
        match begun {
            Ok(_) => self.running = Some((due, receiver, Stopwatch::start())),
            Err(error) => tracing::warn!(%error, "no thread for a fit; the next day is fitted again"),
        }
    }

    fn end(&mut self, due: &Due, outcome: Outcome, observations: &Observations) -> Option<PublishedModel> {
        let (process, through) = (due.process.name(), due.judged_through.to_string());
        let told = outcome_name(&outcome);
        observations.count_refit(process, told);
        match outcome {
            Ok(accepted) => {
                let model = PublishedModel::new(due, &accepted);
                tracing::info!(process, through, model = model.model.model_id(), takes_over = %model.takes_effect, "a refitted model takes over");
                self.published.insert(due.process, model.clone());
                Some(model)
            }
            Err(Kept::Worse { log_loss, log_loss_before }) => {
                tracing::warn!(process, through, log_loss, log_loss_before, "a refit foretells worse, the model in force stays");
                None
            }
            Err(Kept::Degenerate(reason)) => {
                tracing::debug!(process, through, %reason, "nothing to refit by, the model in force stays");
                None
            }
        }
    }
}

/// The name of an outcome in counts.
fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(_) => "accepted",
        Err(Kept::Worse { .. }) => "worse",
        Err(Kept::Degenerate(Degenerate::TooFewUsers { .. })) => "too_few_users",
        Err(Kept::Degenerate(Degenerate::NoRepeats | Degenerate::AtBound { .. })) => "degenerate",
    }
}
