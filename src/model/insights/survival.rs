//! Time to an event when some have not had it yet: the product-limit estimate of Kaplan and Meier (1958).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Standard deviations of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// Users by days: after how many the event came, or for how many it was waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survival {
    /// By days: how many had the event, and how many were last seen without it.
    days: BTreeMap<i32, (u64, u64)>,
}

/// One step of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Days since the start.
    pub days: i32,
    /// Users who could have the event on that day.
    pub at_risk: u64,
    /// Those who had it.
    pub events: u64,
    /// Share of users without the event after that day.
    pub without: f64,
    /// Its 95 % interval by Greenwood's variance on the log-log scale; the share itself where it is 0 or 1.
    pub interval: (f64, f64),
}

impl Survival {
    /// Counts a user who had the event after `days`, or is without it for so many.
    pub fn count(&mut self, days: i32, had: bool) {
        let known = self.days.entry(days).or_default();
        if had { known.0 += 1 } else { known.1 += 1 }
    }

    /// Adds those of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        for (days, (events, censored)) in &other.days {
            let known = self.days.entry(*days).or_default();
            known.0 += events;
            known.1 += censored;
        }
    }

    /// Users counted.
    #[must_use]
    pub fn users(&self) -> u64 {
        self.days.values().map(|(events, censored)| events + censored).sum()
    }

    /// Users who had the event.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.days.values().map(|(events, _)| events).sum()
    }

    /// The curve, a step for each day with an event.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn curve(&self) -> Vec<Step> {
        let (mut at_risk, mut without, mut variance) = (self.users(), 1.0, 0.0);
        let mut curve = Vec::new();
        for (days, (events, censored)) in &self.days {
            if *events > 0 {
                let (d, n) = (*events as f64, at_risk as f64);
                without *= 1.0 - d / n;
                variance += d / (n * (n - d));
                curve.push(Step { days: *days, at_risk, events: *events, without, interval: interval(without, variance) });
            }
            at_risk -= events + censored;
        }
        curve
    }

    /// The first day after which at most half are without the event; `None` when more are.
    #[must_use]
    pub fn median(&self) -> Option<i32> {
        self.curve().iter().find(|step| step.without <= 0.5).map(|step| step.days)
    }
}

fn interval(without: f64, variance: f64) -> (f64, f64) {
    if without <= 0.0 || without >= 1.0 {
        return (without, without);
    }
    let spread = Z * variance.sqrt() / without.ln();
    (without.powf((-spread).exp()), without.powf(spread.exp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weeks of remission under 6-mercaptopurine (Freireich and others 1963), those still in remission marked; the textbook table of Kaplan-Meier estimates.
    #[test]
    fn the_curve_is_that_of_the_textbook() {
        let mut survival = Survival::default();
        let relapsed = [6, 6, 6, 7, 10, 13, 16, 22, 23];
        let censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35];
        for week in relapsed {
            survival.count(week, true);
        }
        let mut others = Survival::default();
        for week in censored {
            others.count(week, false);
        }
        survival.absorb(&others);
        let curve: Vec<String> =
            survival.curve().iter().map(|step| format!("{} {} {} {:.4}", step.days, step.at_risk, step.events, step.without)).collect();
        let expected =
            ["6 21 3 0.8571", "7 17 1 0.8067", "10 15 1 0.7529", "13 12 1 0.6902", "16 11 1 0.6275", "22 7 1 0.5378", "23 6 1 0.4482"];
        assert_eq!(curve, expected);
        assert_eq!((survival.median(), survival.users(), survival.events()), (Some(23), 21, 9));
        let (low, high) = survival.curve()[0].interval;
        assert_eq!(
            (format!("{low:.3}"), format!("{high:.3}")),
            ("0.620".to_owned(), "0.952".to_owned()),
            "as survfit with conf.type = \"log-log\""
        );
    }
}
