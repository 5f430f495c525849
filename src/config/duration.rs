//! Durations as text: whole numbers with units, such as `200ms`, `15min`, `1h` or `1h30min`.

use std::time::Duration;

/// Names of units with their length in milliseconds, longest names first.
const UNITS: [(&str, u64); 5] = [("min", 60_000), ("ms", 1), ("s", 1_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a duration of whole milliseconds; `None` when it is none or beyond a century.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut millis: u64 = 0;
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit_and_rest) = rest.split_at(digits);
        let (unit, length) = UNITS.iter().find(|(unit, _)| unit_and_rest.starts_with(unit))?;
        millis = count.parse::<u64>().ok()?.checked_mul(*length)?.checked_add(millis)?;
        rest = &unit_and_rest[unit.len()..];
    }
    (millis <= 100 * 366 * 86_400_000).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (written, millis) in [
            ("200ms", Some(200)),
            ("15min", Some(900_000)),
            ("1h", Some(3_600_000)),
            ("1h30min", Some(5_400_000)),
            ("60s", Some(60_000)),
            ("0s", Some(0)),
            ("2d", Some(172_800_000)),
            ("", None),
            ("5", None),
            ("ms", None),
            ("1.5h", None),
            ("-1s", None),
            ("1 h", None),
            ("5 parsecs", None),
            ("99999999999999999999s", None),
            ("99999999d", None),
        ] {
            assert_eq!(parse(written).map(|duration| duration.as_millis()), millis, "{written}");
        }
    }
}
