//! What is still to be told, without I/O: time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use super::message::Message;

/// Alerts of one request at most.
const BATCH: usize = 200;

/// The newest state of each alert and when it was last told.
#[derive(Debug)]
pub(super) struct Outbox {
    alerts: BTreeMap<String, Kept>,
    capacity: usize,
    resend: Duration,
    resolved_kept: Duration,
}

#[derive(Debug)]
struct Kept {
    message: Message,
    /// When this very state was last told; nothing when it was not.
    told: Option<Duration>,
    /// When it was first told that it is resolved.
    resolved: Option<Duration>,
}

impl Outbox {
    pub(super) fn new(capacity: usize, resend: Duration, resolved_kept: Duration) -> Self {
        Self { alerts: BTreeMap::new(), capacity, resend, resolved_kept }
    }

    /// Takes in a newer state; false when there is no room for one more alert.
    pub(super) fn put(&mut self, message: Message) -> bool {
        let is_known = self.alerts.contains_key(&message.fingerprint);
        if !is_known && self.alerts.len() >= self.capacity {
            return false;
        }
        self.alerts.insert(message.fingerprint.clone(), Kept { message, told: None, resolved: None });
        true
    }

    /// What is to be told at `now`, news first; and when there is something next, if nothing new comes.
    pub(super) fn due(&mut self, now: Duration) -> (Vec<Message>, Option<Duration>) {
        let kept = self.resolved_kept;
        self.alerts.retain(|_, alert| alert.resolved.is_none_or(|resolved| now < resolved + kept));
        let again = |alert: &Kept| alert.told.map(|told| told + self.resend);
        let mut due: Vec<&Kept> = self.alerts.values().filter(|alert| again(alert).is_none_or(|again| again <= now)).collect();
        due.sort_by_key(|alert| alert.told.is_some());
        let batch = due.iter().take(BATCH).map(|alert| alert.message.clone()).collect();
        (batch, self.alerts.values().filter_map(again).min())
    }

    /// Notes that these states were told. A state that changed meanwhile is still to be told.
    pub(super) fn sent(&mut self, batch: &[Message], now: Duration) {
        for message in batch {
            let Some(alert) = self.alerts.get_mut(&message.fingerprint).filter(|alert| alert.message == *message) else { continue };
            alert.told = Some(now);
            if !message.is_firing {
                alert.resolved.get_or_insert(now);
            }
        }
    }
}
