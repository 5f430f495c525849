//! Whether one thing goes with another.

use serde::{Deserialize, Serialize};

/// Standard deviations of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

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

    /// Its 95 % interval on the log scale, by the delta method for counts of one multinomial sample: the variance of ln(lift) is
    /// 1 / both - 1 / one - 1 / other + (2 x lift - 1) / all. `None` when nobody has both.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn interval(&self) -> Option<(f64, f64)> {
        let lift = self.lift().filter(|_| self.both > 0)?;
        let per = |count: u64| 1.0 / count as f64;
        let variance = per(self.both) - per(self.one) - per(self.other) + (2.0 * lift - 1.0) * per(self.all);
        let spread = Z * variance.max(0.0).sqrt();
        Some((lift * (-spread).exp(), lift * spread.exp()))
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
        assert!((368..=394).contains(&held), "of 400 intervals {held} hold it, where 380 should");
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        assert_eq!(Together { both: 0, one: 0, other: 3, all: 9 }.lift(), None);
        assert_eq!(Together { both: 0, one: 2, other: 3, all: 9 }.interval(), None, "a lift of 0 has no interval here");
        assert_eq!(Together { both: 3, one: 3, other: 3, all: 9 }.lift(), Some(3.0));
    }
}
