//! Schemas from a registry that speaks as Confluent's does: `GET /schemas/ids/{id}`, and `GET /subjects/{subject}/versions/{version}` for what a schema refers to;
//! `POST /subjects/{subject}/versions` registers one, `POST /subjects/{subject}` asks for the id of one that is registered.
//!
//! An id means one schema for good, so each is asked for once. While the registry does not answer, a worker waits: a record whose schema is not known yet can be
//! neither counted nor refused. The watchdog (`workers.step_limit`) ends a process that waits for too long; told to stop, it ends at once.

use std::collections::HashMap;
use std::fmt::Display;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use tokio::runtime::Handle;
use url::Url;

use super::clock::Stopwatch;
use crate::config::{Credentials, RegistrySettings};
use crate::wire::registry::{Reference, RegisteredSchema};

/// How long the registry may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is told that it is waited for.
const TELL: Duration = Duration::from_secs(5);
/// Bytes of an answer at most: schemas are far smaller.
const LARGEST_ANSWER: usize = 8 << 20;
/// How often a thread that waits looks whether the service was told to stop.
const LOOK: Duration = Duration::from_millis(100);
/// What registries speak.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// Schemas that one refers to at most, directly or not.
const MOST_REFERENCES: usize = 100;

/// How long it is taken to be so that there is no schema of an id: a registry that has just been told of one may answer for a while as if it had not.
const REFUSAL_STAYS: Duration = Duration::from_secs(60);
/// Refusals that are remembered at most: ids that nobody registered can be many.
const MOST_REFUSALS: usize = 10_000;
/// Error codes of a registry that knows no such schema, subject or version; other pages that are not there are not its own.
const UNKNOWN: [i64; 3] = [40403, 40401, 40402];

/// A schema, or why there is none of an id.
pub type Known = Result<Arc<RegisteredSchema>, Arc<str>>;

/// What is known by id.
#[derive(Default)]
struct Memory {
    schemas: HashMap<u32, Arc<RegisteredSchema>>,
    refusals: HashMap<u32, (Stopwatch, Arc<str>)>,
}

impl Memory {
    fn find(&self, id: u32) -> Option<Known> {
        let refusal = || self.refusals.get(&id).filter(|(since, _)| since.elapsed() < REFUSAL_STAYS);
        self.schemas.get(&id).cloned().map(Ok).or_else(|| refusal().map(|(_, reason)| Err(Arc::clone(reason))))
    }

    fn keep(&mut self, id: u32, known: &Known) {
        match known {
            Ok(schema) => _ = self.schemas.insert(id, Arc::clone(schema)),
            Err(reason) => {
                if self.refusals.len() >= MOST_REFUSALS {
                    self.refusals.clear();
                }
                self.refusals.insert(id, (Stopwatch::start(), Arc::clone(reason)));
            }
        }
    }
}

/// Schemas by id, kept for good.
pub struct Registry {
    client: Client,
    url: Url,
    credentials: Option<Credentials>,
    runtime: Handle,
    known: Mutex<Memory>,
    /// Since when it has not answered a question that did not wait.
    silent: Mutex<Option<Stopwatch>>,
    stop: Arc<AtomicBool>,
}

/// What a thread ends with that waited for a registry when the service was told to stop: it holds records that it can neither count nor refuse, so that nothing of
/// what it has in hand is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// What the registry says of a schema.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    schema: String,
    #[serde(default = "avro")]
    schema_type: String,
    #[serde(default)]
    references: Vec<ReferenceTo>,
}

#[derive(Clone, Deserialize)]
struct ReferenceTo {
    name: String,
    subject: String,
    version: i64,
}

fn avro() -> String {
    "AVRO".to_owned()
}

enum Trouble {
    /// It will be so the next time.
    Lasting(String),
    /// It may pass.
    Passing(String),
}

