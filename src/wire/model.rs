//! Fitted models on the internal model topic: the newest of each process, under the process's name.

use serde::{Deserialize, Serialize};

use crate::engine::refits::Due;
use crate::model::churn::refit::{Accepted, FittedModel};
use crate::model::churn::{ChurnModel, ChurnParameters, ProcessKind, TimeUnit};
use crate::model::time::Day;

const SCHEMA: &str = "stickiness.model.v1";

/// A model that was found better than the one before it.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedModel {
    /// The model.
    pub model: FittedModel,
    /// The day at whose close it takes over.
    pub takes_effect: Day,
    /// The last of the days that it was judged by.
    pub judged_through: Day,
    /// Users whose histories were fitted.
    pub users: u64,
    /// The logarithm of the likelihood of their histories.
    pub log_likelihood: f64,
    /// What it lost on the days held back, and what the one before it lost, per user.
    pub log_loss: (f64, f64),
}

/// The record's fields.
#[derive(Serialize, Deserialize)]
struct Written {
    schema: String,
    process: String,
    model: String,
    unit: String,
    r: f64,
    alpha: f64,
    a: f64,
    b: f64,
    model_id: String,
    users: u64,
    /// How many days were held back, and the last of them.
    span: Span,
    log_likelihood: f64,
    log_loss: f64,
    log_loss_before: f64,
    takes_effect_at_close_of: String,
}

#[derive(Serialize, Deserialize)]
struct Span {
    held_back_days: u16,
    through: String,
}

/// Why a record of the model topic cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No JSON, or not of these fields.
    #[error("a model cannot be read: {0}")]
    Undecodable(#[from] serde_json::Error),
    /// A field has a value that this version does not know.
    #[error("a model with an unknown {0}")]
    Unknown(&'static str),
}

impl PublishedModel {
    /// What is to be published of a model that was accepted.
    #[must_use]
    pub fn new(due: &Due, accepted: &Accepted) -> Self {
        let Accepted { model, users, log_likelihood, log_loss, log_loss_before } = *accepted;
        let Due { judged_through, takes_effect, .. } = *due;
        Self { model, takes_effect, judged_through, users, log_likelihood, log_loss: (log_loss, log_loss_before) }
    }

    /// The key of its record.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.model.process.name()
    }

    /// The value of its record.
    pub fn encode(&self) -> Result<Vec<u8>, ModelError> {
        let ChurnParameters { r, alpha, a, b } = self.model.parameters;
        Ok(serde_json::to_vec(&Written {
            schema: SCHEMA.to_owned(),
            process: self.model.process.name().to_owned(),
            model: self.model.model.name().to_owned(),
            unit: self.model.unit.name().to_owned(),
            r,
            alpha,
            a,
            b,
            model_id: self.model.model_id(),
            users: self.users,
            span: Span { held_back_days: crate::model::churn::refit::HOLDOUT_DAYS, through: self.judged_through.to_string() },
            log_likelihood: self.log_likelihood,
            log_loss: self.log_loss.0,
            log_loss_before: self.log_loss.1,
            takes_effect_at_close_of: self.takes_effect.to_string(),
        })?)
    }

    /// Reads the value of a record.
    pub fn decode(value: &[u8]) -> Result<Self, ModelError> {
        let written: Written = serde_json::from_slice(value)?;
        let day = |text: &str| Day::parse(text).ok_or(ModelError::Unknown("day"));
        let Written { r, alpha, a, b, users, log_likelihood, log_loss, log_loss_before, .. } = written;
        let model = FittedModel {
            process: ProcessKind::from_name(&written.process).ok_or(ModelError::Unknown("process"))?,
            model: ChurnModel::from_name(&written.model).ok_or(ModelError::Unknown("model"))?,
            unit: TimeUnit::from_name(&written.unit).ok_or(ModelError::Unknown("unit"))?,
            parameters: ChurnParameters { r, alpha, a, b },
        };
        // The id is of the parameters' bits: it tells whether they were read as they were meant.
        if written.schema != SCHEMA || !model.is_usable() || written.model_id != model.model_id() {
            return Err(ModelError::Unknown("schema, or parameters that are not those of its id"));
        }
        let (takes_effect, judged_through) = (day(&written.takes_effect_at_close_of)?, day(&written.span.through)?);
        Ok(Self { model, takes_effect, judged_through, users, log_likelihood, log_loss: (log_loss, log_loss_before) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> PublishedModel {
        let parameters = ChurnParameters { r: 0.1 + 0.2, alpha: 1.0 / 3.0, a: 1e-3, b: 12_345.678_901_234_567 };
        PublishedModel {
            model: FittedModel { process: ProcessKind::Purchase, model: ChurnModel::MbgNbd, unit: TimeUnit::Week, parameters },
            takes_effect: Day::from_number(20_003),
            judged_through: Day::from_number(20_001),
            users: 4_321,
            log_likelihood: -987.654_321,
            log_loss: (0.25, 0.5),
        }
    }

    #[test]
    fn what_is_written_is_read_to_the_bit() {
        let written = model().encode().expect("encoded");
        assert_eq!(PublishedModel::decode(&written).expect("decoded"), model());
        assert_eq!(model().key(), "purchase");
    }

    #[test]
    fn a_model_that_is_not_that_of_its_id_is_refused() {
        let text = String::from_utf8(model().encode().expect("encoded")).expect("text");
        for (from, to) in [("\"users\"", "\"guests\""), ("0.25", "nothing"), ("\"a\":0.001", "\"a\":0.002"), ("purchase", "sale")] {
            assert!(text.contains(from) && PublishedModel::decode(text.replace(from, to).as_bytes()).is_err(), "{from}");
        }
    }
}
