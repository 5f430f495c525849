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
        if !self.models.are_usable() || !self.past_judges.are_usable() {
            return Err("a model with parameters that are no positive numbers");
        }
        Ok(())
    }
}
