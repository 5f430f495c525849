//! Tails of the negative binomial, Poisson and normal distributions.

use std::f64::consts::PI;

/// Counts are compared as doubles, exact up to here.
const LARGEST: u64 = 1 << 53;
/// Parameters above this are too large for the continued fractions, and large enough for the saddlepoint.
const EXACT_LIMIT: f64 = 1e5;
/// Terms after which a series or fraction is taken as it is; at `EXACT_LIMIT` about 1,500 are needed.
const TERMS: u32 = 10_000;
const PRECISION: f64 = 1e-14;

/// What the past says about a day's count: a negative binomial with this mean and variance `dispersion * mean`, or a Poisson when the dispersion is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expectation {
    /// The expected count, above 0.
    pub mean: f64,
    /// Variance over mean.
    pub dispersion: f64,
}

impl Expectation {
    /// The same with a dispersion of at least 1: counts of independent users are never expected to vary less than Poisson's.
    #[must_use]
    pub fn at_least_poisson(self) -> Self {
        Self { dispersion: self.dispersion.max(1.0), ..self }
    }

    /// The size of the negative binomial, `mean / (dispersion - 1)`; infinite for a Poisson.
    fn size(self) -> f64 {
        if self.dispersion > 1.0 { self.mean / (self.dispersion - 1.0) } else { f64::INFINITY }
    }

    /// P(count >= `count`). With mean 10 and dispersion 1, P(count >= 20) is 0.003454.
    #[must_use]
    pub fn at_least(self, count: u64) -> f64 {
        if count == 0 {
            return 1.0;
        }
        let (count, size) = (to_double(count), self.size());
        let tail = if size.is_finite() && count.max(size) <= EXACT_LIMIT {
            incomplete_beta(self.mean / (self.mean + size), count, size)
        } else if count <= 30.0 || (size.is_infinite() && count <= EXACT_LIMIT) {
            lower_gamma(count, self.mean)
        } else {
            saddlepoint(count - 0.5, self.mean, size)
        };
        if tail.is_nan() { 1.0 } else { tail.clamp(0.0, 1.0) }
    }

    /// The largest count that is no alarm: P(count >= `upper` + 1) < `p`.
    #[must_use]
    pub fn upper(self, p: f64) -> u64 {
        let (mut low, mut high) = (0, 16);
        while high < LARGEST && self.at_least(high) >= p {
            low = high;
            high *= 2;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.at_least(middle) >= p { low = middle } else { high = middle }
        }
        low
    }
}

#[expect(clippy::cast_precision_loss, reason = "clamped to what a double holds")]
pub(super) fn to_double(count: u64) -> f64 {
    count.min(LARGEST) as f64
}

/// P(Z >= z) of a standard normal; relative precision 1e-10 far into the tail.
#[must_use]
pub fn normal_tail(z: f64) -> f64 {
    let half_square = z * z / 2.0;
    if z < 0.0 { 1.0 - 0.5 * upper_gamma(0.5, half_square) } else { 0.5 * upper_gamma(0.5, half_square) }
}

/// ln Γ(x) for x > 0 (Lanczos 1964, g = 7, nine terms; relative error below 1e-14).
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        return (PI / (PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let base = x + 7.5;
    let mut divisor = 0.0;
    let mut sum = 0.999_999_999_999_809_9;
    for term in TERMS {
        divisor += 1.0;
        sum += term / (x + divisor);
    }
    0.5 * (2.0 * PI).ln() + (x + 0.5) * base.ln() - base + sum.ln()
}

/// The regularised lower incomplete gamma function P(a, x), which is P(a Poisson of mean x is at least a).
fn lower_gamma(a: f64, x: f64) -> f64 {
    if x < a + 1.0 { gamma_series(a, x) } else { 1.0 - gamma_fraction(a, x) }
}

/// 1 - P(a, x), without cancellation.
fn upper_gamma(a: f64, x: f64) -> f64 {
    if x < a + 1.0 { 1.0 - gamma_series(a, x) } else { gamma_fraction(a, x) }
}

fn gamma_series(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let (mut term, mut sum, mut denominator) = (1.0 / a, 1.0 / a, a);
    for _ in 0..TERMS {
        denominator += 1.0;
        term *= x / denominator;
        sum += term;
        if term < sum * PRECISION {
            break;
        }
    }
    sum * (a * x.ln() - x - ln_gamma(a)).exp()
}

fn gamma_fraction(a: f64, x: f64) -> f64 {
    let mut odd = x + 1.0 - a;
    let mut fraction = Fraction::start(odd);
    for index in 1..=TERMS {
        let index = f64::from(index);
        odd += 2.0;
        if fraction.step(-index * (index - a), odd) {
            break;
        }
    }
    (a * x.ln() - x - ln_gamma(a)).exp() * fraction.value
}

/// The regularised incomplete beta function `I_x(a, b)`, which is P(a negative binomial of size b is at least a), of x from 0 to 1.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    if x < (a + 1.0) / (a + b + 2.0) { front * beta_fraction(x, a, b) / a } else { 1.0 - front * beta_fraction(1.0 - x, b, a) / b }
}

fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    // 1 / (1 + d1 / (1 + d2 / …)), of which d1 is taken in already.
    let mut fraction = Fraction::start(1.0);
    fraction.step(-(a + b) * x / (a + 1.0), 1.0);
    for index in 1..=TERMS {
        let m = f64::from(index);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        fraction.step(even, 1.0);
        if fraction.step(odd, 1.0) {
            break;
        }
    }
    fraction.value
}

/// A continued fraction 1 / (b0 + a1 / (b1 + …)), term by term (Lentz 1976).
struct Fraction {
    above: f64,
    below: f64,
    value: f64,
}

impl Fraction {
    const TINY: f64 = 1e-300;

    fn start(first: f64) -> Self {
        let below = 1.0 / if first.abs() < Self::TINY { Self::TINY } else { first };
        Self { above: 1.0 / Self::TINY, below, value: below }
    }

    /// Takes in one more term; whether it changed nothing any more.
    fn step(&mut self, numerator: f64, denominator: f64) -> bool {
        let nonzero = |value: f64| if value.abs() < Self::TINY { Self::TINY } else { value };
        self.below = 1.0 / nonzero(denominator + numerator * self.below);
        self.above = nonzero(denominator + numerator / self.above);
        let change = self.below * self.above;
        self.value *= change;
        (change - 1.0).abs() < PRECISION
    }
}

/// P(count > `at`) by the saddlepoint with Barndorff-Nielsen's r* (Lugannani and Rice 1980; `at` is half below a count, for continuity).
fn saddlepoint(at: f64, mean: f64, size: f64) -> f64 {
    let ratio = if size.is_finite() { (at + size) / (mean + size) } else { 1.0 };
    let tilt = (at / mean / ratio).ln();
    let half_deviance = deviance(at, mean) - if size.is_finite() { deviance(at + size, mean + size) } else { 0.0 };
    let root = (2.0 * half_deviance.max(0.0)).sqrt().copysign(at - mean);
    let variance = |mean: f64| mean + if size.is_finite() { mean * mean / size } else { 0.0 };
    let plain = (at - mean) / variance(mean).sqrt();
    let slope = 2.0 * (tilt / 2.0).sinh() * variance(at).sqrt();
    let corrected = root + (slope / root).ln() / root;
    // Next to the mean both are 0, and the normal tail is right.
    normal_tail(if plain.abs() < 1e-3 || !corrected.is_finite() { plain } else { corrected })
}

