//! Which categories buyers have together, as JSON, and which one comes next.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::groups::per;
use super::proportion;
use crate::engine::insights::{Depth, Groups, ORDER_DAYS};
use crate::model::insights::lift::Together;

/// Pairs that are told.
const TOLD_PAIRS: usize = 100;

/// A category that goes with another, and how surely.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next<'g> {
    /// The category that a buyer has.
    pub(super) after: &'g str,
    /// The one that is next.
    pub(super) category: &'g str,
    /// How many buyers have both.
    pub(super) buyers: u64,
    lift: f64,
    interval: (f64, f64),
}

impl Next<'_> {
    /// As JSON.
    pub(super) fn told(&self) -> Value {
        json!({
            "after": self.after, "category": self.category, "buyers": self.buyers,
            "lift": self.lift, "low": self.interval.0, "high": self.interval.1,
        })
    }

    /// Of two, the one whose lift is surely the larger; of equals the first by name, so that whoever is asked says the same.
    fn is_before(&self, other: &Self) -> bool {
        let order = other.interval.0.total_cmp(&self.interval.0);
        order.then_with(|| (self.category, self.after).cmp(&(other.category, other.after))).is_lt()
    }
}

fn together(groups: &Groups, one: &str, other: &str, both: u64) -> Together {
    let count = |name: &str| groups.categories.get(name).copied().unwrap_or_default();
    Together { both, one: count(one), other: count(other), all: groups.buyers[0] }
}

/// The best next category of each that `has` holds, of those that `may_follow` it.
fn nexts(groups: &Groups, has: impl Fn(&str) -> bool, may_follow: impl Fn(&str) -> bool) -> BTreeMap<&str, Next<'_>> {
    let mut best: BTreeMap<&str, Next<'_>> = BTreeMap::new();
    for ((one, other), both) in &groups.pairs {
        let pair = together(groups, one, other, *both);
        let Some((lift, interval)) = pair.lift().zip(pair.interval()) else { continue };
        for (after, category) in [(&**one, &**other), (&**other, &**one)] {
            if !has(after) || !may_follow(category) {
                continue;
            }
            let next = Next { after, category, buyers: *both, lift, interval };
            let known = best.entry(after).or_insert(next);
            if next.is_before(known) {
                *known = next;
            }
        }
    }
    best
}

/// The category that a buyer of some is likeliest to be won for, as far as those of others tell.
pub(super) fn next_of<'g>(groups: &'g Groups, bought: &BTreeSet<&str>) -> Option<Next<'g>> {
    let best = nexts(groups, |category| bought.contains(category), |category| !bought.contains(category));
    best.into_values().reduce(|one, other| if other.is_before(&one) { other } else { one })
}

/// How many pairs are not told.
pub(super) fn pairs_left_out(groups: &Groups) -> usize {
    groups.pairs.len().saturating_sub(TOLD_PAIRS)
}

/// Pairs of categories that buyers share, by lift: how much oftener than if one said nothing of the other; and of each category the one that goes with it most surely.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn cross_sell(groups: &Groups, depth: &Depth) -> Value {
    let mut pairs: Vec<(f64, &str, &str, Together)> = groups
        .pairs
        .iter()
        .filter_map(|((one, other), both)| {
            let pair = together(groups, one, other, *both);
            Some((pair.lift()?, &**one, &**other, pair))
        })
        .collect();
    pairs.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| (one.1, one.2).cmp(&(other.1, other.2))));
    let shown = |(lift, one, other, pair): &(f64, &str, &str, Together)| {
        let (low, high) = pair.interval().unzip();
        json!({ "categories": [one, other], "buyers": pair.both, "lift": lift, "low": low, "high": high })
    };
    let next = nexts(groups, |_| true, |_| true);
    json!({
        "buyers": groups.buyers[0],
        "rate": proportion(&groups.cross_buyers),
        "depth": told_depth(depth),
        "categories": groups.categories,
        "categories_mean": per(groups.categories.values().sum::<u64>() as f64, groups.buyers[0]),
        "pairs": pairs.iter().take(TOLD_PAIRS).map(shown).collect::<Vec<_>>(),
        "next": next.values().map(Next::told).collect::<Vec<_>>(),
    })
}

/// How much of one product a buyer takes, in the mean.
#[expect(clippy::cast_precision_loss, reason = "units are far below 2^53")]
fn told_depth(depth: &Depth) -> Value {
    let units = depth.units as f64 / 1e6;
    json!({
        "days": ORDER_DAYS, "users": depth.users, "products": depth.products, "units": units,
        "units_per_product": per(units, depth.products),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_buyer_of_a_rare_category_says_less_than_many_of_a_common_one() {
        let mut groups = Groups { buyers: [500, 0], ..Groups::default() };
        for (category, buyers) in [("a", 200), ("b", 250), ("rare", 1)] {
            groups.categories.insert(category.into(), buyers);
        }
        groups.pairs.insert(("a".into(), "b".into()), 160);
        groups.pairs.insert(("a".into(), "rare".into()), 1);
        let told = cross_sell(&groups, &Depth { users: 2, products: 4, units: 10_000_000 });
        assert_eq!((&told["depth"]["units"], &told["depth"]["units_per_product"]), (&json!(10.0), &json!(2.5)));
        assert_eq!((&told["next"][0]["after"], &told["next"][0]["category"]), (&json!("a"), &json!("b")));
        let rare = &told["pairs"][0];
        assert_eq!((&rare["categories"], &rare["lift"]), (&json!(["a", "rare"]), &json!(2.5)));
        assert!(rare["low"].as_f64().is_some_and(|low| low < 1.0), "{rare}");
        assert_eq!(next_of(&groups, &BTreeSet::from(["a"])).map(|next| next.category), Some("b"));
    }
}
