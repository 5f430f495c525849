//! What an engine is told to count, validated.

use serde::{Deserialize, Serialize};

use crate::model::churn::settings::{ChurnSettings, ClvSettings, ProcessSettings};
use crate::model::loyalty::settings::LoyaltySettings;
use crate::model::month_day::MonthDay;
use crate::model::rules::SegmentRule;

/// Settings that decide an engine's figures. They are part of its snapshot: a replay runs under those it was recorded with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineSettings {
    /// IANA name of the zone whose calendar days are counted.
    pub time_zone: String,
    /// Length in days of the monthly window of `dau_mau_ratio`.
    pub mau_days: u16,
    /// How long after its end a day stays open, in milliseconds of event time.
    pub grace_ms: i64,
    /// How many days before the newest accepted day an event may be.
    pub late_horizon_days: u16,
    /// How much later than its arrival an event may be, in milliseconds.
    pub future_tolerance_ms: i64,
    /// Names of event types that make nobody active although the vocabulary says so; sorted.
    pub excluded_types: Vec<String>,
    /// Orders in a row that make a user loyal.
    pub loyal_orders: u32,
    /// Days without an order after which a streak breaks.
    pub lapse_days: u16,
    /// Days within which an order can be returned.
    pub return_days: u16,
    /// How many leave in silence for each that complains.
    pub silent_ratio: u32,
    /// What a deletion does to counts that are already made.
    pub deletion_past: DeletionPast,
    /// The properties by whose values metrics are broken down, in the order of [`crate::model::event::Event::breakdowns`].
    pub breakdowns: Vec<Breakdown>,
    /// Values of a property without a list that get their own segment.
    pub max_values: u32,
    /// Whether profiles are published.
    pub publish_profiles: bool,
    /// How churn risk is judged.
    pub churn: ChurnSettings,
    /// How buyers are valued; shown in profiles, and nothing is kept of it.
    pub clv: ClvSettings,
    /// Thresholds of the measures of loyalty.
    pub loyalty: LoyaltySettings,
    /// Days of the year that something is due on for everyone.
    pub holidays: Vec<MonthDay>,
    /// Segments of users by rules.
    pub segments: Vec<SegmentRule>,
}

/// One breakdown property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakdown {
    /// Name of the event property.
    pub property: String,
    /// The values to count; `None` takes the first `max_values` of each partition.
    pub values: Option<Vec<String>>,
}

/// What happens to the counts of past days when a user is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionPast {
    /// They stay, as anonymous counts.
    Keep,
    /// The user is taken out of the days from `late_horizon_days` before the deletion.
    Decrement,
}

impl EngineSettings {
    /// The keys of the settings file that differ from those of `other` and belong to a history: what is known of users was made by them.
    #[must_use]
    pub fn historical_differences(&self, other: &Self) -> Vec<&'static str> {
        differing([
            ("time.time_zone", self.time_zone != other.time_zone),
            ("time.mau_days", self.mau_days != other.mau_days),
            ("time.late_horizon_days", self.late_horizon_days != other.late_horizon_days),
            ("purchases.loyal_orders", self.loyal_orders != other.loyal_orders),
            ("purchases.lapse_days", self.lapse_days != other.lapse_days),
            ("purchases.return_days", self.return_days != other.return_days),
            ("breakdowns", self.breakdowns != other.breakdowns),
            // Decisions and responses that are folded were found by these.
            ("loyalty.decision_days", self.loyalty.decision_days != other.loyalty.decision_days),
            ("loyalty.response_days", self.loyalty.response_days != other.loyalty.response_days),
            // The levels of closed days are those of this process: of another, users would all seem to change.
            ("churn.process", self.churn.process != other.churn.process),
        ])
    }

    /// The keys that differ and decide what becomes of the records that come next, but say nothing about those before: they may change between two records.
    /// Levels of churn risk are among what comes next: under other settings of `[churn]` every user is judged anew at the next close. States of loyalty and segments
    /// are, too: under other settings of `[loyalty]` and `[clv]` they are decided when a day or an event concerns the user.
    #[must_use]
    pub fn onward_differences(&self, other: &Self) -> Vec<&'static str> {
        // Each field has its place here or in `historical_differences`, or nothing is kept of it: a new one does not compile without.
        let Self {
            grace_ms,
            future_tolerance_ms,
            excluded_types,
            deletion_past,
            max_values,
            churn,
            clv,
            loyalty,
            holidays,
            segments,
            // Of a history.
            time_zone: _,
            mau_days: _,
            late_horizon_days: _,
            loyal_orders: _,
            lapse_days: _,
            return_days: _,
            breakdowns: _,
            // Nothing that is kept depends on them.
            silent_ratio: _,
            publish_profiles: _,
        } = self;
        let (ours, theirs) = (churn, &other.churn);
        let differs = |one: &ProcessSettings, other: &ProcessSettings| one != other;
        let LoyaltySettings { decision_days, response_days, .. } = *loyalty;
        differing([
            ("time.grace", *grace_ms != other.grace_ms),
            ("time.future_tolerance", *future_tolerance_ms != other.future_tolerance_ms),
            ("activity.exclude", *excluded_types != other.excluded_types),
            ("deletion.past", *deletion_past != other.deletion_past),
            ("breakdowns.max_values", *max_values != other.max_values),
            ("churn.medium", ours.medium.to_bits() != theirs.medium.to_bits()),
            ("churn.high", ours.high.to_bits() != theirs.high.to_bits()),
            ("churn.complaint_patience_days", ours.complaint_patience_days != theirs.complaint_patience_days),
            ("churn.refit", ours.refit != theirs.refit),
            ("churn.activity", differs(&ours.activity, &theirs.activity)),
            ("churn.purchase", differs(&ours.purchase, &theirs.purchase)),
            ("clv", *clv != other.clv),
            ("loyalty", *loyalty != LoyaltySettings { decision_days, response_days, ..other.loyalty }),
            ("loyalty.holidays", *holidays != other.holidays),
            ("segments", *segments != other.segments),
        ])
    }
}

