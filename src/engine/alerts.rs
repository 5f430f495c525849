//! Churn spikes and return deficits, for `all` and each breakdown value: when an alert starts, goes on and ends.
//!
//! [`AlertBook`] is a function of the closed days alone: the same days, told in the same order, give the same alerts. Revisions of a closed day
//! never reopen it, so a book is rebuilt by telling it the days as they were at their close.

mod alert;
pub(super) mod counting;
mod discoveries;
pub mod history;
pub mod ledger;
mod track;
pub mod tuning;

use std::collections::BTreeMap;

pub use alert::{Alert, AlertName, AlertStatus, Labels, RiskLevel, Severity, TopSegment};

use self::track::{Measured, Track, Verdict};
use super::aggregator::ALL;
use super::partial::AlertInputs;
use crate::model::churn::returning::BILLION;
use crate::model::spike::deficit::{Cusum, Returns};
use crate::model::spike::{DayCount, SpikeRules};
use crate::model::time::Day;

/// Segments that a parent's alert names at most.
const TOP_SEGMENTS: usize = 5;

/// When alerts start and end.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertSettings {
    /// The process whose levels and returns are told: `activity` or `purchase`; a label of every alert.
    pub process: String,
    /// What a series must have before it is judged.
    pub rules: SpikeRules,
    /// The sum of return deficits.
    pub cusum: Cusum,
    /// A churn spike starts on a day whose count has a smaller probability than this.
    pub fire_p: f64,
    /// A day with a larger probability than this is calm.
    pub resolve_p: f64,
    /// Calm days in a row that end an alert.
    pub resolve_days: u16,
    /// Days after which an alert's level is accepted as the new one.
    pub level_shift_days: u16,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            process: "activity".to_owned(),
            rules: SpikeRules::default(),
            cusum: Cusum::default(),
            fire_p: 1e-4,
            resolve_p: 1e-2,
            resolve_days: 2,
            level_shift_days: 14,
        }
    }
}

/// What a closed day brought in one segment.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentDay {
    /// `all`, or `property=value`.
    pub segment: String,
    /// Whether the day's events were there at all. A day without data changes nothing: it neither starts nor ends an alert.
    pub has_data: bool,
    /// Users who entered the level high, of those who were low or medium at the end of the day before.
    pub entered_high: Entries,
    /// Users who entered the level churned. Those who could were high at the end of the day before, or entered it from a lower level at once.
    pub entered_churned: Entries,
    /// Silent users who came back, and how many were to be expected.
    pub returns: Returns,
}

impl SegmentDay {
    /// A day as partitions told it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 users")]
    pub fn of(segment: String, has_data: bool, inputs: &AlertInputs) -> Self {
        let users = |count: i64| u64::try_from(count).unwrap_or(0);
        let entries = |count, at_risk| Entries { count: users(count), at_risk: users(at_risk) };
        Self {
            segment,
            has_data,
            entered_high: entries(inputs.entered_high, inputs.could_enter_high),
            entered_churned: entries(inputs.entered_churned, inputs.could_enter_churned),
            returns: Returns {
                silent: users(inputs.silent),
                observed: users(inputs.returned),
                expected: inputs.expected_billionths as f64 / BILLION,
                variance: inputs.variance_billionths as f64 / BILLION,
            },
        }
    }
}

/// Users who entered a level on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Users who entered it.
    pub count: u64,
    /// Users who could.
    pub at_risk: u64,
}

/// What a day changed about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertChangeKind {
    /// It fires from this day on.
    Started,
    /// It still fires.
    GoesOn,
    /// It is resolved.
    Ended,
}

/// An alert as of the day just closed.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertChange {
    /// What changed.
    pub kind: AlertChangeKind,
    /// The alert's newest state.
    pub alert: Alert,
}

/// The series that are watched in every segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Watch {
    EnteredHigh,
    EnteredChurned,
    Returns,
}

impl Watch {
    const ALL: [Self; 3] = [Self::EnteredHigh, Self::EnteredChurned, Self::Returns];

    fn measured(self, day: Day, segment: &SegmentDay) -> Measured {
        let entries = |entries: Entries| {
            let exposure = track::exposure(entries.at_risk);
            Measured { count: DayCount { day, count: entries.count, exposure }, at_risk: entries.at_risk, returns: None }
        };
        match self {
            Self::EnteredHigh => entries(segment.entered_high),
            Self::EnteredChurned => entries(segment.entered_churned),
            Self::Returns => {
                let returns = segment.returns;
                let count = DayCount { day, count: returns.observed, exposure: returns.expected };
                Measured { count, at_risk: returns.silent, returns: Some(returns) }
            }
        }
    }
}

/// All series, and the alerts that fire.
#[derive(Clone, Debug)]
pub struct AlertBook {
    settings: AlertSettings,
    tracks: BTreeMap<Watch, BTreeMap<String, Track>>,
    closed_through: Option<Day>,
}

impl AlertBook {
    /// A book without any history.
    #[must_use]
    pub fn new(settings: AlertSettings) -> Self {
        Self { settings, tracks: BTreeMap::new(), closed_through: None }
    }

