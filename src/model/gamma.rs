//! Logarithms of Gamma and Beta functions, and of their ratios without cancellation.
//!
//! All logarithms and exponentials of the models come from `libm`, not from the C library of the platform: that may differ in the last bit between
//! machines, and a partition that moves to another machine must find the same levels.

/// Factors up to which a ratio is multiplied out, which is exact where the difference of two large logarithms would not be.
const FEW_FACTORS: f64 = 64.0;
/// Factors multiplied before a logarithm is taken; eight numbers below 10^38 cannot overflow.
const FACTORS_AT_ONCE: u8 = 8;

/// `ln Γ(x)` for `x > 0`.
#[must_use]
pub fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// `ln B(a, b)`, the logarithm of the Beta function, for `a, b > 0`.
#[must_use]
pub fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// `ln Γ(start + count) - ln Γ(start)` for `start > 0`, `count >= 0`: for a whole `count`, the logarithm of `start (start + 1) … (start + count - 1)`.
#[must_use]
pub fn ln_rising(start: f64, count: f64) -> f64 {
    if count > FEW_FACTORS || libm::floor(count) < count {
        return ln_gamma(start + count) - ln_gamma(start);
    }
    product_of_logs(count, |index| start + index)
}

/// `ln B(a, b + count) - ln B(a, b)` for `a, b > 0`, `count >= 0`: the logarithm of the mean of `(1 - p)^count` when p is Beta(a, b).
#[must_use]
pub fn ln_beta_rising(a: f64, b: f64, count: f64) -> f64 {
    if count > FEW_FACTORS || libm::floor(count) < count {
        return ln_rising(b, count) - ln_rising(a + b, count);
    }
    product_of_logs(count, |index| (b + index) / (a + b + index))
}

/// The sum of the logarithms of `factor(0)`, …, `factor(count - 1)`, with few logarithms.
fn product_of_logs(count: f64, factor: impl Fn(f64) -> f64) -> f64 {
    let (mut sum, mut product, mut waiting, mut index) = (0.0, 1.0, 0, 0.0);
    while index < count {
        product *= factor(index);
        waiting += 1;
        index += 1.0;
        if waiting == FACTORS_AT_ONCE {
            sum += libm::log(product);
            (product, waiting) = (1.0, 0);
        }
    }
    sum + libm::log(product)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_values() {
        for (x, expected) in [
            (1.0, 0.0),
            (2.0, 0.0),
            (0.5, 0.572_364_942_924_700_1),
            (5.0, 3.178_053_830_347_945_8),
            (0.001, 6.907_178_885_383_854),
            (1000.5, 5_908.674_175_848_678),
        ] {
            assert!((ln_gamma(x) - expected).abs() <= 1e-13 * expected.abs().max(1.0), "{x}: {}", ln_gamma(x));
        }
        // B(2, 3) = 1 / 12.
        assert!((ln_beta(2.0, 3.0) + 12.0_f64.ln()).abs() < 1e-14);
        // 3 x 4 x 5.
        assert!((ln_rising(3.0, 3.0) - 60.0_f64.ln()).abs() < 1e-14);
        assert!(ln_rising(0.3, 0.0).abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn multiplying_out_agrees_with_the_logarithms(start in 0.01..50.0_f64, a in 0.01..50.0_f64, count in 0..200_u32) {
            let count = f64::from(count);
            let plain = ln_gamma(start + count) - ln_gamma(start);
            prop_assert!((ln_rising(start, count) - plain).abs() < 1e-11);
            let plain = ln_beta(a, start + count) - ln_beta(a, start);
            prop_assert!((ln_beta_rising(a, start, count) - plain).abs() < 1e-11);
        }
    }
}
