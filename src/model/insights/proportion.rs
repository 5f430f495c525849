//! Shares with their intervals.

use serde::{Deserialize, Serialize};

/// Standard deviations of an interval that holds the true share 95 times in 100.
const Z: f64 = 1.959_963_984_540_054;

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proportion {
    /// How many did.
    pub part: u64,
    /// Of how many.
    pub whole: u64,
}

impl Proportion {
    /// Counts one more.
    pub fn count(&mut self, did: bool) {
        self.whole += 1;
        self.part += u64::from(did);
    }

    /// Adds those of another part of the population.
    pub fn absorb(&mut self, other: &Self) {
        self.part += other.part;
        self.whole += other.whole;
    }

    /// The share; `None` of nobody.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn share(&self) -> Option<f64> {
        (self.whole > 0).then(|| self.part as f64 / self.whole as f64)
    }

    /// The 95 % interval of the share by Wilson (1927), without correction for continuity; `None` of nobody. 8 of 10: 0.490 to 0.943.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn interval(&self) -> Option<(f64, f64)> {
        let share = self.share()?;
        let n = self.whole as f64;
        let shrink = 1.0 + Z * Z / n;
        let middle = (share + Z * Z / (2.0 * n)) / shrink;
        let half = Z / shrink * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        Some(((middle - half).max(0.0), (middle + half).min(1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From R: `prop.test(x, n, correct = FALSE)$conf.int`.
    #[test]
    fn intervals_are_those_of_wilson() {
        for (part, whole, low, high) in [
            (8, 10, "0.490", "0.943"),
            (0, 10, "0.000", "0.278"),
            (10, 10, "0.722", "1.000"),
            (81, 263, "0.255", "0.366"),
            (1, 1, "0.207", "1.000"),
        ] {
            let (found_low, found_high) = Proportion { part, whole }.interval().expect("somebody");
            assert_eq!((format!("{found_low:.3}").as_str(), format!("{found_high:.3}").as_str()), (low, high), "{part} of {whole}");
        }
        assert_eq!(Proportion::default().interval(), None);
    }

    #[test]
    fn those_who_did_are_counted_among_all() {
        let of = |all: &[bool]| {
            let mut counted = Proportion::default();
            for did in all {
                counted.count(*did);
            }
            counted
        };
        let (mut three, seven) = (of(&[true, false, true]), of(&[true, true, true, false, true, true, true]));
        assert_eq!((three, seven), (Proportion { part: 2, whole: 3 }, Proportion { part: 6, whole: 7 }));
        three.absorb(&seven);
        assert_eq!((three.part, three.whole, three.share()), (8, 10, Some(0.8)));
        assert_eq!(Proportion::default().share(), None, "of nobody");
    }
}