impl Registry {
    /// The registry of the settings. `runtime` runs the requests; methods must not be called from one of its tasks. Nothing is waited for after `stop`.
    pub fn new(settings: &RegistrySettings, runtime: Handle, stop: Arc<AtomicBool>) -> Result<Self, reqwest::Error> {
        let client = Client::builder().timeout(ANSWER).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self {
            client,
            url: settings.url.clone(),
            credentials: settings.credentials.clone(),
            runtime,
            known: Mutex::default(),
            silent: Mutex::default(),
            stop,
        })
    }

    /// The schema of an id, waited for as long as the registry does not answer.
    ///
    /// # Errors
    /// Why there is none, as the registry or the schema itself says.
    pub fn schema(&self, id: u32) -> Known {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).find(id) {
            return known;
        }
        let found = self.wait(&id, || self.ask(id));
        let schema = found.map(Arc::new).map_err(Arc::from);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keep(id, &schema);
        schema
    }

    /// The id of an Avro schema under a subject, waited for as long as the registry does not answer. With `register` the schema is registered when it is not.
    ///
    /// # Errors
    /// Why it has none: it is not registered, or it is not compatible with what is, or the registry lets nobody in.
    pub fn id(&self, subject: &str, schema: &str, register: bool) -> Result<u32, String> {
        let path: &[&str] = if register { &["subjects", subject, "versions"] } else { &["subjects", subject] };
        let body = serde_json::json!({ "schema": schema, "schemaType": avro() }).to_string();
        let found = self.wait(&subject, || async {
            let request = self.client.post(self.address(path)?).header("content-type", MEDIA_TYPE).body(body.clone());
            let (status, answer) = self.exchange(request).await?;
            let said = || format!("{status}: {}", beginning(&answer));
            match status {
                StatusCode::OK | StatusCode::CREATED => {
                    registered_id(&answer).ok_or_else(|| Trouble::Passing(format!("no id in {}", said())))
                }
                StatusCode::NOT_FOUND if !is_unknown(&answer) => Err(Trouble::Passing(said())),
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(Trouble::Passing(said())),
                _ if status.is_client_error() => Err(Trouble::Lasting(said())),
                _ => Err(Trouble::Passing(said())),
            }
        });
        found.map_err(|reason| format!("the schema registry has no id for the Avro schema of subject `{subject}`: {reason}"))
    }

    /// Keeps a schema as that of an id, which need not be asked for then.
    pub fn keep(&self, id: u32, schema: RegisteredSchema) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keep(id, &Ok(Arc::new(schema)));
    }

    /// The schema of an id, if it is known or the registry tells it at once. When it does not answer, it is not asked again for a while.
    ///
    /// # Errors
    /// Why it is not known.
    pub fn schema_at_once(&self, id: u32) -> Known {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).find(id) {
            return known;
        }
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if silent.as_ref().is_some_and(|since| since.elapsed() < TELL) {
            return Err(Arc::from("the schema registry did not answer a moment ago"));
        }
        let found = match self.runtime.block_on(self.ask(id)) {
            Ok(schema) => Ok(Arc::new(schema)),
            Err(Trouble::Lasting(reason)) => Err(Arc::from(reason)),
            Err(Trouble::Passing(reason)) => {
                *silent = Some(Stopwatch::start());
                return Err(Arc::from(reason));
            }
        };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keep(id, &found);
        found
    }

    /// Asks about a schema, by its id or subject, again and again until there is an answer, or the service is told to stop: then the thread ends, [`Stopped`].
    fn wait<A, F: Future<Output = Result<A, Trouble>>>(&self, schema: &dyn Display, ask: impl Fn() -> F) -> Result<A, String> {
        let mut since_told: Option<Stopwatch> = None;
        loop {
            let answer = self.runtime.block_on(async {
                tokio::select! {
                    answer = ask() => Some(answer),
                    () = self.told_to_stop() => None,
                }
            });
            match answer {
                None => resume_unwind(Box::new(Stopped)),
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(Trouble::Lasting(reason))) => return Err(reason),
                Some(Err(Trouble::Passing(reason))) => {
                    if since_told.as_ref().is_none_or(|since| since.elapsed() > TELL) {
                        tracing::warn!(url = %self.url, %schema, reason, "waiting for the schema registry");
                        since_told = Some(Stopwatch::start());
                    }
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    async fn told_to_stop(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn ask(&self, id: u32) -> Result<RegisteredSchema, Trouble> {
        let answer = self.get(&["schemas", "ids", &id.to_string()]).await?;
        let mut references: Vec<Reference> = Vec::new();
        // What a schema refers to comes before it: depth first, each once.
        let mut waiting: Vec<(ReferenceTo, Option<Answer>)> = answer.references.iter().rev().map(|to| (to.clone(), None)).collect();
        while let Some((to, fetched)) = waiting.pop() {
            if references.iter().any(|known| known.name == to.name) {
                continue;
            }
            if references.len() + waiting.len() > MOST_REFERENCES {
                return Err(Trouble::Lasting(format!("schema {id} refers to more than {MOST_REFERENCES} others")));
            }
            if let Some(answer) = fetched {
                references.push(Reference { name: to.name, text: answer.schema });
                continue;
            }
            let answer = self.get(&["subjects", &to.subject, "versions", &to.version.to_string()]).await?;
            let inner: Vec<ReferenceTo> = answer.references.clone();
            waiting.push((to, Some(answer)));
            waiting.extend(inner.into_iter().rev().map(|to| (to, None)));
        }
        let parsed = RegisteredSchema::parse(&answer.schema_type, &answer.schema, &references);
        parsed.map_err(|reason| Trouble::Lasting(format!("schema {id} cannot be read: {reason}")))
    }

    async fn get(&self, path: &[&str]) -> Result<Answer, Trouble> {
        let (status, body) = self.exchange(self.client.get(self.address(path)?)).await?;
        match status {
            StatusCode::OK => {
                serde_json::from_slice(&body).map_err(|error| Trouble::Passing(format!("it answers what is no schema: {error}")))
            }
            StatusCode::NOT_FOUND if is_unknown(&body) => Err(Trouble::Lasting(format!("the registry has nothing at /{}", path.join("/")))),
            _ => Err(Trouble::Passing(format!("{status}: {}", beginning(&body)))),
        }
    }

    fn address(&self, path: &[&str]) -> Result<Url, Trouble> {
        let mut url = self.url.clone();
        url.path_segments_mut().map_err(|()| Trouble::Lasting("its address has no paths".to_owned()))?.pop_if_empty().extend(path);
        Ok(url)
    }

    /// Sends a request; what came back, with its status.
    async fn exchange(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), Trouble> {
        let request = request.header("accept", format!("{MEDIA_TYPE}, application/json"));
        let request = match &self.credentials {
            Some(Credentials::Bearer(token)) => request.bearer_auth(token.reveal()),
            Some(Credentials::Basic { username, password }) => request.basic_auth(username, Some(password.reveal())),
            None => request,
        };
        let passing = |error: reqwest::Error| Trouble::Passing(format!("{:#}", anyhow::Error::from(error.without_url())));
        let mut response = request.send().await.map_err(passing)?;
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(passing)? {
            body.extend_from_slice(&part);
            if body.len() > LARGEST_ANSWER {
                return Err(Trouble::Passing(format!("its answer is longer than {LARGEST_ANSWER} bytes")));
            }
        }
        Ok((response.status(), body))
    }
}

/// The beginning of what a registry says, for people.
fn beginning(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(300).collect()
}

/// The id in what a registry says of a schema that is registered.
fn registered_id(body: &[u8]) -> Option<u32> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    answer["id"].as_u64().and_then(|id| u32::try_from(id).ok())
}

/// Whether a registry says that it does not know what was asked for, and not another server that it has no such page.
fn is_unknown(body: &[u8]) -> bool {
    let code = |body: serde_json::Value| body["error_code"].as_i64();
    serde_json::from_slice(body).ok().and_then(code).is_some_and(|code| UNKNOWN.contains(&code))
}
