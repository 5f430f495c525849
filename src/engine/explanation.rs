//! What a level of churn risk is made of, and what would make it another: asked for one user at a time, nothing is kept of it.

use std::sync::Arc;

use super::habit::Habit;
use super::partition::PartitionEngine;
use super::risk::{Known, PROCESSES};
use crate::model::churn::level::{Circumstances, RiskLevel, RiskReason, Seen};
use crate::model::churn::{History, ProcessKind};
use crate::model::time::Day;

/// Days that are looked at for changes to come. A silent user has four at most; only one who moved here from a partition that is ahead has more.
const MOST_DAYS: usize = 64;
/// Days ahead that the risk of a silent user is told for, one by one.
const CURVE_DAYS: i32 = 90;

/// What would be said of a process at the end of a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// The day.
    pub day: Day,
    /// The level.
    pub level: RiskLevel,
    /// The probability of no further day within the horizon.
    pub risk: f64,
    /// Whether a complaint makes the level what it is.
    pub raised: bool,
}

/// A process of a user with everything that decides its level.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The process.
    pub process: ProcessKind,
    /// The newest accepted or closed day of the partition. All is as of its end.
    pub as_of: Day,
    /// The level, with the risk.
    pub now: Forecast,
    /// The probability that the habit has not ended.
    pub p_alive: f64,
    /// How far the risk looks ahead.
    pub horizon_days: u16,
    /// What the model knows of the user.
    pub history: History,
    /// Why, the weightiest first.
    pub reasons: Vec<RiskReason>,
    /// The model with its parameters.
    pub model_id: Arc<str>,
    /// The levels to come if nothing more is heard of the user, each with the first day at whose end it holds.
    pub if_silent: Vec<Forecast>,
    /// The risk at the end of `as_of` and of each of the 90 days after it, if nothing more is heard of the user.
    pub curve: Vec<f64>,
    /// What a day of the process on the day after `as_of` gives.
    pub if_seen: Forecast,
    /// The level once no complaint is open; `None` when a complaint does not decide it.
    pub if_resolved: Option<RiskLevel>,
}

impl PartitionEngine {
    /// The processes of a user under any of its ids that have a level, as of the newest accepted or closed day. Empty for an id that is not known here.
    #[must_use]
    pub fn explain(&self, user_id: &str) -> Vec<Explanation> {
        let population = &self.state.population;
        let here = population.find(user_id).filter(|slot| population.moved_to(*slot).is_none());
        let Some(whole) = here.map(|slot| population.whole(population.root(slot))) else { return Vec::new() };
        (0..PROCESSES.len()).filter_map(|index| self.explain_process(index, &whole)).collect()
    }

    fn explain_process(&self, index: usize, habit: &Habit) -> Option<Explanation> {
        let (kind, as_of) = (PROCESSES[index], self.as_of());
        let churn = &self.churn;
        let known = Known::of(kind, habit, as_of);
        let judged = churn.judge(kind, known.seen?, known.circumstances, as_of);
        let content = Circumstances { complaint: None, ..known.circumstances };
        let without = churn.judge(kind, known.seen?, content, as_of).level;
        Some(Explanation {
            process: kind,
            as_of,
            now: Forecast { day: as_of, level: judged.level, risk: judged.risk, raised: judged.raised },
            p_alive: judged.p_alive,
            horizon_days: churn.of(kind).process.horizon_days,
            history: judged.history,
            reasons: churn.reasons(kind, &judged, as_of),
            model_id: Arc::clone(&self.model_ids[index]),
            if_silent: self.if_silent(kind, habit, (as_of, judged.level)),
            curve: (0..=CURVE_DAYS).map_while(|ahead| self.risk_on(kind, habit, as_of + ahead)).collect(),
            if_seen: self.if_seen(kind, habit, as_of + 1),
            if_resolved: Some(without).filter(|without| *without != judged.level),
        })
    }

    /// The risk at the end of `day` if nothing more is heard of the user.
    fn risk_on(&self, kind: ProcessKind, habit: &Habit, day: Day) -> Option<f64> {
        let known = Known::of(kind, habit, day);
        Some(self.churn.judge(kind, known.seen?, known.circumstances, day).risk)
    }

    /// The changes to come from a level on a day if nothing more is heard of the user.
    fn if_silent(&self, kind: ProcessKind, habit: &Habit, (from, level): (Day, RiskLevel)) -> Vec<Forecast> {
        let churn = &self.churn;
        let (mut day, mut level, mut changes) = (from, level, Vec::new());
        for _ in 0..MOST_DAYS {
            let known = Known::of(kind, habit, day);
            let Some(seen) = known.seen else { break };
            let judged = churn.judge(kind, seen, known.circumstances, day);
            if judged.level != level {
                level = judged.level;
                changes.push(Forecast { day, level, risk: judged.risk, raised: judged.raised });
            }
            let Some(next) = [churn.next_change(kind, &judged), known.later].into_iter().flatten().min() else { break };
            day = next;
        }
        changes
    }

    /// What is said at the end of `day` if the process has it among its days.
    fn if_seen(&self, kind: ProcessKind, habit: &Habit, day: Day) -> Forecast {
        let Known { seen, circumstances, .. } = Known::of(kind, habit, day);
        let seen = match seen {
            Some(seen) if seen.last == day => seen,
            Some(seen) => Seen { last: day, days: seen.days + 1, ..seen },
            None => Seen { first: day, last: day, days: 1 },
        };
        // An event of the process takes back every departure of an earlier day.
        let departed = circumstances.departed.filter(|departed| departed.at.day >= day);
        let judged = self.churn.judge(kind, seen, Circumstances { departed, ..circumstances }, day);
        Forecast { day, level: judged.level, risk: judged.risk, raised: judged.raised }
    }
}
