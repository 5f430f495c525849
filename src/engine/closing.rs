//! Figures that are decided when a day closes: loyal buyers and the revenue of buyers, counting events up to that day.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::component::Slot;
use crate::model::money::Money;
use crate::model::revenue_share::RevenueBuckets;
use crate::model::time::Day;

/// Users loyal at the end of each day from the first open one on, as changes from day to day.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LoyalCount {
    closed: i64,
    changes: BTreeMap<Day, i64>,
}

impl LoyalCount {
    /// Adds (`sign` 1) or takes away (-1) a user who is loyal on these stretches of open days.
    pub fn count(&mut self, stretches: &[(Day, Day)], sign: i64) {
        for (from, through) in stretches {
            self.change(*from, sign);
            self.change(*through + 1, -sign);
        }
    }

    fn change(&mut self, day: Day, difference: i64) {
        let change = self.changes.entry(day).or_default();
        *change += difference;
        if *change == 0 {
            self.changes.remove(&day);
        }
    }

    /// Closes a day: users loyal at its end.
    pub fn close(&mut self, day: Day) -> i64 {
        while let Some(change) = self.changes.first_entry().filter(|change| *change.key() <= day) {
            self.closed += change.remove();
        }
        self.closed
    }
}

/// Slots whose buyers are kept together.
const SHARD: usize = 1024;

/// Money by slot, without zeros. A clone shares the shards until they change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct MoneyBySlot(Vec<Arc<BTreeMap<Slot, Money>>>);

impl MoneyBySlot {
    fn get(&self, slot: Slot) -> Money {
        self.0.get(slot as usize / SHARD).and_then(|shard| shard.get(&slot)).copied().unwrap_or_default()
    }

    fn set(&mut self, slot: Slot, money: Money) {
        let shard = slot as usize / SHARD;
        if self.0.len() <= shard {
            self.0.resize_with(shard + 1, Arc::default);
        }
        let shard = Arc::make_mut(&mut self.0[shard]);
        if money == Money::ZERO {
            shard.remove(&slot)
        } else {
            shard.insert(slot, money)
        };
    }

    fn iter(&self) -> impl Iterator<Item = (Slot, Money)> {
        self.0.iter().flat_map(|shard| shard.iter()).map(|(slot, money)| (*slot, *money))
    }
}

/// Net revenue of each buyer, as of the last closed day, and the changes on days that are still open.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RevenueToDate {
    settled: MoneyBySlot,
    buckets: RevenueBuckets,
    open: BTreeMap<Day, Vec<(Slot, Money)>>,
}

impl RevenueToDate {
    /// Whether every buyer has a slot below `count`.
    pub(super) fn buyers_are_below(&self, count: usize) -> bool {
        let open = self.open.values().flatten().map(|(slot, _)| *slot);
        self.settled.iter().map(|(slot, _)| slot).chain(open).all(|slot| (slot as usize) < count)
    }

    /// Notes a change of a buyer's net revenue by an event of `day`, the days through `closed` being closed.
    pub fn change(&mut self, buyer: Slot, day: Day, difference: Money, closed: Day) {
        if difference == Money::ZERO {
            return;
        }
        if day <= closed {
            self.settle(buyer, difference);
        } else {
            self.open.entry(day).or_default().push((buyer, difference));
        }
    }

    fn settle(&mut self, buyer: Slot, difference: Money) {
        let before = self.settled.get(buyer);
        let after = before + difference;
        self.buckets.change(before, after);
        self.settled.set(buyer, after);
    }

    /// Takes a buyer out: what was settled, and the open changes by day.
    pub fn take(&mut self, buyer: Slot) -> (Money, Vec<(Day, Money)>) {
        let settled = self.settled.get(buyer);
        self.settle(buyer, -settled);
        let mut open = Vec::new();
        for (day, changes) in &mut self.open {
            changes.retain(|(slot, difference)| {
                if *slot == buyer {
                    open.push((*day, *difference));
                }
                *slot != buyer
            });
        }
        self.open.retain(|_, changes| !changes.is_empty());
        (settled, open)
    }

    /// Takes all buyers out, as [`RevenueToDate::take`] does one.
    pub(super) fn take_all(&mut self) -> BTreeMap<Slot, (Money, Vec<(Day, Money)>)> {
        let all = std::mem::take(self);
        let mut taken: BTreeMap<Slot, (Money, Vec<(Day, Money)>)> = BTreeMap::new();
        for (buyer, settled) in all.settled.iter() {
            taken.entry(buyer).or_default().0 = settled;
        }
        for (day, changes) in all.open {
            for (buyer, difference) in changes {
                taken.entry(buyer).or_default().1.push((day, difference));
            }
        }
        taken
    }

    /// Puts in what [`RevenueToDate::take`] gave, here or elsewhere, for another buyer.
    pub fn put(&mut self, buyer: Slot, taken: &(Money, Vec<(Day, Money)>), closed: Day) {
        self.settle(buyer, taken.0);
        for (day, difference) in &taken.1 {
            self.change(buyer, *day, *difference, closed);
        }
    }

    /// Closes a day: buyers by net revenue to date.
    pub fn close(&mut self, day: Day) -> RevenueBuckets {
        while let Some(changes) = self.open.first_entry().filter(|changes| *changes.key() <= day) {
            for (buyer, difference) in changes.remove() {
                self.settle(buyer, difference);
            }
        }
        self.buckets.clone()
    }
}
