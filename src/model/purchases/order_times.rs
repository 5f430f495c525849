//! Where to look for an order of a user who has many.

use super::orders::OrderKey;
use crate::model::time::EventTime;

/// An index of orders by key, made when it is first needed and not part of what is known.
#[derive(Clone, Debug, Default)]
pub(super) struct OrderTimes(pub(super) Option<Box<hashbrown::HashMap<OrderKey, EventTime, foldhash::fast::RandomState>>>);

impl OrderTimes {
    pub(super) fn of(&self, key: &OrderKey) -> Option<EventTime> {
        self.0.as_ref()?.get(key).copied()
    }

    /// Forgets an order, if it was noted.
    pub(super) fn forget(&mut self, key: &OrderKey) {
        if let Some(times) = &mut self.0 {
            times.remove(key);
        }
    }
}

impl PartialEq for OrderTimes {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
