//! How good scores and probabilities were, once it is known what happened.

#![expect(clippy::cast_precision_loss, reason = "counts of users and days, far below 2^53")]

use serde::Serialize;

use super::warning::Warning;

/// Bins of the calibration table.
const BINS: usize = 10;
/// Steps of the lift curve.
const LIFT_STEPS: usize = 20;
/// The least and, from 1, the greatest probability that a log loss is taken of.
const SURE: f64 = 1e-15;

/// What was said of a user, and what happened.
pub(super) struct Judgement {
    /// The higher, the likelier to lapse.
    pub(super) score: f64,
    /// The probability to lapse, if one was said.
    pub(super) probability: Option<f64>,
    /// The days expected, if any were.
    pub(super) expected: Option<f64>,
    /// The days there were.
    pub(super) days: usize,
}

impl Judgement {
    fn lapsed(&self) -> bool {
        self.days == 0
    }
}

/// One bin of a calibration table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CalibrationBin {
    /// Users in it.
    pub users: usize,
    /// Mean probability to lapse that was said of them.
    pub predicted: f64,
    /// Share of them that lapsed.
    pub observed: f64,
}

/// A point of a lift curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LiftPoint {
    /// Share of users, those with the highest scores first.
    pub users: f64,
    /// Share of all lapsed users among them.
    pub found: f64,
}

/// How one rule did. A figure is `None` where it has no meaning: of probabilities without any, of lapses without any.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Probability that a user who lapsed scores higher than one who did not, ties by half.
    pub auc: Option<f64>,
    /// Mean squared difference of probability and outcome.
    pub brier: Option<f64>,
    /// Mean negative logarithm of the probability of what happened.
    pub log_loss: Option<f64>,
    /// Mean absolute difference of `predicted` and `observed` over the bins of `calibration`.
    pub calibration_error: Option<f64>,
    /// Ten bins of equally many users, by rising probability.
    pub calibration: Vec<CalibrationBin>,
    /// Days expected of all users together.
    pub expected: Option<f64>,
    /// Mean absolute difference of the days expected of a user and those there were.
    pub mean_absolute_error: Option<f64>,
    /// Share of lapsed users among the tenth with the highest scores, over that of all.
    pub top_decile_lift: Option<f64>,
    /// Users flagged: those of high risk, as many by a sort, or those whom a fixed silence names.
    pub flagged: usize,
    /// Share of the flagged that lapsed.
    pub precision: Option<f64>,
    /// Share of the lapsed that were flagged.
    pub recall: Option<f64>,
    /// How early it warns; `None` when it never does so reliably.
    pub warning: Option<Warning>,
    /// From no users to all.
    pub lift: Vec<LiftPoint>,
}

