//! Levels of churn risk: what is said of a user's habit as of a day, and the next day on which time alone says something else.

use serde::{Deserialize, Serialize};

use super::settings::ChurnSettings;
use super::{History, ProcessKind};
use crate::model::complaints::Moment;
use crate::model::time::Day;

/// How likely a habit has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RiskLevel {
    /// Risk below `churn.medium`.
    Low,
    /// Risk from `churn.medium` on.
    Medium,
    /// Risk from `churn.high` on.
    High,
    /// Silent for more than `lapse_days`, or gone by the user's own word.
    Churned,
}

impl RiskLevel {
    /// Every level, ascending.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Churned];

    /// The name in settings and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Churned => "churned",
        }
    }

    /// What an ignored complaint makes of the level.
    const fn raised(self) -> Self {
        match self {
            Self::Low => Self::Medium,
            Self::Medium | Self::High => Self::High,
            Self::Churned => Self::Churned,
        }
    }
}

/// A `subscription_cancelled` or `customer_lost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Departure {
    /// When.
    pub at: Moment,
    /// Whether it is a loss that the business noted, and not the user's own cancellation.
    pub lost: bool,
}

/// The days of a process up to some day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The first.
    pub first: Day,
    /// The last.
    pub last: Day,
    /// How many there are, at least 1.
    pub days: u32,
}

impl Seen {
    /// The history at the end of `day`, which is not before the last of the days.
    #[must_use]
    pub fn history(&self, day: Day) -> History {
        History {
            repeats: self.days.saturating_sub(1),
            recency_days: self.last.days_since(self.first).max(0),
            silent_days: day.days_since(self.last).max(0),
        }
    }
}

/// What beside its days decides the level of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// The departure that no later event of the process took back.
    pub departed: Option<Departure>,
    /// The day on which the complaint was opened that is open longest.
    pub complaint: Option<Day>,
}

/// Why a level is what it is, for people who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RiskReason {
    /// The user cancelled on this day.
    Cancelled(Day),
    /// The user was noted as lost on this day.
    Lost(Day),
    /// Silent for more days than the process allows.
    Lapsed {
        /// The days allowed.
        lapse_days: u16,
    },
    /// A complaint is open for so many days.
    ComplaintOpen {
        /// Its days.
        days: i32,
    },
    /// Silent for longer than the user's days were apart so far.
    LongerThanUsual {
        /// Days of silence.
        silent_days: i32,
        /// The mean gap between days, in days.
        usual_days: f64,
    },
    /// Seen on one day only: no habit was formed yet.
    SeenOnce,
}

/// What is said of a habit as of a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The level.
    pub level: RiskLevel,
    /// Whether a complaint made it higher than the risk would.
    pub raised: bool,
    /// The probability of no further day within the horizon.
    pub risk: f64,
    /// The probability that the habit has not ended.
    pub p_alive: f64,
    /// What it was judged by.
    pub history: History,
    seen: Seen,
    circumstances: Circumstances,
}

/// What a model says of a history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Likelihood {
    risk: f64,
    p_alive: f64,
}

impl ChurnSettings {
    /// The level of a process at the end of `day`.
    ///
    /// Worked example: `lapse_days` 30 and a last day of March 1 make the user churned at the end of April 1, 31 days later, and not the day before.
    #[must_use]
    pub fn judge(&self, kind: ProcessKind, seen: Seen, circumstances: Circumstances, day: Day) -> Judgement {
        self.judgement(kind, self.likelihood(kind, &seen.history(day)), (seen, circumstances), day)
    }

    /// What takes the time of a judgement.
    pub(super) fn likelihood(&self, kind: ProcessKind, history: &History) -> Likelihood {
        let process = &self.of(kind).process;
        Likelihood { risk: process.risk(history), p_alive: process.p_alive(history) }
    }

    /// The judgement to which a likelihood belongs.
    pub(super) fn judgement(
        &self,
        kind: ProcessKind,
        Likelihood { risk, p_alive }: Likelihood,
        (seen, circumstances): (Seen, Circumstances),
        day: Day,
    ) -> Judgement {
        let history = seen.history(day);
        let lapse_days = i32::from(self.of(kind).process.lapse_days);
        let base =
            if circumstances.departed.is_some() || history.silent_days > lapse_days { RiskLevel::Churned } else { self.level_of(risk) };
        let impatient = self.impatient_from(&circumstances).is_some_and(|from| from <= day);
        let level = if impatient { base.raised() } else { base };
        Judgement { level, raised: level != base, risk, p_alive, history, seen, circumstances }
    }

