//! Fits against series whose answer is known, and any series at all.

use proptest::prelude::*;

use super::deficit::{Cusum, Returns, judge_returns};
use super::*;

fn series(days: i32, count: impl Fn(i32) -> u64) -> Vec<DayCount> {
    (0..days).map(|day| DayCount { day: Day::from_number(day), count: count(day), exposure: 1_000.0 }).collect()
}

fn on(day: i32, count: u64, exposure: f64) -> DayCount {
    DayCount { day: Day::from_number(day), count, exposure }
}

fn expected(past: &[DayCount], day: i32) -> f64 {
    judge(&SpikeRules::default(), past, &[], on(day, 100, 1_000.0)).expect("enough history").expectation.mean
}

#[test]
fn weekdays_have_factors_of_their_own() {
    let past = series(112, |day| if day % 7 == 0 { 300 } else { 100 });
    assert!((expected(&past, 112) - 300.0).abs() < 1.0, "{}", expected(&past, 112));
    assert!((expected(&past, 113) - 100.0).abs() < 1.0, "{}", expected(&past, 113));
}

/// The likelihood crosses 0 on the way, as it does where a few counts come each day: 10 ln 10 - 10 + 6 (ln 1 - 1) a week is above it, 16 ln (16 / 7) - 16 is not.
#[test]
fn the_fit_goes_on_until_nothing_is_gained() {
    let past = series(112, |day| if day % 7 == 0 { 10 } else { 1 });
    assert!((expected(&past, 112) - 10.0).abs() < 0.2, "{}", expected(&past, 112));
    assert!((expected(&past, 113) - 1.0).abs() < 0.1, "{}", expected(&past, 113));
}

#[test]
fn what_is_expected_is_proportional_to_the_users_at_risk() {
    let past: Vec<DayCount> = (0..60).map(|day| on(day, 50 + 5 * u64::from(day % 10 == 3), f64::from(1_000 + day % 10))).collect();
    let judged = |exposure| judge(&SpikeRules::default(), &past, &[], on(60, 80, exposure)).expect("enough history").expectation.mean;
    assert!((judged(2_000.0) / judged(1_000.0) - 2.0).abs() < 1e-9);
    assert!(judge(&SpikeRules::default(), &past, &[], on(60, 80, 0.0)).is_none());
}

#[test]
fn a_trend_counts_when_it_is_there() {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and small")]
    let growing = series(112, |day| (100.0 * (f64::from(day) / 100.0).exp()).round() as u64);
    let truth = 100.0 * 1.12_f64.exp();
    assert!((expected(&growing, 112) - truth).abs() < 2.0, "{}", expected(&growing, 112));
    // Up and down by turns of two weeks: no trend, and none may be extrapolated.
    let level = series(112, |day| 100 + u64::from(day / 14 % 2 == 0) * 4);
    assert!((expected(&level, 140) - 102.0).abs() < 0.5, "{}", expected(&level, 140));
}

/// Of a weekday that came 16 times, the mean is known as well as a mean of 16 counts: its variance is a sixteenth of the variance of a count.
#[test]
fn what_the_fit_does_not_know_widens_what_is_expected() {
    for weeks in [4, 16] {
        let past = series(7 * weeks, |day| 1_000 + u64::from(day % 2 == 0) * 10);
        let baseline = Baseline::fit(&past, &[], Trend::Never).expect("a fit");
        let expectation = baseline.expect(Day::from_number(7 * weeks), 1_000.0).expect("exposed");
        let widened = expectation.dispersion / baseline.dispersion();
        assert!((widened - (1.0 + 1.0 / f64::from(weeks))).abs() < 1e-3, "{widened} after {weeks} weeks");
    }
}

#[test]
fn past_outliers_hardly_count() {
    let clean = series(112, |day| 100 + u64::from(day % 3 == 0) * 10);
    let mut dirty = clean.clone();
    for day in [20, 41, 42, 77] {
        dirty[day].count = 1_000;
    }
    let judged = |past: &[DayCount]| judge(&SpikeRules::default(), past, &[], on(112, 190, 1_000.0)).expect("enough history");
    assert!((judged(&dirty).expectation.mean - judged(&clean).expectation.mean).abs() < 6.0, "{:?}", judged(&dirty));
    assert!(judged(&clean).p_value < 1e-10);
    // Four days of ten times the usual in sixteen weeks leave some of their spread behind, and the bound below them.
    assert!(judged(&dirty).expectation.upper(1e-4) < 400, "{:?}", judged(&dirty));
}

#[test]
fn an_accepted_shift_is_a_level_of_its_own() {
    let past = series(112, |day| if day < 98 { 100 } else { 200 } + u64::from(day % 7 == 0) * 20);
    let with = judge(&SpikeRules::default(), &past, &[Day::from_number(98)], on(113, 200, 1_000.0)).expect("enough history");
    assert!((with.expectation.mean - 200.0).abs() < 5.0, "{with:?}");
}

