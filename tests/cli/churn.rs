//! `fit` and `backtest` over a small log.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::golden::run;

/// Orders of 300 users: user n buys every 1 + n % 13 days from day n % 40 of 2024 on, and stops after 80 + 7 n % 120 days.
fn orders(directory: &Path) -> String {
    let mut text = "user_id,type,timestamp,amount\n".to_owned();
    for user in 0..300_usize {
        for day in (user % 40..=user % 40 + 80 + 7 * user % 120).step_by(1 + user % 13) {
            let at = 1_704_067_200_000 + 86_400_000 * day;
            let amount = 5 + (user * 31 + day * 17) % 60;
            _ = writeln!(text, "u{user},order_placed,{at},{amount}");
        }
    }
    let path = directory.join("orders.csv");
    fs::write(&path, text).expect("a temporary file");
    path.to_str().expect("UTF-8").to_owned()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON object")
}

#[test]
fn a_fit_is_one_object() {
    let directory = tempfile::tempdir().expect("a directory");
    let input = orders(directory.path());
    let model = directory.path().join("model.json");
    let done = run(&["fit", "--until", "2024-05-31", "--output", model.to_str().expect("UTF-8"), &input]);
    assert_eq!((done.status, done.stdout.lines().count()), (0, 1), "{}", done.stderr);
    assert_eq!(fs::read_to_string(&model).expect("the model"), done.stdout);
    let fit = json(&done.stdout);
    let names: Vec<&str> = fit.as_object().expect("an object").keys().take(11).map(String::as_str).collect();
    assert_eq!(names, ["model", "unit", "r", "alpha", "a", "b", "log_likelihood", "users", "p", "q", "v"]);
    assert_eq!((&fit["model"], &fit["unit"], &fit["users"]), (&"mbg-nbd".into(), &"week".into(), &300.into()));
    for parameter in ["r", "alpha", "a", "b", "p", "q", "v"] {
        assert!(fit[parameter].as_f64().is_some_and(|value| value > 0.0), "{parameter} {fit}");
    }
    assert_eq!((&fit["first_day"], &fit["until"]), (&"2024-01-01".into(), &"2024-05-31".into()));
    let again = run(&["fit", "--until", "2024-05-31", &input]);
    assert_eq!(again.stdout, done.stdout, "the same bits each time");
    // A week is seven days: the likelihood differs by a constant, alpha by the factor.
    let daily = json(&run(&["fit", "--until", "2024-05-31", "--unit", "day", &input]).stdout);
    let ratio = daily["alpha"].as_f64().expect("a number") / fit["alpha"].as_f64().expect("a number");
    assert!((ratio - 7.0).abs() < 0.01, "{ratio}");
    let activity = json(&run(&["fit", "--until", "2024-05-31", "--process", "activity", "--model", "bg-nbd", &input]).stdout);
    assert_eq!((&activity["model"], &activity["p"], &activity["process"]), (&"bg-nbd".into(), &Value::Null, &"activity".into()));
}

#[test]
fn what_cannot_be_fitted_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let input = orders(directory.path());
    for (arguments, status, told) in [
        (vec!["--until", "2023-12-31"], 1, "error: nobody has an order (which types are orders is said by input.types) up to 2023-12-31\n"),
        (vec!["--until", "2024-01-01"], 1, "error: no mbg-nbd can be fitted: 8 users, at least 50 are needed\n"),
    ] {
        let done = run(&[&["fit"], &arguments[..], &[&input]].concat());
        assert_eq!((done.status, done.stdout.as_str()), (status, ""), "{arguments:?}");
        assert!(done.stderr.ends_with(told), "{}", done.stderr);
    }
    let once: String = (0..60).fold("user_id,type,timestamp\n".to_owned(), |text, user| format!("{text}u{user},signup,1704067200000\n"));
    let path = directory.path().join("once.csv");
    fs::write(&path, once).expect("a temporary file");
    let done = run(&["fit", "--until", "2024-03-01", "--process", "activity", path.to_str().expect("UTF-8")]);
    assert!(done.status == 1 && done.stderr.ends_with("can be fitted: nobody has a second day\n"), "{}", done.stderr);
}

#[test]
fn a_backtest_is_for_programs_people_and_browsers() {
    let directory = tempfile::tempdir().expect("a directory");
    let input = orders(directory.path());
    let page = directory.path().join("report.html");
    let arguments = ["backtest", "--split", "2024-04-30", "--until", "2024-06-29", "--html", page.to_str().expect("UTF-8")];
    let done = run(&[&arguments[..], &["--origins", "2", &input]].concat());
    assert_eq!((done.status, done.stdout.lines().count()), (0, 1), "{}", done.stderr);
    let result = json(&done.stdout);
    assert_eq!((&result["horizon_days"], &result["model"]), (&30.into(), &"mbg-nbd".into()));
    let origins = result["origins"].as_array().expect("a list");
    let splits: Vec<&str> = origins.iter().map(|origin| origin["split"].as_str().expect("a day")).collect();
    assert_eq!(splits, ["2024-04-30", "2024-05-30"]);
    for origin in origins {
        assert_eq!((&origin["users"], &origin["fit"]["unit"]), (&300.into(), &"week".into()));
        for rule in ["model", "recency_sort", "frequency_sort", "fixed_silence"] {
            let auc = origin[rule]["auc"].as_f64().expect("a number");
            assert!((0.0..=1.0).contains(&auc), "{rule} {auc}");
        }
        // Who has been silent for longer than usual has stopped, and the model knows what is usual.
        assert!(origin["model"]["auc"].as_f64() > origin["frequency_sort"]["auc"].as_f64());
    }
    let means = [0, 1].map(|index| origins[index]["model"]["brier"].as_f64().expect("a number"));
    assert!((result["mean"]["model"]["brier"].as_f64().expect("a number") - f64::midpoint(means[0], means[1])).abs() < 1e-12);
    assert!(done.stderr.contains("frequency sort") && done.stderr.contains("\nBrier score"), "{}", done.stderr);
    let html = fs::read_to_string(&page).expect("the report");
    assert!(html.starts_with("<!doctype html>") && html.matches("<figure>").count() == 5, "two charts an origin, and the tracking plot");
}
