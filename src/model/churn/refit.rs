//! Daily refits: parameters fitted to what was known a week ago, judged by what came since beside those in force.

use serde::{Deserialize, Serialize};

use super::counts::HistoryCounts;
use super::fit::{Degenerate, Fit, Weighted, fit};
use super::{ChurnModel, ChurnParameters, ChurnProcess, History, ProcessKind, TimeUnit, model_id};

/// Days whose events are held back from a fit, to judge it by.
pub const HOLDOUT_DAYS: u16 = 7;
/// Probabilities are kept this far from 0 and 1, so that one surprise does not decide a comparison.
const SURPRISE: f64 = 1e-9;

/// A model of a process with its parameters, wherever they come from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedModel {
    /// The process.
    pub process: ProcessKind,
    /// The model.
    pub model: ChurnModel,
    /// The unit of the parameters.
    pub unit: TimeUnit,
    /// The parameters.
    pub parameters: ChurnParameters,
}

impl FittedModel {
    /// The model that a process is judged by.
    #[must_use]
    pub fn of(process: ProcessKind, settings: &ChurnProcess) -> Self {
        Self { process, model: settings.model, unit: settings.unit, parameters: settings.parameters }
    }

    /// What names it in records.
    #[must_use]
    pub fn model_id(&self) -> String {
        model_id(self.model, self.unit, &self.parameters)
    }

    /// Whether its parameters are ones that the formulas take: positive numbers.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let ChurnParameters { r, alpha, a, b } = self.parameters;
        [r, alpha, a, b].iter().all(|parameter| parameter.is_finite() && *parameter > 0.0)
    }
}

/// Users by what was known of a process of theirs at the end of a day, apart by whether a day of it came in the [`HOLDOUT_DAYS`] after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdout {
    returned: HistoryCounts,
    silent: HistoryCounts,
}

impl Holdout {
    /// Counts a user.
    pub fn add(&mut self, history: &History, returned: bool) {
        if returned { &mut self.returned } else { &mut self.silent }.add(history);
    }

    /// Adds the users of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        self.returned.absorb(&other.returned);
        self.silent.absorb(&other.silent);
    }

    /// Users counted.
    #[must_use]
    pub fn users(&self) -> i64 {
        self.returned.users() + self.silent.users()
    }

    /// All users, for a fit.
    fn all(&self, unit: TimeUnit) -> Vec<Weighted> {
        let mut all = self.returned.clone();
        all.absorb(&self.silent);
        all.weighted(unit)
    }

    /// The mean over users of -ln of the probability that a model gave to what came; `None` without users.
    #[must_use]
    pub fn log_loss(&self, model: &FittedModel) -> Option<f64> {
        let form = super::closed_form::ClosedForm::new(model.model, model.parameters);
        let horizon = f64::from(HOLDOUT_DAYS) / model.unit.days();
        let (mut loss, mut users) = (0.0, 0.0);
        for (counts, came) in [(&self.returned, true), (&self.silent, false)] {
            for one in counts.weighted(model.unit) {
                let silent = form.risk(&one.span, horizon).clamp(SURPRISE, 1.0 - SURPRISE);
                loss -= one.users * libm::log(if came { 1.0 - silent } else { silent });
                users += one.users;
            }
        }
        (users > 0.0).then(|| loss / users)
    }
}

/// Parameters that may take over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accepted {
    /// The model.
    pub model: FittedModel,
    /// Users whose histories were fitted.
    pub users: u64,
    /// The logarithm of the likelihood of all histories.
    pub log_likelihood: f64,
    /// What it lost on the days held back; see [`Holdout::log_loss`].
    pub log_loss: f64,
    /// What the parameters in force lost on them.
    pub log_loss_before: f64,
}

/// Why the parameters in force stay.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// The data cannot tell the parameters.
    Degenerate(Degenerate),
    /// The new ones foretold the days held back worse.
    Worse {
        /// What the new ones lost.
        log_loss: f64,
        /// What those in force lost.
        log_loss_before: f64,
    },
}

