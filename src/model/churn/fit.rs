//! Maximum likelihood for the parameters of a churn model.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::closed_form::{ClosedForm, Span};
use super::{ChurnModel, ChurnParameters, History, TimeUnit, model_id};
use crate::model::maximise::{Maximum, maximise};

/// Lowest and highest value of r, a and b, and of α in the model's unit. Beyond them the likelihood is flat: users, or their dropouts, are all alike.
const BOUNDS: [(f64, f64); 4] = [(1e-3, 1e3), (1e-3, 1e5), (1e-3, 1e4), (1e-3, 1e4)];
/// Names of the parameters, in the order of [`BOUNDS`].
const NAMES: [&str; 4] = ["r", "alpha", "a", "b"];
/// A parameter within one per cent of a bound is at it.
const AT_BOUND: f64 = 0.01;
/// r, α in mean gaps between days, a and b to start from; far enough apart for one of them to be near.
const STARTS: [[f64; 4]; 2] = [[1.0, 1.0, 1.0, 2.0], [0.25, 0.25, 0.5, 5.0]];

/// Fewest users whose habits are worth a fit that nobody looks at: a service keeps its parameters when it has fewer.
pub const REFIT_USERS: u64 = 1000;

/// A span that several users have, or nearly have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted {
    /// What they have in common, in the model's unit.
    pub span: Span,
    /// How many they are.
    pub users: f64,
}

/// Users with equal histories taken together, exactly, in a unit of time.
#[must_use]
pub fn weighted(histories: impl IntoIterator<Item = History>, unit: TimeUnit) -> Vec<Weighted> {
    let mut histories: Vec<History> = histories.into_iter().collect();
    histories.sort_unstable();
    let mut weighted: Vec<Weighted> = Vec::new();
    let mut before = None;
    for history in histories {
        match weighted.last_mut() {
            Some(last) if before == Some(history) => last.users += 1.0,
            _ => weighted.push(Weighted { span: history.span(unit), users: 1.0 }),
        }
        before = Some(history);
    }
    weighted
}

/// Parameters with the greatest likelihood.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// The model.
    pub model: ChurnModel,
    /// The unit of the parameters.
    pub unit: TimeUnit,
    /// The parameters.
    pub parameters: ChurnParameters,
    /// The logarithm of the likelihood of all histories.
    pub log_likelihood: f64,
    /// Users whose histories were fitted.
    pub users: u64,
}

impl Fit {
    /// The id of the parameters.
    #[must_use]
    pub fn model_id(&self) -> String {
        model_id(self.model, self.unit, &self.parameters)
    }
}

/// Why data say nothing about the parameters, or not everything.
#[derive(Clone, Debug, PartialEq)]
pub enum Degenerate {
    /// Fewer users than the caller wants.
    TooFewUsers {
        /// Users there are.
        users: u64,
        /// Users wanted.
        least: u64,
    },
    /// Nobody came back on another day.
    NoRepeats,
    /// The likelihood rises to the bound of a parameter, so the others have no meaning of their own. `fit` is the best inside the bounds.
    AtBound {
        /// The parameter.
        parameter: &'static str,
        /// Where it stopped.
        value: f64,
        /// The best inside the bounds.
        fit: Fit,
    },
}

/// The reason as a sentence without its end.
impl fmt::Display for Degenerate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewUsers { users, least } => write!(formatter, "{users} users, at least {least} are needed"),
            Self::NoRepeats => write!(formatter, "nobody has a second day"),
            Self::AtBound { parameter, value, .. } => {
                let meaning = match *parameter {
                    "r" | "alpha" => "the rates of users do not differ in the way the model supposes",
                    _ => "the data show no dropout, or one that does not differ between users",
                };
                write!(formatter, "{parameter} was driven to its bound {value:.4}: {meaning}")
            }
        }
    }
}

