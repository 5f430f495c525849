//! Segments of users by rules: events counted or added up over a window, since an anchor or ever, and figures of the profile, joined by and, or, not.

pub mod compiled;
pub mod facts;
pub mod judge;

use serde::{Deserialize, Serialize};

/// One `[[segments]]` of the settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentRule {
    /// Unique among rules.
    pub name: String,
    /// Who belongs to the segment.
    pub when: Condition,
    /// What is to be done for who enters.
    pub on_enter: Option<Action>,
}

/// Something to be done for a user, and by when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Nanoseconds from entering to the deadline, which is still in time.
    pub within: i64,
    /// Events that fulfil it.
    pub fulfilled_by: EventFilter,
}

/// Who belongs to a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Condition {
    /// All of them hold.
    All(Vec<Condition>),
    /// One of them holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// Of events.
    Events(EventCondition),
    /// Of the profile.
    Field(FieldCondition),
}

/// Events counted, or a property of theirs added up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventCondition {
    /// Which events.
    pub events: EventFilter,
    /// The property to add up; `None` counts.
    pub sum: Option<String>,
    /// When they have to be.
    pub window: Window,
    /// How much it has to be.
    pub range: Range,
}

/// When events have to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Window {
    /// Ever.
    Always,
    /// Within so many nanoseconds up to now: one of exactly then ago is out.
    Last(i64),
    /// From an anchor event on. Without one, the condition does not hold.
    Since {
        /// What the anchor is.
        anchor: EventFilter,
        /// Whether it is the first of them, or else the last.
        first: bool,
        /// Nanoseconds after it that still count, the last included; `None` for all.
        within: Option<i64>,
    },
}

/// Events of any of these types that pass all filters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventFilter {
    /// Names of types.
    pub types: Vec<String>,
    /// All must pass; an event without the property does not.
    pub properties: Vec<(String, PropertyTest)>,
}

/// What a property has to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PropertyTest {
    /// One of these, as JSON text; a text without its quotes.
    OneOf(Vec<String>),
    /// One of these texts, or these numbers, however they are written.
    AnyOf(Vec<String>, Vec<f64>),
    /// A number in a range.
    In(Range),
}

/// A figure of the profile in a range, or a state of it that is one of some. What is not known is in no range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldCondition {
    /// The name in the profile.
    pub field: String,
    /// What it has to be.
    pub test: PropertyTest,
}

/// A range of numbers with or without its ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The lower end.
    pub low: Option<End>,
    /// The upper end.
    pub high: Option<End>,
}

/// An end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Where it is.
    pub at: f64,
    /// Whether it belongs to the range.
    pub included: bool,
}

impl Range {
    /// Whether a number is in it.
    #[must_use]
    pub fn contains(&self, number: f64) -> bool {
        let above = self.low.is_none_or(|low| number > low.at || (low.included && number >= low.at));
        let below = self.high.is_none_or(|high| number < high.at || (high.included && number <= high.at));
        above && below
    }
}

impl EventFilter {
    /// Whether an event passes, of which `property` tells the values.
    pub fn accepts<'v>(&self, event_type: &str, property: impl Fn(&str) -> Option<&'v str>) -> bool {
        self.types.iter().any(|name| name == event_type)
            && self.properties.iter().all(|(name, test)| property(name).is_some_and(|value| test.accepts(value)))
    }
}

impl PropertyTest {
    /// Whether a value passes, as JSON text.
    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        match self {
            Self::OneOf(values) => values.iter().any(|known| known == value),
            Self::AnyOf(values, numbers) => {
                let number: Option<f64> = value.parse().ok();
                values.iter().any(|known| known == value)
                    || number.is_some_and(|number| numbers.iter().any(|known| known.to_bits() == number.to_bits()))
            }
            Self::In(range) => value.parse().is_ok_and(|number: f64| number.is_finite() && range.contains(number)),
        }
    }
}

impl Condition {
    /// Calls `look` with each condition on events.
    pub fn each_of_events(&self, look: &mut impl FnMut(&EventCondition)) {
        match self {
            Self::All(conditions) | Self::Any(conditions) => conditions.iter().for_each(|one| one.each_of_events(look)),
            Self::Not(condition) => condition.each_of_events(look),
            Self::Events(events) => look(events),
            Self::Field(_) => {}
        }
    }
}

/// The event properties that rules look at, sorted, each once.
#[must_use]
pub fn properties(rules: &[SegmentRule]) -> Vec<String> {
    let mut names = Vec::new();
    let mut of_filter = |filter: &EventFilter| names.extend(filter.properties.iter().map(|(name, _)| name.clone()));
    let mut sums = Vec::new();
    for rule in rules {
        rule.when.each_of_events(&mut |condition| {
            of_filter(&condition.events);
            sums.extend(condition.sum.clone());
            if let Window::Since { anchor, .. } = &condition.window {
                of_filter(anchor);
            }
        });
        if let Some(action) = &rule.on_enter {
            of_filter(&action.fulfilled_by);
        }
    }
    names.extend(sums);
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests;