/// Fits `current`'s model to the histories of at least `least_users` users, and compares both on the days held back.
///
/// # Errors
/// [`Kept`] when there is no reason to replace `current`.
pub fn refit(current: &FittedModel, holdout: &Holdout, least_users: u64) -> Result<Accepted, Kept> {
    let fit = fit(current.model, current.unit, &holdout.all(current.unit), least_users).map_err(Kept::Degenerate)?;
    let Fit { model, unit, parameters, log_likelihood, users } = fit;
    let fitted = FittedModel { process: current.process, model, unit, parameters };
    let loss = |model| holdout.log_loss(model).unwrap_or(f64::INFINITY);
    let (log_loss, log_loss_before) = (loss(&fitted), loss(current));
    if log_loss > log_loss_before {
        return Err(Kept::Worse { log_loss, log_loss_before });
    }
    Ok(Accepted { model: fitted, users, log_likelihood, log_loss, log_loss_before })
}

impl ChurnProcess {
    /// The same process with the parameters of a fit.
    #[must_use]
    pub fn with(&self, parameters: ChurnParameters) -> Self {
        Self { parameters, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn model(parameters: (f64, f64, f64, f64)) -> FittedModel {
        let (r, alpha, a, b) = parameters;
        let parameters = ChurnParameters { r, alpha, a, b };
        FittedModel { process: ProcessKind::Activity, model: ChurnModel::MbgNbd, unit: TimeUnit::Day, parameters }
    }

    /// Users of MBG/NBD with r = 1, α = `gap` days, a = 1, b = 3, seen for 100 days and 7 more.
    fn users(count: usize, gap: f64) -> Holdout {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut uniform = move || 1.0 - random.random::<f64>();
        let mut holdout = Holdout::default();
        for _ in 0..count {
            let rate = -uniform().ln() / gap;
            let dropout = (0..3).map(|_| uniform()).fold(1.0, f64::min);
            let (mut time, mut last, mut repeats, mut returned) = (0.0, 0.0, 0, false);
            while uniform() > dropout && time <= 107.0 {
                time -= uniform().ln() / rate;
                if time <= 100.0 {
                    (last, repeats) = (time, repeats + 1);
                }
                returned |= time > 100.0 && time <= 107.0;
            }
            #[expect(clippy::cast_possible_truncation, reason = "up to 100")]
            let recency_days = last as i32;
            holdout.add(&History { repeats, recency_days, silent_days: 100 - recency_days }, returned);
        }
        holdout
    }

    #[test]
    fn what_made_the_data_takes_over_from_what_did_not() {
        let holdout = users(5_000, 10.0);
        let accepted = refit(&model((0.2, 1.0, 3.0, 1.0)), &holdout, 1000).expect("better");
        assert!(accepted.log_loss < accepted.log_loss_before, "{accepted:?}");
        let truth = holdout.log_loss(&model((1.0, 10.0, 1.0, 3.0))).expect("users");
        assert!((accepted.log_loss - truth).abs() < 0.005, "{accepted:?} {truth}");
        assert_eq!(accepted.users, 5_000);
    }

    #[test]
    fn what_foretells_worse_does_not_take_over() {
        // The habits that the fit sees are of users who come often; in the week held back nobody does.
        let mut holdout = Holdout::default();
        for number in 0..2_000 {
            holdout.add(&History { repeats: 10 + number % 40, recency_days: 90, silent_days: (number % 3).cast_signed() }, false);
        }
        let current = model((0.01, 100.0, 5.0, 1.0));
        assert!(matches!(refit(&current, &holdout, 1000), Err(Kept::Worse { .. } | Kept::Degenerate(_))));
        let mixed = {
            let mut mixed = users(2_000, 10.0);
            mixed.silent.absorb(&std::mem::take(&mut mixed.returned));
            mixed
        };
        assert!(matches!(refit(&current, &mixed, 1000), Err(Kept::Worse { .. })), "{:?}", refit(&current, &mixed, 1000));
    }

    #[test]
    fn few_users_tell_nothing() {
        let few = refit(&model((1.0, 10.0, 1.0, 3.0)), &users(999, 10.0), 1000);
        assert_eq!(few, Err(Kept::Degenerate(Degenerate::TooFewUsers { users: 999, least: 1000 })));
    }

    #[test]
    fn parameters_are_positive_numbers() {
        assert!(model((0.2, 1.0, 3.0, 1e-9)).is_usable());
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let places = [(wrong, 1.0, 1.0, 1.0), (1.0, wrong, 1.0, 1.0), (1.0, 1.0, wrong, 1.0), (1.0, 1.0, 1.0, wrong)];
            assert_eq!(places.map(|parameters| model(parameters).is_usable()), [false; 4], "{wrong}");
        }
    }
}
