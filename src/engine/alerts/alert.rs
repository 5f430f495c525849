//! What is told of an alert.

use std::fmt::Write as _;

use super::track::{Step, Verdict};
use super::{AlertChange, AlertChangeKind, AlertSettings, Watch};
use crate::engine::aggregator::ALL;
use crate::engine::deletion::digest;
use crate::model::hexadecimal::hexadecimal;
use crate::model::time::Day;

/// What sort of alert it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertName {
    /// More users entered a level than the past explains.
    ChurnSpike,
    /// Fewer silent users came back than their habits promise.
    ReturnDeficit,
}

impl AlertName {
    /// As records tell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChurnSpike => "churn_spike",
            Self::ReturnDeficit => "return_deficit",
        }
    }
}

/// Whether an alert goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertStatus {
    /// It does.
    Firing,
    /// It has ended.
    Resolved,
}

impl AlertStatus {
    /// As records tell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// How bad an alert was on the day it started; it keeps that, so that receivers see one alert and not two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Less than critical.
    Warning,
    /// At least twice the entries that were expected, or at most three quarters of the returns.
    Critical,
}

impl Severity {
    pub(super) fn of(verdict: &Verdict) -> Self {
        let share = if verdict.expectation.is_some() { 1.0 } else { 0.25 };
        if verdict.excess() >= share * verdict.expected { Self::Critical } else { Self::Warning }
    }

    /// As records tell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A level of churn risk whose entries are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RiskLevel {
    /// Likely to leave.
    High,
    /// Silent for longer than the lapse window.
    Churned,
}

impl RiskLevel {
    /// As records tell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Churned => "churned",
        }
    }
}

/// What tells one alert from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// `all`, or `property=value`.
    pub segment: String,
    /// `activity` or `purchase`.
    pub process: String,
    /// The level that is entered; `None` for a return deficit.
    pub level: Option<RiskLevel>,
}

impl Labels {
    /// Names and values, by name.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let level = self.level.map(|level| ("level", level.name()));
        level.into_iter().chain([("process", self.process.as_str()), ("segment", self.segment.as_str())])
    }
}

/// A breakdown value that brings part of a parent's alert.
#[derive(Clone, Debug, PartialEq)]
pub struct TopSegment {
    /// `property=value`.
    pub segment: String,
    /// Of the day.
    pub observed: u64,
    /// By its own past.
    pub expected: f64,
    /// By its own past.
    pub p_value: f64,
}

impl TopSegment {
    pub(super) fn of(name: &str, verdict: &Verdict) -> Self {
        Self { segment: name.to_owned(), observed: verdict.observed, expected: verdict.expected, p_value: verdict.p_value }
    }
}

/// An alert as of a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// 32 hexadecimal digits: a digest of name, labels and start, the same wherever and whenever the days are told.
    pub fingerprint: String,
    /// What sort of alert it is.
    pub name: AlertName,
    /// Whether it goes on.
    pub status: AlertStatus,
    /// As of its start.
    pub severity: Severity,
    /// What tells it from others.
    pub labels: Labels,
    /// Its first day. Of a return deficit, the day on which the sum of deficits began to rise.
    pub starts: Day,
    /// The day after its last one; once resolved.
    pub ends: Option<Day>,
    /// The closed day that the following figures are of.
    pub day: Day,
    /// Users who entered the level, or who came back.
    pub observed: u64,
    /// How many were to be expected.
    pub expected: f64,
    /// The largest count that would have been no alarm; `None` for a return deficit.
    pub upper: Option<u64>,
    /// The probability of such a count, or of such a sum of deficits, when nothing is amiss.
    pub p_value: f64,
    /// Users who could enter the level, or come back.
    pub at_risk: u64,
    /// Of `all`: the breakdown values with most of the excess, largest first. They have no alerts of their own meanwhile.
    pub top_segments: Vec<TopSegment>,
    /// One or two sentences for the person who is called.
    pub summary: String,
}

