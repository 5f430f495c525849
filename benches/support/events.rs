//! Events as the peers of this service are measured with: 120 days, each user drawn for each event, few users often and many rarely.
//!
//! Of 100 events 5 are orders, 1 opens a complaint, 2 answer a survey, the others are plain activity. An event is about 176 bytes.
//! They are not those of `stickiness generate`, whose users have habits: figures of other systems exist for these.

use std::fmt::Write as _;

use stickiness::model::event::{Event, EventType, Facts, OrderFacts, SurveyFacts};
use stickiness::model::money::Money;
use stickiness::model::time::EventTime;

/// Days that the events are spread over.
pub(crate) const DAYS: i64 = 120;
/// Milliseconds in a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// How many events of how many users, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Events in all: the time between two is the whole span divided by this.
    pub(crate) events: u64,
    /// Ids that users are drawn from; in a long stream nearly all of them come.
    pub(crate) users: u32,
    /// Milliseconds since the epoch at which it begins.
    pub(crate) start_ms: i64,
    /// Milliseconds that it lasts.
    pub(crate) span_ms: i64,
    /// Of 100 events, how many come one to six days late.
    pub(crate) late_per_cent: u32,
    /// Properties that activity has beside its own, each with ten values.
    pub(crate) breakdowns: u32,
}

/// The name of one of those properties.
pub(crate) fn breakdown(number: u32) -> String {
    format!("p{number}")
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Order { cents: u32 },
    Complaint,
    Survey { recommend: u8 },
    Activity,
}

/// One event, not yet written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn {
    pub(crate) number: u64,
    pub(crate) id: u64,
    pub(crate) user: u32,
    pub(crate) time: EventTime,
    pub(crate) kind: Kind,
    pub(crate) breakdowns: u32,
}

/// Draws the events of a plan, the same ones each time, and goes on after its end.
pub(crate) struct Events {
    plan: Plan,
    next: u64,
    state: u64,
    /// Whether there is nothing but plain activity.
    plain: bool,
}

impl Events {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan, next: 0, state: 7, plain: false }
    }

    /// The same with nothing but plain activity.
    #[allow(dead_code, reason = "not every benchmark that shares this file wants it")]
    pub(crate) fn plain(plan: Plan) -> Self {
        Self { plain: true, ..Self::new(plan) }
    }

    /// Splitmix64: fast, and good enough to spread users.
    fn dice(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A whole number from 0 to below `end`.
    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(((self.dice() >> 32) * u64::from(end)) >> 32).unwrap_or(0)
    }

    fn kind(&mut self) -> Kind {
        match self.below(100) {
            _ if self.plain => Kind::Activity,
            0..=4 => Kind::Order { cents: 100 + self.below(19_900) },
            5 => Kind::Complaint,
            6..=7 => Kind::Survey { recommend: u8::try_from(self.below(11)).unwrap_or(0) },
            _ => Kind::Activity,
        }
    }
}

impl Iterator for Events {
    type Item = Drawn;

    fn next(&mut self) -> Option<Drawn> {
        let number = self.next;
        self.next += 1;
        let Plan { events, users, start_ms, span_ms, late_per_cent, breakdowns } = self.plan;
        // The square of a uniform number: half of the events are those of a quarter of the users.
        let share = u64::from(self.below(1 << 31));
        let user = u32::try_from(((share * share) >> 31).saturating_mul(u64::from(users)) >> 31).unwrap_or(0);
        let passed = i128::from(number) * i128::from(span_ms) / i128::from(events.max(1));
        let jitter = i64::from(self.below(60_000)) - 30_000;
        let is_late = late_per_cent > 0 && self.below(100) < late_per_cent;
        let late = if is_late { i64::from(1 + self.below(6)) * DAY_MS } else { 0 };
        let time = EventTime::from_millis(start_ms + i64::try_from(passed).unwrap_or(i64::MAX) + jitter - late);
        Some(Drawn { number, id: self.dice(), user, time, kind: self.kind(), breakdowns })
    }
}

impl Drawn {
    /// The user's id: the key of the record.
    pub(crate) fn user_id(&self) -> String {
        format!("u{:08}", self.user)
    }

    /// Appends the event as a JSON object.
    pub(crate) fn write(&self, json: &mut String) {
        let Self { number, id, user, time, .. } = self;
        let name = self.event_type().name();
        let head = format_args!(r#"{{"event_id":"{id:016x}","user_id":"u{user:08}","type":"{name}","timestamp":"{time}","#);
        // A string takes everything.
        let _ = write!(json, r#"{head}"properties":{{"channel":"web""#);
        for number in 0..self.breakdowns {
            let _ = write!(json, r#","{}":"v{}""#, breakdown(number), (id >> (4 * number)) % 10);
        }
        let _ = match self.kind {
            Kind::Order { cents } => write!(json, r#","order_id":"o{number}","amount":{}.{:02}}}}}"#, cents / 100, cents % 100),
            Kind::Complaint => write!(json, r#","complaint_id":"c{number}","category":"late"}}}}"#),
            Kind::Survey { recommend } => write!(json, r#","recommend":{recommend}}}}}"#),
            Kind::Activity => write!(json, r#","name":"page_view"}}}}"#),
        };
    }

    fn event_type(&self) -> EventType {
        match self.kind {
            Kind::Order { .. } => EventType::OrderPlaced,
            Kind::Complaint => EventType::ComplaintOpened,
            Kind::Survey { .. } => EventType::SurveyResponse,
            Kind::Activity => EventType::Activity,
        }
    }

    /// The event as the engine takes it.
    #[allow(dead_code, reason = "not every benchmark that shares this file wants it")]
    pub(crate) fn event(&self) -> Event<'static> {
        let facts = match self.kind {
            Kind::Order { cents } => Facts::Order(OrderFacts {
                order_id: format!("o{}", self.number).into(),
                amount: Money::from_millionths(i128::from(cents) * 10_000),
                ..OrderFacts::default()
            }),
            Kind::Complaint => Facts::Complaint(format!("c{}", self.number).into()),
            Kind::Survey { recommend } => Facts::Survey(SurveyFacts { recommend: Some(recommend), ..SurveyFacts::default() }),
            Kind::Activity => Facts::None,
        };
        Event {
            user_id: self.user_id().into(),
            event_id: format!("{:016x}", self.id).into(),
            kind: self.event_type(),
            time: self.time,
            facts,
            breakdowns: Vec::new(),
        }
    }
}
