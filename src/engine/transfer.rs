//! A user on the way from one partition to another.

use serde::{Deserialize, Serialize};

use super::habit::Habit;
use crate::model::money::Money;
use crate::model::time::{Day, EventTime};

/// What one partition tells another through the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Transfer {
    /// A user moves in, to be one with the user of an id.
    Arrive(Box<Arrival>),
    /// The user of an id was deleted elsewhere: what is left of the id here goes, and stragglers are blocked.
    Forget {
        /// The id.
        id: String,
        /// When it was deleted.
        time: EventTime,
        /// The day of `time`.
        day: Day,
    },
}

impl Eq for Transfer {}

/// A user that moves in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    /// The id whose user it becomes.
    pub into: String,
    /// Ids that the way led through, oldest first: on a circle the byte-smallest is the end of it.
    pub path: Vec<String>,
    /// The circle was found: `into` takes the user in although it had moved away itself.
    pub settles: bool,
    /// The ids with what is known about each.
    pub members: Vec<(String, Habit)>,
    /// The names of the breakdown segments that the habits speak of, by their number there: property and value.
    pub segments: Vec<(u32, u16, String)>,
    /// The merges among the ids, and last the one that moves them.
    pub edges: Vec<NamedEdge>,
    /// Net revenue of the days that were closed where the user comes from.
    pub settled: Money,
    /// Net revenue of days that were not, by day.
    pub pending: Vec<(Day, Money)>,
}

/// A merge by ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedEdge {
    /// Event time.
    pub time: EventTime,
    /// The first day that it restates.
    pub restates_from: Day,
    /// The old id.
    pub from: String,
    /// The new id.
    pub into: String,
}
