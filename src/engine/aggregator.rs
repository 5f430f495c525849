//! From what partitions tell to the metrics of the whole: figures add up, because a user lives in exactly one partition.

use std::collections::{BTreeMap, BTreeSet};

use super::alerts::SegmentDay;
use super::ledger::Counts;
use super::partial::{AlertInputs, Outlook, Partial, RiskCounts};
use crate::model::revenue_share::RevenueBuckets;
use crate::model::time::Day;

/// The segment of everything.
pub const ALL: &str = "all";

/// One day of one segment, over all partitions.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// `all`, or `property=value`.
    pub segment: String,
    /// The day.
    pub day: Day,
    /// Whether every partition has closed the day.
    pub is_final: bool,
    /// The day's figures.
    pub counts: Counts,
    /// Decided when the day closed; `None` before, and in breakdowns.
    pub loyal_buyers: Option<i64>,
    /// Decided when the day closed; `None` before, in breakdowns, and without buyers.
    pub top20_revenue_share: Option<f64>,
    /// Decided when the day closed; `None` before, and in breakdowns.
    pub risk: Option<RiskCounts>,
    /// Whether some values of the segment's property are counted as `other` for want of room.
    pub limited: bool,
}

/// What one partition has told so far.
#[derive(Debug, Default)]
struct View {
    segments: BTreeMap<String, SegmentView>,
    closes: BTreeMap<Day, (i64, RevenueBuckets, RiskCounts)>,
    /// Days that the alerts have not closed yet.
    alerts: BTreeMap<Day, (bool, BTreeMap<String, AlertInputs>)>,
    newest: Option<Day>,
    closed_through: Option<Day>,
    limited: Vec<String>,
}

#[derive(Debug, Default)]
struct SegmentView {
    figures: BTreeMap<Day, Counts>,
    /// The newest day that told how figures go on.
    head: Option<(Day, Outlook)>,
}

impl View {
    /// The last day that the partition told about.
    fn front(&self) -> Option<Day> {
        self.newest.max(self.closed_through)
    }

    fn add_counts(&self, segment: &str, day: Day, sum: &mut Counts) {
        let Some(view) = self.segments.get(segment) else { return };
        match &view.head {
            Some((head, outlook)) if day > *head && Some(day) > self.front() => {
                let mut counts = view.figures.get(head).cloned().unwrap_or_default();
                for (_, differences) in outlook.iter().take_while(|(changed, _)| *changed <= day) {
                    counts.apply(differences);
                }
                counts.revenue = crate::model::money::Money::ZERO;
                sum.absorb(&counts);
            }
            _ => {
                if let Some(counts) = view.figures.get(&day) {
                    sum.absorb(counts);
                }
            }
        }
    }
}

/// Adds up what the partitions tell and says which metrics may have changed.
#[derive(Debug)]
pub struct Aggregator {
    views: Vec<View>,
    first_active: Option<Day>,
    /// Days of segments to be said again.
    dirty: BTreeMap<String, BTreeSet<Day>>,
    /// Every day of `all` up to this one has been said.
    said_through: Option<Day>,
    final_through: Option<Day>,
}

