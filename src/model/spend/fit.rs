//! Maximum likelihood for the Gamma-Gamma model.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Spend, SpendParameters};
use crate::model::gamma::ln_gamma;
use crate::model::maximise::maximise;

/// Lowest and highest value of p, of q (whose mean over buyers exists from 1 on), and of v relative to the buyers' mean spend.
const BOUNDS: [(f64, f64); 3] = [(1e-2, 1e4), (1.001, 1e4), (1e-4, 1e6)];
/// Names of the parameters, in the order of [`BOUNDS`].
const NAMES: [&str; 3] = ["p", "q", "v"];
/// p, q, and v relative to the buyers' mean spend, to start from.
const STARTS: [[f64; 3]; 2] = [[1.0, 2.0, 1.0], [6.0, 4.0, 0.5]];
/// A parameter within one per cent of a bound is at it.
const AT_BOUND: f64 = 0.01;

/// Parameters with the greatest likelihood.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpendFit {
    /// The parameters.
    pub parameters: SpendParameters,
    /// The logarithm of the likelihood of all means.
    pub log_likelihood: f64,
    /// Buyers with repeats and money, whose means were fitted.
    pub buyers: u64,
}

/// Why data say nothing about the parameters, or not everything.
#[derive(Clone, Debug, PartialEq)]
pub enum DegenerateSpend {
    /// Fewer buyers with repeats and money than the caller wants.
    TooFewBuyers {
        /// Buyers there are.
        buyers: u64,
        /// Buyers wanted.
        least: u64,
    },
    /// The likelihood rises to the bound of a parameter: amounts do not vary as the model supposes.
    AtBound {
        /// The parameter.
        parameter: &'static str,
        /// The best inside the bounds.
        fit: SpendFit,
    },
}

/// The reason as a sentence without its end.
impl fmt::Display for DegenerateSpend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewBuyers { buyers, least } => {
                write!(formatter, "{buyers} buyers with money on a second order day, at least {least} are needed")
            }
            Self::AtBound { parameter, .. } => {
                write!(formatter, "{parameter} was driven to its bound: amounts do not vary in the way the model supposes")
            }
        }
    }
}

/// Fits the model to buyers' means; those without repeats or without money say nothing and are left out.
///
/// # Errors
/// A [`DegenerateSpend`] when the data cannot tell all parameters.
pub fn fit(spends: impl IntoIterator<Item = Spend>, least_buyers: u64) -> Result<SpendFit, DegenerateSpend> {
    let mut spends: Vec<Spend> = spends.into_iter().filter(|spend| spend.repeats > 0 && spend.mean > 0.0).collect();
    let buyers = spends.len() as u64;
    if buyers < least_buyers.max(1) {
        return Err(DegenerateSpend::TooFewBuyers { buyers, least: least_buyers.max(1) });
    }
    spends.sort_by(|one, other| one.repeats.cmp(&other.repeats).then(one.mean.total_cmp(&other.mean)));
    let sample: Vec<Group> = spends.chunk_by(|one, other| one.repeats == other.repeats).map(Group::new).collect();
    let users: f64 = sample.iter().map(|group| group.buyers).sum();
    let mean = spends.iter().map(|spend| spend.mean).sum::<f64>() / users;
    let bounds = BOUNDS.map(|(low, high)| (libm::log(low), libm::log(high)));
    let parameters = |at: &[f64; 3]| {
        let [p, q, share] = at.map(libm::exp);
        SpendParameters { p, q, v: share * mean }
    };
    let total = |at: &[f64; 3]| sample.iter().map(|group| group.log_likelihood(&parameters(at))).sum::<f64>();
    let [one, other] = STARTS.map(|start| maximise(start.map(libm::log), &bounds, total));
    let best = if other.value > one.value { other } else { one };
    let fit = SpendFit { parameters: parameters(&best.at), log_likelihood: best.value, buyers };
    let at_bound = |index: &usize| (best.at[*index] - bounds[*index].0).min(bounds[*index].1 - best.at[*index]) < AT_BOUND;
    match (0..BOUNDS.len()).find(at_bound) {
        Some(index) => Err(DegenerateSpend::AtBound { parameter: NAMES[index], fit }),
        None => Ok(fit),
    }
}

/// Buyers with equally many repeats, who share most of the likelihood.
struct Group {
    repeats: f64,
    buyers: f64,
    /// The sum of the logarithms of their means.
    ln_means: f64,
    /// What each spent on repeat days.
    totals: Vec<f64>,
}

impl Group {
    fn new(spends: &[Spend]) -> Self {
        let repeats = spends.first().map_or(0.0, |spend| f64::from(spend.repeats));
        Self {
            repeats,
            buyers: spends.iter().map(|_| 1.0).sum(),
            ln_means: spends.iter().map(|spend| libm::log(spend.mean)).sum(),
            totals: spends.iter().map(|spend| repeats * spend.mean).collect(),
        }
    }

    /// The sum of [`SpendParameters::log_likelihood`] over the buyers.
    fn log_likelihood(&self, parameters: &SpendParameters) -> f64 {
        let SpendParameters { p, q, v } = *parameters;
        let px = p * self.repeats;
        let shared = ln_gamma(px + q) - ln_gamma(px) - ln_gamma(q) + q * libm::log(v) + px * libm::log(self.repeats);
        let totals: f64 = self.totals.iter().map(|total| libm::log(total + v)).sum();
        self.buyers * shared + (px - 1.0) * self.ln_means - (px + q) * totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_is_better_than_what_is_near_it() {
        let mean = |index: u32| 5.0 + f64::from(index * 37 % 101) * (1.0 + f64::from(index % 7));
        let spends: Vec<Spend> = (0..400).map(|index| Spend { repeats: 1 + index % 5, mean: mean(index) }).collect();
        let fit = fit(spends.iter().copied(), 100).expect("a fit");
        let total = |parameters: SpendParameters| spends.iter().map(|spend| parameters.log_likelihood(spend)).sum::<f64>();
        let SpendParameters { p, q, v } = fit.parameters;
        assert!((total(fit.parameters) - fit.log_likelihood).abs() < 1e-6);
        for factor in [0.99, 1.01] {
            for near in
                [SpendParameters { p: p * factor, q, v }, SpendParameters { p, q: q * factor, v }, SpendParameters { p, q, v: v * factor }]
            {
                assert!(total(near) < fit.log_likelihood, "{near:?}");
            }
        }
    }

    #[test]
    fn degenerate_data_are_told_apart() {
        let few = [Spend { repeats: 0, mean: 5.0 }, Spend { repeats: 2, mean: 0.0 }, Spend { repeats: 2, mean: 1.0 }];
        assert_eq!(fit(few, 2), Err(DegenerateSpend::TooFewBuyers { buyers: 1, least: 2 }));
        let equal = (0..100).map(|index| Spend { repeats: 1 + index % 3, mean: 9.99 });
        assert!(matches!(fit(equal, 10), Err(DegenerateSpend::AtBound { .. })));
    }
}
