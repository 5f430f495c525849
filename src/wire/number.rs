//! Exact decimals: from the digits of a number, or of a text that holds one, to money and whole numbers.

use crate::model::money::Money;

/// A number is not what its place needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not a decimal number.
    #[error("not a number")]
    NotANumber,
    /// Money has millionths, no less.
    #[error("more than 6 decimals")]
    TooPrecise,
    /// Beyond [`Money::LARGEST`].
    #[error("beyond 1000000000000 either way")]
    TooLarge,
}

/// `digits * 10^exponent`, exact; `digits` does not end in a 0 unless it is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: u128,
    exponent: i64,
}

/// The money that a number in JSON, or a text with one, stands for: exact, with at most 6 decimals but for trailing zeros.
///
/// # Errors
/// When it is no number, has more decimals, or is beyond [`Money::LARGEST`].
pub fn money(text: &str) -> Result<Money, NumberError> {
    let decimal = decimal(text)?;
    if decimal.digits == 0 {
        return Ok(Money::ZERO);
    }
    if decimal.exponent < -6 {
        return Err(NumberError::TooPrecise);
    }
    let shift = u32::try_from(decimal.exponent + 6).map_err(|_| NumberError::TooLarge)?;
    let millionths = 10_u128.checked_pow(shift).and_then(|power| decimal.digits.checked_mul(power));
    let millionths = millionths.and_then(|millionths| i128::try_from(millionths).ok()).ok_or(NumberError::TooLarge)?;
    if millionths > Money::LARGEST.millionths() {
        return Err(NumberError::TooLarge);
    }
    Ok(Money::from_millionths(if decimal.negative { -millionths } else { millionths }))
}

/// The whole number that a number in JSON, or a text with one, stands for; `1e3` and `5.0` are whole. `None` when it is not, or beyond 64 bits.
#[must_use]
pub fn whole(text: &str) -> Option<i64> {
    // What timestamps mostly are: up to 18 digits, which 64 bits hold.
    if (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.bytes().fold(0, |value, byte| value * 10 + i64::from(byte - b'0')));
    }
    let decimal = decimal(text).ok()?;
    if decimal.digits == 0 {
        return Some(0);
    }
    let power = 10_i128.checked_pow(u32::try_from(decimal.exponent).ok()?)?;
    let value = i128::try_from(decimal.digits).ok()?.checked_mul(power)?;
    i64::try_from(if decimal.negative { -value } else { value }).ok()
}

/// The nearest finite double. `None` when the text is no number or is beyond doubles.
#[must_use]
pub fn double(text: &str) -> Option<f64> {
    split(text.trim())?;
    text.trim().parse().ok().filter(|value: &f64| value.is_finite())
}

/// The parts of a number: sign, digits before the point, after it, exponent.
struct Parts<'t> {
    negative: bool,
    whole: &'t str,
    fraction: &'t str,
    exponent: i64,
}

/// Takes a number apart. Wider than JSON in what people write in texts: a leading `+`, leading zeros, a bare `.5` or `5.`.
fn split(text: &str) -> Option<Parts<'_>> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let some = !whole.is_empty() || !fraction.is_empty();
    (some && digits(whole) && digits(fraction)).then_some(Parts { negative, whole, fraction, exponent })
}

/// An exponent, clamped to a million either way: far beyond everything that is in range.
fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().unwrap_or(1_000_000_i64).min(1_000_000);
    Some(if text.starts_with('-') { -size } else { size })
}

