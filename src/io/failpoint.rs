//! Places where a test ends, stops or holds up the process, so that a crash was tried at each moment at which it could matter.
//!
//! `STICKINESS_FAILPOINT="commit.before@3"` ends the process the third time that it comes to that place, as a power cut would;
//! `=panic`, `=hang` and `=wait:500` (milliseconds) do that instead. Several are set apart by commas. Release builds have none of this.

/// A place in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A batch was consumed and is about to be handled.
    Consume,
    /// Outputs wait and none has been handed to the producer.
    ProduceBefore,
    /// All outputs were handed to the producer, and the offsets are about to join the transaction.
    OffsetsBefore,
    /// They have, and the transaction is about to commit.
    CommitBefore,
    /// It has, and nothing here knows it yet.
    CommitAfter,
    /// The figures for the aggregator are about to be taken from an engine.
    PartialsBefore,
    /// They wait to be published.
    PartialsAfter,
    /// A user's state was taken out of its partition and waits to be sent to another.
    TransferSent,
    /// A user's state from another partition was taken in, and nothing of it is committed.
    TransferReceived,
    /// A snapshot is encoded and not yet in the store.
    SnapshotBefore,
    /// It is in the store, and no commit names it.
    SnapshotStored,
    /// The next commit names it.
    SnapshotNamed,
    /// Days were closed by the clock, and the closing is not committed.
    ClosingBefore,
    /// The closing is committed, and its snapshot is not taken.
    ClosingAfter,
    /// A piece of a day's close is done, the close is not over, and the piece is not committed.
    ClosePiece,
    /// A partition's state is loaded, and its log is not read yet.
    Restored,
    /// A partition's last snapshot is stored, and it is not released.
    ReleaseBefore,
    /// The states of users who moved to more partitions are stored, and no commit names them.
    ReshardBefore,
    /// The commit that names them is there, and nothing here knows it yet.
    ReshardAfter,
    /// What a backfill is about to do is committed, and nothing of it is done.
    BackfillBegun,
    /// Records of a history were handed to the producer with the place where they end, and their transaction is about to commit.
    BackfillBefore,
    /// It has, and nothing here knows it yet.
    BackfillAfter,
    /// The aggregator is about to publish.
    MetricsBefore,
    /// It has published, and its board does not show it.
    MetricsAfter,
    /// It is about to publish a refitted model.
    ModelBefore,
    /// It has, and no partition knows it.
    ModelAfter,
    /// A partition has scheduled a refitted model, and no commit says so.
    ModelScheduled,
}

impl Place {
    /// All places by name.
    pub const ALL: [(&'static str, Self); 27] = [
        ("consume", Self::Consume),
        ("produce.before", Self::ProduceBefore),
        ("offsets.before", Self::OffsetsBefore),
        ("commit.before", Self::CommitBefore),
        ("commit.after", Self::CommitAfter),
        ("partials.before", Self::PartialsBefore),
        ("partials.after", Self::PartialsAfter),
        ("transfer.sent", Self::TransferSent),
        ("transfer.received", Self::TransferReceived),
        ("snapshot.before", Self::SnapshotBefore),
        ("snapshot.stored", Self::SnapshotStored),
        ("snapshot.named", Self::SnapshotNamed),
        ("closing.before", Self::ClosingBefore),
        ("closing.after", Self::ClosingAfter),
        ("close.piece", Self::ClosePiece),
        ("restored", Self::Restored),
        ("release.before", Self::ReleaseBefore),
        ("reshard.before", Self::ReshardBefore),
        ("reshard.after", Self::ReshardAfter),
        ("backfill.begun", Self::BackfillBegun),
        ("backfill.before", Self::BackfillBefore),
        ("backfill.after", Self::BackfillAfter),
        ("metrics.before", Self::MetricsBefore),
        ("metrics.after", Self::MetricsAfter),
        ("model.before", Self::ModelBefore),
        ("model.after", Self::ModelAfter),
        ("model.scheduled", Self::ModelScheduled),
    ];
}

/// Comes by a place. Does nothing unless a test has set it.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn pass(_: Place) {}

#[cfg(debug_assertions)]
pub use armed::pass;

#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::Place;

    /// What happens at a place.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Action {
        Kill,
        Panic,
        Hang,
        Wait(Duration),
    }

    struct Failpoint {
        place: Place,
        action: Action,
        /// Which time counts, from 1; 0 is every time.
        time: u64,
        passed: AtomicU64,
    }

    static FAILPOINTS: LazyLock<Vec<Failpoint>> = LazyLock::new(|| {
        let text = std::env::var("STICKINESS_FAILPOINT").unwrap_or_default();
        let written = text.split(',').filter(|one| !one.is_empty());
        written.map(|one| parse(one).unwrap_or_else(|| panic!("STICKINESS_FAILPOINT: `{one}` is no failpoint"))).collect()
    });

    /// `PLACE[=ACTION][@TIME]`.
    fn parse(text: &str) -> Option<Failpoint> {
        let (rest, time) = text.split_once('@').unwrap_or((text, "1"));
        let (name, action) = rest.split_once('=').unwrap_or((rest, "kill"));
        let (_, place) = Place::ALL.into_iter().find(|(known, _)| *known == name)?;
        let action = match action {
            "kill" => Action::Kill,
            "panic" => Action::Panic,
            "hang" => Action::Hang,
            _ => Action::Wait(Duration::from_millis(action.strip_prefix("wait:")?.parse().ok()?)),
        };
        Some(Failpoint { place, action, time: time.parse().ok()?, passed: AtomicU64::new(0) })
    }

    /// Comes by a place. Does nothing unless a test has set it.
    pub fn pass(place: Place) {
        for failpoint in FAILPOINTS.iter().filter(|failpoint| failpoint.place == place) {
            let time = failpoint.passed.fetch_add(1, Ordering::Relaxed) + 1;
            if failpoint.time == 0 || failpoint.time == time {
                act(failpoint.action);
            }
        }
    }

    fn act(action: Action) {
        match action {
            // No destructor runs and nothing is flushed.
            Action::Kill => std::process::abort(),
            Action::Panic => panic!("a failpoint"),
            Action::Hang => loop {
                thread::sleep(Duration::from_secs(3600));
            },
            Action::Wait(duration) => thread::sleep(duration),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_is_written_is_read() {
            let read = |text| parse(text).map(|one| (one.place, one.action, one.time));
            assert_eq!(read("commit.before@3"), Some((Place::CommitBefore, Action::Kill, 3)));
            assert_eq!(read("consume=hang"), Some((Place::Consume, Action::Hang, 1)));
            assert_eq!(read("metrics.after=wait:500@0"), Some((Place::MetricsAfter, Action::Wait(Duration::from_millis(500)), 0)));
            for wrong in ["", "nowhere", "consume@x", "consume=run", "consume=wait:"] {
                assert_eq!(read(wrong), None, "{wrong}");
            }
        }
    }
}