pub(super) fn change(
    watch: Watch,
    segment: &str,
    day: Day,
    verdict: &Verdict,
    step: &Step,
    top_segments: &[TopSegment],
    settings: &AlertSettings,
) -> AlertChange {
    let (name, level) = match watch {
        Watch::EnteredHigh => (AlertName::ChurnSpike, Some(RiskLevel::High)),
        Watch::EnteredChurned => (AlertName::ChurnSpike, Some(RiskLevel::Churned)),
        Watch::Returns => (AlertName::ReturnDeficit, None),
    };
    let labels = Labels { segment: segment.to_owned(), process: settings.process.clone(), level };
    let mut alert = Alert {
        fingerprint: fingerprint(name, &labels, step.starts),
        name,
        status: if step.kind == AlertChangeKind::Ended { AlertStatus::Resolved } else { AlertStatus::Firing },
        severity: step.severity,
        labels,
        starts: step.starts,
        ends: step.ends,
        day,
        observed: verdict.observed,
        expected: verdict.expected,
        upper: verdict.expectation.map(|expectation| expectation.upper(settings.fire_p)),
        p_value: verdict.p_value,
        at_risk: verdict.at_risk,
        top_segments: top_segments.to_vec(),
        summary: String::new(),
    };
    alert.summary = summary(&alert, step.is_shift);
    AlertChange { kind: step.kind, alert }
}

fn fingerprint(name: AlertName, labels: &Labels, starts: Day) -> String {
    let starts = starts.to_string();
    let mut parts = vec![name.name().as_bytes()];
    parts.extend(labels.pairs().flat_map(|(label, value)| [label.as_bytes(), value.as_bytes()]));
    parts.push(starts.as_bytes());
    hexadecimal(&digest(&parts))
}

/// What happened, how far it is from the usual, where, and where to look.
fn summary(alert: &Alert, is_shift: bool) -> String {
    let Alert { labels, day, starts, observed, expected, .. } = alert;
    let whose = if labels.segment == ALL { "all users".to_owned() } else { format!("users with {}", labels.segment) };
    let process = &labels.process;
    if let Some(ends) = alert.ends {
        return match (is_shift, alert.name) {
            (true, _) => format!(
                "The level since {starts} is taken as the new usual one for {whose} ({process}): {observed} on {day}. It will not alarm again unless it moves."
            ),
            (false, AlertName::ChurnSpike) => format!(
                "Over for {whose} ({process}): the last unusual day was {}; on {day}, {observed} entered where {expected:.0} were expected.",
                ends - 1
            ),
            (false, AlertName::ReturnDeficit) => format!(
                "Over for {whose} ({process}): silent users came back as expected again after {}; on {day}, {observed} of {expected:.0}.",
                ends - 1
            ),
        };
    }
    let mut text = match (alert.name, labels.level) {
        (AlertName::ReturnDeficit, _) => format!(
            "Since {starts} fewer silent users come back than their habits promise: on {day}, {observed} of {expected:.0} expected, {whose} ({process}). Look for a release, an outage or an offer of a competitor on or just before {starts}."
        ),
        (AlertName::ChurnSpike, Some(RiskLevel::High)) => format!(
            "On {day}, {observed} of {whose} became likely to leave where {expected:.0} were expected{} ({process}). They can still be won back: see who they are in the churn-risk records of that day.",
            upper_text(alert)
        ),
        (AlertName::ChurnSpike, _) => format!(
            "On {day}, {observed} of {whose} churned where {expected:.0} were expected{} ({process}). They were last seen a lapse window ago: look at what happened then.",
            upper_text(alert)
        ),
    };
    if let Some(top) = alert.top_segments.first() {
        _ = write!(text, " Most of it in {}: {} where {:.0} were expected.", top.segment, top.observed, top.expected);
    }
    text
}

fn upper_text(alert: &Alert) -> String {
    alert.upper.map(|upper| format!(", {upper} at most")).unwrap_or_default()
}
