//! One webhook's endpoint: an attempt to post a record, and the times that the endpoint wants to be left alone.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, Response};
use url::Url;

use super::retry::{Verdict, judge};
use crate::config::WebhookSettings;
use crate::io::clock::{self, Stopwatch};
use crate::wire::webhook::{ID, SIGNATURE, SigningSecret, TIMESTAMP, signatures};

/// Bytes that are read of an answer. What is longer costs the connection, and is not read.
const ANSWER_BYTES: usize = 4096;
/// Characters that are told of an answer.
const TOLD_CHARACTERS: usize = 200;
/// How often lasting trouble is told.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) verdict: Verdict,
    /// The answer, or why there was none, in words; without the address, which may hold credentials.
    pub(super) detail: String,
}

/// Where a webhook posts to. Shared by everything that posts there.
pub(super) struct Endpoint {
    client: Client,
    url: Url,
    secrets: Vec<SigningSecret>,
    /// From when on, and for how long, the endpoint wants to be left alone.
    held: Mutex<Option<(Stopwatch, Duration)>>,
    /// Of attempts that fail.
    pub(super) trouble: Teller,
    /// Of records that are given up.
    pub(super) given_up: Teller,
}

/// Tells the same thing only from time to time.
#[derive(Default)]
pub(super) struct Teller(Mutex<Option<Stopwatch>>);

impl Teller {
    /// Whether it is to be told: a first time, and from time to time while it lasts.
    pub(super) fn tells(&self) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tells = told.is_none_or(|since| since.elapsed() > TELL_AGAIN);
        if tells {
            *told = Some(Stopwatch::start());
        }
        tells
    }
}

impl Endpoint {
    /// An endpoint. Nothing is sent yet.
    pub(super) fn new(settings: &WebhookSettings, secrets: Vec<SigningSecret>) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            url: settings.url.0.clone(),
            secrets,
            held: Mutex::default(),
            trouble: Teller::default(),
            given_up: Teller::default(),
        })
    }

    /// Posts a record once. Takes no longer than the timeout of the settings.
    pub(super) async fn post(&self, id: &str, body: &[u8]) -> Attempt {
        let seconds = clock::wall().millis().div_euclid(1000);
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("stickiness/", env!("CARGO_PKG_VERSION")))
            .header(ID, id)
            .header(TIMESTAMP, seconds)
            .header(SIGNATURE, signatures(&self.secrets, id, seconds, body))
            .body(body.to_vec());
        match request.send().await {
            Ok(response) => answered(response).await,
            Err(error) => {
                let error = anyhow::Error::from(error.without_url());
                Attempt { verdict: Verdict::Later(None), detail: told(&format!("{error:#}")) }
            }
        }
    }

    /// Leaves the endpoint alone for a while, unless it is left alone for longer already.
    pub(super) fn hold(&self, wait: Duration) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none_or(|(since, longer)| since.remaining(longer) < wait) {
            *held = Some((Stopwatch::start(), wait));
        }
    }

    /// How long the endpoint is still to be left alone.
    pub(super) fn held(&self) -> Duration {
        let held = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.map_or(Duration::ZERO, |(since, wait)| since.remaining(wait))
    }
}

async fn answered(mut response: Response) -> Attempt {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    // The status counts, whatever becomes of the rest. A short rest leaves the connection for the next record.
    while body.len() < ANSWER_BYTES {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        body.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES - body.len())]);
    }
    let verdict = judge(status.as_u16(), retry_after.as_deref(), clock::wall());
    let text = told(&String::from_utf8_lossy(&body));
    let detail = if text.is_empty() { status.to_string() } else { format!("{status}: {text}") };
    Attempt { verdict, detail }
}

/// The beginning of a text, on one line.
fn told(text: &str) -> String {
    let line: Vec<&str> = text.split(|sign: char| sign.is_whitespace() || sign.is_control()).filter(|word| !word.is_empty()).collect();
    line.join(" ").chars().take(TOLD_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_on_one_line() {
        assert_eq!(told(" a\r\n\tb\u{1b}[31m  c\n"), "a b [31m c");
        assert_eq!(told(&"é".repeat(300)).chars().count(), TOLD_CHARACTERS);
    }
}
