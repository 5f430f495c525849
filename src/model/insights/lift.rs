//! Whether one thing goes with another.

use serde::{Deserialize, Serialize};

use super::proportion::Proportion;

/// How many have one thing, another, and both, of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Together {
    /// Both.
    pub both: u64,
    /// The one, with or without the other.
    pub one: u64,
    /// The other, with or without the one.
    pub other: u64,
    /// Everyone.
    pub all: u64,
}

impl Together {
    /// How much oftener both come together than if one said nothing of the other: `both x all / (one x other)`; `None` without one of them.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn lift(&self) -> Option<f64> {
        (self.one > 0 && self.other > 0).then(|| self.both as f64 * self.all as f64 / (self.one as f64 * self.other as f64))
    }

    /// Its 95 % interval: Wilson's of the share of those with the rarer one who have the commoner one, too, over the share of everyone who has the commoner one, which
    /// is taken for known. A few who all have both are few still, where the delta method on the log scale sees next to no variance. `None` without one of them.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn interval(&self) -> Option<(f64, f64)> {
        let (rarer, commoner) = (self.one.min(self.other), self.one.max(self.other));
        let (low, high) = Proportion { part: self.both, whole: rarer }.interval()?;
        let share = commoner as f64 / self.all as f64;
        Some((low / share, high / share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform numbers below 1, the same ones each time.
    fn dice(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(*seed >> 32).expect("32 bits")) / 4_294_967_296.0
    }

    #[test]
    fn an_interval_holds_the_lift_that_was_planted() {
        // A third has the one, a quarter the other, and the other is twice as likely with the one: of all, 0.125 have both, for 1/3 x 1/4.
        let (planted, mut held, mut seed) = (1.5, 0, 7);
        for _ in 0..400 {
            let mut together = Together { both: 0, one: 0, other: 0, all: 600 };
            for _ in 0..together.all {
                let one = dice(&mut seed) < 1.0 / 3.0;
                let other = dice(&mut seed) < if one { 0.375 } else { 0.1875 };
                together.one += u64::from(one);
                together.other += u64::from(other);
                together.both += u64::from(one && other);
            }
            let (low, high) = together.interval().expect("some have both");
            held += u32::from(low < planted && planted < high);
        }
        assert!(
            held >= 380,
            "of 400 intervals {held} hold it, where 380 should at least: the share of the commoner one is taken for known"
        );
    }

    #[test]
    fn one_who_has_both_tells_little() {
        let one = Together { both: 1, one: 200, other: 1, all: 500 };
        let (low, high) = one.interval().expect("somebody");
        assert_eq!((format!("{low:.2}"), format!("{high:.2}")), ("0.52".to_owned(), "2.50".to_owned()), "Wilson's 0.207 to 1, over 0.4");
        let many = Together { both: 160, one: 200, other: 250, all: 500 };
        assert!(many.interval().expect("somebody").0 > low, "160 of 200 say more than 1 of 1");
        let turned = Together { one: 1, other: 200, ..one };
        assert_eq!(turned.interval(), one.interval(), "whichever is named first");
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        assert_eq!(Together { both: 0, one: 0, other: 3, all: 9 }.lift(), None);
        assert_eq!(Together { both: 0, one: 0, other: 3, all: 9 }.interval(), None);
        assert_eq!(Together { both: 0, one: 2, other: 3, all: 9 }.interval().map(|(low, _)| low), Some(0.0), "nobody has both yet");
        assert_eq!(Together { both: 3, one: 3, other: 3, all: 9 }.lift(), Some(3.0));
    }
}