    fn level_of(&self, risk: f64) -> RiskLevel {
        if risk < self.medium {
            RiskLevel::Low
        } else if risk < self.high {
            RiskLevel::Medium
        } else {
            RiskLevel::High
        }
    }

    /// The first day at whose end the complaint is open for too long.
    fn impatient_from(&self, circumstances: &Circumstances) -> Option<Day> {
        circumstances.complaint.map(|opened| opened + i32::from(self.complaint_patience_days) + 1)
    }

    /// The first day after that of a judgement on whose end time alone may give another level; `None` when nothing but an event can. One bisection.
    #[must_use]
    pub fn next_change(&self, kind: ProcessKind, judged: &Judgement) -> Option<Day> {
        self.next_change_after(kind, judged, || self.silence_of_next(kind, judged))
    }

    /// The same, when it is known how to come by the days of silence at which the risk brings the next level.
    pub(super) fn next_change_after(&self, kind: ProcessKind, judged: &Judgement, silence: impl FnOnce() -> i32) -> Option<Day> {
        let lapse = i32::from(self.of(kind).process.lapse_days);
        if judged.circumstances.departed.is_some() || judged.history.silent_days > lapse {
            return None;
        }
        let next = judged.seen.last + silence();
        let day = judged.seen.last + judged.history.silent_days;
        Some(self.impatient_from(&judged.circumstances).filter(|from| *from > day).map_or(next, |from| from.min(next)))
    }

    /// The days of silence at which the risk brings the next level.
    pub(super) fn silence_of_next(&self, kind: ProcessKind, judged: &Judgement) -> i32 {
        let process = &self.of(kind).process;
        let lapse = i32::from(process.lapse_days);
        let threshold = match self.level_of(judged.risk) {
            RiskLevel::Low => self.medium,
            RiskLevel::Medium => self.high,
            RiskLevel::High | RiskLevel::Churned => return lapse + 1,
        };
        let History { repeats, recency_days, silent_days } = judged.history;
        let reached = process.first_silence_reaching(repeats, recency_days, threshold, lapse);
        reached.map_or(lapse + 1, |silence| silence.max(silent_days + 1))
    }

