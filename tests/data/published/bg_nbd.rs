//! Probabilities and expectations of BG/NBD at given parameters.

use serde_json::Value;
use stickiness::model::churn::closed_form::ClosedForm;
use stickiness::model::churn::{ChurnModel, ChurnParameters};

use super::{Entry, all_near, fitted, json, near, number, numbers, parameters, span, walkthrough};

pub(super) const ENTRIES: &[Entry] = &[
    ("bg-E-new", expected_of_new),
    ("bg-E-new-times", expected_at_times),
    ("bg-cond-1516", customer_1516),
    ("bg-cond-1", customer_1),
    ("bg-increasing-frequency-paradox", paradox),
    ("bg-pmf", counts),
    ("bg-logp-stable", likelihoods),
    ("bg-palive-x0", always_alive),
    ("bg-palive-underflow", underflow),
];

fn new_user() -> stickiness::model::churn::closed_form::Span {
    span(0.0, 0.0, 0.0)
}

fn expected_of_new(entry: &Value) {
    let found = walkthrough().expected(&new_user(), number(&entry["inputs"]["t"]));
    near("E[X(52)]", found, number(&entry["expected"]), number(&entry["tol"]));
}

fn expected_at_times(entry: &Value) {
    let found: Vec<f64> = numbers(&entry["inputs"]["t"]).into_iter().map(|t| fitted().expected(&new_user(), t)).collect();
    all_near("E[X(t)]", &found, &numbers(&entry["expected"]), number(&entry["tol"]));
}

fn customer_1516(entry: &Value) {
    let input = |name: &str| number(&entry["inputs"][name]);
    let customer = span(input("x"), input("t_x"), input("T"));
    let (expected, within) = (&entry["expected"], &entry["tol"]);
    near("expected", walkthrough().expected(&customer, input("t")), number(&expected["cond"]), number(&within["cond"]));
    near("alive", walkthrough().p_alive(&customer), number(&expected["p_alive"]), number(&within["p_alive"]));
}

fn customer_1(entry: &Value) {
    let input = |name: &str| number(&entry["inputs"][name]);
    let found = fitted().expected(&span(input("x"), input("t_x"), input("T")), input("t"));
    near("expected", found, number(&entry["expected"]), number(&entry["tol"]));
}

fn paradox(entry: &Value) {
    let input = |name: &str| number(&entry["inputs"][name]);
    for (x, expected) in numbers(&entry["inputs"]["x"]).into_iter().zip(numbers(&entry["expected"])) {
        let found = walkthrough().expected(&span(x, input("t_x"), input("T")), input("t"));
        near(&format!("x = {x}"), found, expected, number(&entry["tol"]) * expected);
    }
}

fn counts(entry: &Value) {
    let form = ClosedForm::new(ChurnModel::BgNbd, parameters(&entry["inputs"]));
    let (expected, within) = (&entry["expected"], number(&entry["tol"]));
    near("t=2,n=10", form.probability_of(10, 2.0), number(&expected["t=2,n=10"]), within);
    near("t=39,n=0", form.probability_of(0, 39.0), number(&expected["t=39,n=0"]), within);
    let found: Vec<f64> = (11..=20).map(|count| form.probability_of(count, 30.0)).collect();
    all_near("t=30", &found, &numbers(&expected["t=30,n=11..20"]), within);
}

fn likelihoods(entry: &Value) {
    let form = ClosedForm::new(ChurnModel::BgNbd, parameters(&entry["inputs"]));
    let rows = entry["inputs"]["rows"].as_array().expect("rows").iter().map(numbers);
    let found: Vec<f64> = rows.map(|row| form.log_likelihood(&span(row[0], row[1], row[2]))).collect();
    all_near("log-likelihood", &found, &numbers(&entry["expected"]), number(&entry["tol"]));
}

fn always_alive(entry: &Value) {
    for (r, alpha, a, b) in [(0.2, 4.0, 0.8, 2.4), (5.0, 0.01, 9.0, 0.1), (0.001, 1e5, 1e-3, 1e4)] {
        let form = ClosedForm::new(ChurnModel::BgNbd, ChurnParameters { r, alpha, a, b });
        for age in [0.0, 1.0, 1e6] {
            near("alive", form.p_alive(&span(0.0, 0.0, age)), number(&entry["expected"]), number(&entry["tol"]));
        }
    }
}

fn underflow(entry: &Value) {
    near("alive", fitted().p_alive(&span(1000.0, 10.0, 100.0)), number(&entry["expected"]), number(&entry["tol"]));
}

/// 72 of them at 50 digits; ours agree to ten.
pub(super) fn vectors() {
    let vectors = json("published-numbers/bgnbd_vectors.json");
    let vectors = vectors["vectors"].as_array().expect("a list");
    assert_eq!(vectors.len(), 72);
    for vector in vectors {
        let given = numbers(&vector["params"]);
        let parameters = ChurnParameters { r: given[0], alpha: given[1], a: given[2], b: given[3] };
        let form = ClosedForm::new(ChurnModel::BgNbd, parameters);
        let input = |name: &str| number(&vector[name]);
        let customer = span(input("x"), input("t_x"), input("T"));
        let check = |what: &str, found: f64| {
            let expected = number(&vector[what]);
            near(&format!("{what} of {vector}"), found, expected, 1e-10 * expected.abs() + 1e-300);
        };
        check("loglik", form.log_likelihood(&customer));
        check("p_alive", form.p_alive(&customer));
        check("exp_purchases", form.expected(&customer, input("t")));
    }
}