/// Judges one rule; `flagged` of the users with the highest scores count as named by it.
pub(super) fn judge(mut judgements: Vec<Judgement>, flagged: usize) -> Scores {
    judgements.sort_by(|one, other| other.score.total_cmp(&one.score));
    let (users, lapsed) = (judgements.len(), judgements.iter().filter(|one| one.lapsed()).count());
    let ranked = Ranked::new(&judgements);
    let share = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    let decile = users as f64 / 10.0;
    let found = ranked.lapsed_among(flagged as f64);
    let mut probable: Vec<(f64, bool)> = judgements.iter().filter_map(|one| Some((one.probability?, one.lapsed()))).collect();
    probable.sort_by(|one, other| one.0.total_cmp(&other.0));
    let calibration = calibration(&probable);
    let differences = calibration.iter().map(|bin| (bin.predicted - bin.observed).abs()).sum();
    let expected: Vec<(f64, f64)> = judgements.iter().filter_map(|one| Some((one.expected?, one.days as f64))).collect();
    let curve = (0..=LIFT_STEPS).map(|step| step as f64 / LIFT_STEPS as f64);
    Scores {
        auc: ranked.auc(),
        brier: mean(probable.iter().map(|(probability, lapsed)| (probability - f64::from(u8::from(*lapsed))).powi(2))),
        log_loss: mean(probable.iter().map(|(probability, lapsed)| log_loss(*probability, *lapsed))),
        calibration_error: share(differences, calibration.len() as f64),
        calibration,
        expected: (!expected.is_empty()).then(|| expected.iter().map(|(expected, _)| expected).sum()),
        mean_absolute_error: mean(expected.iter().map(|(expected, actual)| (expected - actual).abs())),
        top_decile_lift: share(ranked.lapsed_among(decile) * users as f64, decile * lapsed as f64),
        flagged,
        precision: share(found, flagged as f64),
        recall: share(found, lapsed as f64),
        warning: None,
        lift: curve
            .filter_map(|users| {
                Some(LiftPoint { users, found: share(ranked.lapsed_among(users * judgements.len() as f64), lapsed as f64)? })
            })
            .collect(),
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    (count > 0.0).then(|| sum / count)
}

fn log_loss(probability: f64, lapsed: bool) -> f64 {
    let said = if lapsed { probability } else { 1.0 - probability };
    -libm::log(said.clamp(SURE, 1.0 - SURE))
}

/// Bins of equally many users, up to one; `probable` rises.
fn calibration(probable: &[(f64, bool)]) -> Vec<CalibrationBin> {
    let bounds = |bin: usize| bin * probable.len() / BINS;
    let bin = |index: usize| {
        let part = &probable[bounds(index)..bounds(index + 1)];
        let lapsed = part.iter().filter(|(_, lapsed)| *lapsed).count() as f64;
        let predicted = mean(part.iter().map(|(probability, _)| *probability))?;
        Some(CalibrationBin { users: part.len(), predicted, observed: lapsed / part.len() as f64 })
    };
    (0..BINS).filter_map(bin).collect()
}

/// Users and lapsed users by score, the highest first; equal scores together.
struct Ranked(Vec<(f64, f64)>);

impl Ranked {
    fn new(judgements: &[Judgement]) -> Self {
        let group = |equal: &[Judgement]| (equal.len() as f64, equal.iter().filter(|one| one.lapsed()).count() as f64);
        Self(judgements.chunk_by(|one, other| one.score.total_cmp(&other.score).is_eq()).map(group).collect())
    }

    /// Lapsed users among the first `count`; where the border goes through equal scores, as many as there would be on average.
    fn lapsed_among(&self, count: f64) -> f64 {
        let (mut left, mut found) = (count, 0.0);
        for (users, lapsed) in &self.0 {
            let taken = left.min(*users);
            found += lapsed * taken / users;
            left -= taken;
            if left <= 0.0 {
                break;
            }
        }
        found
    }

    fn auc(&self) -> Option<f64> {
        let (mut others_above, mut wins) = (0.0, 0.0);
        let (mut all_lapsed, mut all_others) = (0.0, 0.0);
        for (users, lapsed) in &self.0 {
            let others = users - lapsed;
            // Each lapsed user beats those who stayed with a lower score, and half of those with an equal one.
            wins += lapsed * (others_above + others / 2.0);
            others_above += others;
            (all_lapsed, all_others) = (all_lapsed + lapsed, all_others + others);
        }
        let pairs = all_lapsed * all_others;
        (pairs > 0.0).then(|| 1.0 - wins / pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(users: &[(f64, usize)], flagged: usize) -> Scores {
        let judgement =
            |(score, days): &(f64, usize)| Judgement { score: *score, probability: Some(*score), expected: Some(1.0), days: *days };
        judge(users.iter().map(judgement).collect(), flagged)
    }

    #[track_caller]
    fn near(found: Option<f64>, expected: f64) {
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-12), "{found:?} for {expected}");
    }

    #[test]
    fn known_scores() {
        let scores = judged(&[(0.9, 0), (0.6, 2), (0.6, 0), (0.2, 1)], 2);
        // Of the pairs of a lapsed user and another, 3 are in order and 1 is a tie.
        near(scores.auc, 3.5 / 4.0);
        near(scores.brier, (0.01 + 0.36 + 0.16 + 0.04) / 4.0);
        near(scores.log_loss, -(0.9_f64.ln() + 0.4_f64.ln() + 0.6_f64.ln() + 0.8_f64.ln()) / 4.0);
        near(scores.mean_absolute_error, 3.0 / 4.0);
        near(scores.expected, 4.0);
        // The first is flagged, and one of the two with .6, of whom one lapsed.
        near(scores.precision, 1.5 / 2.0);
        near(scores.recall, 1.5 / 2.0);
        near(scores.top_decile_lift, 2.0);
        assert_eq!(scores.lift[10], LiftPoint { users: 0.5, found: 0.75 });
    }

    #[test]
    fn auc_is_the_share_of_pairs_in_order() {
        let users: Vec<(f64, usize)> = (0..200_u32).map(|index| (f64::from(index * 7919 % 23), (index * 31 % 5 / 3) as usize)).collect();
        let mut pairs = (0.0, 0.0);
        for (score, _) in users.iter().filter(|(_, days)| *days == 0) {
            for (other, _) in users.iter().filter(|(_, days)| *days > 0) {
                pairs.0 += if score > other {
                    1.0
                } else if score < other {
                    0.0
                } else {
                    0.5
                };
                pairs.1 += 1.0;
            }
        }
        near(judged(&users, 0).auc, pairs.0 / pairs.1);
    }

    #[test]
    fn the_calibration_error_is_the_mean_over_ten_bins() {
        // Of 20 users in each bin, `bin` x 2 lapse; said is a tenth more.
        let users: Vec<(f64, usize)> = (0..10_u32)
            .flat_map(|bin| (0..20_u32).map(move |index| (f64::from(bin) / 10.0 + 0.1, usize::from(index >= 2 * bin))))
            .collect();
        let scores = judged(&users, 0);
        near(scores.calibration_error, 0.1);
        assert_eq!(scores.calibration.len(), 10);
        assert_eq!((scores.calibration[3].users, scores.calibration[3].observed.to_string().as_str()), (20, "0.3"));
    }

    #[test]
    fn what_cannot_be_said_is_not() {
        let scores = judged(&[(0.5, 1), (0.6, 2)], 0);
        assert_eq!((scores.auc, scores.precision, scores.recall, scores.top_decile_lift), (None, None, None, None));
        assert_eq!((judged(&[], 0).brier, judged(&[], 0).calibration.len()), (None, 0));
        assert!(scores.lift.is_empty());
    }
}
