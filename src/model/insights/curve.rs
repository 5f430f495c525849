//! An outcome by score: a rising curve, and the two scores at which it jumps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::proportion::Proportion;

/// Millionths of a score that breakpoints are looked for at: every pair of steps is tried, and scores may have any decimals.
const STEP: i64 = 10_000;

/// Outcomes by score. Scores are in millionths, so that equal ones are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeByScore(BTreeMap<i64, Proportion>);

/// The two scores that part three zones: below `defection_below`, between, and from `affection_from`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breakpoints {
    /// In millionths.
    pub defection_below: i64,
    /// In millionths.
    pub affection_from: i64,
    /// Outcomes in the three zones.
    pub zones: [Proportion; 3],
}

impl OutcomeByScore {
    /// Counts one outcome.
    pub fn count(&mut self, score: i64, stayed: bool) {
        self.0.entry(score).or_default().count(stayed);
    }

    /// Adds those of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        for (score, outcomes) in &other.0 {
            self.0.entry(*score).or_default().absorb(outcomes);
        }
    }

    /// Outcomes by score, ascending.
    pub fn scores(&self) -> impl Iterator<Item = (i64, &Proportion)> {
        self.0.iter().map(|(score, outcomes)| (*score, outcomes))
    }

    /// The rising curve that is nearest: the share for each score, pooled where a higher score has a lower share (pool adjacent violators, Ayer and others 1955).
    #[must_use]
    pub fn rising(&self) -> Vec<(i64, f64)> {
        let mut pools: Vec<(Proportion, Vec<i64>)> = Vec::new();
        for (score, outcomes) in &self.0 {
            pools.push((*outcomes, vec![*score]));
            while let [.., (before, _), (last, _)] = pools.as_slice()
                && before.share() >= last.share()
            {
                let Some((last, scores)) = pools.pop() else { break };
                let Some(before) = pools.last_mut() else { break };
                before.0.absorb(&last);
                before.1.extend(scores);
            }
        }
        pools
            .into_iter()
            .flat_map(|(pool, scores)| scores.into_iter().map(move |score| (score, pool.share().unwrap_or_default())))
            .collect()
    }

    /// The least score of each hundredth that has any, with the outcomes below it; and all outcomes.
    fn steps(&self) -> (Vec<(i64, Proportion)>, Proportion) {
        let mut steps: Vec<(i64, Proportion)> = Vec::new();
        let mut below = Proportion::default();
        for (score, outcomes) in &self.0 {
            if steps.last().is_none_or(|(last, _)| last.div_euclid(STEP) < score.div_euclid(STEP)) {
                steps.push((*score, below));
            }
            below.absorb(outcomes);
        }
        (steps, below)
    }

    /// The two breakpoints, of each hundredth the least score, under which three constant, rising shares make the outcomes likeliest; `None` with fewer than three
    /// hundredths, or when no such three rise.
    #[must_use]
    pub fn breakpoints(&self) -> Option<Breakpoints> {
        let (scores, all) = self.steps();
        let less = |whole: Proportion, part: Proportion| Proportion { part: whole.part - part.part, whole: whole.whole - part.whole };
        let mut best: Option<(f64, Breakpoints)> = None;
        for first in 1..scores.len() {
            for second in first + 1..scores.len() {
                let (low, middle) = (scores[first].1, scores[second].1);
                let zones = [low, less(middle, low), less(all, middle)];
                let rises = zones.windows(2).all(|pair| pair[0].share() < pair[1].share());
                let likelihood: f64 = zones.iter().map(log_likelihood).sum();
                if rises && best.is_none_or(|(most, _)| likelihood > most) {
                    let found = Breakpoints { defection_below: scores[first].0, affection_from: scores[second].0, zones };
                    best = Some((likelihood, found));
                }
            }
        }
        best.map(|(_, breakpoints)| breakpoints)
    }
}

/// Of outcomes under their own share.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn log_likelihood(outcomes: &Proportion) -> f64 {
    let term = |count: u64| if count == 0 { 0.0 } else { count as f64 * (count as f64 / outcomes.whole as f64).ln() };
    term(outcomes.part) + term(outcomes.whole - outcomes.part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(of: &[(i64, u64, u64)]) -> OutcomeByScore {
        OutcomeByScore(of.iter().map(|(score, part, whole)| (*score, Proportion { part: *part, whole: *whole })).collect())
    }

    #[test]
    fn planted_breakpoints_are_found() {
        // 20 % stay below 3, 55 % from 3 to below 4.5, 90 % above, each half point off by a little.
        let planted = outcomes(&[
            (1_000_000, 19, 100),
            (1_500_000, 21, 100),
            (2_000_000, 18, 100),
            (2_500_000, 22, 100),
            (3_000_000, 54, 100),
            (3_500_000, 57, 100),
            (4_000_000, 54, 100),
            (4_500_000, 89, 100),
            (5_000_000, 91, 100),
        ]);
        let found = planted.breakpoints().expect("three zones");
        assert_eq!((found.defection_below, found.affection_from), (3_000_000, 4_500_000));
        assert_eq!(found.zones.map(|zone| zone.whole), [400, 300, 200]);
        assert_eq!(outcomes(&[(1, 5, 10), (2, 5, 10), (3, 5, 10)]).breakpoints(), None, "nothing rises");
        assert_eq!(outcomes(&[(1, 1, 10), (2, 9, 10)]).breakpoints(), None, "two scores are no three zones");
    }

    #[test]
    fn scores_of_any_decimals_have_breakpoints_at_once() {
        let mut finely = OutcomeByScore::default();
        for score in 1_000_000..1_400_000 {
            // One in ten stays below 1.1, five from there, nine from 1.3.
            let of_ten = if score < 1_100_000 {
                1
            } else if score < 1_300_000 {
                5
            } else {
                9
            };
            finely.count(score, score % 10 < of_ten);
        }
        let found = finely.breakpoints().expect("three zones");
        assert_eq!((found.defection_below, found.affection_from), (1_100_000, 1_300_000));
        assert_eq!(found.zones.map(|zone| zone.whole), [100_000, 200_000, 100_000]);
    }

    #[test]
    fn a_curve_that_falls_is_pooled() {
        let rising = outcomes(&[(1, 1, 10), (2, 6, 10), (3, 4, 10), (4, 9, 10)]).rising();
        assert_eq!(rising, [(1, 0.1), (2, 0.5), (3, 0.5), (4, 0.9)]);
    }
}