/// Fits `model` to users' histories, in their unit, from two starts; for at least `least_users` of them.
///
/// # Errors
/// A [`Degenerate`] when the data cannot tell all parameters.
pub fn fit(model: ChurnModel, unit: TimeUnit, histories: &[Weighted], least_users: u64) -> Result<Fit, Degenerate> {
    let (users, repeats, age) = histories.iter().fold((0.0, 0.0, 0.0), |(users, repeats, age), one| {
        (users + one.users, repeats + one.users * one.span.repeats, age + one.users * one.span.age)
    });
    let users = whole(users);
    if users < least_users.max(1) {
        return Err(Degenerate::TooFewUsers { users, least: least_users.max(1) });
    }
    if repeats <= 0.0 || age <= 0.0 {
        return Err(Degenerate::NoRepeats);
    }
    let sample = Sample::new(histories);
    let bounds = BOUNDS.map(|(low, high)| (libm::log(low), libm::log(high)));
    let from = |[r, gaps, a, b]: [f64; 4]| {
        let start = [r, gaps * age / repeats, a, b].map(libm::log);
        maximise(start, &bounds, |at| sample.log_likelihood(ClosedForm::new(model, parameters(at))))
    };
    let [one, other] = STARTS.map(from);
    let best = if other.value > one.value { other } else { one };
    let fit = Fit { model, unit, parameters: parameters(&best.at), log_likelihood: best.value, users };
    match bound_met(&best, &bounds) {
        Some(index) => Err(Degenerate::AtBound { parameter: NAMES[index], value: libm::exp(best.at[index]), fit }),
        None => Ok(fit),
    }
}

fn parameters(logarithms: &[f64; 4]) -> ChurnParameters {
    let [r, alpha, a, b] = logarithms.map(libm::exp);
    ChurnParameters { r, alpha, a, b }
}

