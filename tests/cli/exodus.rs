//! Users of whom many leave on one day.

const USERS: u32 = 600;
/// Days of events, and the first day without those who leave.
const DAYS: u32 = 90;
const EXODUS: u32 = 70;
/// A model of users who come on a third of the days and hardly ever leave.
pub(crate) const SETTINGS: &str = "[breakdowns]\nproperties = [\"channel\"]\n[churn.activity]\nr = 50\nalpha = 125\na = 0.01\nb = 10\n";

/// An event: its user, its time in milliseconds, and itself as JSON.
pub(crate) type Line = (String, i64, String);

/// Activity of users of whom each comes on a third of the days or so, in the order of time. From March 12th on, four in five of those on the web
/// stay away.
pub(crate) fn events() -> Vec<Line> {
    let mut lines = Vec::new();
    for (day, user) in (0..DAYS).flat_map(|day| (0..USERS).map(move |user| (day, user))) {
        let chance = (user + 1).wrapping_mul(2_654_435_761) ^ (day + 1).wrapping_mul(2_246_822_519);
        let chance = (chance ^ chance >> 15).wrapping_mul(3_266_489_917) >> 8;
        let channel = ["web", "app", "shop"][(user % 3) as usize];
        if chance % 3 == 0 && (day < EXODUS || channel != "web" || user % 5 == 0) {
            let millis = 1_767_225_600_000 + (i64::from(day) * 24 + i64::from(user % 20)) * 3_600_000;
            let properties = format!(r#""properties":{{"channel":"{channel}"}}"#);
            let json = format!(r#"{{"user_id":"u{user}","type":"activity","timestamp":{millis},{properties}}}"#);
            lines.push((format!("u{user}"), millis, json));
        }
    }
    lines.sort_by_key(|line| line.1);
    lines
}