fn differing<const N: usize>(compared: [(&'static str, bool); N]) -> Vec<&'static str> {
    compared.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            time_zone: "UTC".to_owned(),
            mau_days: 30,
            grace_ms: 3_600_000,
            late_horizon_days: 35,
            future_tolerance_ms: 300_000,
            excluded_types: Vec::new(),
            loyal_orders: 3,
            lapse_days: 180,
            return_days: 90,
            silent_ratio: 24,
            deletion_past: DeletionPast::Keep,
            breakdowns: Vec::new(),
            max_values: 100,
            publish_profiles: false,
            churn: ChurnSettings::default(),
            clv: ClvSettings::default(),
            loyalty: LoyaltySettings::default(),
            holidays: Vec::new(),
            segments: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_figures_is_told_by_its_key() {
        let old = EngineSettings::default();
        let free = EngineSettings { publish_profiles: true, silent_ratio: 3, ..old.clone() };
        assert!(old.historical_differences(&free).is_empty() && old.onward_differences(&free).is_empty());
        let new = EngineSettings { mau_days: 28, max_values: 7, time_zone: "Asia/Tokyo".into(), ..old.clone() };
        assert_eq!(old.historical_differences(&new), ["time.time_zone", "time.mau_days"]);
        assert_eq!(old.onward_differences(&new), ["breakdowns.max_values"]);
    }

    #[test]
    fn risk_may_be_judged_otherwise_from_a_record_on_but_not_counted_of_another_process() {
        let old = EngineSettings::default();
        let mut new = old.clone();
        (new.churn.high, new.churn.activity.process.lapse_days, new.clv.valuation.margin) = (0.9, 31, 0.5);
        new.churn.refit = false;
        assert!(old.historical_differences(&new).is_empty());
        assert_eq!(old.onward_differences(&new), ["churn.high", "churn.refit", "churn.activity", "clv"]);
        new.churn.process = crate::model::churn::ProcessKind::Purchase;
        assert_eq!(old.historical_differences(&new), ["churn.process"]);
    }

    #[test]
    fn states_of_loyalty_are_decided_otherwise_from_a_record_on_but_what_is_folded_was_found_by_two_spans() {
        let old = EngineSettings::default();
        let mut new = old.clone();
        new.loyalty.high = 0.7;
        new.holidays = vec![MonthDay::parse("12-24").expect("a day")];
        assert!(old.historical_differences(&new).is_empty());
        assert_eq!(old.onward_differences(&new), ["loyalty", "loyalty.holidays"]);
        new = old.clone();
        (new.loyalty.decision_days, new.loyalty.response_days) = (3, 4);
        assert_eq!(old.historical_differences(&new), ["loyalty.decision_days", "loyalty.response_days"]);
        assert!(old.onward_differences(&new).is_empty());
    }
}