    /// Takes in a closed day with all its segments, each once, and says what it changed: churn spikes into high, into churned, return deficits;
    /// of each, `all` first, then breakdowns by name. Days come in their order; a day at or before the newest is passed over. A day or a segment
    /// that is left out counts as one without data.
    pub fn close_day(&mut self, day: Day, segments: &[SegmentDay]) -> Vec<AlertChange> {
        if self.closed_through.is_some_and(|newest| day <= newest) {
            return Vec::new();
        }
        self.closed_through = Some(day);
        let by_name: BTreeMap<&str, &SegmentDay> =
            segments.iter().filter(|segment| segment.has_data).map(|segment| (segment.segment.as_str(), segment)).collect();
        let mut changes = Vec::new();
        for watch in Watch::ALL {
            let tracks = self.tracks.entry(watch).or_default();
            let mut close = DayClose { settings: &self.settings, watch, day, tracks };
            changes.extend(close.run(&by_name));
            tracks.retain(|_, track| !track.is_forgotten(day, &self.settings.rules));
        }
        changes
    }

    /// The alerts that fire, as of the newest closed day that had data for them.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.tracks.values().flat_map(BTreeMap::values).filter_map(Track::firing)
    }

    /// The newest day that was taken in.
    #[must_use]
    pub fn closed_through(&self) -> Option<Day> {
        self.closed_through
    }
}

/// The close of one day for one watched series of all segments.
struct DayClose<'b> {
    settings: &'b AlertSettings,
    watch: Watch,
    day: Day,
    tracks: &'b mut BTreeMap<String, Track>,
}

impl DayClose<'_> {
    fn run(&mut self, segments: &BTreeMap<&str, &SegmentDay>) -> Vec<AlertChange> {
        let mut verdicts: BTreeMap<&str, (Measured, Option<Verdict>)> = BTreeMap::new();
        for (name, segment) in segments {
            let measured = self.watch.measured(self.day, segment);
            let track = self.tracks.entry((*name).to_owned()).or_default();
            verdicts.insert(name, (measured, track.judge(&measured, self.settings)));
        }
        let limit = self.child_limit(&verdicts);
        let top_segments = self.top_segments(&verdicts);
        let mut changes = Vec::new();
        if let Some((measured, verdict)) = verdicts.remove(ALL) {
            let fires = verdict.is_some_and(|verdict| verdict.p_value < self.level());
            changes.extend(self.step(ALL, &measured, verdict, fires, true, &top_segments));
        }
        let parent_is_open = self.tracks.get(ALL).is_some_and(Track::is_open);
        for (name, (measured, verdict)) in verdicts {
            let fires = verdict.zip(limit).is_some_and(|(verdict, limit)| verdict.p_value <= limit);
            changes.extend(self.step(name, &measured, verdict, fires, !parent_is_open, &[]));
        }
        changes
    }

    /// The probability below which a lone series fires.
    fn level(&self) -> f64 {
        match self.watch {
            Watch::EnteredHigh | Watch::EnteredChurned => self.settings.fire_p,
            Watch::Returns => self.settings.cusum.p_value(self.settings.cusum.h),
        }
    }

    /// The probability up to which a breakdown fires: of those that do, a share of at most the level is expected to be chance.
    fn child_limit(&self, verdicts: &BTreeMap<&str, (Measured, Option<Verdict>)>) -> Option<f64> {
        let children = verdicts.iter().filter(|(name, _)| **name != ALL);
        discoveries::limit(children.filter_map(|(_, (_, verdict))| Some(verdict.as_ref()?.p_value)).collect(), self.level())
    }

    /// The breakdowns that bring most of the excess, largest first.
    fn top_segments(&self, verdicts: &BTreeMap<&str, (Measured, Option<Verdict>)>) -> Vec<TopSegment> {
        let striking = |(name, (_, verdict)): (&&str, &(Measured, Option<Verdict>))| {
            let verdict = verdict.filter(|verdict| *name != ALL && verdict.p_value <= self.settings.resolve_p && verdict.excess() > 0.0)?;
            Some((verdict.excess(), TopSegment::of(name, &verdict)))
        };
        let mut found: Vec<(f64, TopSegment)> = verdicts.iter().filter_map(striking).collect();
        found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        found.into_iter().take(TOP_SEGMENTS).map(|(_, segment)| segment).collect()
    }

    /// Takes one segment's day into its track.
    fn step(
        &mut self,
        name: &str,
        measured: &Measured,
        verdict: Option<Verdict>,
        fires: bool,
        may_publish: bool,
        top_segments: &[TopSegment],
    ) -> Option<AlertChange> {
        let track = self.tracks.get_mut(name)?;
        let step = verdict.and_then(|verdict| Some((verdict, track.decide(self.day, &verdict, fires, may_publish, self.settings)?)));
        track.remember(measured.count, self.settings);
        let (verdict, step) = step?;
        let change = alert::change(self.watch, name, self.day, &verdict, &step, top_segments, self.settings);
        track.publish(&change);
        Some(change)
    }
}

#[cfg(test)]
mod tests;
