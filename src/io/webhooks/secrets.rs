//! Where the secrets of webhooks come from: the environment, or files.

use crate::config::{SecretSource, WebhookSettings};
use crate::wire::webhook::{NoSecret, SigningSecret};

/// A webhook has no secret. Says where it was looked for, and nothing of what was found there.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or is no text.
    #[error("webhooks.{name}.secret_env: the environment variable that it names is not set")]
    Unset {
        /// The webhook.
        name: String,
    },
    /// The file cannot be read.
    #[error("webhooks.{name}.secret_file: cannot be read: {error}")]
    Unread {
        /// The webhook.
        name: String,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// What is there is no secret.
    #[error("webhooks.{name}.{key}: {error}; several have spaces or line ends between")]
    NoSecret {
        /// The webhook.
        name: String,
        /// The key of the settings.
        key: &'static str,
        /// What a secret is.
        error: NoSecret,
    },
}

/// The secrets of a webhook, at least one.
pub fn secrets(settings: &WebhookSettings) -> Result<Vec<SigningSecret>, SecretError> {
    let name = || settings.name.clone();
    let (key, text) = match &settings.secret {
        SecretSource::Environment(variable) => ("secret_env", std::env::var(variable).map_err(|_| SecretError::Unset { name: name() })?),
        SecretSource::File(path) => {
            ("secret_file", std::fs::read_to_string(path).map_err(|error| SecretError::Unread { name: name(), error })?)
        }
    };
    SigningSecret::all_in(&text).map_err(|error| SecretError::NoSecret { name: name(), key, error })
}
