//! A backtest as a page that needs nothing else: figures, tables and charts.

use std::fmt::Write as _;

use super::chart::{Chart, Series, escaped};
use super::table::heading;
use super::{Backtest, FIGURES, RULES, Rule};
use crate::model::churn::backtest::{Origin, Scores};

const STYLE: &str = include_str!("report.css");

/// The page. Nothing in it is fetched from elsewhere.
pub(super) fn html(result: &Backtest) -> String {
    let title = format!("Backtest of {}", result.model.name());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{0}</title><style>{STYLE}</style></head><body>\n<h1>{0}</h1>\n",
        escaped(&title)
    );
    for origin in &result.origins {
        _ = writeln!(page, "<section><p>{}.</p>", escaped(&heading(result, origin)));
        if let Some(reason) = &origin.degenerate {
            _ = writeln!(page, "<p class=\"warning\">{}</p>", escaped(reason));
        }
        page.push_str(&figures(origin));
        page.push_str("<div class=\"charts\">");
        page.push_str(&part(
            "Calibration",
            "Of users with a predicted risk, how many lapsed. The nearer to the diagonal, the better.",
            &calibration(origin),
        ));
        page.push_str(&part(
            "Lift",
            "Taking users in the order of their risk, how many of the lapsed are found. The diagonal is chance.",
            &lift(origin),
        ));
        page.push_str("</div></section>\n");
    }
    let tracked = "Repeat days of the users known at the first split, and those expected of them by the fit.";
    page.push_str(&part("Tracking", tracked, &tracking(result)));
    page.push_str("</body></html>");
    page
}

fn part(title: &str, says: &str, chart: &Chart) -> String {
    format!("<div><h2>{}</h2><p>{}</p>{}</div>\n", escaped(title), escaped(says), chart.figure())
}

/// Every figure beside those of the rules.
fn figures(origin: &Origin) -> String {
    let mut table = "<table><thead><tr><th></th>".to_owned();
    for rule in &RULES {
        _ = write!(table, "<th scope=\"col\">{}</th>", escaped(rule.title));
    }
    table.push_str("</tr></thead><tbody>");
    for figure in &FIGURES {
        _ = write!(table, "<tr><th scope=\"row\">{}</th>", escaped(figure.title));
        for rule in &RULES {
            _ = write!(table, "<td>{}</td>", figure.shown(rule, origin));
        }
        table.push_str("</tr>");
    }
    table.push_str("</tbody></table>\n");
    table
}

/// A line of each rule that has any points.
fn lines(origin: &Origin, points: fn(&Scores) -> Vec<(f64, f64)>, marks: bool) -> Vec<Series> {
    let series = |rule: &Rule| Series { name: rule.title, class: rule.class, points: points((rule.of)(origin)), marks };
    RULES.iter().map(series).filter(|series| !series.points.is_empty()).collect()
}

fn diagonal(name: &'static str) -> Series {
    Series { name, class: "diagonal", points: vec![(0.0, 0.0), (1.0, 1.0)], marks: false }
}

fn calibration(origin: &Origin) -> Chart {
    let bins = |scores: &Scores| scores.calibration.iter().map(|bin| (bin.predicted, bin.observed)).collect();
    let mut series = lines(origin, bins, true);
    // Two points of a rule that knows two values only are hidden by its ten bins; the sorts and the model say more.
    series.retain(|series| series.class != "silence");
    series.insert(0, diagonal("predicted as observed"));
    let title = format!("Calibration at {}", origin.split);
    Chart { title, x: "predicted probability to lapse", y: "share that lapsed", least: 1.0, upright: None, series }
}

fn lift(origin: &Origin) -> Chart {
    let mut series = lines(origin, |scores| scores.lift.iter().map(|point| (point.users, point.found)).collect(), false);
    series.insert(0, diagonal("chance"));
    Chart {
        title: format!("Lift at {}", origin.split),
        x: "share of users",
        y: "share of lapsed users found",
        least: 1.0,
        upright: None,
        series,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of days")]
fn tracking(result: &Backtest) -> Chart {
    let weeks = || result.tracking.iter();
    let actual = weeks().map(|week| (f64::from(week.week), week.actual as f64)).collect();
    let expected = weeks().map(|week| (f64::from(week.week), week.expected)).collect();
    let series = vec![
        Series { name: "actual", class: "actual", points: actual, marks: false },
        Series { name: "expected", class: "model", points: expected, marks: false },
    ];
    let days_after = f64::from(result.horizon_days) * result.origins.len() as f64;
    let split = result.tracking.last().map(|last| (f64::from(last.week) - days_after / 7.0, "split"));
    Chart {
        title: "Cumulative repeat days by week".to_owned(),
        x: "weeks since the first day",
        y: "repeat days so far",
        least: 1.0,
        upright: split.filter(|(week, _)| *week > 0.0),
        series,
    }
}

#[cfg(test)]
mod tests;