#[test]
fn too_little_is_not_judged() {
    let past = series(28, |_| 10);
    let rules = SpikeRules::default();
    assert!(judge(&rules, &past[..27], &[], on(28, 1_000, 1_000.0)).is_none());
    assert!(judge(&rules, &past, &[], on(28, 1_000, 1_000.0)).is_some_and(|judged| judged.p_value < 1e-100));
    assert!(judge(&rules, &past, &[], on(28 + 112, 1_000, 1_000.0)).is_none(), "all of it is too old");
    let silent = series(28, |_| 0);
    assert_eq!(judge(&rules, &silent, &[], on(28, 4, 1_000.0)).map(|judged| judged.p_value), Some(1.0), "below the minimum");
    assert!(judge(&rules, &silent, &[], on(28, 5, 1_000.0)).is_some_and(|judged| judged.p_value < 1e-4));
}

#[test]
fn the_sum_of_deficits_rises_and_falls() {
    let cusum = Cusum::default();
    let sums: Vec<f64> = [2.0, 2.0, -3.0, 0.4, 9.0]
        .iter()
        .scan(0.0, |sum, deficit| Some(*sum).inspect(|_| *sum = cusum.after(*sum, *deficit)).map(|_| *sum))
        .collect();
    let known = [1.5, 3.0, 0.0, 0.0, 3.5];
    assert!(sums.iter().zip(known).all(|(found, known)| (found - known).abs() < 1e-12), "{sums:?}");
    assert!((cusum.p_value(6.0) - (-6.583_f64).exp()).abs() < 1e-12);
}

#[test]
fn a_model_that_is_off_is_calibrated() {
    let past: Vec<DayCount> = (0..60).map(|day| on(day, 450 + u64::from(day % 7 == 0) * 90, 500.0)).collect();
    let returns = |observed| Returns { silent: 5_000, observed, expected: 500.0, variance: 450.0 };
    let judged =
        |day, observed| judge_returns(&SpikeRules::default(), &past, &[], Day::from_number(day), &returns(observed)).expect("history");
    assert!((judged(63, 540).expected - 540.0).abs() < 1.0 && judged(63, 540).deficit.abs() < 0.1);
    assert!((judged(64, 450).expected - 450.0).abs() < 1.0);
    let exodus = judged(64, 400);
    // The past days vary less than users who decide on their own; those have a standard deviation of sqrt(450 * .9) = 20.
    assert!((exodus.deficit - 2.48).abs() < 0.1, "{exodus:?}");
}

/// Counts as they may come: small, equal, huge, zero; exposures as bad as they can be; days in any order, twice, or far apart.
fn any_day() -> impl Strategy<Value = DayCount> {
    let count = prop_oneof![Just(0), 0..50_u64, Just(7), any::<u64>()];
    let exposure = prop_oneof![Just(1.0), 0.0..1e6, Just(0.0), Just(f64::NAN), Just(f64::INFINITY), Just(-1.0), Just(1e300), Just(1e-300)];
    let day = prop_oneof![0..150, Just(3), any::<i32>()];
    (day, count, exposure).prop_map(|(day, count, exposure)| on(day, count, exposure))
}

proptest! {
    #[test]
    fn any_series_has_an_answer(past in prop::collection::vec(any_day(), 0..120), shifts in prop::collection::vec(0..150, 0..3), today in any_day(), observed in any::<u64>()) {
        let rules = SpikeRules { minimum_history_days: 1, ..SpikeRules::default() };
        let shifts: Vec<Day> = shifts.into_iter().map(Day::from_number).collect();
        let judged = judge(&rules, &past, &shifts, today);
        prop_assert_eq!(judged, judge(&rules, &past, &shifts, today));
        if let Some(Judgement { expectation, p_value }) = judged {
            prop_assert!((0.0..=1.0).contains(&p_value), "{}", p_value);
            prop_assert!(expectation.mean > 0.0 && expectation.mean.is_finite() && expectation.dispersion >= 1.0, "{:?}", expectation);
            let upper = expectation.upper(1e-4);
            prop_assert!(expectation.at_least(upper) >= expectation.at_least(upper + 1));
        }
        let returns = Returns { silent: 100, observed, expected: today.exposure, variance: today.exposure };
        if let Some(judged) = judge_returns(&rules, &past, &shifts, today.day, &returns) {
            prop_assert!(judged.deficit.is_finite() && judged.expected.is_finite() && (0.0..=1.0).contains(&judged.p_value), "{:?}", judged);
        }
    }

    #[test]
    fn a_higher_count_is_never_less_of_an_alarm(counts in prop::collection::vec(0..400_u64, 40..112), low in 0..500_u64, more in 0..500_u64) {
        let past: Vec<DayCount> = (0..).zip(&counts).map(|(day, count)| on(day, *count, 100.0)).collect();
        let judged = |count| judge(&SpikeRules::default(), &past, &[], on(112, count, 100.0)).map(|judged| judged.p_value);
        prop_assert!(judged(low + more) <= judged(low).map(|p_value| p_value + 1e-12));
    }
}
