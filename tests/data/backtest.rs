//! How well lapses of CDNOW's customers are told, and the price of telling them without a model.

use stickiness::model::churn::backtest::{Origin, Plan, Scores, backtest};
use stickiness::model::churn::settings::ChurnSettings;
use stickiness::model::churn::{ChurnModel, ProcessKind};
use stickiness::model::time::Day;

use crate::Named;
use crate::published::histories;

pub(crate) fn add(tests: &mut Vec<Named>) {
    for (log, users) in [("cdnow-master", 23_570), ("cdnow-sample", 2357)] {
        tests.push((format!("backtest {log}"), Box::new(move || lapses_are_told(log, users))));
    }
    tests.push(("a dropout after the first order helps cdnow-master".into(), Box::new(one_time_buyers)));
}

/// At the cut after 52 weeks, over the 91 days after it.
fn origin(log: &str, model: ChurnModel) -> Origin {
    let settings = ChurnSettings::default();
    let mut process = settings.purchase.process;
    process.model = model;
    let plan = Plan { kind: ProcessKind::Purchase, process, high: settings.high, least_users: 50 };
    let split = Day::parse("1997-12-31").expect("a day");
    backtest(&histories(log, "1998-04-01"), &plan, split, 91).expect("a fit")
}

#[track_caller]
fn of(figure: Option<f64>) -> f64 {
    figure.expect("a figure")
}

fn lapses_are_told(log: &str, users: usize) {
    let origin = origin(log, ChurnModel::MbgNbd);
    assert_eq!((origin.users, origin.until.as_str(), origin.degenerate.as_deref()), (users, "1998-04-01", None));
    let model = &origin.model;
    assert!(of(model.auc) >= 0.79, "AUC {:?}", model.auc);
    assert!(of(model.brier) <= 0.107, "Brier {:?}", model.brier);
    assert_eq!(model.calibration.len(), 10);
    assert!(of(model.calibration_error) <= 0.025, "calibration error {:?}", model.calibration_error);
    // A sort ranks as well, within a hundredth; its probabilities, its expectations and its warnings are worse.
    for sort in [&origin.recency_sort, &origin.frequency_sort] {
        assert!((of(sort.auc) - of(model.auc)).abs() < 0.01, "{:?}", sort.auc);
        assert!(of(sort.brier) > of(model.brier) && of(sort.log_loss) > of(model.log_loss));
        assert!(of(sort.mean_absolute_error) > of(model.mean_absolute_error));
    }
    let days = |scores: &Scores| scores.warning.map_or(0.0, |warning| warning.days);
    assert!(days(model) > days(&origin.fixed_silence) + 5.0, "{} {}", days(model), days(&origin.fixed_silence));
    assert!((of(model.expected) / origin.actual as f64 - 1.0).abs() < 0.1, "{:?} for {}", model.expected, origin.actual);
}

/// In BG/NBD a customer seen once is alive for ever, which costs a little of everything but calibration on CDNOW.
fn one_time_buyers() {
    let (modified, plain) = (origin("cdnow-master", ChurnModel::MbgNbd).model, origin("cdnow-master", ChurnModel::BgNbd).model);
    assert!(of(plain.auc) < of(modified.auc), "{:?} {:?}", plain.auc, modified.auc);
    assert!(of(plain.brier) > of(modified.brier), "{:?} {:?}", plain.brier, modified.brier);
    assert!(of(plain.log_loss) > of(modified.log_loss), "{:?} {:?}", plain.log_loss, modified.log_loss);
    assert!(of(plain.mean_absolute_error) > of(modified.mean_absolute_error));
}
