//! Breakdown segments of a partition: `property=value` to a number, with a limit on the values of a property.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::settings::EngineSettings;

/// The value under which all values beyond the limit are counted.
pub const OTHER: &str = "other";

/// The longest value, in bytes, that gets a segment of its own. Segment names are keys of records: longer values are counted as `other`.
pub const LONGEST_VALUE_BYTES: usize = 256;

/// The segments seen so far. Number 0 is everything, `all`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Segments {
    /// Property and value of each segment, from number 1.
    names: Vec<(u16, Box<str>)>,
    properties: Vec<Property>,
    /// Events whose value was counted as `other` for want of room, since the state was made or restored.
    #[serde(skip)]
    overflows: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Property {
    name: String,
    /// The segment of each value that has one.
    numbers: BTreeMap<Box<str>, u32>,
    /// Values with a segment of their own.
    values: u32,
    /// Whether a value was counted as `other` for want of room.
    limited: bool,
}

impl Segments {
    /// No segment yet, for the breakdowns of the settings.
    #[must_use]
    pub fn new(settings: &EngineSettings) -> Self {
        let property = |name: &str| Property { name: name.to_owned(), ..Property::default() };
        Self { properties: settings.breakdowns.iter().map(|breakdown| property(&breakdown.property)).collect(), ..Self::default() }
    }

    /// The number of the segment that a value of a property counts in.
    pub fn number(&mut self, property: u16, value: &str, settings: &EngineSettings) -> u32 {
        let known = &mut self.properties[usize::from(property)];
        let long = value.len() > LONGEST_VALUE_BYTES;
        if let Some(number) = known.numbers.get(value) {
            return *number;
        }
        let breakdown = &settings.breakdowns[usize::from(property)];
        let (fits, limited) = match &breakdown.values {
            Some(values) => (values.iter().any(|listed| listed == value), false),
            None => (known.values < settings.max_values, known.values >= settings.max_values),
        };
        if fits && !long && value != OTHER {
            known.values += 1;
            return self.add(property, value);
        }
        if (limited || long) && value != OTHER {
            known.limited = true;
            self.overflows += 1;
        }
        self.properties[usize::from(property)].numbers.get(OTHER).copied().unwrap_or_else(|| self.add(property, OTHER))
    }

    fn add(&mut self, property: u16, value: &str) -> u32 {
        self.names.push((property, value.into()));
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.properties[usize::from(property)].numbers.insert(value.into(), number);
        number
    }

    /// What makes the segments not fit each other or the breakdowns, of which there are as many.
    pub(super) fn check(&self, breakdowns: usize) -> Result<(), &'static str> {
        let names = self.names.iter().all(|(property, _)| usize::from(*property) < self.properties.len());
        let numbers = self.properties.iter().flat_map(|property| property.numbers.values());
        let fits = self.properties.len() == breakdowns
            && names
            && numbers.into_iter().all(|number| (1..self.count()).contains(&(*number as usize)));
        if fits { Ok(()) } else { Err("segments that do not fit the breakdowns") }
    }

    /// Events whose value was counted as `other` for want of room, since the state was made or restored.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// How many there are, `all` included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.names.len() + 1
    }

    /// `all`, or `property=value`.
    #[must_use]
    pub fn name(&self, number: usize) -> String {
        let Some((property, value)) = number.checked_sub(1).and_then(|index| self.names.get(index)) else { return "all".to_owned() };
        format!("{}={value}", self.properties[usize::from(*property)].name)
    }

    /// Property and value of a segment other than `all`.
    #[must_use]
    pub fn value(&self, number: u32) -> Option<(u16, &str)> {
        let index = (number as usize).checked_sub(1)?;
        self.names.get(index).map(|(property, value)| (*property, &**value))
    }

    /// The properties of which some values are counted as `other` for want of room.
    #[must_use]
    pub fn limited(&self, settings: &EngineSettings) -> Vec<String> {
        let limited = self.properties.iter().zip(&settings.breakdowns).filter(|(property, _)| property.limited);
        limited.map(|(_, breakdown)| breakdown.property.clone()).collect()
    }
}
