//! Threads that count, each the events of its partitions. Where users may move between partitions, one thread counts for all.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Scope;

use super::batch::{Blocks, PackedEvent};
use super::engines::{Engines, Outcome};

/// Batches that wait for a thread.
const WAITING_BATCHES: usize = 4;

/// What a thread is to do.
enum Task {
    /// Count the events of a batch that are its own.
    Count { blocks: Blocks, events: Vec<PackedEvent>, look: Option<u32>, to: Sender<Outcome> },
    /// Hand the engines out.
    GiveBack(Sender<Engines>),
    /// Go on with these.
    Take(Box<Engines>),
}

/// The engines, here or with the threads that count.
pub(super) struct Lanes {
    threads: Vec<SyncSender<Task>>,
    /// All engines while they are here.
    home: Option<Engines>,
    /// Ids that had to do with a merge: what comes for them may have to do with several partitions.
    merged: HashSet<Box<str>>,
}

impl Lanes {
    /// Starts `threads` threads. They end when this value is dropped.
    pub(super) fn start<'scope>(scope: &'scope Scope<'scope, '_>, engines: Engines, threads: usize) -> Self {
        let mut senders = Vec::with_capacity(threads);
        for _ in 0..threads {
            let (task, tasks) = sync_channel(WAITING_BATCHES);
            senders.push(task);
            scope.spawn(move || work(&tasks));
        }
        Self { threads: senders, home: Some(engines), merged: HashSet::new() }
    }

    /// Lets the events of a batch be counted, after those of all batches before. Its outcomes come, in parts, from what is returned.
    pub(super) fn count(&mut self, blocks: &Blocks, mut events: Vec<PackedEvent>, look: Option<u32>) -> Vec<Receiver<Outcome>> {
        let lanes = self.threads.len();
        if lanes > 1 && self.users_may_move(blocks, &events) {
            let (to, outcomes) = channel();
            let mut engines = self.bring_home();
            _ = to.send(engines.count(blocks, &mut events, look));
            self.home = Some(engines);
            return vec![outcomes];
        }
        self.send_out();
        let mut parts: Vec<Vec<PackedEvent>> = Vec::with_capacity(lanes);
        if lanes == 1 {
            parts.push(events);
        } else {
            parts.resize_with(lanes, || Vec::with_capacity(events.len() / lanes + events.len() / 8));
            for event in events {
                parts[event.partition as usize % lanes].push(event);
            }
        }
        let send = |(thread, events): (&SyncSender<Task>, Vec<PackedEvent>)| {
            let (to, outcome) = channel();
            // A thread that has ended has panicked, which ends everything.
            _ = thread.send(Task::Count { blocks: blocks.clone(), events, look, to });
            outcome
        };
        self.threads.iter().zip(parts).map(send).collect()
    }

    /// Whether an event may concern several partitions. Ids of merges are remembered.
    fn users_may_move(&mut self, blocks: &Blocks, events: &[PackedEvent]) -> bool {
        let mut may_move = false;
        for event in events {
            if let Some(into) = event.merged_into() {
                self.merged.insert(into.into());
                self.merged.insert(event.user_id(blocks).into());
                may_move = true;
            }
            may_move = may_move || !self.merged.is_empty() && self.merged.contains(event.user_id(blocks).as_ref());
        }
        may_move
    }

    /// Hands the engines to the threads, if they are here.
    fn send_out(&mut self) {
        let Some(engines) = self.home.take() else { return };
        let lanes = u32::try_from(self.threads.len()).unwrap_or(u32::MAX);
        for (thread, part) in self.threads.iter().zip(engines.split(lanes)) {
            _ = thread.send(Task::Take(Box::new(part)));
        }
    }

    /// All engines, when everything that was asked for is counted.
    pub(super) fn bring_home(&mut self) -> Engines {
        if let Some(engines) = self.home.take() {
            return engines;
        }
        let ask = |thread: &SyncSender<Task>| {
            let (to, engines) = channel();
            _ = thread.send(Task::GiveBack(to));
            engines
        };
        let answers: Vec<Receiver<Engines>> = self.threads.iter().map(ask).collect();
        let parts: Option<Vec<Engines>> = answers.iter().map(|answer| answer.recv().ok()).collect();
        parts.and_then(Engines::join).expect("a thread that counts has panicked")
    }
}

/// Does what it is told until nobody tells.
fn work(tasks: &Receiver<Task>) {
    let mut engines: Option<Box<Engines>> = None;
    for task in tasks {
        match task {
            Task::Take(taken) => engines = Some(taken),
            Task::GiveBack(to) => {
                if let Some(engines) = engines.take() {
                    _ = to.send(*engines);
                }
            }
            Task::Count { blocks, mut events, look, to } => {
                if let Some(engines) = &mut engines {
                    _ = to.send(engines.count(&blocks, &mut events, look));
                }
            }
        }
    }
}
