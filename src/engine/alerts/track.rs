//! One watched series of one segment: its past, and the alert that may be open.

use std::collections::VecDeque;

use super::alert::Severity;
use super::{Alert, AlertChange, AlertChangeKind, AlertSettings};
use crate::model::spike::deficit::{LAG_DAYS, Returns, judge_returns};
use crate::model::spike::distribution::Expectation;
use crate::model::spike::{DayCount, SpikeRules, judge};
use crate::model::time::Day;

/// What a day brought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) count: DayCount,
    pub(super) at_risk: u64,
    /// When returns are what is counted.
    pub(super) returns: Option<Returns>,
}

/// How a day stands to its past.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    pub(super) observed: u64,
    pub(super) expected: f64,
    pub(super) at_risk: u64,
    /// Of the count, or of the sum of deficits.
    pub(super) p_value: f64,
    /// Of a count; nothing for returns.
    pub(super) expectation: Option<Expectation>,
}

impl Verdict {
    /// By how much the day is worse than expected.
    pub(super) fn excess(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts of users are far below 2^53")]
        let more = self.observed as f64 - self.expected;
        if self.expectation.is_some() { more } else { -more }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of users are far below 2^53")]
pub(super) fn exposure(users: u64) -> f64 {
    users as f64
}

/// What a day does to an alert that is, or may now be, published.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) kind: AlertChangeKind,
    pub(super) starts: Day,
    /// The day after the last one of the alert; when it ended.
    pub(super) ends: Option<Day>,
    /// Whether it ended because its level was accepted.
    pub(super) is_shift: bool,
    pub(super) severity: Severity,
}

#[derive(Clone, Debug)]
struct PastDay {
    count: DayCount,
    /// Days of an alert are no example of the usual.
    is_excluded: bool,
}

/// An alert, published or suppressed.
#[derive(Clone, Debug)]
struct Episode {
    starts: Day,
    fired: Day,
    /// The last day that was not calm.
    last_bad: Day,
    calm_days: u16,
    severity: Severity,
    is_published: bool,
    /// As last published.
    alert: Option<Alert>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    past: VecDeque<PastDay>,
    /// First days of levels that were accepted.
    shifts: Vec<Day>,
    episode: Option<Episode>,
    /// Page's sum of deficits, and the day since which it is above 0.
    sum: f64,
    rising_since: Option<Day>,
}

impl Track {
    pub(super) fn is_open(&self) -> bool {
        self.episode.is_some()
    }

    pub(super) fn firing(&self) -> Option<&Alert> {
        self.episode.as_ref()?.alert.as_ref()
    }

    /// Whether nothing of it can matter any more on the days after `day`.
    pub(super) fn is_forgotten(&self, day: Day, rules: &SpikeRules) -> bool {
        let oldest = oldest_day(day, rules);
        self.episode.is_none() && self.past.back().is_none_or(|past| past.count.day < oldest)
    }

    /// Judges a day by the days that are remembered; moves the sum of deficits on. A group too small to alarm is not judged, and so is not one more
    /// that chance is allowed for among its siblings; while an alert is open it is, to end it.
    pub(super) fn judge(&mut self, measured: &Measured, settings: &AlertSettings) -> Option<Verdict> {
        if measured.at_risk < settings.rules.minimum_at_risk && !self.is_open() {
            (self.sum, self.rising_since) = (0.0, None);
            return None;
        }
        let past: Vec<DayCount> = self.past.iter().filter(|past| !past.is_excluded).map(|past| past.count).collect();
        let Measured { count, at_risk, returns } = *measured;
        let Some(returns) = returns else {
            let judged = judge(&settings.rules, &past, &self.shifts, count)?;
            let expectation = Some(judged.expectation);
            return Some(Verdict {
                observed: count.count,
                expected: judged.expectation.mean,
                at_risk,
                p_value: judged.p_value,
                expectation,
            });
        };
        let judged = judge_returns(&settings.rules, &past, &self.shifts, count.day, &returns)?;
        self.sum = settings.cusum.after(self.sum, judged.deficit);
        // While an alert is open the sum says whether it still rises, not for how long it has.
        self.sum = if self.is_open() { self.sum.min(settings.cusum.h) } else { self.sum };
        self.rising_since = (self.sum > 0.0).then(|| self.rising_since.unwrap_or(count.day));
        let p_value = settings.cusum.p_value(self.sum);
        Some(Verdict { observed: count.count, expected: judged.expected, at_risk, p_value, expectation: None })
    }

