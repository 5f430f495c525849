//! What an answer means, and when to try again. Pure: the time and chance are arguments.

use std::time::Duration;

use crate::model::time::EventTime;

/// The wait after a first failure, before chance shortens it; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest wait of our own accord.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest wait that an endpoint may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// What an answer means for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was taken.
    Taken,
    /// It may be taken later; not before this time has passed, if the endpoint says so.
    Later(Option<Duration>),
    /// It is refused for what it is.
    Never,
}

/// What a status means: 2xx is taken. 4xx is refused, but 408, 425 and 429, which are about the moment. The others are tried again, redirects too:
/// they are not followed, and say nothing about the record. `Retry-After` counts with 429 and 503.
pub(super) fn judge(status: u16, retry_after: Option<&str>, now: EventTime) -> Verdict {
    match status {
        200..=299 => Verdict::Taken,
        429 | 503 => Verdict::Later(retry_after.and_then(|text| asked(text, now))),
        408 | 425 => Verdict::Later(None),
        400..=499 => Verdict::Never,
        _ => Verdict::Later(None),
    }
}

/// The wait that a `Retry-After` asks for: whole seconds, or a date (RFC 9110, section 10.2.3); at most an hour.
fn asked(text: &str, now: EventTime) -> Option<Duration> {
    let wait = if let Ok(seconds) = text.trim().parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
        let millis = date.as_millisecond().saturating_sub(now.millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    };
    Some(wait.min(LONGEST_ASKED))
}

/// How long to wait after `failures` attempts in a row, at least one: 1 s, 2 s, 4 s … 60 s, of which `chance`, from 0 to 1, leaves between half
/// and all, so that many that failed together do not come back together.
pub(super) fn pause(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(LONGEST_PAUSE).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn answers() {
        // 1994-11-06T08:49:37Z
        let now = EventTime::from_millis(784_111_777_000);
        for (status, retry_after, verdict) in [
            (200, None, Verdict::Taken),
            (202, Some("9"), Verdict::Taken),
            (204, None, Verdict::Taken),
            (301, None, Verdict::Later(None)),
            (304, None, Verdict::Later(None)),
            (400, None, Verdict::Never),
            (401, Some("9"), Verdict::Never),
            (404, None, Verdict::Never),
            (408, Some("9"), Verdict::Later(None)),
            (410, None, Verdict::Never),
            (413, None, Verdict::Never),
            (425, None, Verdict::Later(None)),
            (429, None, Verdict::Later(None)),
            (429, Some(" 7 "), Verdict::Later(Some(secs(7)))),
            (503, Some("0"), Verdict::Later(Some(secs(0)))),
            (503, Some("86400"), Verdict::Later(Some(secs(3600)))),
            (503, Some("99999999999999999999"), Verdict::Later(None)),
            (503, Some("Sun, 06 Nov 1994 08:49:47 GMT"), Verdict::Later(Some(secs(10)))),
            (503, Some("Sun, 06 Nov 1994 08:49:27 GMT"), Verdict::Later(Some(secs(0)))),
            (503, Some("soon"), Verdict::Later(None)),
            (500, Some("9"), Verdict::Later(None)),
            (599, None, Verdict::Later(None)),
        ] {
            assert_eq!(judge(status, retry_after, now), verdict, "{status} {retry_after:?}");
        }
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        for (failures, chance, millis) in [
            (1, 1.0, 1_000),
            (1, 0.0, 500),
            (2, 1.0, 2_000),
            (3, 0.5, 3_000),
            (6, 1.0, 32_000),
            (7, 1.0, 60_000),
            (8, 0.0, 30_000),
            (u32::MAX, 1.0, 60_000),
        ] {
            assert_eq!(pause(failures, chance), Duration::from_millis(millis), "{failures} {chance}");
        }
    }
}
