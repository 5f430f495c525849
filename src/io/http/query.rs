//! What follows the `?` of a request.

use axum::http::StatusCode;

use super::Days;
use super::answer::Problem;
use crate::engine::aggregator::ALL;
use crate::model::time::Day;

/// `?from&to&segment`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MetricsQuery {
    pub(super) segment: String,
    pub(super) days: Days,
}

impl MetricsQuery {
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut segment = None;
        let mut days = Days::default();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let given_before = match &*name {
                "segment" => segment.replace(value.into_owned()).is_some(),
                "from" => days.from.replace(day("from", &value)?).is_some(),
                "to" => days.to.replace(day("to", &value)?).is_some(),
                _ => return Err(bad(format!("`{name}` is no parameter; known are from, to and segment"))),
            };
            if given_before {
                return Err(bad(format!("`{name}` is given twice")));
            }
        }
        if let (Some(from), Some(to)) = (days.from, days.to)
            && from > to
        {
            return Err(bad(format!("from={from} is after to={to}")));
        }
        Ok(Self { segment: segment.unwrap_or_else(|| ALL.to_owned()), days })
    }
}

/// Whether `?ranks=true` asks for ranks; other parameters say nothing of a user.
pub(super) fn wants_ranks(query: Option<&str>) -> Result<bool, Problem> {
    let mut wants = false;
    for (_, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).filter(|(name, _)| name == "ranks") {
        wants = value.parse().map_err(|_| bad(format!("`ranks` must be true or false; it is `{value}`")))?;
    }
    Ok(wants)
}

pub(super) fn day(name: &str, text: &str) -> Result<Day, Problem> {
    Day::parse(text).ok_or_else(|| bad(format!("`{name}` must be a day such as 2026-01-31, both ends included; it is `{text}`")))
}

fn bad(message: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let day = |text| Day::parse(text);
        for (query, segment, from, to) in [
            (None, "all", None, None),
            (Some(""), "all", None, None),
            (Some("segment=channel%3Dapp+%26+web"), "channel=app & web", None, None),
            (Some("from=2026-01-31"), "all", day("2026-01-31"), None),
            (Some("to=2026-01-31&from=2026-01-31"), "all", day("2026-01-31"), day("2026-01-31")),
        ] {
            let expected = MetricsQuery { segment: segment.to_owned(), days: Days { from, to } };
            assert_eq!(MetricsQuery::parse(query), Ok(expected), "{query:?}");
        }
        for query in [
            "from=",
            "from=1",
            "from=2026-02-30",
            "to=20260131",
            "from=2026-01-02&to=2026-01-01",
            "from=2026-01-01&from=2026-01-01",
            "form=2026-01-01",
        ] {
            assert!(MetricsQuery::parse(Some(query)).is_err(), "{query}");
        }
    }
}
