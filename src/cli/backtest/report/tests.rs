use super::*;
use crate::model::churn::backtest::{CalibrationBin, LiftPoint, TrackedWeek};
use crate::model::churn::fit::Fit;
use crate::model::churn::{ChurnModel, ChurnParameters, ProcessKind, TimeUnit};

fn scores() -> Scores {
    Scores {
        auc: Some(0.75),
        brier: None,
        log_loss: None,
        calibration_error: None,
        calibration: vec![CalibrationBin { users: 7, predicted: 0.25, observed: 0.5 }],
        expected: Some(12.0),
        mean_absolute_error: None,
        top_decile_lift: None,
        flagged: 3,
        precision: None,
        recall: None,
        warning: None,
        lift: vec![LiftPoint { users: 0.0, found: 0.0 }, LiftPoint { users: 1.0, found: 1.0 }],
    }
}

fn result() -> Backtest {
    let fit = Fit {
        model: ChurnModel::MbgNbd,
        unit: TimeUnit::Week,
        parameters: ChurnParameters { r: 1.0, alpha: 2.0, a: 3.0, b: 4.0 },
        log_likelihood: -1.0,
        users: 7,
    };
    let origin = Origin {
        split: "1997-12-31".into(),
        until: "1998-01-14".into(),
        horizon_days: 14,
        users: 7,
        lapsed: 3,
        actual: 9,
        fit,
        degenerate: Some("a < b & so on".into()),
        model: scores(),
        recency_sort: scores(),
        frequency_sort: scores(),
        fixed_silence: scores(),
    };
    Backtest {
        process: ProcessKind::Purchase,
        model: ChurnModel::MbgNbd,
        unit: TimeUnit::Week,
        split: "1997-12-31".into(),
        until: "1998-01-14".into(),
        horizon_days: 14,
        origins: vec![origin],
        mean: serde_json::Value::Null,
        tracking: (1..=10).map(|week| TrackedWeek { week, actual: week.into(), expected: f64::from(week) }).collect(),
    }
}

#[test]
fn a_page_has_everything_and_fetches_nothing() {
    let page = html(&result());
    assert!(page.contains("a &lt; b &amp; so on") && page.contains("<td>0.750</td>") && page.contains("<td>-</td>"));
    assert_eq!(page.matches("role=\"img\"").count(), 3);
    for fetched in ["<script", "http:", "https:", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(fetched), "{fetched}");
    }
    assert!(page.contains("prefers-color-scheme: dark"));
    // Ten weeks, of which the last two are judged.
    let split = page.split("class=\"upright\" d=\"M").nth(1).and_then(|rest| rest.split(' ').next()).expect("the split");
    assert_eq!(split, format!("{:.1}", 72.0 + 0.8 * (480.0 - 72.0 - 16.0)));
}

#[test]
fn a_table_shows_what_is_missing_as_such() {
    let text = super::super::table::table(&result());
    assert!(text.contains("purchase, mbg-nbd in weeks fitted up to 1997-12-31; 7 users judged on 14 days"), "{text}");
    assert!(text.contains("warning: a < b & so on"));
    let line = |title: &str| text.lines().find(|line| line.starts_with(title)).expect("a line").split_whitespace().collect::<Vec<_>>();
    assert_eq!(line("AUC"), ["AUC", "0.750", "0.750", "0.750", "0.750"]);
    assert_eq!(line("Brier")[2..], ["-"; 4]);
}