fn decimal(text: &str) -> Result<Decimal, NumberError> {
    let Parts { negative, whole, fraction, exponent } = split(text.trim()).ok_or(NumberError::NotANumber)?;
    let mut digits: u128 = 0;
    let mut zeros: u32 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if byte == b'0' {
            zeros += u32::from(digits > 0);
            continue;
        }
        let shifted = 10_u128.checked_pow(zeros + 1).and_then(|power| digits.checked_mul(power));
        let next = shifted.and_then(|shifted| shifted.checked_add(u128::from(byte - b'0')));
        // 38 digits and more cannot have both few decimals and a size within range.
        let dropped = if fraction.is_empty() { NumberError::TooLarge } else { NumberError::TooPrecise };
        digits = next.ok_or(dropped)?;
        zeros = 0;
    }
    let decimals = i64::try_from(fraction.len()).unwrap_or(i64::MAX / 2);
    Ok(Decimal { negative, digits, exponent: exponent + i64::from(zeros) - decimals })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn money_is_exact() {
        let forty_digits = "9".repeat(40);
        let long_zeros = format!("1.5{}", "0".repeat(1000));
        for (text, expected) in [
            ("0", Ok(0)),
            ("-0.0", Ok(0)),
            ("0e99", Ok(0)),
            ("1.10", Ok(1_100_000)),
            ("12.123456", Ok(12_123_456)),
            ("12.1234560000", Ok(12_123_456)),
            (long_zeros.as_str(), Ok(1_500_000)),
            ("-3", Ok(-3_000_000)),
            (" +3 ", Ok(3_000_000)),
            (".5", Ok(500_000)),
            ("007", Ok(7_000_000)),
            ("1.5e3", Ok(1_500_000_000)),
            ("25E-2", Ok(250_000)),
            ("999999999999.999999", Ok(999_999_999_999_999_999)),
            ("1000000000000", Ok(1_000_000_000_000_000_000)),
            ("1e12", Ok(1_000_000_000_000_000_000)),
            ("1000000000000.000001", Err(NumberError::TooLarge)),
            ("-1e13", Err(NumberError::TooLarge)),
            ("1e400", Err(NumberError::TooLarge)),
            ("1e99999999999999999999", Err(NumberError::TooLarge)),
            (forty_digits.as_str(), Err(NumberError::TooLarge)),
            ("12.1234567", Err(NumberError::TooPrecise)),
            ("1.0000000000000000001", Err(NumberError::TooPrecise)),
            ("1e-7", Err(NumberError::TooPrecise)),
            ("1e-99999999999999999999", Err(NumberError::TooPrecise)),
            ("", Err(NumberError::NotANumber)),
            (".", Err(NumberError::NotANumber)),
            ("-", Err(NumberError::NotANumber)),
            ("e5", Err(NumberError::NotANumber)),
            ("1e", Err(NumberError::NotANumber)),
            ("1,5", Err(NumberError::NotANumber)),
            ("1_000", Err(NumberError::NotANumber)),
            ("0x10", Err(NumberError::NotANumber)),
            ("NaN", Err(NumberError::NotANumber)),
            ("inf", Err(NumberError::NotANumber)),
            ("12 €", Err(NumberError::NotANumber)),
            ("١٢", Err(NumberError::NotANumber)),
        ] {
            assert_eq!(money(text).map(Money::millionths), expected, "{text:.30}");
        }
    }

    #[test]
    fn whole_numbers_and_doubles() {
        for (text, expected) in [
            ("9", Some(9)),
            ("9.0", Some(9)),
            ("9e0", Some(9)),
            ("-12e2", Some(-1200)),
            ("9.5", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("1e30", None),
            ("", None),
        ] {
            assert_eq!(whole(text), expected, "{text}");
        }
        for (text, expected) in [("1.5", Some(1.5)), ("-1e3", Some(-1000.0)), ("1e400", None), ("nan", None), ("inf", None), ("", None)] {
            assert_eq!(double(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn written_millionths_read_back(units in -999_999_999_999_i64..=999_999_999_999, millionths in 0_u32..1_000_000) {
            let text = format!("{units}.{millionths:06}");
            let size = i128::from(units.abs()) * 1_000_000 + i128::from(millionths);
            prop_assert_eq!(money(&text).map(Money::millionths), Ok(if units < 0 { -size } else { size }));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = (money(&text), whole(&text), double(&text));
        }

        #[test]
        fn no_digits_panic(text in "[-+0-9.e]{0,50}") {
            let _ = (money(&text), whole(&text), double(&text));
        }
    }
}
