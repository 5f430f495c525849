//! Maximum likelihood, and what the fitted models say of a holdout.

use serde_json::Value;
use stickiness::model::churn::closed_form::{ClosedForm, Span};
use stickiness::model::churn::counts::HistoryCounts;
use stickiness::model::churn::fit::{Degenerate, Fit, Weighted, fit, weighted};
use stickiness::model::churn::{ChurnModel, History, ProcessKind, TimeUnit};
use stickiness::model::histories::{Days, history};
use stickiness::model::spend;
use stickiness::model::time::Day;

use super::{
    Entry, all_near, data, day, each_alone, fitted, histories, json, near, number, numbers, parameters, parameters_near, span, summary,
};

pub(super) const ENTRIES: &[Entry] = &[
    ("bg-fit", bg_fit),
    ("bg-fit-rounded-csv", bg_fit_of_summary),
    ("mbg-fit", mbg_fit_of_summary),
    ("bg-scale", scale),
    ("bg-holdout-bins", holdout),
    ("bg-tracking", tracking),
    ("bg-rank-next-week", next_week),
    ("bg-example", example),
];

/// What the papers fit up to.
const CALIBRATED: &str = "1997-09-30";

fn best(model: ChurnModel, unit: TimeUnit, histories: &[Weighted]) -> Fit {
    fit(model, unit, histories, 1).expect("a fit")
}

fn all_as_of(days: &[Days], as_of: &str) -> Vec<History> {
    days.iter().filter_map(|days| history(days, day(as_of))).map(|(history, _)| history).collect()
}

fn purchases(log: &str, as_of: &str) -> Vec<History> {
    all_as_of(&histories(log, as_of).up_to(ProcessKind::Purchase, day(as_of)), as_of)
}

fn summary_spans() -> Vec<Span> {
    summary().into_iter().map(|(_, span, _)| span).collect()
}

fn bg_fit(entry: &Value) {
    let fit = best(ChurnModel::BgNbd, TimeUnit::Week, &weighted(purchases("cdnow-sample", CALIBRATED), TimeUnit::Week));
    parameters_near(fit.parameters, &entry["expected"], number(&entry["tol"]["params"]));
    near("LL", fit.log_likelihood, number(&entry["expected"]["LL"]), number(&entry["tol"]["LL"]));
    assert_eq!(fit.users, 2357);
}

fn bg_fit_of_summary(entry: &Value) {
    let fit = best(ChurnModel::BgNbd, TimeUnit::Week, &each_alone(summary_spans()));
    parameters_near(fit.parameters, &entry["expected"], number(&entry["tol"]["params"]));
}

fn mbg_fit_of_summary(entry: &Value) {
    let fit = best(ChurnModel::MbgNbd, TimeUnit::Week, &each_alone(summary_spans()));
    parameters_near(fit.parameters, &entry["expected"], number(&entry["tol"]));
}

/// A fit to times in another unit says the same of a user.
fn scale(entry: &Value) {
    let of = |factor: f64| {
        let scaled = summary_spans().into_iter().map(|one| span(one.repeats, factor * one.recency, factor * one.age));
        ClosedForm::new(ChurnModel::BgNbd, best(ChurnModel::BgNbd, TimeUnit::Week, &each_alone(scaled)).parameters)
    };
    let (plain, scaled) = (of(1.0), of(10.0));
    for (recency, age) in [(1.0, 2.0), (2.0, 10.0)] {
        let found = scaled.p_alive(&span(1.0, 10.0 * recency, 10.0 * age));
        near("alive", found, plain.p_alive(&span(1.0, recency, age)), number(&entry["tol"]));
    }
}

