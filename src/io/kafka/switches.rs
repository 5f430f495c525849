//! Switches of models in the text of a commit: `activity mbg-nbd day 20478 57 3ff0000000000000 …`, that is process, model, unit, the day at whose close
//! the model takes over (days since 1970-01-01), the commit that said so first, and the bits of r, alpha, a and b. A commit's JSON has room for some.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::engine::models::Switch;
use crate::model::churn::refit::FittedModel;
use crate::model::churn::{ChurnModel, ChurnParameters, ProcessKind, TimeUnit};
use crate::model::time::Day;

/// A switch with the commit that named it first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NotedSwitch {
    /// The number of the commit: snapshots of it and of later ones hold the switch.
    pub sequence: u64,
    /// The switch.
    pub switch: Switch,
}

// Parameters are positive numbers.
impl Eq for NotedSwitch {}

impl fmt::Display for NotedSwitch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Switch { model: FittedModel { process, model, unit, parameters }, at_close_of } = self.switch;
        let ChurnParameters { r, alpha, a, b } = parameters;
        write!(formatter, "{} {} {} {} {}", process.name(), model.name(), unit.name(), at_close_of.number(), self.sequence)?;
        [r, alpha, a, b].iter().try_for_each(|parameter| write!(formatter, " {:016x}", parameter.to_bits()))
    }
}

impl FromStr for NotedSwitch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no switch of models");
        let words: Vec<&str> = text.split(' ').collect();
        let [process, model, unit, day, sequence, bits @ ..] = words.as_slice() else { return Err(wrong()) };
        let bits = |index: usize| {
            bits.get(index)
                .filter(|bits| bits.len() == 16)
                .and_then(|bits| u64::from_str_radix(bits, 16).ok())
                .map(f64::from_bits)
                .ok_or_else(wrong)
        };
        let parameters = ChurnParameters { r: bits(0)?, alpha: bits(1)?, a: bits(2)?, b: bits(3)? };
        let model = FittedModel {
            process: ProcessKind::from_name(process).ok_or_else(wrong)?,
            model: ChurnModel::from_name(model).ok_or_else(wrong)?,
            unit: TimeUnit::from_name(unit).ok_or_else(wrong)?,
            parameters,
        };
        let day = day.parse().map_err(|_| wrong())?;
        let sequence = sequence.parse().map_err(|_| wrong())?;
        if words.len() == 9 && model.is_usable() {
            Ok(Self { sequence, switch: Switch { model, at_close_of: Day::from_number(day) } })
        } else {
            Err(wrong())
        }
    }
}

impl From<NotedSwitch> for String {
    fn from(noted: NotedSwitch) -> Self {
        noted.to_string()
    }
}

impl TryFrom<String> for NotedSwitch {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::io::kafka) fn noted(sequence: u64) -> NotedSwitch {
        let parameters = ChurnParameters { r: 0.1 + 0.2, alpha: 1e-7 / 3.0, a: 1e4, b: f64::MIN_POSITIVE };
        let model = FittedModel { process: ProcessKind::Purchase, model: ChurnModel::MbgNbd, unit: TimeUnit::Week, parameters };
        NotedSwitch { sequence, switch: Switch { model, at_close_of: Day::from_number(20_478) } }
    }

    #[test]
    fn what_is_written_is_read_to_the_bit() {
        let text = noted(57).to_string();
        assert!(text.starts_with("purchase mbg-nbd week 20478 57 3fd3333333333334 "), "{text}");
        assert_eq!(text.parse(), Ok(noted(57)));
    }

    #[test]
    fn what_is_no_switch_is_told() {
        let text = noted(57).to_string();
        for other in
            [text.replace("week", "month"), text.replace("20478", "soon"), format!("{text} 0"), text[..90].to_owned(), String::new()]
        {
            assert!(other.parse::<NotedSwitch>().is_err(), "{other}");
        }
        assert!(text.replace("3fd3333333333334", "bfd3333333333334").parse::<NotedSwitch>().is_err(), "a rate below 0");
    }
}
