//! The Gamma-Gamma model and the lifetime value.

use serde_json::Value;
use stickiness::model::churn::closed_form::ClosedForm;
use stickiness::model::churn::fit::fit;
use stickiness::model::churn::{ChurnModel, ProcessKind, TimeUnit};
use stickiness::model::histories::history;
use stickiness::model::spend::fit::{SpendFit, fit as fit_spend};
use stickiness::model::spend::{Spend, SpendParameters, Valuation};

use super::{Entry, all_near, day, each_alone, histories, near, number, numbers, summary};

pub(super) const ENTRIES: &[Entry] = &[
    ("gg-fit", spend_fit),
    ("gg-describe", describe),
    ("gg-cond", expected_spend),
    ("gg-cond-fit", expected_spend_at_fit),
    ("clv-12m", lifetime_value),
];

fn repeaters() -> Vec<Spend> {
    let cut = day("1997-09-30");
    let all = histories("cdnow-sample", "1997-09-30").up_to(ProcessKind::Purchase, cut);
    all.iter().filter_map(|days| history(days, cut)).map(|(_, spend)| spend).filter(|spend| spend.repeats > 0).collect()
}

fn spend_fit(entry: &Value) {
    let fit = fit_spend(repeaters(), 1).expect("a fit");
    let (expected, within) = (&entry["expected"], number(&entry["tol"]["params"]));
    for (name, found) in [("p", fit.parameters.p), ("q", fit.parameters.q), ("v", fit.parameters.v)] {
        near(name, found, number(&expected[name]), within);
    }
    near("LL", fit.log_likelihood, number(&expected["LL"]), number(&entry["tol"]["LL"]));
    near("n", fit.buyers as f64, number(&expected["n"]), 0.0);
}

fn describe(entry: &Value) {
    let mut means: Vec<f64> = repeaters().iter().map(|spend| spend.mean).collect();
    means.sort_by(f64::total_cmp);
    let count = means.len() as f64;
    let mean = means.iter().sum::<f64>() / count;
    let deviation = (means.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
    let median = f64::midpoint(means[(means.len() - 1) / 2], means[means.len() / 2]);
    for (name, found) in
        [("mean", mean), ("std", deviation), ("min", means[0]), ("median", median), ("max", means[means.len() - 1]), ("count", count)]
    {
        // Rounded to whole numbers.
        near(name, found.round(), number(&entry["expected"][name]), 0.0);
    }
}

fn first_ten(parameters: SpendParameters) -> Vec<f64> {
    summary()[..10].iter().map(|(_, _, spend)| parameters.expected(spend)).collect()
}

fn expected_spend(entry: &Value) {
    let parameters = SpendParameters { p: 6.25, q: 3.74, v: 15.44 };
    all_near("spend", &first_ten(parameters), &numbers(&entry["expected"]), number(&entry["tol"]));
}

fn summary_fit() -> SpendFit {
    fit_spend(summary().into_iter().map(|(_, _, spend)| spend), 1).expect("a fit")
}

fn expected_spend_at_fit(entry: &Value) {
    let parameters = summary_fit().parameters;
    let (expected, within) = (&entry["expected"], number(&entry["tol"]));
    all_near("spend", &first_ten(parameters), &numbers(&expected["first10"]), within);
    let all = summary();
    let mean = all.iter().map(|(_, _, spend)| parameters.expected(spend)).sum::<f64>() / all.len() as f64;
    near("mean", mean, number(&expected["mean"]), within);
    let pairs: Vec<(f64, f64)> =
        all.iter().filter(|(_, _, spend)| spend.repeats > 0).map(|(_, span, spend)| (span.repeats, spend.mean)).collect();
    near("correlation", correlation(&pairs), number(&expected["corr_monetary_frequency"]), within);
}

fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len() as f64;
    let (x, y) = (pairs.iter().map(|pair| pair.0).sum::<f64>() / count, pairs.iter().map(|pair| pair.1).sum::<f64>() / count);
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>();
    let (xx, yy) = (sum(&|pair| (pair.0 - x).powi(2)), sum(&|pair| (pair.1 - y).powi(2)));
    sum(&|pair| (pair.0 - x) * (pair.1 - y)) / (xx * yy).sqrt()
}

/// The formula at twelve periods of 30 units with one per cent each, as it was printed; the unit of the data was weeks.
fn lifetime_value(expected: &Value) {
    let all = summary();
    let churn = fit(ChurnModel::BgNbd, TimeUnit::Week, &each_alone(all.iter().map(|(_, span, _)| *span)), 1).expect("a fit");
    let form = ClosedForm::new(ChurnModel::BgNbd, churn.parameters);
    let spend = summary_fit().parameters;
    let valuation = Valuation { margin: 1.0, discount_annual: 1.01_f64.powi(12) - 1.0 };
    let value = |(_, span, money): &(String, _, Spend)| {
        spend.expected(money) * valuation.discounted((1..=12).map(|period| form.expected(span, 30.0 * f64::from(period))))
    };
    let found: Vec<f64> = all[..10].iter().map(value).collect();
    all_near("value", &found, &numbers(&expected["expected"]), number(&expected["tol"]));
}