fn holdout(entry: &Value) {
    let (cut, until) = (day(CALIBRATED), day("1998-06-30"));
    let judged = histories("cdnow-sample", "1998-06-30").judged(ProcessKind::Purchase, cut, until);
    let mut bins = [(0.0, 0.0, 0.0); 8];
    for user in &judged {
        let (history, _) = history(&user.before, cut).expect("a day");
        let bin = &mut bins[history.repeats.min(7) as usize];
        let expected = fitted().expected(&history.span(TimeUnit::Week), f64::from(until.days_since(cut)) / 7.0);
        *bin = (bin.0 + 1.0, bin.1 + user.after.len() as f64, bin.2 + expected);
    }
    let expected = &entry["expected"];
    all_near("n", &bins.map(|bin| bin.0), &numbers(&expected["n"]), 0.0);
    all_near("actual", &bins.map(|bin| bin.1 / bin.0), &numbers(&expected["actual"]), 1e-6);
    all_near("expected", &bins.map(|bin| bin.2 / bin.0), &numbers(&expected["expected"]), number(&entry["tol"]));
}

/// Repeat days by week since the first day of all, and what was expected of new users.
fn tracking(entry: &Value) {
    let all = histories("cdnow-sample", "1998-06-30").up_to(ProcessKind::Purchase, day("1998-06-30"));
    let start = all.iter().map(|days| days[0].0).min().expect("users");
    let actual = |week: i32| {
        let repeats = all.iter().flat_map(|days| &days[1..]).filter(|(at, _)| at.days_since(start) < 7 * week);
        repeats.count() as f64
    };
    let expected = |week: i32| {
        let age = |first: Day| f64::from((7 * week - first.days_since(start)).max(0)) / 7.0;
        all.iter().map(|days| fitted().expected(&span(0.0, 0.0, 0.0), age(days[0].0))).sum::<f64>()
    };
    let weeks = 20..=25;
    let within = number(&entry["tol"]);
    let each = |of: &dyn Fn(i32) -> f64| weeks.clone().map(of).collect::<Vec<f64>>();
    let published = |name: &str| numbers(&entry["expected"][name]);
    all_near("cum_actual", &each(&actual), &published("cum_actual"), 0.0);
    all_near("inc_actual", &each(&|week| actual(week) - actual(week - 1)), &published("inc_actual"), 0.0);
    all_near("cum_expected", &each(&expected), &published("cum_expected"), within);
    all_near("inc_expected", &each(&|week| expected(week) - expected(week - 1)), &published("inc_expected"), within);
}

fn next_week(entry: &Value) {
    let form = ClosedForm::new(ChurnModel::BgNbd, best(ChurnModel::BgNbd, TimeUnit::Week, &each_alone(summary_spans())).parameters);
    let mut ranked: Vec<(f64, String)> = summary().into_iter().map(|(id, span, _)| (form.expected(&span, 1.0), id)).collect();
    ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (expected, id) in &ranked[..5] {
        near(id, *expected, number(&entry["expected"][id]), number(&entry["tol"]));
    }
}

fn example(entry: &Value) {
    let expected = &entry["expected"];
    let days = histories("lifetimes-example", "2014-12-31").up_to(ProcessKind::Purchase, day("2014-12-31"));
    let all = all_as_of(&days, "2014-12-31");
    let fit = best(ChurnModel::BgNbd, TimeUnit::Day, &weighted(all.iter().copied(), TimeUnit::Day));
    // Printed with two decimals.
    parameters_near(fit.parameters, &expected["params"], 0.005);
    let spans: Vec<Span> = all[..5].iter().map(|history| history.span(TimeUnit::Day)).collect();
    let first: Vec<Vec<f64>> = expected["first5"].as_array().expect("rows").iter().map(numbers).collect();
    assert_eq!(spans.iter().map(|span| vec![span.repeats, span.recency, span.age]).collect::<Vec<_>>(), first);
    let found: Vec<f64> = spans.iter().map(|span| ClosedForm::new(ChurnModel::BgNbd, fit.parameters).expected(span, 30.0)).collect();
    all_near("next 30 days", &found, &numbers(&expected["pred30"]), number(&entry["tol"]));
}

