//! Ends the process when a thread of it hangs: a service that looks alive and counts nothing is worse than one that is restarted.

use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Common;
use crate::io::clock::Stopwatch;
use crate::io::worker::Pulse;

/// How often pulses are felt.
const LOOK: Duration = Duration::from_millis(500);
/// How often a wait that lasts is told.
const TELL: Duration = Duration::from_secs(60);
/// How long the other threads may take to leave in good order once one hangs.
const LEAVE: Duration = Duration::from_secs(5);

/// Watches the pulses until the service has stopped.
pub(super) fn watch(common: &Common) {
    let limit = common.settings.step_limit;
    let mut told = Stopwatch::start();
    while !common.has_ended() {
        let slept = Stopwatch::start();
        thread::sleep(LOOK);
        // The whole process was held up, not one thread of it.
        if slept.elapsed() > 4 * LOOK {
            common.pulses().iter().for_each(|(_, pulse)| pulse.begin_again());
            continue;
        }
        for (name, pulse) in common.pulses() {
            match pulse.read() {
                (elapsed, None) if elapsed > limit => end(common, &name, elapsed),
                (elapsed, Some(what)) if elapsed > limit && told.elapsed() > TELL.min(limit) => {
                    told.restart();
                    tracing::warn!(thread = name, ?elapsed, "waiting for {what}");
                }
                _ => {}
            }
        }
    }
}

fn end(common: &Common, name: &str, elapsed: Duration) {
    let reason = format!(
        "{name} has hung for {elapsed:.0?}, more than workers.step_limit; what it had in hand is not committed, and its next owner goes on from the last commit"
    );
    common.fail(reason.clone());
    thread::sleep(LEAVE);
    // A thread that hangs can be joined by nobody.
    eprintln!("error: {reason}");
    process::exit(1);
}

/// A pulse under a name.
pub(super) type Named = (String, Arc<Pulse>);
