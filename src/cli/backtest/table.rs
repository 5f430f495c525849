//! A backtest as text for people.

use std::fmt::Write as _;

use super::{Backtest, FIGURES, RULES};
use crate::model::churn::backtest::Origin;

/// One line on what was fitted and judged.
pub(super) fn heading(result: &Backtest, origin: &Origin) -> String {
    format!(
        "{}, {} in {}s fitted up to {}; {} users judged on {} days up to {}: {} without a day, {} days in all",
        result.process.name(),
        result.model.name(),
        result.unit.name(),
        origin.split,
        origin.users,
        origin.horizon_days,
        origin.until,
        origin.lapsed,
        origin.actual,
    )
}

pub(super) fn table(result: &Backtest) -> String {
    let mut text = String::new();
    for origin in &result.origins {
        _ = writeln!(text, "{}", heading(result, origin));
        if let Some(reason) = &origin.degenerate {
            _ = writeln!(text, "warning: {reason}");
        }
        _ = write!(text, "{:21}", "");
        for rule in &RULES {
            _ = write!(text, "{:>16}", rule.title);
        }
        text.push('\n');
        for figure in &FIGURES {
            _ = write!(text, "{:21}", figure.title);
            for rule in &RULES {
                _ = write!(text, "{:>16}", figure.shown(rule, origin));
            }
            text.push('\n');
        }
        calibration(&mut text, origin);
    }
    text
}

/// Bins of the model, one a line.
fn calibration(text: &mut String, origin: &Origin) {
    _ = writeln!(text, "calibration of the model\n{:>10}{:>12}{:>12}", "users", "predicted", "observed");
    for bin in &origin.model.calibration {
        _ = writeln!(text, "{:>10}{:>12.3}{:>12.3}", bin.users, bin.predicted, bin.observed);
    }
}