/// Figures of an independent fit with scipy.
pub(super) fn of_logs() {
    for log in ["cdnow-sample", "cdnow-master", "lifetimes-example"] {
        let expected = json(&format!("{log}/expected/bgnbd_fit.json"));
        let (cut, until) = (day(expected["cal_end"].as_str().expect("a day")), day(expected["end"].as_str().expect("a day")));
        let judged = histories(log, &until.to_string()).judged(ProcessKind::Purchase, cut, until);
        let known: Vec<_> = judged.iter().map(|user| history(&user.before, cut).expect("a day")).collect();
        near("customers", known.len() as f64, number(&expected["customers"]), 0.0);
        let fit = best(ChurnModel::BgNbd, TimeUnit::Week, &weighted(known.iter().map(|(history, _)| *history), TimeUnit::Week));
        parameters_near(fit.parameters, &expected["bgnbd"], 0.002);
        near("LL", fit.log_likelihood, number(&expected["LL"]), 0.005);
        let form = ClosedForm::new(ChurnModel::BgNbd, fit.parameters);
        let ahead = f64::from(until.days_since(cut)) / 7.0;
        let sum: f64 = known.iter().map(|(history, _)| form.expected(&history.span(TimeUnit::Week), ahead)).sum();
        near("expected in the holdout", sum, number(&expected["exp_holdout_sum"]), 1.0);
        let money = &expected["gamma_gamma"];
        // A log without amounts has none.
        if money.is_null() {
            continue;
        }
        let spend = spend::fit::fit(known.iter().map(|(_, spend)| *spend), 1).expect("a fit");
        near("p", spend.parameters.p, number(&money["p"]), 0.01);
        near("q", spend.parameters.q, number(&money["q"]), 0.01);
        near("v", spend.parameters.v, number(&money["v"]), 0.02);
        near("LL of spend", spend.log_likelihood, number(&money["LL"]), 0.01);
    }
}

/// Every customer of the independent fit.
pub(super) fn customers() {
    let form = ClosedForm::new(ChurnModel::BgNbd, parameters(&json("cdnow-master/expected/bgnbd_fit.json")["bgnbd"]));
    let file = std::fs::File::open(data().join("cdnow-master/expected/bgnbd_customers.csv.gz")).expect("a file");
    let mut reader = csv::Reader::from_reader(flate2::read::GzDecoder::new(file));
    let mut checked = 0;
    for row in reader.records() {
        let row = row.expect("a row");
        let field = |index: usize| row[index].parse::<f64>().expect("a number");
        let customer = span(field(2), field(3), field(4));
        near("alive", form.p_alive(&customer), field(7), 1e-6);
        near("expected", form.expected(&customer, 39.0), field(8), 1e-6);
        checked += 1;
    }
    assert_eq!(checked, 23_570);
}

/// A fit to counts in 10 % buckets changes nobody's probability to be alive by more than .006.
pub(super) fn buckets() {
    for (model, _) in ChurnModel::NAMES {
        for as_of in [CALIBRATED, "1997-12-31"] {
            let all = purchases("cdnow-master", as_of);
            let mut counts = HistoryCounts::default();
            for history in &all {
                counts.add(history);
            }
            assert!(counts.len() < 3000, "{} cells", counts.len());
            let exact = ClosedForm::new(model, best(model, TimeUnit::Week, &weighted(all.iter().copied(), TimeUnit::Week)).parameters);
            let coarse = ClosedForm::new(model, best(model, TimeUnit::Week, &counts.weighted(TimeUnit::Week)).parameters);
            let change = |history: &History| {
                let span = history.span(TimeUnit::Week);
                (exact.p_alive(&span) - coarse.p_alive(&span)).abs()
            };
            let most = all.iter().map(change).fold(0.0, f64::max);
            assert!(most <= 0.006, "{model:?} {as_of}: {most}");
        }
    }
}

/// The notes of rfm-orders say that it does not suit BG/NBD: nobody drops out in a way that the model knows.
pub(super) fn unsuited() {
    let all = weighted(purchases("rfm-orders", "2006-12-31"), TimeUnit::Week);
    for (model, _) in ChurnModel::NAMES {
        match fit(model, TimeUnit::Week, &all, 1) {
            Err(Degenerate::AtBound { parameter: "b", .. }) => {}
            other => panic!("{model:?}: {other:?}"),
        }
    }
}
