//! Threads that deliver webhooks: one for each kind of records of each webhook.

use std::sync::Arc;

use super::{Common, Service, ServiceError};
use crate::config::{Settings, WebhookSettings};
use crate::io::webhooks::{self, WebhookParts, secrets};
use crate::wire::webhook::{RecordKind, SigningSecret};

/// The longest pause between two tries to serve a webhook, in pauses of the service.
const LONGEST_PAUSE: u32 = 30;

/// Reads the secrets of all webhooks. To be done before anything else: a mistake there ends the start.
pub(super) fn check_secrets(settings: &Settings) -> Result<(), ServiceError> {
    settings.webhooks.iter().try_for_each(|webhook| Ok(secrets(webhook).map(drop)?))
}

/// Starts the threads.
pub(super) fn start(service: &mut Service) -> Result<(), ServiceError> {
    for webhook in service.common.settings.webhooks.clone() {
        let secrets = secrets(&webhook)?;
        for kind in webhook.records.clone() {
            let (webhook, secrets) = (webhook.clone(), secrets.clone());
            let name = format!("webhook-{}-{}", webhook.name, kind.name());
            let thread = service.spawn(name, move |common| supervise(common, &webhook, kind, &secrets))?;
            service.threads.push(thread);
        }
    }
    Ok(())
}

/// Serves a webhook until the service stops. Whatever happens to it, the service goes on.
fn supervise(common: &Common, webhook: &WebhookSettings, kind: RecordKind, secrets: &[SigningSecret]) {
    let mut failures = 0;
    while !common.is_stopping() {
        let parts = WebhookParts {
            connection: common.connection.clone(),
            publication: Arc::clone(&common.publication),
            group_id: common.settings.kafka.group_id.clone(),
            topics: common.settings.topics.clone(),
            settings: webhook.clone(),
            kind,
            secrets: secrets.to_vec(),
            runtime: common.runtime.clone(),
            observations: Arc::clone(&common.observations),
            pulse: common.watched(format!("webhook {} of {}", webhook.name, kind.name())),
        };
        let Err(error) = webhooks::run(&parts, &common.stop) else { return };
        drop(parts);
        failures = (failures + 1).min(LONGEST_PAUSE);
        let topic = webhooks::topic_of(kind, &common.settings.topics);
        if error.passes() {
            tracing::warn!(webhook = webhook.name, topic, %error, "a webhook failed, it goes on from its last commit");
        } else {
            tracing::error!(webhook = webhook.name, topic, %error, "a webhook is not served, trying again from its last commit");
        }
        (0..failures).for_each(|_| common.pause());
    }
}
