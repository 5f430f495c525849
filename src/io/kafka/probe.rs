//! Whether the brokers can be reached, and if not, whether waiting helps.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::connection::{Connection, Isolation, LoggingContext};
use crate::io::clock::Stopwatch;

/// How long one question is waited for before what went wrong is looked at.
const ROUND: Duration = Duration::from_millis(500);

/// How the library begins to tell of a TLS handshake that failed.
const HANDSHAKE: &str = "SSL handshake failed";
/// How long is listened to what went wrong.
const LISTEN: Duration = Duration::from_millis(200);

/// Why the brokers cannot be spoken with.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The library refused the properties.
    #[error("kafka.properties: {0}")]
    Properties(KafkaError),
    /// They answered, and want other credentials or another protocol. Waiting does not help.
    #[error("{brokers} refused the connection: {reason}; see security.protocol and sasl.* in kafka.properties")]
    Refused {
        /// The bootstrap servers.
        brokers: String,
        /// What the library said.
        reason: String,
    },
    /// None answered. Worth trying again.
    #[error("{brokers} did not answer within {waited:?}: {reason}; see that a broker listens at kafka.bootstrap_servers")]
    Unreachable {
        /// The bootstrap servers.
        brokers: String,
        /// How long was waited.
        waited: Duration,
        /// What the library said.
        reason: String,
    },
}

/// Remembers what went wrong.
struct ProbeContext {
    logging: LoggingContext,
    refused: Mutex<Option<String>>,
    /// A TLS handshake that failed: a listener without TLS, or certificates that do not fit.
    handshake: Mutex<Option<String>>,
    trouble: Mutex<Option<String>>,
}

impl ClientContext for ProbeContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // The library retries a handshake that fails without calling it an error.
        if message.contains(HANDSHAKE) {
            *self.handshake.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.to_owned());
        }
        self.logging.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        use RDKafkaErrorCode::{Authentication, IllegalSASLState, SSL, SaslAuthenticationFailed, UnsupportedSASLMechanism};
        let code = error.rdkafka_error_code();
        let refuses = matches!(code, Some(Authentication | IllegalSASLState | SaslAuthenticationFailed | SSL | UnsupportedSASLMechanism));
        let place = if refuses { &self.refused } else { &self.trouble };
        // That all brokers are down says less than what came before.
        if code != Some(RDKafkaErrorCode::AllBrokersDown) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for ProbeContext {}

/// Asks whether the brokers are there.
pub struct Probe {
    client: BaseConsumer<ProbeContext>,
    brokers: String,
}

impl Probe {
    /// A client that joins no group. Nothing is sent yet.
    pub fn new(connection: &Connection) -> Result<Self, ProbeError> {
        let context = ProbeContext {
            logging: LoggingContext::new(connection),
            refused: Mutex::default(),
            handshake: Mutex::default(),
            trouble: Mutex::default(),
        };
        let config = connection.reader("stickiness", Isolation::Uncommitted);
        let client = config.create_with_context(context).map_err(ProbeError::Properties)?;
        Ok(Self { client, brokers: connection.bootstrap_servers().to_owned() })
    }

    /// Lets the library tell what went wrong. Nothing may come while more waits: what is logged comes by the same queue.
    fn take_errors(&self) {
        let stopwatch = Stopwatch::start();
        while stopwatch.elapsed() < LISTEN {
            // The context has it by then.
            drop(self.client.poll(Duration::from_millis(10)));
        }
    }

    /// Waits at most `patience` for an answer; returns at once when the brokers refuse the credentials. A TLS handshake is tried
    /// until then.
    pub fn ask(&self, patience: Duration) -> Result<(), ProbeError> {
        let stopwatch = Stopwatch::start();
        loop {
            let Err(error) = self.client.fetch_metadata(None, ROUND) else { return Ok(()) };
            self.take_errors();
            let context = self.client.context();
            if let Some(reason) = taken(&context.refused) {
                return Err(self.refused(reason));
            }
            if stopwatch.elapsed() >= patience {
                return Err(match taken(&context.handshake) {
                    Some(reason) => self.refused(reason),
                    None => self.unreachable(patience, taken(&context.trouble).unwrap_or_else(|| error.to_string())),
                });
            }
        }
    }

    fn refused(&self, reason: String) -> ProbeError {
        ProbeError::Refused { brokers: self.brokers.clone(), reason }
    }

    fn unreachable(&self, waited: Duration, reason: String) -> ProbeError {
        ProbeError::Unreachable { brokers: self.brokers.clone(), waited, reason }
    }
}

fn taken(place: &Mutex<Option<String>>) -> Option<String> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}