/// `at * ln(at / mean) - (at - mean)`, without cancellation next to the mean.
fn deviance(at: f64, mean: f64) -> f64 {
    let relative = (at - mean) / mean;
    if relative.abs() < 1e-3 {
        mean * relative * relative * (0.5 - relative / 6.0 + relative * relative / 12.0)
    } else {
        at * (at / mean).ln() - (at - mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, relative: f64) {
        assert!((found - expected).abs() <= expected.abs() * relative, "{found:e} is not {expected:e}");
    }

    /// Terms of the distribution added up one by one.
    fn summed(expectation: Expectation, count: u64) -> f64 {
        let (mean, size) = (expectation.mean, expectation.size());
        let log_mass = |count: f64| {
            if size.is_infinite() {
                count * mean.ln() - mean - ln_gamma(count + 1.0)
            } else {
                let log_choose = ln_gamma(count + size) - ln_gamma(size) - ln_gamma(count + 1.0);
                log_choose + size * (size / (size + mean)).ln() + count * (mean / (size + mean)).ln()
            }
        };
        (count..count + 20_000).map(|count| log_mass(to_double(count)).exp()).sum()
    }

    #[test]
    fn tails_are_those_of_the_sums() {
        close(Expectation { mean: 10.0, dispersion: 1.0 }.at_least(20), 0.003_454_342, 1e-6);
        for (mean, dispersion) in [(0.2, 1.0), (10.0, 1.0), (10.0, 3.0), (200.0, 1.0), (200.0, 5.0), (3.0, 40.0), (2000.0, 1.5)] {
            let expectation = Expectation { mean, dispersion };
            for count in [1, 2, 5, 12, 40, 150, 210, 260, 330, 2100, 2300] {
                let expected = summed(expectation, count);
                if expected > 1e-200 {
                    close(expectation.at_least(count), expected, 1e-8);
                }
            }
        }
    }

    #[test]
    fn the_saddlepoint_continues_the_exact_tail() {
        for (mean, size) in [(1_000.0, f64::INFINITY), (1_000.0, 500.0), (40_000.0, 20_000.0)] {
            let dispersion = if f64::is_finite(size) { 1.0 + mean / size } else { 1.0 };
            let expectation = Expectation { mean, dispersion };
            for sigmas in [-2.0, -0.5, 0.5, 2.0, 4.0, 6.0] {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and small")]
                let count = (mean + sigmas * (mean * dispersion).sqrt()) as u64;
                close(saddlepoint(to_double(count) - 0.5, mean, expectation.size()), expectation.at_least(count), 2e-3);
            }
        }
        let huge = Expectation { mean: 1e15, dispersion: 4.0 };
        close(huge.at_least(1_000_000_000_000_000), 0.5, 1e-3);
        close(huge.at_least(1_000_000_000_000_000 + 63_245_553 * 3), normal_tail(3.0), 1e-3);
    }

    /// Of a size beyond the continued fraction, but far from a Poisson: terms of mean 50,000 and size 200,000 added up with 40 digits. A Poisson has 4.2e-6 at 51,000.
    #[test]
    fn a_large_size_is_no_poisson() {
        let expectation = Expectation { mean: 50_000.0, dispersion: 1.25 };
        close(expectation.at_least(50_500), 0.023_020_166, 1e-3);
        close(expectation.at_least(51_000), 3.400_456e-5, 1e-3);
    }

    /// Values with 50 digits; within a thousandth of the mean a series takes over, outside the formula.
    #[test]
    fn deviances_lose_nothing_next_to_the_mean() {
        for (at, deviance_is) in [
            (1_000.9, 0.000_404_878_554_645_493),
            (999.1, 0.000_405_121_554_704_542),
            (1_000.5, 0.000_124_979_171_873_438),
            (1_100.0, 4.841_197_784_757_346),
            (900.0, 5.175_535_907_956_329),
        ] {
            close(deviance(at, 1_000.0), deviance_is, 1e-8);
        }
        assert!(deviance(1_000.0, 1_000.0).abs() < 1e-300);
    }

    #[test]
    fn normal_tails() {
        for (z, tail) in [(0.0, 0.5), (1.96, 0.024_997_895), (-1.96, 0.975_002_105), (6.0, 9.865_876e-10), (20.0, 2.753_624e-89)] {
            close(normal_tail(z), tail, 1e-6);
        }
    }

    #[test]
    fn the_upper_bound_is_the_last_count_that_is_no_alarm() {
        for (mean, dispersion) in [(0.01, 1.0), (3.0, 1.0), (200.0, 3.0), (1e9, 50.0)] {
            let expectation = Expectation { mean, dispersion };
            let upper = expectation.upper(1e-4);
            assert!(expectation.at_least(upper) >= 1e-4 && expectation.at_least(upper + 1) < 1e-4, "{mean} {dispersion} {upper}");
        }
    }

    /// A negative binomial of size 1e-9 and mean 1e-9 has none with 2^-1e-9, so that some come with 1 - 2^-1e-9 = 6.931471803e-10.
    #[test]
    fn the_tail_of_hardly_any_count_keeps_its_digits() {
        close(Expectation { mean: 1e-9, dispersion: 2.0 }.at_least(1), 6.931_471_803_197e-10, 1e-10);
    }

    /// Where the mean is lost beside the size, or the size beside the mean, nothing and everything comes.
    #[test]
    fn the_ends_of_the_beta_function_are_nothing_and_all() {
        for (a, b) in [(1.0, 1.0), (3.0, 0.5), (1.0, 1e-17), (1e5, 1e5)] {
            assert_eq!(
                (incomplete_beta(0.0, a, b).to_bits(), incomplete_beta(1.0, a, b).to_bits()),
                (0.0_f64.to_bits(), 1.0_f64.to_bits())
            );
        }
        close(incomplete_beta(0.5, 3.0, 2.0), 0.3125, 1e-12);
    }
}
