//! The closed forms of both models over numbers in the model's unit. Everything is in logarithms: `(α + T)^-(r + x)` alone leaves the range of a
//! double for active users.
//!
//! A user with rate λ ~ Gamma(r, α) has days of the process at random; after each, the user drops out for good with probability p ~ Beta(a, b).
//! In BG/NBD the first day is exempt, in MBG/NBD it is not.
//!
//! Sources: Fader, Hardie, Lee (2005), "Counting your customers" the easy way (BG/NBD); Batislam, Denizel, Filiztekin (2007), Empirical validation and
//! comparison of models for customer base analysis (MBG/NBD).

use super::{ChurnModel, ChurnParameters};
use crate::model::gamma::{ln_beta_rising, ln_rising};

/// What a model knows of a user, in the model's unit of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// x: days of the process after the first; a mean over users may be broken.
    pub repeats: f64,
    /// `t_x`: from the first day to the last.
    pub recency: f64,
    /// T: from the first day to now, at least `recency`.
    pub age: f64,
}

/// Terms of the series of expected days before it is cut. Reached only when the horizon is tens of thousands of times `α + T`.
const MOST_TERMS: u32 = 1 << 20;

/// The models' formulas for one set of parameters.
#[derive(Clone, Copy, Debug)]
pub struct ClosedForm {
    model: ChurnModel,
    parameters: ChurnParameters,
}

impl ClosedForm {
    /// The formulas of `model` under `parameters`.
    #[must_use]
    pub fn new(model: ChurnModel, parameters: ChurnParameters) -> Self {
        Self { model, parameters }
    }

    /// Chances of dropping out that a user with `repeats` repeats has survived when alive.
    fn survived(&self, repeats: f64) -> f64 {
        match self.model {
            ChurnModel::MbgNbd => repeats + 1.0,
            ChurnModel::BgNbd => repeats,
        }
    }

    /// The logarithm of the odds of having dropped out: `a / (b + x) ((α + T) / (α + t_x))^(r + x)`, in BG/NBD with `b + x - 1`; minus infinity
    /// where it is impossible.
    fn ln_dead_odds(&self, span: &Span) -> f64 {
        let ChurnParameters { r, alpha, a, b } = self.parameters;
        let survived = self.survived(span.repeats);
        if survived <= 0.0 {
            return f64::NEG_INFINITY;
        }
        let silence = span.age - span.recency;
        libm::log(a / (b + survived - 1.0)) + (r + span.repeats) * libm::log1p(silence / (alpha + span.recency))
    }

    /// The probability that the user has not dropped out.
    #[must_use]
    pub fn p_alive(&self, span: &Span) -> f64 {
        logistic(-self.ln_dead_odds(span))
    }

    /// The probability of no further day within `horizon`: `1 - p_alive (1 - ((α + T) / (α + T + h))^(r + x))`.
    #[must_use]
    pub fn risk(&self, span: &Span, horizon: f64) -> f64 {
        let ChurnParameters { r, alpha, .. } = self.parameters;
        let ln_silent = -(r + span.repeats) * libm::log1p(horizon / (alpha + span.age));
        let odds = self.ln_dead_odds(span);
        // 1 - p_alive and 1 - (1 - silent) are taken apart, so that neither risks near 0 nor near 1 are rounded away.
        logistic(odds) + logistic(-odds) * libm::exp(ln_silent)
    }

    /// The logarithm of the likelihood of the span, all constants included.
    ///
    /// Worked number: BG/NBD with r = .25, α = 4, a = .8, b = 2.5 and x = 0, T = 40 is .25 ln(4 / 44) = -.599474.
    #[must_use]
    pub fn log_likelihood(&self, span: &Span) -> f64 {
        self.log_likelihood_of_repeats(span.repeats) + self.log_likelihood_of_times(span)
    }

    /// The part of the log-likelihood that many users have in common: what depends on the repeats alone.
    pub(super) fn log_likelihood_of_repeats(&self, repeats: f64) -> f64 {
        let ChurnParameters { r, alpha, a, b } = self.parameters;
        ln_rising(r, repeats) + ln_beta_rising(a, b, self.survived(repeats)) + r * libm::log(alpha)
    }

    /// The rest of the log-likelihood.
    pub(super) fn log_likelihood_of_times(&self, span: &Span) -> f64 {
        let ChurnParameters { r, alpha, .. } = self.parameters;
        softplus(self.ln_dead_odds(span)) - (r + span.repeats) * libm::log(alpha + span.age)
    }

