//! Churn risk: the probability that a habit has ended, from the days it was seen on.
//!
//! A process is what makes the days: activity, or orders. [`ChurnProcess`] answers for one of them; its formulas are in [`closed_form`].

pub mod backtest;
pub mod calibration;
pub mod closed_form;
pub mod counts;
pub mod fit;
pub mod level;
pub mod memory;
pub mod refit;
pub mod returning;
pub mod settings;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::hexadecimal::hexadecimal;
use closed_form::{ClosedForm, Span};

/// Gives the two values of an enum names.
macro_rules! names {
    ($enum:ident: $one:ident = $one_name:literal, $other:ident = $other_name:literal) => {
        impl $enum {
            /// Both values with their names.
            pub const NAMES: [(Self, &'static str); 2] = [(Self::$one, $one_name), (Self::$other, $other_name)];

            /// The name in settings and records.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    Self::$one => $one_name,
                    Self::$other => $other_name,
                }
            }

            /// The value of a name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::NAMES.into_iter().find(|(_, known)| *known == name).map(|(value, _)| value)
            }
        }
    };
}

/// What makes the days of a habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessKind {
    /// Distinct active days.
    Activity,
    /// Distinct days with an order that stands.
    Purchase,
}

names! { ProcessKind: Activity = "activity", Purchase = "purchase" }

/// A model of how days of a process come and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChurnModel {
    /// Modified BG/NBD: a user may drop out after every day, the first included.
    MbgNbd,
    /// BG/NBD: a user who has only been seen once cannot have dropped out.
    BgNbd,
}

names! { ChurnModel: MbgNbd = "mbg-nbd", BgNbd = "bg-nbd" }

/// The unit of time that a model's parameters are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeUnit {
    /// Calendar days.
    Day,
    /// Seven days.
    Week,
}

names! { TimeUnit: Day = "day", Week = "week" }

impl TimeUnit {
    /// Days in one unit.
    #[must_use]
    pub fn days(self) -> f64 {
        match self {
            Self::Day => 1.0,
            Self::Week => 7.0,
        }
    }
}

/// The four parameters of either model, all positive: rates of users are Gamma(r, alpha), in days of the process per unit of time, and their
/// probabilities of dropping out are Beta(a, b).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChurnParameters {
    /// Shape of the rates.
    pub r: f64,
    /// Inverse scale of the rates, in units of time.
    pub alpha: f64,
    /// First parameter of the dropout probabilities.
    pub a: f64,
    /// Second parameter of the dropout probabilities.
    pub b: f64,
}

/// What is known of a user's days of a process, as of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct History {
    /// x: distinct days after the first.
    pub repeats: u32,
    /// From the first day to the last, in days; 0 without repeats.
    pub recency_days: i32,
    /// From the last day to the as-of day, in days; at least 0.
    pub silent_days: i32,
}

impl History {
    /// The same in a unit of time.
    #[must_use]
    pub fn span(&self, unit: TimeUnit) -> Span {
        let recency = f64::from(self.recency_days) / unit.days();
        Span { repeats: f64::from(self.repeats), recency, age: recency + f64::from(self.silent_days) / unit.days() }
    }
}

/// A process with the model that judges it.
///
/// Worked number: MBG/NBD in weeks with r = .525, α = 6.183, a = .891, b = 1.614, for a buyer with x = 2, `t_x` = 30.43, T = 38.86 weeks:
/// `p_alive` = 1 / (1 + .891 / 3.614 (45.043 / 36.613)^2.525) = .7062, and with a horizon of 13 weeks
/// `risk` = 1 - .7062 (1 - (45.043 / 58.043)^2.525) = .6661.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChurnProcess {
    /// The model.
    pub model: ChurnModel,
    /// The unit of the parameters.
    pub unit: TimeUnit,
    /// The parameters.
    pub parameters: ChurnParameters,
    /// How far the risk looks ahead, in days.
    pub horizon_days: u16,
    /// Days of silence after which a user is churned, whatever the risk.
    pub lapse_days: u16,
}

/// What names a model in records: model, unit, and the first 8 bytes of a SHA-256 of the parameters' bits, such as `mbg-nbd-week-5f1d1c3e0a9b7c42`. Equal
/// parameters have equal ids, wherever they come from.
#[must_use]
pub fn model_id(model: ChurnModel, unit: TimeUnit, parameters: &ChurnParameters) -> String {
    let ChurnParameters { r, alpha, a, b } = *parameters;
    let bits = [r, alpha, a, b].into_iter().fold(Sha256::new(), |hash, parameter| hash.chain_update(parameter.to_bits().to_le_bytes()));
    format!("{}-{}-{}", model.name(), unit.name(), hexadecimal(&bits.finalize()[..8]))
}

impl ChurnProcess {
    /// The id of the model with its parameters.
    #[must_use]
    pub fn model_id(&self) -> String {
        model_id(self.model, self.unit, &self.parameters)
    }

    /// The closed forms, over spans in the model's unit.
    #[must_use]
    pub fn closed_form(&self) -> ClosedForm {
        ClosedForm::new(self.model, self.parameters)
    }

    /// The probability that the user has not dropped out, 0 to 1. BG/NBD says 1 of every user without repeats.
    #[must_use]
    pub fn p_alive(&self, history: &History) -> f64 {
        self.closed_form().p_alive(&history.span(self.unit))
    }

    /// The probability of no further day within the horizon, 0 to 1. It rises with silence.
    #[must_use]
    pub fn risk(&self, history: &History) -> f64 {
        self.closed_form().risk(&history.span(self.unit), f64::from(self.horizon_days) / self.unit.days())
    }

    /// The expected number of days of the process in the next `days_ahead` days, given what is known.
    #[must_use]
    pub fn expected_days(&self, history: &History, days_ahead: f64) -> f64 {
        self.closed_form().expected(&history.span(self.unit), days_ahead / self.unit.days())
    }

    /// The logarithm of the likelihood of the history, time in the model's unit.
    #[must_use]
    pub fn log_likelihood(&self, history: &History) -> f64 {
        self.closed_form().log_likelihood(&history.span(self.unit))
    }

    /// The smallest whole number of silent days, at most `at_most_days`, at which the risk of a user with these repeats is at least `level`; `None`
    /// when it is below it to the end. By bisection, since risk rises with silence.
    #[must_use]
    pub fn first_silence_reaching(&self, repeats: u32, recency_days: i32, level: f64, at_most_days: i32) -> Option<i32> {
        first_reaching(at_most_days, |silent_days| self.risk(&History { repeats, recency_days, silent_days }) >= level)
    }
}

/// The smallest of 0 to `at_most` from which on `reaches` holds; `None` when it does not at the end.
fn first_reaching(at_most: i32, reaches: impl Fn(i32) -> bool) -> Option<i32> {
    if at_most < 0 || !reaches(at_most) {
        return None;
    }
    let (mut low, mut high) = (0, at_most);
    while low < high {
        let middle = low + (high - low) / 2;
        if reaches(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests;