    /// Opens, continues or ends the alert; what is to be published about it.
    pub(super) fn decide(&mut self, day: Day, verdict: &Verdict, fires: bool, may_publish: bool, settings: &AlertSettings) -> Option<Step> {
        let Some(episode) = self.episode.as_mut() else {
            return if fires { self.open(day, verdict, may_publish) } else { None };
        };
        if verdict.p_value > calm_p(verdict, settings) {
            episode.calm_days += 1;
        } else {
            (episode.calm_days, episode.last_bad) = (0, day);
        }
        let is_over = episode.calm_days >= settings.resolve_days;
        let is_shift = episode.calm_days == 0 && day.days_since(episode.fired) + 1 >= i32::from(settings.level_shift_days);
        let starts_now = !episode.is_published && fires && may_publish && !is_shift;
        episode.is_published |= starts_now;
        let kind = match (is_over || is_shift, starts_now) {
            (true, _) => AlertChangeKind::Ended,
            (false, true) => AlertChangeKind::Started,
            (false, false) => AlertChangeKind::GoesOn,
        };
        let ends = (kind == AlertChangeKind::Ended).then_some(episode.last_bad + 1);
        let step = Step { kind, starts: episode.starts, ends, is_shift, severity: episode.severity };
        let is_published = episode.is_published;
        if let Some(ends) = ends {
            self.close(step.starts, ends, is_shift);
        }
        is_published.then_some(step)
    }

    fn open(&mut self, day: Day, verdict: &Verdict, is_published: bool) -> Option<Step> {
        // The best guess at when a deficit began is where its sum left 0 (Page 1954).
        let starts = if verdict.expectation.is_none() { self.rising_since.unwrap_or(day) } else { day };
        let severity = Severity::of(verdict);
        self.episode = Some(Episode { starts, fired: day, last_bad: day, calm_days: 0, severity, is_published, alert: None });
        self.past.iter_mut().filter(|past| past.count.day >= starts).for_each(|past| past.is_excluded = true);
        let step = Step { kind: AlertChangeKind::Started, starts, ends: None, is_shift: false, severity };
        is_published.then_some(step)
    }

    /// Ends the alert. Its days stay out of the baseline, unless their level is the new one.
    fn close(&mut self, starts: Day, ends: Day, is_shift: bool) {
        let from = if is_shift { starts } else { ends };
        self.past.iter_mut().filter(|past| past.count.day >= from).for_each(|past| past.is_excluded = false);
        if is_shift {
            self.shifts.push(starts);
        }
        (self.episode, self.sum, self.rising_since) = (None, 0.0, None);
    }

    /// Adds a day to the past and forgets what the baseline no longer looks at.
    pub(super) fn remember(&mut self, count: DayCount, settings: &AlertSettings) {
        if count.exposure > 0.0 {
            self.past.push_back(PastDay { count, is_excluded: self.is_open() });
        }
        let oldest = oldest_day(count.day, &settings.rules);
        while self.past.front().is_some_and(|past| past.count.day < oldest) {
            self.past.pop_front();
        }
        self.shifts.retain(|shift| *shift > oldest);
    }

    /// Keeps what was said, for those who ask what fires.
    pub(super) fn publish(&mut self, change: &AlertChange) {
        if let Some(episode) = self.episode.as_mut() {
            episode.alert = Some(change.alert.clone());
        }
    }
}

/// The probability above which a day is calm: never below that at which an alert starts, so that a low `cusum_h` does not end what it just started.
fn calm_p(verdict: &Verdict, settings: &AlertSettings) -> f64 {
    let starts = if verdict.expectation.is_some() { settings.fire_p } else { settings.cusum.p_value(settings.cusum.h) };
    settings.resolve_p.max(starts)
}

/// The oldest day that the baseline of the day after `day` looks at.
fn oldest_day(day: Day, rules: &SpikeRules) -> Day {
    day + 1 - i32::from(rules.history_days) - LAG_DAYS
}
