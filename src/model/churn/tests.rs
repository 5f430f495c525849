use proptest::prelude::*;

use super::*;

const CDNOW: ChurnParameters = ChurnParameters { r: 0.525, alpha: 6.183, a: 0.891, b: 1.614 };

fn process(model: ChurnModel, unit: TimeUnit, parameters: ChurnParameters, horizon_days: u16) -> ChurnProcess {
    ChurnProcess { model, unit, parameters, horizon_days, lapse_days: 180 }
}

fn parameters() -> impl Strategy<Value = ChurnParameters> {
    (0.05..5.0_f64, 0.05..60.0_f64, 0.05..5.0_f64, 0.05..50.0_f64).prop_map(|(r, alpha, a, b)| ChurnParameters { r, alpha, a, b })
}

fn models() -> impl Strategy<Value = (ChurnModel, TimeUnit)> {
    (prop_oneof![Just(ChurnModel::MbgNbd), Just(ChurnModel::BgNbd)], prop_oneof![Just(TimeUnit::Day), Just(TimeUnit::Week)])
}

fn histories() -> impl Strategy<Value = (u32, i32)> {
    (0..400_u32, 0..2000_i32).prop_map(|(repeats, extra)| {
        let recency = if repeats == 0 { 0 } else { i32::try_from(repeats).expect("small") + extra };
        (repeats, recency)
    })
}

#[test]
fn the_worked_numbers() {
    let span = Span { repeats: 2.0, recency: 30.43, age: 38.86 };
    let form = ClosedForm::new(ChurnModel::MbgNbd, CDNOW);
    let odds = 0.891 / 3.614 * (45.043_f64 / 36.613).powf(2.525);
    assert!((form.p_alive(&span) - 1.0 / (1.0 + odds)).abs() < 1e-12);
    assert!((form.p_alive(&span) - 0.7062).abs() < 5e-5, "{}", form.p_alive(&span));
    assert!((form.risk(&span, 13.0) - 0.6661).abs() < 5e-5, "{}", form.risk(&span, 13.0));
    let bg = ClosedForm::new(ChurnModel::BgNbd, ChurnParameters { r: 0.25, alpha: 4.0, a: 0.8, b: 2.5 });
    assert!((bg.log_likelihood(&Span { repeats: 0.0, recency: 0.0, age: 40.0 }) + 0.599_474).abs() < 5e-7);
}

#[test]
fn a_user_seen_once_is_alive_for_ever_in_bg_nbd_only() {
    let once = |silent_days| History { repeats: 0, recency_days: 0, silent_days };
    for silent in [0, 1, 10_000] {
        let bg = process(ChurnModel::BgNbd, TimeUnit::Day, CDNOW, 30).p_alive(&once(silent));
        assert!((bg - 1.0).abs() < f64::EPSILON);
    }
    assert!(process(ChurnModel::MbgNbd, TimeUnit::Day, CDNOW, 30).p_alive(&once(10_000)) < 0.05);
}

#[test]
fn very_active_users_overflow_nothing() {
    for (model, _) in ChurnModel::NAMES {
        let form = ClosedForm::new(model, CDNOW);
        for (recency, age) in [(99.9, 100.0), (10.0, 100.0)] {
            let span = Span { repeats: 1000.0, recency, age };
            let values = [form.p_alive(&span), form.risk(&span, 13.0), form.log_likelihood(&span), form.expected(&span, 520.0)];
            assert!(values.iter().all(|value| value.is_finite()), "{values:?}");
        }
        assert!(form.p_alive(&Span { repeats: 1000.0, recency: 10.0, age: 100.0 }) < 1e-12);
    }
}

#[test]
fn names_lead_back() {
    for (model, name) in ChurnModel::NAMES {
        assert_eq!((model.name(), ChurnModel::from_name(name)), (name, Some(model)));
    }
    for (unit, name) in TimeUnit::NAMES {
        assert_eq!((unit.name(), TimeUnit::from_name(name)), (name, Some(unit)));
    }
    assert_eq!((ChurnModel::from_name("pareto-nbd"), TimeUnit::from_name("month")), (None, None));
}

/// Against the integral that the series is: the mean over p ~ Beta(a, b) of `(1 - (A / (A + p t))^R) / p`, here for a horizon of 300 times α.
#[test]
fn expected_days_are_the_integral_far_ahead() {
    let parameters = ChurnParameters { r: 0.65, alpha: 16.5, a: 0.66, b: 0.4 };
    let found = process(ChurnModel::MbgNbd, TimeUnit::Day, parameters, 30)
        .expected_days(&History { repeats: 0, recency_days: 0, silent_days: 0 }, 5000.0);
    let (a, b) = (0.66, 1.4);
    let step = 0.001_f64;
    let term = |index: i32| {
        // p by its log-odds, where the integrand falls off on both sides.
        let odds = (f64::from(index) * step).exp();
        let p = odds / (1.0 + odds);
        let density = (a * p.ln() + b * (1.0 / (1.0 + odds)).ln() - crate::model::gamma::ln_beta(a, b)).exp();
        density * (1.0 - (16.5 / (16.5 + p * 5000.0)).powf(0.65)) / p * step
    };
    let integral: f64 = (-60_000..=30_000).map(term).sum();
    // In MBG/NBD the first day may already have been the last.
    let expected = integral * 0.4 / (0.4 + 0.66);
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} for {expected}");
}

