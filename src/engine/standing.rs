//! What was last said about a user, and when the clock next changes it.

use serde::{Deserialize, Serialize};

use super::count::FOREVER;
use crate::model::churn::level::RiskLevel;
use crate::model::lifecycle::Lifecycle;
use crate::model::loyalty::stage::LifeStage;
use crate::model::time::Day;

/// What was last said about a process of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The published level; `None` without a day of the process.
    pub level: Option<RiskLevel>,
    /// Whether a complaint made it what it is.
    pub raised: bool,
    /// The next day on whose end it may be another without an event; [`FOREVER`] when never.
    pub next: Day,
}

impl Default for Said {
    fn default() -> Self {
        Self { level: None, raised: false, next: FOREVER }
    }
}

/// Bits of a level, and the one that says that it was raised.
const LEVEL: u8 = 0x7f;
const RAISED_BIT: u32 = 7;

/// What was last said about a user, and when the clock next changes it. Every user has one: it is laid out without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The next day on whose end the clock changes one of these; [`FOREVER`] when never.
    pub next_change: Day,
    /// The day at whose close the user is looked at again, at or before `next_change`.
    pub(super) visit: Day,
    nexts: [Day; 2],
    /// The level of each process, counted from 1, and in the highest bit whether a complaint raised it.
    risks: [u8; 2],
    /// Days from 1970 to the day from which on the stage is what it is; 0 where that is not known.
    stage_since: u16,
    /// The published 30-day lifecycle; `None` before the first active day.
    pub lifecycle: Option<Lifecycle>,
    /// The published loyalty.
    pub loyal: bool,
    /// The level of the process that is counted at the end of the last closed day.
    pub decided: Option<RiskLevel>,
    /// The published stage of the life cycle.
    pub stage: LifeStage,
}

impl Standing {
    /// What was said, and when the clock changes it next.
    #[must_use]
    pub fn new(lifecycle: Option<Lifecycle>, loyal: bool, risks: [Said; 2], next_change: Day) -> Self {
        Self {
            next_change,
            visit: next_change,
            nexts: risks.map(|said| said.next),
            risks: risks.map(|said| said.level.map_or(0, |level| level as u8 + 1) | u8::from(said.raised) << RAISED_BIT),
            stage_since: 0,
            lifecycle,
            loyal,
            decided: None,
            stage: LifeStage::Prospect,
        }
    }

    /// The published levels of churn risk: of activity, and of purchases.
    #[must_use]
    pub fn risks(&self) -> [Said; 2] {
        let level = |packed: u8| RiskLevel::ALL.get(usize::from(packed & LEVEL).wrapping_sub(1)).copied();
        let said = |packed: u8, next: Day| Said { level: level(packed), raised: packed >> RAISED_BIT == 1, next };
        [said(self.risks[0], self.nexts[0]), said(self.risks[1], self.nexts[1])]
    }

    /// The same with other levels of churn risk.
    #[must_use]
    pub fn with_risks(self, risks: [Said; 2]) -> Self {
        Self {
            decided: self.decided,
            visit: self.visit,
            stage: self.stage,
            stage_since: self.stage_since,
            ..Self::new(self.lifecycle, self.loyal, risks, self.next_change)
        }
    }

    /// The same, with the levels to be judged anew at the close of `day`; `always` also those of processes without a level.
    #[must_use]
    pub fn judged_by(mut self, day: Day, always: bool) -> Self {
        for (next, packed) in self.nexts.iter_mut().zip(self.risks) {
            if always || packed & LEVEL > 0 {
                *next = day.min(*next);
            }
        }
        self.until(day.min(self.next_change))
    }

    /// The day from which on the stage is what it is, where that is known.
    #[must_use]
    pub fn stage_since(&self) -> Option<Day> {
        (self.stage_since > 0).then(|| Day::from_number(self.stage_since.into()))
    }

    /// The same, at a stage of the life cycle since a day.
    #[must_use]
    pub fn at_stage(self, stage: LifeStage, since: Option<Day>) -> Self {
        let stage_since = since.and_then(|since| u16::try_from(since.number()).ok()).unwrap_or_default();
        Self { stage_since, stage, ..self }
    }

    /// The same, to be looked at by the close of `next_change` already.
    #[must_use]
    pub fn until(self, next_change: Day) -> Self {
        Self { next_change, visit: next_change, ..self }
    }
}

impl Default for Standing {
    fn default() -> Self {
        Self::new(None, false, [Said::default(); 2], FOREVER)
    }
}
