use super::*;
use crate::model::churn::{ChurnModel, ChurnParameters, TimeUnit};
use crate::model::event::{Event, EventType, Facts};
use crate::model::histories::HistoryReader;
use crate::model::time::{Calendar, EventTime};

/// Users who come every `gap` days for a while: user n from day n % 30 on, until day 60 + 3 n % 240.
fn population() -> Histories {
    let mut reader = HistoryReader::new(Calendar::new("UTC").expect("a zone"), Vec::new());
    for user in 0..400 {
        let gap = 1 + user % 11;
        let last = 60 + 3 * user % 240;
        for day in (user % 30..=last).step_by(usize::try_from(gap).expect("positive")) {
            let time = EventTime::from_nanos(i64::from(day) * 86_400_000_000_000);
            let event = Event {
                user_id: format!("u{user}").into(),
                event_id: "".into(),
                kind: EventType::Activity,
                time,
                facts: Facts::None,
                breakdowns: Vec::new(),
            };
            reader.take(&event);
        }
    }
    reader.finish(90)
}

fn plan() -> Plan {
    let parameters = crate::model::churn::settings::prior(ProcessKind::Activity, ChurnModel::MbgNbd, TimeUnit::Day);
    let process = ChurnProcess { model: ChurnModel::MbgNbd, unit: TimeUnit::Day, parameters, horizon_days: 1, lapse_days: 30 };
    Plan { kind: ProcessKind::Activity, process, high: 0.8, least_users: 50 }
}

#[test]
fn a_model_is_judged_beside_the_rules() {
    let split = Day::from_number(150);
    let origin = backtest(&population(), &plan(), split, 30).expect("a fit");
    assert_eq!((origin.users, origin.split.as_str(), origin.until.as_str()), (400, "1970-05-31", "1970-06-30"));
    // Who is still to come is known exactly.
    let returns = |user: i32| {
        let (gap, last) = (1 + user % 11, 60 + 3 * user % 240);
        (user % 30..=last).step_by(usize::try_from(gap).expect("positive")).filter(|day| (151..=180).contains(day)).count()
    };
    assert_eq!(origin.actual, (0..400).map(returns).sum::<usize>());
    assert_eq!(origin.lapsed, (0..400).filter(|user| returns(*user) == 0).count());
    for scores in [&origin.model, &origin.recency_sort, &origin.frequency_sort, &origin.fixed_silence] {
        assert!(scores.auc.is_some_and(|auc| (0.0..=1.0).contains(&auc)));
        assert!(scores.brier.is_some_and(|brier| (0.0..0.5).contains(&brier)), "{scores:?}");
        assert_eq!(scores.calibration.iter().map(|bin| bin.users).sum::<usize>(), 400);
        assert!((scores.lift[20].found - 1.0).abs() < 1e-9);
    }
    // Silence says nearly everything here.
    assert!(origin.model.auc > Some(0.9), "{:?}", origin.model.auc);
    assert!(origin.model.warning.is_some_and(|warning| warning.precision >= 0.8 && warning.days > 0.0));
}

#[test]
fn nothing_after_the_horizon_matters() {
    let (histories, split) = (population(), Day::from_number(100));
    let whole = backtest(&histories, &plan(), split, 30).expect("a fit");
    let mut reader = HistoryReader::new(Calendar::new("UTC").expect("a zone"), Vec::new());
    for user in histories.up_to(ProcessKind::Activity, split + 30).iter().enumerate() {
        for (day, _) in user.1 {
            let time = EventTime::from_nanos(i64::from(day.number()) * 86_400_000_000_000);
            let event = Event {
                user_id: format!("u{}", user.0).into(),
                event_id: "".into(),
                kind: EventType::Activity,
                time,
                facts: Facts::None,
                breakdowns: Vec::new(),
            };
            reader.take(&event);
        }
    }
    assert_eq!(backtest(&reader.finish(90), &plan(), split, 30).expect("a fit"), whole);
}

#[test]
fn without_a_past_the_rules_have_no_probabilities() {
    let origin = backtest(&population(), &plan(), Day::from_number(70), 75).expect("a fit");
    assert_eq!((origin.recency_sort.brier, origin.recency_sort.calibration.len()), (None, 0));
    assert!(origin.recency_sort.auc.is_some() && origin.model.brier.is_some());
    assert!(matches!(backtest(&population(), &plan(), Day::from_number(-5), 30), Err(Degenerate::TooFewUsers { users: 0, least: 50 })));
}

#[test]
fn tracking_adds_up() {
    let (histories, until) = (population(), Day::from_number(209));
    let split = Day::from_number(150);
    let origin = backtest(&histories, &plan(), split, 30).expect("a fit");
    let weeks = tracking(&histories, &plan(), &origin.fit, split, until);
    assert_eq!(weeks.len(), 30);
    let days = histories.up_to(ProcessKind::Activity, until);
    let repeats: usize = days.iter().map(|days| days.len() - 1).sum();
    assert_eq!(weeks[29].actual, repeats as u64);
    assert!(weeks.windows(2).all(|pair| pair[0].actual <= pair[1].actual && pair[0].expected < pair[1].expected));
}

#[test]
fn a_fit_is_tracked_by_its_own_parameters() {
    let histories = population();
    let fit = backtest(&histories, &plan(), Day::from_number(150), 30).expect("a fit").fit;
    // Rates of r / α a day: nobody is expected to come again.
    let idle = ChurnParameters { r: 1e-9, alpha: 1.0, a: 1.0, b: 1.0 };
    let weeks = tracking(&histories, &plan(), &Fit { parameters: idle, ..fit }, Day::from_number(150), Day::from_number(209));
    assert!(weeks[29].expected < 0.001 && weeks[29].actual > 1_000, "{:?}", weeks[29]);
}
