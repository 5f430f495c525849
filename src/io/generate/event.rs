//! One synthetic record, and its bytes.

use std::cmp::Ordering;
use std::fmt::Write as _;

use crate::model::time::EventTime;

/// Columns of [`Generated::csv`].
pub const CSV_HEADER: &str = "event_id,user_id,type,timestamp,arrived_at,name,channel,category,duration_s,country,plan,order_id,amount,currency,\
discount,reward_used,decision_s,lines,recommend,trust,complaint_id,kind,sentiment,competitor,into";

/// Count of the records that are no events.
pub(super) const POISONS: u32 = 8;

const NAMES: [&str; 4] = ["view", "search", "share", "play"];
const CHANNELS: [&str; 3] = ["web", "ios", "android"];
const CATEGORIES: [&str; 5] = ["books", "games", "garden", "music", "shoes"];
const BRANDS: [&str; 4] = ["acme", "globex", "initech", "umbrella"];
const COUNTRIES: [&str; 6] = ["DE", "US", "FR", "GB", "JP", "BR"];
const PLANS: [&str; 3] = ["free", "plus", "pro"];

/// An order, as far as returns must know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) number: u64,
    pub(super) user: u32,
    /// Milliseconds since the epoch.
    pub(super) time: i64,
    pub(super) cents: u32,
    pub(super) product: u32,
    /// What discount, reward, channel and decision time are made of.
    pub(super) flags: u32,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Signup,
    Activity { what: u32, duration_s: u32 },
    Order(Order),
    Return { order: u64, cents: Option<u32> },
    Survey { recommend: u32, trust: u32 },
    Complaint { number: u64, resolved: bool },
    Referral,
    Feedback { sentiment: u32 },
    CompetitorPurchase { cents: u32 },
    Cancellation,
    Merge { into: u32 },
    Deletion,
    Poison(u32),
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Milliseconds since the epoch.
    pub(super) arrival: i64,
    /// Tells records of one arrival apart.
    pub(super) number: u64,
    /// A repeat has the id of the event that it repeats.
    pub(super) id: u64,
    pub(super) user: u32,
    /// Milliseconds since the epoch.
    pub(super) time: i64,
    pub(super) body: Body,
}

impl Ord for Generated {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.arrival, self.number).cmp(&(other.arrival, other.number))
    }
}

impl PartialOrd for Generated {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A property's value.
enum Cell {
    Text(String),
    /// A number, boolean or list, as JSON.
    Json(String),
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn number(number: &impl ToString) -> Cell {
    Cell::Json(number.to_string())
}

fn money(cents: u32) -> Cell {
    Cell::Json(format!("{}.{:02}", cents / 100, cents % 100))
}

/// The name of a user.
fn user_id(user: u32) -> String {
    format!("u{user:07}")
}

fn one_of<'t>(names: &[&'t str], number: u32) -> &'t str {
    names[number as usize % names.len()]
}

impl Generated {
    /// The user that the record is about: the key of its Kafka record.
    #[must_use]
    pub fn user_id(&self) -> String {
        user_id(self.user)
    }

    /// Whether this is no event, but a record to be dead-lettered.
    #[must_use]
    pub fn is_poison(&self) -> bool {
        matches!(self.body, Body::Poison(_))
    }

    /// The record as a JSON object without a line end, or, when it is poison, as what it is.
    #[must_use]
    pub fn json(&self) -> String {
        if let Body::Poison(sort) = self.body {
            return self.poison(sort);
        }
        let mut json = String::with_capacity(320);
        let [id, user, kind, time, arrival] = self.fields();
        let _ = write!(
            json,
            r#"{{"event_id":"{id}","user_id":"{user}","type":"{kind}","timestamp":"{time}","arrived_at":"{arrival}","properties":{{"#
        );
        for (index, (name, cell)) in self.properties().iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = match cell {
                Cell::Text(text) => write!(json, r#"{comma}"{name}":"{text}""#),
                Cell::Json(value) => write!(json, r#"{comma}"{name}":{value}"#),
            };
        }
        json.push_str("}}");
        json
    }

    /// The record as a row under [`CSV_HEADER`] without a line end, or, when it is poison, as what it is.
    #[must_use]
    pub fn csv(&self) -> String {
        if let Body::Poison(sort) = self.body {
            return self.poison(sort);
        }
        let properties = self.properties();
        let mut row = self.fields().join(",");
        for column in CSV_HEADER.split(',').skip(5) {
            row.push(',');
            match properties.iter().find(|(name, _)| *name == column) {
                Some((_, Cell::Json(value))) if value.contains('"') => {
                    let _ = write!(row, "\"{}\"", value.replace('"', "\"\""));
                }
                Some((_, Cell::Text(value) | Cell::Json(value))) => row.push_str(value),
                None => {}
            }
        }
        row
    }

    fn fields(&self) -> [String; 5] {
        let instant = |millis| EventTime::from_millis(millis).to_string();
        [format!("e{}", self.id), self.user_id(), self.kind().to_owned(), instant(self.time), instant(self.arrival)]
    }

    fn kind(&self) -> &'static str {
        match self.body {
            Body::Signup => "signup",
            Body::Activity { .. } | Body::Poison(_) => "activity",
            Body::Order(_) => "order_placed",
            Body::Return { .. } => "order_returned",
            Body::Survey { .. } => "survey_response",
            Body::Complaint { resolved: false, .. } => "complaint_opened",
            Body::Complaint { resolved: true, .. } => "complaint_resolved",
            Body::Referral => "referral_sent",
            Body::Feedback { .. } => "feedback",
            Body::CompetitorPurchase { .. } => "competitor_purchase",
            Body::Cancellation => "subscription_cancelled",
            Body::Merge { .. } => "user_merged",
            Body::Deletion => "user_deleted",
        }
    }

