//! The replayed series and their alarms as a page with inline SVG; nothing is fetched.

use std::fmt::Write as _;

use super::report::Span;
use crate::engine::alerts::tuning::{Alarm, Trial, Tuning};
use crate::engine::alerts::{RiskLevel, SegmentDay};
use crate::model::time::Day;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 160.0;
/// Left of the plot, for its numbers.
const MARGIN: f64 = 120.0;
/// Height of a threshold's row of marks.
const ROW: f64 = 14.0;

const STYLE: &str = "body{font:14px system-ui,sans-serif;margin:2em;max-width:1080px;color:#222}svg{display:block;margin-bottom:2em}\
text{font-size:11px;fill:#555}.count{fill:none;stroke:#2563eb;stroke-width:1.2}.expected{fill:none;stroke:#9ca3af;stroke-dasharray:4 3}\
.axis{stroke:#d1d5db}.alarm{fill:#dc2626}.set text{font-weight:bold;fill:#111}";

/// A series to be drawn.
struct Series<'t> {
    title: &'static str,
    setting: &'static str,
    /// What was counted, by day.
    counts: Vec<(Day, f64)>,
    /// What was to be expected, where it is known without a fit.
    expected: Vec<(Day, f64)>,
    trials: &'t [Trial],
    level: Option<RiskLevel>,
}

/// The page: each series with a row of marks for the alarms of each threshold.
pub(super) fn page(tuning: &Tuning, days: &[(Day, SegmentDay)], span: Span) -> String {
    let known = || days.iter().filter(|(_, day)| day.has_data);
    let counts = |pick: fn(&SegmentDay) -> f64| known().map(|(day, segment)| (*day, pick(segment))).collect::<Vec<_>>();
    let all = [
        Series {
            title: "entries into high",
            setting: "fire_p",
            counts: counts(|day| number(day.entered_high.count)),
            expected: Vec::new(),
            trials: &tuning.spikes,
            level: Some(RiskLevel::High),
        },
        Series {
            title: "entries into churned",
            setting: "fire_p",
            counts: counts(|day| number(day.entered_churned.count)),
            expected: Vec::new(),
            trials: &tuning.spikes,
            level: Some(RiskLevel::Churned),
        },
        Series {
            title: "returns of silent users, and (dashed) what their silence promises before calibration",
            setting: "cusum_h",
            counts: counts(|day| number(day.returns.observed)),
            expected: counts(|day| day.returns.expected),
            trials: &tuning.deficits,
            level: None,
        },
    ];
    let mut page = format!("<!doctype html><meta charset=\"utf-8\"><title>stickiness alerts tune</title><style>{STYLE}</style>");
    let Span { first, last, judged, .. } = span;
    _ = write!(
        page,
        "<h1>Alarms from {first} to {last}</h1><p>{judged} days could be judged. A red mark is an alarm from start to end; bold is what is set.</p>"
    );
    // A series that was not given, as those of a file of one series, is not shown.
    for series in all.iter().filter(|series| series.counts.iter().any(|(_, count)| *count > 0.0)) {
        draw(&mut page, series, span);
    }
    page
}

#[expect(clippy::cast_precision_loss, reason = "a position on the page")]
fn number(count: u64) -> f64 {
    count as f64
}

/// Left edge of a day.
fn x(day: Day, span: Span) -> f64 {
    let days = f64::from(span.last.days_since(span.first) + 1);
    MARGIN + (WIDTH - MARGIN) * f64::from(day.days_since(span.first)) / days
}

fn draw(page: &mut String, series: &Series<'_>, span: Span) {
    let height = HEIGHT + f64::from(u32::try_from(series.trials.len()).unwrap_or(0)) * ROW + 30.0;
    let most = series.counts.iter().chain(&series.expected).map(|(_, value)| *value).fold(1.0, f64::max);
    _ = write!(page, "<h2>{}</h2><svg viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">", series.title);
    for (share, value) in [(0.0, 0.0), (0.5, most / 2.0), (1.0, most)] {
        let y = HEIGHT - share * (HEIGHT - 10.0);
        _ = write!(page, "<line class=\"axis\" x1=\"{MARGIN}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
        _ = write!(page, "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>", MARGIN - 6.0, y + 4.0);
    }
    for (class, values) in [("expected", &series.expected), ("count", &series.counts)] {
        let point = |(day, value): &(Day, f64)| format!("{:.1},{:.1}", x(*day, span), HEIGHT - value / most * (HEIGHT - 10.0));
        let points: Vec<String> = values.iter().map(point).collect();
        _ = write!(page, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "));
    }
    let mut y = HEIGHT + 10.0;
    for trial in series.trials {
        draw_row(page, series, trial, y, span);
        y += ROW;
    }
    _ = write!(page, "<text x=\"{MARGIN}\" y=\"{:.0}\">{}</text>", height - 4.0, span.first);
    _ = write!(page, "<text x=\"{WIDTH}\" y=\"{:.0}\" text-anchor=\"end\">{}</text></svg>", height - 4.0, span.last);
}

/// A threshold with its alarms as marks.
fn draw_row(page: &mut String, series: &Series<'_>, trial: &Trial, y: f64, span: Span) {
    let class = if trial.is_set { " class=\"set\"" } else { "" };
    _ = write!(
        page,
        "<g{class}><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{} {}</text>",
        MARGIN - 6.0,
        y + 9.0,
        series.setting,
        trial.threshold
    );
    for Alarm { raised, last_day, ends } in trial.alarms.iter().filter(|alarm| alarm.raised.labels.level == series.level) {
        let from = x(raised.starts, span);
        let width = (x(ends.unwrap_or(*last_day + 1), span) - from).max(2.0);
        let title = format!("{}: {} for {:.1} expected, p = {:.1e}", raised.day, raised.observed, raised.expected, raised.p_value);
        _ = write!(
            page,
            "<rect class=\"alarm\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.0}\"><title>{title}</title></rect>",
            ROW - 4.0
        );
    }
    page.push_str("</g>");
}