    /// Why the level is what it is, the weightiest first; nothing to be said of a low one.
    #[must_use]
    pub fn reasons(&self, kind: ProcessKind, judged: &Judgement, day: Day) -> Vec<RiskReason> {
        let History { repeats, recency_days, silent_days } = judged.history;
        let mut reasons = Vec::new();
        if let Some(Departure { at, lost }) = judged.circumstances.departed {
            reasons.push(if lost { RiskReason::Lost(at.day) } else { RiskReason::Cancelled(at.day) });
        }
        let lapse_days = self.of(kind).process.lapse_days;
        if silent_days > i32::from(lapse_days) {
            reasons.push(RiskReason::Lapsed { lapse_days });
        }
        if let Some(opened) = judged.circumstances.complaint.filter(|_| self.impatient_from(&judged.circumstances) <= Some(day)) {
            reasons.push(RiskReason::ComplaintOpen { days: day.days_since(opened) });
        }
        if judged.level == RiskLevel::Low {
            return reasons;
        }
        if repeats == 0 {
            reasons.push(RiskReason::SeenOnce);
        } else if i64::from(silent_days) * i64::from(repeats) > i64::from(recency_days) {
            let usual_days = f64::from(recency_days) / f64::from(repeats);
            reasons.push(RiskReason::LongerThanUsual { silent_days, usual_days });
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::EventTime;

    const KINDS: [ProcessKind; 2] = [ProcessKind::Activity, ProcessKind::Purchase];

    fn day(number: i32) -> Day {
        Day::from_number(number)
    }

    fn seen(first: i32, last: i32, days: u32) -> Seen {
        Seen { first: day(first), last: day(last), days }
    }

    fn departed(lost: bool) -> Circumstances {
        let at = Moment { time: EventTime::from_nanos(5), day: day(10) };
        Circumstances { departed: Some(Departure { at, lost }), complaint: None }
    }

    fn complained(opened: i32) -> Circumstances {
        Circumstances { departed: None, complaint: Some(day(opened)) }
    }

    #[test]
    fn a_user_is_churned_when_silent_for_more_than_the_lapse() {
        let settings = ChurnSettings::default();
        for (kind, lapse) in [(ProcessKind::Activity, 30), (ProcessKind::Purchase, 180)] {
            let level = |silent| settings.judge(kind, seen(0, 10, 5), Circumstances::default(), day(10 + silent)).level;
            assert_ne!(level(lapse), RiskLevel::Churned, "{kind:?}");
            assert_eq!(level(lapse + 1), RiskLevel::Churned, "{kind:?}");
        }
    }

    #[test]
    fn the_next_change_is_where_asking_each_day_finds_it() {
        let settings = ChurnSettings::default();
        let patient = ChurnSettings { complaint_patience_days: 0, ..settings.clone() };
        for settings in [&settings, &patient] {
            for kind in KINDS {
                for seen in [seen(0, 0, 1), seen(0, 1, 2), seen(0, 60, 30), seen(0, 60, 3), seen(0, 400, 200)] {
                    for circumstances in [Circumstances::default(), complained(seen.last.number() - 3), complained(seen.last.number() + 2)]
                    {
                        let on = |at: Day| settings.judge(kind, seen, circumstances, at);
                        for silent in 0..190 {
                            let judged = on(seen.last + silent);
                            let next = settings.next_change(kind, &judged).unwrap_or(seen.last + 400);
                            assert!(next > seen.last + silent);
                            let mut at = seen.last + silent;
                            while at + 1 < next && at < seen.last + 200 {
                                at = at + 1;
                                assert_eq!((on(at).level, on(at).raised), (judged.level, judged.raised), "{kind:?} {seen:?} {silent} {at}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_complaint_raises_the_level_when_it_is_open_for_longer_than_patience_lasts() {
        let settings = ChurnSettings::default();
        // Every day of 60: as low as it gets.
        let often = |opened, at| settings.judge(ProcessKind::Activity, seen(0, 60, 61), complained(opened), day(at));
        for (opened, at, level, raised) in [
            (53, 60, RiskLevel::Low, false),
            (52, 60, RiskLevel::Medium, true),
            (53, 61, RiskLevel::Medium, true),
            (53, 91, RiskLevel::Churned, false),
        ] {
            let judged = often(opened, at);
            assert_eq!((judged.level, judged.raised), (level, raised), "opened {opened}, as of {at}");
        }
        assert_eq!(settings.next_change(ProcessKind::Activity, &often(53, 60)), Some(day(61)));
        assert_eq!(RiskLevel::ALL.map(RiskLevel::raised), [RiskLevel::Medium, RiskLevel::High, RiskLevel::High, RiskLevel::Churned]);
    }

    #[test]
    fn who_departed_is_churned_at_once_and_time_does_not_change_that() {
        let settings = ChurnSettings::default();
        for kind in KINDS {
            let judged = settings.judge(kind, seen(0, 10, 11), departed(false), day(10));
            assert_eq!((judged.level, settings.next_change(kind, &judged)), (RiskLevel::Churned, None));
            assert!(judged.risk < 0.5, "the risk is what the model says");
            assert_eq!(settings.reasons(kind, &judged, day(10)), [RiskReason::Cancelled(day(10))]);
            let lost = settings.judge(kind, seen(0, 10, 11), departed(true), day(10));
            assert_eq!(settings.reasons(kind, &lost, day(10)), [RiskReason::Lost(day(10))]);
        }
    }

    #[test]
    fn reasons_say_what_can_be_acted_on() {
        let settings = ChurnSettings::default();
        let reasons = |seen: Seen, circumstances, at| {
            let judged = settings.judge(ProcessKind::Activity, seen, circumstances, day(at));
            settings.reasons(ProcessKind::Activity, &judged, day(at))
        };
        assert_eq!(reasons(seen(0, 60, 61), Circumstances::default(), 60), []);
        let usual = |silent_days| RiskReason::LongerThanUsual { silent_days, usual_days: 1.0 };
        assert_eq!(reasons(seen(0, 60, 61), Circumstances::default(), 91), [RiskReason::Lapsed { lapse_days: 30 }, usual(31)]);
        assert_eq!(reasons(seen(0, 60, 61), complained(50), 60), [RiskReason::ComplaintOpen { days: 10 }]);
        assert_eq!(reasons(seen(0, 0, 1), Circumstances::default(), 31), [RiskReason::Lapsed { lapse_days: 30 }, RiskReason::SeenOnce]);
    }
}