    /// The expected number of days of the process within `ahead` of now: `p_alive` times what a user who is alive has left.
    ///
    /// The published form divides by `a - 1` and needs the hypergeometric function of Gauss, whose usual code fails for active users. Here it is a sum
    /// of positive terms: were nobody to drop out, the number N of days within `ahead` would be negative binomial with `r + x` and
    /// `z = t / (α + T + t)`, and the (k+1)-th of them happens when the k before it did not end the habit, so that
    /// `E = Σ P(N > k) E[(1 - p)^k]` over k = 0, 1, …, with p ~ Beta(a, b + x) (BG/NBD) or Beta(a, b + x + 1).
    #[must_use]
    pub fn expected(&self, span: &Span, ahead: f64) -> f64 {
        let ChurnParameters { r, alpha, a, b } = self.parameters;
        let scale = alpha + span.age;
        let days = NegativeBinomial::new(r + span.repeats, ahead / (scale + ahead), libm::log1p(ahead / scale));
        self.p_alive(span) * days.expected_until_dropout(a, b + self.survived(span.repeats))
    }

    /// The probability that a user whose first day is now has exactly `count` further days within `ahead`.
    ///
    /// With `survived(n)` = n, or n + 1 in MBG/NBD, and N as in [`Self::expected`]: the user either is alive after n days,
    /// `P(N = n) E[(1 - p)^survived(n)]`, or would have gone on but dropped out at the n-th.
    #[must_use]
    pub fn probability_of(&self, count: u32, ahead: f64) -> f64 {
        let ChurnParameters { r, alpha, a, b } = self.parameters;
        let mut days = NegativeBinomial::new(r, ahead / (alpha + ahead), libm::log1p(ahead / alpha));
        for _ in 0..count {
            days.step();
        }
        let survived = self.survived(f64::from(count));
        let alive = libm::exp(ln_beta_rising(a, b, survived));
        // E[p (1 - p)^(survived - 1)]: the last of the chances to drop out was taken.
        let dropped = if survived < 1.0 { 0.0 } else { alive * a / (b + survived - 1.0) };
        days.probability * alive + (days.probability + days.above) * dropped
    }
}

/// The probabilities of N = 0, 1, …, one after the other: `P(N = k) = (1 - z)^R (R)_k / k! z^k`.
struct NegativeBinomial {
    shape: f64,
    z: f64,
    count: f64,
    /// P(N = count); of those before the mode it may be too small for a double.
    probability: f64,
    /// Its logarithm, as long as that is needed.
    ln_probability: f64,
    /// P(N > count).
    above: f64,
}

/// The logarithm of a probability that is surely no denormal, from which the next ones can be multiplied up.
const LN_SMALL: f64 = -600.0;

impl NegativeBinomial {
    /// `ln_rest` is `-ln(1 - z)`.
    fn new(shape: f64, z: f64, ln_rest: f64) -> Self {
        let ln_probability = -shape * ln_rest;
        Self { shape, z, count: 0.0, probability: libm::exp(ln_probability), ln_probability, above: -libm::expm1(ln_probability) }
    }

    fn ratio(&self) -> f64 {
        (self.shape + self.count) * self.z / (self.count + 1.0)
    }

    fn step(&mut self) {
        if self.ln_probability < LN_SMALL {
            self.ln_probability += libm::log(self.ratio());
            self.probability = libm::exp(self.ln_probability);
        } else {
            self.probability *= self.ratio();
        }
        self.count += 1.0;
        self.above = (self.above - self.probability).max(0.0);
    }

    /// `Σ P(N > k) E[(1 - p)^k]` with p ~ Beta(a, b).
    fn expected_until_dropout(mut self, a: f64, b: f64) -> f64 {
        let (mut sum, mut kept) = (0.0, 1.0);
        for _ in 0..MOST_TERMS {
            // From here on the probabilities shrink at least as fast as by this ratio, so what is above is less than a geometric series. The
            // difference that `above` is kept as never gets that small.
            let ratio = self.ratio().max(self.z);
            if ratio < 1.0 {
                let tail = self.probability * ratio / (1.0 - ratio);
                self.above = self.above.min(tail);
                if kept * tail < 1e-16 * sum * (1.0 - ratio) {
                    break;
                }
            }
            sum += self.above * kept;
            kept *= (b + self.count) / (a + b + self.count);
            self.step();
        }
        sum
    }
}

/// `1 / (1 + e^-z)`.
fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-z))
}

/// `ln(1 + e^z)` without overflow.
fn softplus(z: f64) -> f64 {
    z.max(0.0) + libm::log1p(libm::exp(-z.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 5,000 and z = 0.2 the probability of 0 is e^-1116, which is no double; that of the mean, 1,250, by the gamma function with 40 digits.
    #[test]
    fn probabilities_come_back_from_below_what_a_double_holds() {
        let mut days = NegativeBinomial::new(5_000.0, 0.2, -(0.8_f64.ln()));
        assert!(days.probability < f64::MIN_POSITIVE);
        for _ in 0..1_250 {
            days.step();
        }
        assert!((days.probability / 0.010_091_823_635_715_06 - 1.0).abs() < 1e-9, "{}", days.probability);
        assert!((days.above - 0.492_431_374_457_594).abs() < 1e-9, "{}", days.above);
    }
}
