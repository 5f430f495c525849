//! Purchases taken apart at an instant, and those of several ids put together.

use super::{Order, OrderTimes, Purchases};
use crate::model::time::EventTime;

impl Purchases {
    /// The part after an instant, as that of a user of its own.
    #[must_use]
    pub fn after(&self, time: EventTime, return_days: i32) -> Self {
        let mut later = Self::default();
        later.returns.extend(self.returns.iter().filter(|returned| returned.time > time).cloned());
        later.breaks.extend(self.breaks.iter().filter(|broken| broken.time > time));
        for order in self.orders.iter().chain(&self.fallen).filter(|order| order.time > time) {
            later.place(order.clone(), return_days);
        }
        later
    }

    /// The part up to an instant.
    #[must_use]
    pub fn up_to(&self, time: EventTime, return_days: i32) -> Self {
        let mut earlier = Self { folded: self.folded.clone(), revenue: self.folded().revenue, ..Self::default() };
        earlier.returns.extend(self.returns.iter().filter(|returned| returned.time <= time).cloned());
        earlier.breaks.extend(self.breaks.iter().filter(|broken| broken.time <= time));
        for order in self.orders.iter().chain(&self.fallen).filter(|order| order.time <= time) {
            earlier.place(order.clone(), return_days);
        }
        earlier
    }

    /// Changes the numbers of breakdown segments.
    pub fn renumber_segments(&mut self, number: impl Fn(u32) -> u32) {
        for order in self.orders.iter_mut().chain(&mut self.fallen) {
            order.segments = order.segments.iter().map(|segment| number(*segment)).collect();
            order.segments.sort_unstable();
        }
        let Some(folded) = &mut self.folded else { return };
        let first = std::mem::take(&mut folded.first_day_of_segment);
        for (segment, day) in first {
            let known = folded.first_day_of_segment.entry(number(segment)).or_insert(day);
            *known = (*known).min(day);
        }
    }

    /// Joins the purchases of two ids of one user: orders known to both count once, the smaller copy stands.
    pub fn absorb(&mut self, other: &Self, return_days: i32) {
        if other.is_untouched() {
            return;
        }
        if self.is_untouched() {
            self.clone_from(other);
            return;
        }
        // Without returns nothing that stands here falls by what is known there.
        if self.returns.is_empty() && self.fallen.is_empty() && other.returns.is_empty() {
            return self.take_in(other, return_days);
        }
        let mine = std::mem::take(self);
        *self = other.clone();
        if let Some(folded) = &mine.folded {
            self.folded_mut().absorb(folded);
        }
        self.breaks.extend(mine.breaks);
        self.breaks.sort_unstable();
        self.breaks.dedup();
        for returned in mine.returns {
            if returned.event == [0; 16] || !self.returns.iter().any(|known| known.event == returned.event) {
                self.returns.push(returned);
            }
        }
        self.returns.sort_unstable();
        let placed = std::mem::take(&mut self.orders).into_iter().chain(std::mem::take(&mut self.fallen));
        let placed: Vec<Order> = placed.chain(mine.orders).chain(mine.fallen).collect();
        self.times = OrderTimes::default();
        self.revenue = self.folded().revenue;
        for order in placed {
            self.place(order, return_days);
        }
    }

    /// The same where neither side knows a return.
    fn take_in(&mut self, other: &Self, return_days: i32) {
        if let Some(folded) = &other.folded {
            self.folded_mut().absorb(folded);
            self.revenue += folded.revenue;
        }
        for broken in &other.breaks {
            self.break_streak(*broken);
        }
        for order in other.orders.iter().chain(&other.fallen) {
            self.place(order.clone(), return_days);
        }
    }

    fn is_untouched(&self) -> bool {
        self.orders.is_empty() && self.fallen.is_empty() && self.returns.is_empty() && self.breaks.is_empty() && self.folded.is_none()
    }
}