/// Which parameter is at a bound; a dropout before a rate, since it says more.
fn bound_met(best: &Maximum<4>, bounds: &[(f64, f64); 4]) -> Option<usize> {
    let at_bound = |index: &usize| {
        let (low, high) = bounds[*index];
        (best.at[*index] - low).min(high - best.at[*index]) < AT_BOUND
    };
    [2, 3, 0, 1].into_iter().find(at_bound)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of users")]
fn whole(users: f64) -> u64 {
    users.max(0.0) as u64
}

/// Histories in the order in which what depends on the repeats alone is worked out once.
struct Sample {
    by_repeats: Vec<Weighted>,
}

impl Sample {
    fn new(histories: &[Weighted]) -> Self {
        let mut by_repeats = histories.to_vec();
        by_repeats.sort_by(|one, other| one.span.repeats.total_cmp(&other.span.repeats));
        Self { by_repeats }
    }

    fn log_likelihood(&self, form: ClosedForm) -> f64 {
        let mut sum = 0.0;
        for same in self.by_repeats.chunk_by(|one, other| one.span.repeats.total_cmp(&other.span.repeats).is_eq()) {
            let of_repeats = form.log_likelihood_of_repeats(same[0].span.repeats);
            sum += same.iter().map(|one| one.users * (of_repeats + form.log_likelihood_of_times(&one.span))).sum::<f64>();
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn history(repeats: u32, recency_days: i32, silent_days: i32) -> History {
        History { repeats, recency_days, silent_days }
    }

    /// A uniform number in (0, 1].
    fn uniform(random: &mut ChaCha8Rng) -> f64 {
        1.0 - random.random::<f64>()
    }

    /// Users of MBG/NBD with r = 1, α = 10 days, a = 1, b = 3, seen for 200 days.
    fn simulated(users: usize) -> Vec<History> {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut one = || {
            let rate = -uniform(&mut random).ln() / 10.0;
            // The smallest of three uniform numbers is Beta(1, 3).
            let dropout = (0..3).map(|_| uniform(&mut random)).fold(1.0, f64::min);
            let (mut time, mut repeats, mut recency) = (0.0, 0, 0.0);
            while uniform(&mut random) > dropout {
                time += -uniform(&mut random).ln() / rate;
                if time > 200.0 {
                    break;
                }
                (repeats, recency) = (repeats + 1, time);
            }
            #[expect(clippy::cast_possible_truncation, reason = "up to 200")]
            let recency = recency.round() as i32;
            history(repeats, recency, 200 - recency)
        };
        (0..users).map(|_| one()).collect()
    }

    #[test]
    fn what_made_the_data_is_found_again() {
        let sample = weighted(simulated(20_000), TimeUnit::Day);
        let fit = fit(ChurnModel::MbgNbd, TimeUnit::Day, &sample, REFIT_USERS).expect("enough data");
        let ChurnParameters { r, alpha, a, b } = fit.parameters;
        for (name, found, made, within) in [("r", r, 1.0, 0.1), ("alpha", alpha, 10.0, 1.0), ("a", a, 1.0, 0.15), ("b", b, 3.0, 0.6)] {
            assert!((found - made).abs() < within, "{name}: {found} for {made}");
        }
        assert_eq!(fit.users, 20_000);
        let alone: f64 = simulated(20_000)
            .iter()
            .map(|history| ClosedForm::new(fit.model, fit.parameters).log_likelihood(&history.span(TimeUnit::Day)))
            .sum();
        assert!((alone - fit.log_likelihood).abs() < 1e-6, "{alone} {}", fit.log_likelihood);
    }

    #[test]
    fn degenerate_data_are_told_apart() {
        let fit = |histories: Vec<History>, least| fit(ChurnModel::MbgNbd, TimeUnit::Day, &weighted(histories, TimeUnit::Day), least);
        assert_eq!(fit(vec![], 0), Err(Degenerate::TooFewUsers { users: 0, least: 1 }));
        assert_eq!(fit(vec![history(1, 3, 4); 9], 10), Err(Degenerate::TooFewUsers { users: 9, least: 10 }));
        assert_eq!(fit(vec![history(0, 0, 40); 50], 10), Err(Degenerate::NoRepeats));
        // Everyone still comes, so that nobody can have dropped out.
        let faithful: Vec<History> = (0..200).map(|index| history(20 + index % 30, 300, 1)).collect();
        match fit(faithful, 10) {
            Err(error @ Degenerate::AtBound { parameter: "a" | "b", fit, .. }) => {
                let ChurnParameters { a, b, .. } = fit.parameters;
                assert!(a / (a + b) < 0.001, "{fit:?}");
                assert!(error.to_string().contains("no dropout"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bound_is_said_to_be_of_rates_or_of_dropout() {
        let fit = fit(ChurnModel::BgNbd, TimeUnit::Week, &weighted(simulated(500), TimeUnit::Week), 1).expect("a fit");
        let rates = "was driven to its bound 0.0100: the rates of users do not differ in the way the model supposes";
        let dropout = "was driven to its bound 0.0100: the data show no dropout, or one that does not differ between users";
        for (parameter, meaning) in [("r", rates), ("alpha", rates), ("a", dropout), ("b", dropout)] {
            let said = Degenerate::AtBound { parameter, value: 0.01, fit }.to_string();
            assert_eq!(said, format!("{parameter} {meaning}"));
        }
        assert_eq!(Degenerate::TooFewUsers { users: 3, least: 10 }.to_string(), "3 users, at least 10 are needed");
        assert_eq!(Degenerate::NoRepeats.to_string(), "nobody has a second day");
    }

    #[test]
    fn equal_data_give_equal_bits() {
        let fit = || {
            let mut histories = simulated(500);
            histories.reverse();
            fit(ChurnModel::BgNbd, TimeUnit::Week, &weighted(histories, TimeUnit::Week), 1).expect("a fit")
        };
        assert_eq!(fit(), fit());
    }
}
