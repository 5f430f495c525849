//! Whether a state that was read from bytes is one that an engine can have had: its parts point at each other by number.

use super::partition::State;

impl State {
    /// What is wrong with it, if anything is. A state that an engine has made is always consistent; one whose bytes were changed by
    /// someone who made the checksum anew may not be, and would end the process later.
    pub fn check(&self) -> Result<(), &'static str> {
        let ids = self.population.check()?;
        self.segments.check(self.settings.breakdowns.len())?;
        if !self.ledgers.is_empty() && self.ledgers.len() != self.segments.count() {
            return Err("not a ledger for each segment");
        }
        if self.ledgers.is_empty() && self.population.counts_anything() {
            return Err("users who count, and no ledger");
        }
        if !self.ledgers.iter().all(super::ledger::Ledger::is_whole) {
            return Err("a ledger with another count of quantities");
        }
        if !self.population.segments_are_below(self.segments.count()) {
            return Err("a user active in a segment that is not there");
        }
        if !self.alerts.segments_are_below(self.segments.count()) {
            return Err("users who belong to a segment that is not there");
        }
        if !self.revenue.buyers_are_below(ids) {
            return Err("revenue of a buyer who is not there");
        }
        if !self.risk.users_are_below(ids) {
            return Err("a level to be decided of a user who is not there");
        }
        if !self.loyalty.users_are_below(ids) {
            return Err("a state to be decided of a user who is not there");
        }
        if let Some(close) = &self.close
            && (Some(close.day()) != self.closed_through || !close.users_are_below(ids) || !close.segments_are_below(self.segments.count()))
        {
            return Err("the close of a day that is not the last, or of users or segments that are not there");
        }
        if !self.models.are_usable() || !self.past_judges.are_usable() || self.close.as_ref().is_some_and(|close| !close.is_usable()) {
            return Err("a model with parameters that are no positive numbers");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::habit::Rare;
    use crate::engine::partition::{PartitionEngine, Placement};
    use crate::engine::settings::{Breakdown, EngineSettings};
    use crate::model::event::{Event, EventType, Facts, OrderFacts};
    use crate::model::money::Money;
    use crate::model::time::{Calendar, Day, EventTime};

    const SEGMENT_MISSING: Result<(), &str> = Err("a user active in a segment that is not there");

    /// That of one user, in slot 0, who was active, ordered and complained in the only segment, number 1.
    fn state() -> State {
        let breakdowns = vec![Breakdown { property: "plan".into(), values: None }];
        let settings = EngineSettings { breakdowns, ..EngineSettings::default() };
        let calendar = Arc::new(Calendar::new("UTC").expect("a zone"));
        let mut engine = PartitionEngine::new(settings, Placement::ALONE, calendar, [0; 16]);
        let order = OrderFacts { order_id: "o".into(), amount: Money::from_millionths(1_000_000), ..OrderFacts::default() };
        let complaint = Facts::Complaint("c".into());
        for (kind, facts) in [(EventType::OrderPlaced, Facts::Order(order)), (EventType::ComplaintOpened, complaint)] {
            let breakdowns = vec![(0, "pro".into())];
            engine.handle(
                &Event { user_id: "a".into(), event_id: "".into(), kind, time: EventTime::from_millis(0), facts, breakdowns },
                None,
            );
        }
        engine.frozen()
    }

    /// What is said about the state once something of its user was changed.
    fn checked(change: impl FnOnce(&mut Rare)) -> Result<(), &'static str> {
        let mut state = state();
        change(state.population.habit_mut(0).rare_mut());
        state.check()
    }

    #[test]
    fn a_segment_that_is_not_there_is_told_wherever_a_user_speaks_of_it() {
        assert_eq!(checked(|_| ()), Ok(()));
        assert_eq!(checked(|rare| rare.segments.clear()), Ok(()));
        assert_eq!(checked(|rare| rare.segments[0].0 = 2), SEGMENT_MISSING);
        assert_eq!(checked(|rare| rare.segments[0].0 = 0), SEGMENT_MISSING, "0 is everything, and nobody's own");
        assert_eq!(checked(|rare| rare.values.make().renumber_segments(|_| 2)), SEGMENT_MISSING);
        assert_eq!(checked(|rare| rare.purchases.make().renumber_segments(|_| 2)), SEGMENT_MISSING);
        let complained = |rare: &mut Rare| rare.complaints.if_there().expect("a complaint").renumber_segments(|_| 2);
        assert_eq!(checked(complained), SEGMENT_MISSING);
    }

    #[test]
    fn revenue_of_a_buyer_who_is_not_there_is_told_whether_its_day_is_closed_or_open() {
        let (day, money) = (Day::from_number(0), Money::from_millionths(1_000_000));
        for closed in [day - 1, day] {
            for (buyer, expected) in [(0, Ok(())), (1, Err("revenue of a buyer who is not there"))] {
                let mut state = state();
                state.revenue.change(buyer, day, money, closed);
                assert_eq!(state.check(), expected, "{buyer} with days closed through {closed}");
            }
        }
    }
}