impl Aggregator {
    /// An aggregator that knows nothing, for `partitions` partitions.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        let views = (0..partitions).map(|_| View::default()).collect();
        Self { views, first_active: None, dirty: BTreeMap::new(), said_through: None, final_through: None }
    }

    /// Takes in what a partition tells. Telling the same again changes nothing; a partition that does not exist is passed over.
    pub fn update(&mut self, partition: u32, partial: Partial) {
        let Some(view) = self.views.get_mut(partition as usize) else { return };
        match partial {
            Partial::Close { day, loyal_buyers, revenue, risk } => {
                view.closes.insert(day, (loyal_buyers, revenue, risk));
                self.mark(ALL, day);
            }
            Partial::Alerts { day, has_data, segments } => _ = view.alerts.insert(day, (has_data, segments)),
            Partial::Progress { newest, closed_through, limited } => {
                view.newest = view.newest.max(newest);
                view.closed_through = view.closed_through.max(Some(closed_through));
                view.limited = limited;
            }
            // Nobody's figures: what decides which partials are given to it, and what is for [`super::refits::Refits`] and [`super::predictions::Predictions`].
            Partial::Continues(_) | Partial::Histories { .. } | Partial::Calibration { .. } => {}
            Partial::Figures { segment, day, counts, outlook } => self.figures(partition, segment, day, counts, outlook),
        }
    }

    fn figures(&mut self, partition: u32, segment: String, day: Day, counts: Counts, outlook: Option<Outlook>) {
        if segment == ALL && counts.active(0) > 0 {
            self.first_active = Some(self.first_active.map_or(day, |first| first.min(day)));
        }
        let before = self.views[partition as usize].segments.get(&segment).and_then(|view| view.head.as_ref());
        let outlook = outlook.filter(|_| before.is_none_or(|(head, _)| *head <= day));
        // Days that were said by how figures went on before are said anew, too.
        let goes_on = outlook.iter().chain(before.filter(|_| outlook.is_some()).map(|(_, before)| before));
        let end = goes_on.filter_map(|outlook| outlook.last()).map(|(last, _)| *last + 1).max().unwrap_or(day + 1);
        self.mark(&segment, day);
        let mut later = day + 1;
        while Some(later) <= self.said_through && later <= end {
            self.mark(&segment, later);
            later = later + 1;
        }
        let view = self.views[partition as usize].segments.entry(segment).or_default();
        view.figures.insert(day, counts);
        if let Some(outlook) = outlook {
            view.head = Some((day, outlook));
        }
    }

    fn mark(&mut self, segment: &str, day: Day) {
        match self.dirty.get_mut(segment) {
            Some(days) => {
                days.insert(day);
            }
            None => {
                self.dirty.insert(segment.to_owned(), BTreeSet::from([day]));
            }
        }
    }

    /// Every day up to this one is closed in every partition.
    #[must_use]
    pub fn final_through(&self) -> Option<Day> {
        self.views.iter().map(|view| view.closed_through).min().flatten()
    }

    /// The newest day of an accepted event in any partition, or the newest that all have closed if that is later.
    #[must_use]
    pub fn front(&self) -> Option<Day> {
        self.views.iter().map(|view| view.newest).max().flatten().max(self.final_through())
    }

    /// Takes the metrics that may have changed since the last call, by segment, then day.
    pub fn take_changed(&mut self) -> Vec<Metric> {
        let (Some(first), Some(front)) = (self.first_active, self.front()) else { return Vec::new() };
        self.mark_moves(first, front);
        let mut changed = Vec::new();
        for (segment, days) in std::mem::take(&mut self.dirty) {
            let (now, later): (BTreeSet<Day>, BTreeSet<Day>) = days.into_iter().filter(|day| *day >= first).partition(|day| *day <= front);
            changed.extend(now.into_iter().filter_map(|day| self.metric(&segment, day)));
            if !later.is_empty() {
                self.dirty.insert(segment, later);
            }
        }
        changed
    }

    /// Takes the days that every partition has closed, for alerts: each with its segments, as they were counted when each partition closed it.
    /// What is told of them later is passed over.
    pub fn take_alert_days(&mut self) -> Vec<(Day, Vec<SegmentDay>)> {
        let Some(through) = self.final_through() else { return Vec::new() };
        let mut days: BTreeMap<Day, (bool, BTreeMap<String, AlertInputs>)> = BTreeMap::new();
        for view in &mut self.views {
            let later = view.alerts.split_off(&(through + 1));
            for (day, (has_data, segments)) in std::mem::replace(&mut view.alerts, later) {
                let sum = days.entry(day).or_default();
                sum.0 |= has_data;
                for (segment, inputs) in segments {
                    sum.1.entry(segment).or_default().absorb(&inputs);
                }
            }
        }
        let segment_days = |(has_data, segments): (bool, BTreeMap<String, AlertInputs>)| {
            segments.into_iter().map(|(segment, inputs)| SegmentDay::of(segment, has_data, &inputs)).collect()
        };
        days.into_iter().map(|(day, told)| (day, segment_days(told))).collect()
    }

    /// Marks the days that came into view or became final.
    fn mark_moves(&mut self, first: Day, front: Day) {
        let names: BTreeSet<String> = self.views.iter().flat_map(|view| view.segments.keys().cloned()).collect();
        let final_through = self.final_through();
        let untold = self.said_through.map_or(first, |said| said + 1);
        let unfinal = self.final_through.map_or(first, |known| known + 1).max(first);
        let moves = [(untold, Some(front)), (unfinal, final_through.min(Some(front)))];
        for (from, through) in moves {
            let mut day = from;
            while Some(day) <= through {
                for name in &names {
                    self.mark(name, day);
                }
                day = day + 1;
            }
        }
        self.said_through = self.said_through.max(Some(front));
        self.final_through = self.final_through.max(final_through);
    }

    /// The metrics of a day as they are now; `None` for a day of a breakdown without anyone active in the 60 days ending on it.
    #[must_use]
    pub fn metric(&self, segment: &str, day: Day) -> Option<Metric> {
        let mut counts = Counts::default();
        for view in &self.views {
            view.add_counts(segment, day, &mut counts);
        }
        if segment != ALL && !counts.anyone_in_60_days() {
            return None;
        }
        let is_final = self.final_through().is_some_and(|through| day <= through);
        let (loyal_buyers, top20_revenue_share, risk) = if is_final && segment == ALL { self.decided(day) } else { (None, None, None) };
        let property = segment.split_once('=').map(|(property, _)| property);
        let limited = property.is_some_and(|property| self.views.iter().any(|view| view.limited.iter().any(|name| name == property)));
        Some(Metric { segment: segment.to_owned(), day, is_final, counts, loyal_buyers, top20_revenue_share, risk, limited })
    }

    /// What was decided when a day closed. A partition that closed it before its first event has nothing to add.
    fn decided(&self, day: Day) -> (Option<i64>, Option<f64>, Option<RiskCounts>) {
        let mut buckets = RevenueBuckets::default();
        let mut risk = RiskCounts::default();
        let mut loyal_buyers = 0;
        for (loyal, revenue, levels) in self.views.iter().filter_map(|view| view.closes.get(&day)) {
            loyal_buyers += loyal;
            buckets.absorb(revenue);
            risk.absorb(levels);
        }
        (Some(loyal_buyers), buckets.top_fifth_share(), Some(risk))
    }
}