    fn properties(&self) -> Vec<(&'static str, Cell)> {
        let mixed = self.user.wrapping_mul(0x9e37_79b1) >> 8;
        let mut properties = vec![("country", text(one_of(&COUNTRIES, mixed))), ("plan", text(one_of(&PLANS, mixed / 7)))];
        match &self.body {
            Body::Activity { what, duration_s } => properties.extend([
                ("name", text(one_of(&NAMES, *what))),
                ("channel", text(one_of(&CHANNELS, what / 4))),
                ("category", text(one_of(&CATEGORIES, what / 12))),
                ("duration_s", number(duration_s)),
            ]),
            Body::Order(order) => properties.extend(order.properties()),
            Body::Return { order, cents } => {
                properties.push(("order_id", text(&format!("o{order}"))));
                properties.extend(cents.map(|cents| ("amount", money(cents))));
            }
            Body::Survey { recommend, trust } => properties.extend([("recommend", number(recommend)), ("trust", number(trust))]),
            Body::Complaint { number, .. } => properties.push(("complaint_id", text(&format!("c{number}")))),
            Body::Feedback { sentiment } => {
                let sentiment = f64::from(*sentiment) / 10.0 - 1.0;
                properties.extend([("kind", text("review")), ("sentiment", Cell::Json(format!("{sentiment:.1}")))]);
            }
            Body::CompetitorPurchase { cents } => properties.extend([("competitor", text("hooli")), ("amount", money(*cents))]),
            Body::Merge { into } => properties.push(("into", text(&user_id(*into)))),
            Body::Signup | Body::Referral | Body::Cancellation | Body::Deletion | Body::Poison(_) => {}
        }
        properties
    }

    /// One of the ways not to be an event; in CSV they have too few cells.
    fn poison(&self, sort: u32) -> String {
        let (id, user, time) = (self.id, self.user_id(), self.time);
        match sort {
            0 => "this is no event".to_owned(),
            1 => format!(r#"{{"event_id":"e{id}","user_id":"{user}","type":"activity","timesta"#),
            2 => format!(r#"{{"event_id":"e{id}","user_id":"","type":"activity","timestamp":{time}}}"#),
            3 => format!(r#"{{"event_id":"e{id}","user_id":"{user}","type":"telepathy","timestamp":{time}}}"#),
            4 => format!(r#"{{"event_id":"e{id}","user_id":"{user}","type":"activity","timestamp":"tomorrow"}}"#),
            5 => format!(
                r#"{{"event_id":"e{id}","user_id":"{user}","type":"survey_response","timestamp":{time},"properties":{{"recommend":99}}}}"#
            ),
            6 => format!(r#"{{"event_id":"e{id}","user_id":"{user}","user_id":"{user}","type":"activity","timestamp":{time}}}"#),
            _ => format!(r#"{{"event_id":"e{id}","type":"activity","timestamp":{time}}}"#),
        }
    }
}

impl Order {
    fn properties(self) -> Vec<(&'static str, Cell)> {
        let (brand, category) = (one_of(&BRANDS, self.product), one_of(&CATEGORIES, self.product / 4));
        let Self { number: order, cents, product, flags, .. } = self;
        let (Cell::Json(amount) | Cell::Text(amount)) = money(cents);
        let line = format!(r#"{{"product_id":"p{product}","brand":"{brand}","category":"{category}","quantity":1,"amount":{amount}}}"#);
        vec![
            ("channel", text(one_of(&CHANNELS, flags))),
            ("order_id", text(&format!("o{order}"))),
            ("amount", Cell::Json(amount)),
            ("currency", text("EUR")),
            ("discount", number(if flags % 5 == 0 { &10 } else { &0 })),
            ("reward_used", number(&(flags % 7 == 0))),
            ("decision_s", number(&(20 + flags * 3))),
            ("lines", Cell::Json(format!("[{line}]"))),
        ]
    }
}