#[test]
fn an_id_names_the_parameters() {
    let id = |r| process(ChurnModel::MbgNbd, TimeUnit::Week, ChurnParameters { r, ..CDNOW }, 90).model_id();
    assert_eq!(id(0.525), model_id(ChurnModel::MbgNbd, TimeUnit::Week, &CDNOW));
    assert_ne!(id(0.525), id(0.525_000_000_000_000_1));
    assert!(id(0.525).starts_with("mbg-nbd-week-") && id(0.525).len() == 13 + 16, "{}", id(0.525));
}

#[test]
fn a_level_may_never_be_reached() {
    let slow = process(ChurnModel::BgNbd, TimeUnit::Day, ChurnParameters { r: 1.0, alpha: 0.1, a: 0.5, b: 5.0 }, 30);
    assert_eq!(slow.first_silence_reaching(0, 0, 0.999, 100), None);
    assert_eq!(slow.first_silence_reaching(0, 0, 0.0, 100), Some(0));
    assert_eq!(slow.first_silence_reaching(0, 0, 0.0, -1), None);
}

proptest! {
    #[test]
    fn risk_rises_with_silence((model, unit) in models(), parameters in parameters(), (repeats, recency_days) in histories(), horizon in 1..200_u16) {
        let process = process(model, unit, parameters, horizon);
        let mut before = 0.0;
        for silent_days in (0..60).chain((60..3000).step_by(97)) {
            let history = History { repeats, recency_days, silent_days };
            let risk = process.risk(&history);
            prop_assert!((0.0..=1.0 + 1e-12).contains(&risk));
            // A rounding in the last place is no fall.
            prop_assert!(risk >= before - 1e-14, "{silent_days}: {before} then {risk}");
            before = risk;
        }
    }

    #[test]
    fn bisection_finds_what_a_search_day_by_day_does((model, unit) in models(), parameters in parameters(), (repeats, recency_days) in histories(), level in 0.0..1.0_f64) {
        let process = process(model, unit, parameters, 30);
        let slow = (0..=400).find(|silent_days| process.risk(&History { repeats, recency_days, silent_days: *silent_days }) >= level);
        prop_assert_eq!(process.first_silence_reaching(repeats, recency_days, level, 400), slow);
    }

    #[test]
    fn risk_is_the_formula_of_the_contract((_, unit) in models(), parameters in parameters(), (repeats, recency_days) in histories(), silent_days in 0..400) {
        let ChurnParameters { r, alpha, a, b } = parameters;
        let (x, days) = (f64::from(repeats), unit.days());
        let (recency, age) = (f64::from(recency_days) / days, f64::from(recency_days + silent_days) / days);
        let alive = 1.0 / (1.0 + a / (b + x) * ((alpha + age) / (alpha + recency)).powf(r + x));
        let risk = 1.0 - alive * (1.0 - ((alpha + age) / (alpha + age + 30.0 / days)).powf(r + x));
        let process = process(ChurnModel::MbgNbd, unit, parameters, 30);
        let history = History { repeats, recency_days, silent_days };
        prop_assert!((process.p_alive(&history) - alive).abs() < 1e-11);
        prop_assert!((process.risk(&history) - risk).abs() < 1e-11);
    }

    /// The chance of no day is what the probabilities of counts say of zero, and expected days are their mean.
    #[test]
    fn a_new_user_agrees_with_the_counts((model, unit) in models(), parameters in parameters(), ahead in 1..60_u16) {
        let process = process(model, unit, parameters, ahead);
        let new = History { repeats: 0, recency_days: 0, silent_days: 0 };
        let form = process.closed_form();
        let units = f64::from(ahead) / unit.days();
        prop_assert!((process.risk(&new) - form.probability_of(0, units)).abs() < 1e-12);
        let (mut sum, mut mean) = (0.0, 0.0);
        for count in 0..400 {
            let probability = form.probability_of(count, units);
            sum += probability;
            mean += f64::from(count) * probability;
        }
        // Some rates are beyond what 400 counts hold.
        prop_assume!(sum > 1.0 - 1e-10);
        prop_assert!((process.expected_days(&new, f64::from(ahead)) - mean).abs() < 1e-5 * mean.max(1e-3));
    }
}
