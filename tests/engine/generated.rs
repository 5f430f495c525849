//! Random events, and random ways for them to arrive.

use proptest::prelude::*;
use stickiness::engine::settings::{Breakdown, EngineSettings};
use stickiness::model::churn::settings::ChurnSettings;
use stickiness::model::churn::{ChurnModel, ProcessKind};
use stickiness::model::event::{
    ActivityFacts, AttributeRating, ComplaintDetails, ComplaintFacts, ContactKind, CostKind, Direction, Event, EventType, Facts,
    FeedbackKind, Noted, OrderDetails, OrderFacts, ReturnFacts, SurveyDetails, SurveyFacts,
};
use stickiness::model::money::Money;
use stickiness::model::month_day::MonthDay;
use stickiness::model::time::EventTime;

pub(crate) const HOUR: i64 = 3_600_000;
/// 2026-01-01.
pub(crate) const START: i64 = 20_454 * 24 * HOUR;

#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    pub(crate) user: usize,
    pub(crate) what: usize,
    pub(crate) hour: i64,
    pub(crate) number: usize,
    pub(crate) channel: usize,
    pub(crate) delay_hours: i64,
    pub(crate) copies: Vec<i64>,
}

const USERS: [&str; 7] = ["ada", "bob", "cy", "dee", "eve", "fay", "gus"];
/// What a record may be about, likelier ones more often.
const KINDS: [EventType; 40] = [
    EventType::Activity,
    EventType::Activity,
    EventType::Activity,
    EventType::Activity,
    EventType::Signup,
    EventType::OrderPlaced,
    EventType::OrderPlaced,
    EventType::OrderPlaced,
    EventType::OrderPlaced,
    EventType::OrderReturned,
    EventType::OrderReturned,
    EventType::SurveyResponse,
    EventType::ComplaintOpened,
    EventType::ComplaintOpened,
    EventType::ComplaintResolved,
    EventType::ReferralConverted,
    EventType::CompetitorPurchase,
    EventType::ContactMade,
    EventType::SubscriptionCancelled,
    EventType::CustomerLost,
    EventType::UserMerged,
    EventType::Activity,
    EventType::Activity,
    EventType::Activity,
    EventType::ReferralSent,
    EventType::RewardRedeemed,
    EventType::Feedback,
    EventType::SocialInteraction,
    EventType::CompetitorViewed,
    EventType::ContactMade,
    EventType::ContactMade,
    EventType::QualityIssue,
    EventType::PriceChanged,
    EventType::CompetitorOffer,
    EventType::SurveyResponse,
    EventType::CostBooked,
    EventType::CampaignExposed,
    EventType::CampaignExposed,
    EventType::CompetitorViewed,
    EventType::ProfileUpdated,
];
/// Where merges and what comes with them are among the kinds.
const MERGES: std::ops::Range<usize> = 20..22;

pub(crate) fn settings() -> impl Strategy<Value = EngineSettings> {
    let zones = prop::sample::select(vec!["UTC", "America/New_York", "Australia/Lord_Howe"]);
    (zones, prop::sample::select(vec![30_u16, 28, 45, 93]), prop::bool::ANY, churn()).prop_map(|(zone, mau_days, listed, churn)| {
        EngineSettings {
            churn,
            time_zone: zone.to_owned(),
            mau_days,
            breakdowns: vec![Breakdown {
                property: "channel".into(),
                values: listed.then(|| vec!["web".into(), "app".into(), "shop".into()]),
            }],
            segments: rules(),
            holidays: ["02-29", "05-01"].iter().filter_map(|day| MonthDay::parse(day)).collect(),
            ..EngineSettings::default()
        }
    })
}

/// Segments of all shapes of condition; what they look at are the properties 1 (`amount`) and 2 (`channel`) of [`event`].
pub(crate) const RULES: &str = r#"
[[segments]]
name = "keen"
when = { count = "activity", over = "5d", at_least = 3 }
[[segments]]
name = "starter"
when = { count = "activity", where = { channel = "web" }, since = "signup", within = "3d", at_least = 2 }
on_enter = { within = "1d", fulfilled_by = "contact_made" }
[[segments]]
name = "spender"
when = { sum = "amount", of = "order_placed", more_than = 60 }
[[segments]]
name = "quiet"
when = { none = "order_placed", over = "20d" }
[[segments]]
name = "mixed"
when = { any = [
    { all = [{ count = "contact_made", over = "10d" }, { not = { count = "activity", over = "2d" } }] },
    { field = "active_days_30d", at_least = 5 },
] }
[[segments]]
name = "back"
when = { count = "activity", since_last = "order_placed", at_least = 2 }
"#;

pub(crate) fn rules() -> Vec<stickiness::model::rules::SegmentRule> {
    stickiness::config::Settings::read(RULES, []).expect("rules").engine.segments
}

fn churn() -> impl Strategy<Value = ChurnSettings> {
    let process = prop::sample::select(vec![ProcessKind::Activity, ProcessKind::Purchase]);
    let models = prop::sample::select(vec![ChurnModel::MbgNbd, ChurnModel::BgNbd]);
    (process, models, 1..60_u16, 1..60_u16, 0..12_u16, 0.1..0.7).prop_map(|(process, model, lapse, purchase_lapse, patience, medium)| {
        let mut churn = ChurnSettings { process, complaint_patience_days: patience, medium, ..ChurnSettings::default() };
        (churn.activity.process.lapse_days, churn.purchase.process.lapse_days) = (lapse, purchase_lapse);
        churn.activity.process.model = model;
        churn
    })
}

pub(crate) fn sketches(days: i64, count: usize, merges: bool) -> impl Strategy<Value = Vec<Sketch>> {
    let sketch = (
        0..USERS.len(),
        0..KINDS.len(),
        0..days * 24,
        0..40_usize,
        0..5_usize,
        0..33 * 24_i64,
        prop::collection::vec(0..33 * 24_i64, 0..2),
    );
    let sketch = sketch.prop_map(move |(user, what, hour, number, channel, delay_hours, copies)| Sketch {
        user,
        what: if !merges && MERGES.contains(&what) { 0 } else { what },
        hour,
        number,
        channel,
        delay_hours,
        copies,
    });
    prop::collection::vec(sketch, 1..count)
}

pub(crate) fn event(index: usize, sketch: &Sketch) -> Event<'static> {
    let kind = KINDS[sketch.what];
    let number = sketch.number;
    let facts = match kind {
        EventType::OrderPlaced => Facts::Order(OrderFacts {
            order_id: if number % 10 == 9 { "".into() } else { format!("o{}", number % 9).into() },
            amount: money(number * 100),
            discounted: number.is_multiple_of(4),
            reward_used: number.is_multiple_of(6),
            brands: texts(&["north", "south", "west"], number % 4),
            categories: ["drink", "food", "toys"]
                .into_iter()
                .enumerate()
                .filter(|(bit, _)| number >> bit & 1 == 1)
                .map(|(_, text)| text.into())
                .collect(),
            decision_s: number.is_multiple_of(5).then_some(60.0 * number as f64 + 1.0),
            details: (!number.is_multiple_of(3)).then(|| Box::new(order_details(number))),
        }),
        EventType::OrderReturned => Facts::Return(ReturnFacts {
            order_id: format!("o{}", number % 9).into(),
            amount: (!number.is_multiple_of(3)).then(|| money(number * 40)),
        }),
        EventType::SurveyResponse => Facts::Survey(survey(number)),
        EventType::ComplaintOpened | EventType::ComplaintResolved => {
            let id = if number.is_multiple_of(3) { String::new() } else { format!("c{}", number % 4) };
            Facts::Complaint(ComplaintFacts { complaint_id: id.into(), details: Some(Box::new(complaint_details(kind, number))) })
        }
        EventType::Activity if sketch.what >= MERGES.end => Facts::Activity(activity(number)),
        EventType::UserMerged => Facts::MergedInto(USERS[number % USERS.len()].into()),
        _ => noted(kind, number).map_or(Facts::None, |noted| Facts::Noted(Box::new(noted))),
    };
    let channel = ["web", "app", "shop"].get(sketch.channel).copied();
    let of_rules = channel.map(|channel| (2, channel.into()));
    Event {
        user_id: USERS[sketch.user].into(),
        event_id: format!("e{index:04}").into(),
        kind,
        // Distinct times, so that no two events tie but in their day.
        time: EventTime::from_millis(START + sketch.hour * HOUR + index as i64),
        facts,
        breakdowns: channel
            .map(|channel| (0, channel.into()))
            .into_iter()
            .chain([(1, number.to_string().into())])
            .chain(of_rules)
            .collect(),
    }
}

/// The first `count` of some texts, sorted.
fn texts(all: &[&'static str], count: usize) -> Vec<std::borrow::Cow<'static, str>> {
    let mut texts: Vec<_> = all.iter().take(count).map(|text| (*text).into()).collect();
    texts.sort();
    texts
}

fn money(cents: usize) -> Money {
    Money::from_millionths(cents as i128 * 10_000)
}

fn order_details(number: usize) -> OrderDetails<'static> {
    OrderDetails {
        list_amount: number.is_multiple_of(2).then(|| money(number * 100 + number % 7)),
        cost: number.is_multiple_of(5).then(|| money(number * 60)),
        channel: ["", "web", "app"][number % 3].into(),
        items: texts(&["cup", "pot", "tea"], number % 4),
        wait_s: number.is_multiple_of(4).then_some(number as f64 * 1.25),
        expected_amount: (number % 3 == 1).then(|| money(number * 110)),
        intermediary: ["", "agent", "broker"][number % 5 % 3].into(),
        units: if number.is_multiple_of(2) { (0..number % 4).map(|line| (number % 5 * line) as f64 / 2.0).collect() } else { vec![] },
        campaign: ["", "spring", "autumn"][number / 2 % 3].into(),
        reward_granted: number.is_multiple_of(7),
    }
}

fn complaint_details(kind: EventType, number: usize) -> ComplaintDetails<'static> {
    if kind == EventType::ComplaintResolved {
        let remedy = ["", "gift", "refund"][number % 3].into();
        let satisfied = [None, Some(true), Some(false)][number / 3 % 3];
        return ComplaintDetails { remedy, satisfied, ..ComplaintDetails::default() };
    }
    ComplaintDetails {
        category: texts(&["late", "broken"], number % 3).pop().unwrap_or_default(),
        severity: if number.is_multiple_of(7) { "legal".into() } else { "".into() },
        ..ComplaintDetails::default()
    }
}

/// Competitors, of which one is not named.
fn competitor(number: usize) -> std::borrow::Cow<'static, str> {
    ["", "rival", "other"][number % 3].into()
}

fn activity(number: usize) -> ActivityFacts<'static> {
    ActivityFacts {
        name: "view".into(),
        channel: ["", "web", "app", "shop"][number % 4].into(),
        item: ["", "cup", "pot", "tea"][number / 4 % 4].into(),
        category: ["", "food", "drink"][number % 3].into(),
        brand: ["", "north", "south", "west"][number / 3 % 4].into(),
        duration_s: Some(number as f64),
    }
}

fn survey(number: usize) -> SurveyFacts<'static> {
    let score = |shift: usize| (number >> shift & 1 == 0).then(|| 1.0 + ((number + shift) % 9) as f64 / 2.0);
    // Some compare with a competitor, and some are about one.
    let competitor = ["", "", "rival", "other"][number / 3 % 4];
    let rated = |name: &'static str, shift: usize| AttributeRating {
        attribute: name.into(),
        importance: score(shift),
        rating: score(shift + 1),
        competitor_rating: number.is_multiple_of(2).then_some(3.0),
    };
    let details = SurveyDetails {
        effort: score(0),
        quality: score(1),
        service: score(2),
        price: score(3),
        benefit: score(4),
        cost: score(0),
        expectation: score(1),
        category_spend: number.is_multiple_of(4).then_some(number as f64 * 3.0),
        time_cost: score(2),
        attention: score(3),
        names_brand: [None, Some(true), Some(false)][number % 3],
        competitor: competitor.into(),
        about_competitor: !number.is_multiple_of(2),
        attributes: vec![rated("taste", 1), rated("price", 2)],
    };
    SurveyFacts {
        recommend: Some((number % 11) as u8),
        repurchase_intention: score(0),
        trust: score(1),
        satisfaction: score(2),
        responsiveness: score(3),
        details: (!number.is_multiple_of(5)).then(|| Box::new(details)),
    }
}

/// Facts of types that happen now and then; half of the events of some carry none.
fn noted(kind: EventType, number: usize) -> Option<Noted<'static>> {
    let told = !number.is_multiple_of(2);
    match kind {
        EventType::RewardRedeemed => Some(Noted::Reward { amount: told.then(|| money(number)), programme: "".into() }),
        EventType::Feedback => Some(Noted::Feedback {
            kind: [None, Some(FeedbackKind::Suggestion), Some(FeedbackKind::Review)][number % 3],
            sentiment: told.then(|| (number % 21) as f64 / 10.0 - 1.0),
        }),
        EventType::SocialInteraction => Some(Noted::Social { peer: ["", "ann", "ben"][number % 3].into(), kind: "".into() }),
        EventType::CompetitorViewed => told.then(|| Noted::CompetitorViewed("rival".into())),
        EventType::CompetitorPurchase => {
            told.then(|| Noted::CompetitorPurchase { competitor: competitor(number), amount: Some(money(number * 50)) })
        }
        EventType::ContactMade => told.then(|| Noted::Contact {
            channel: "mail".into(),
            direction: [None, Some(Direction::Outbound), Some(Direction::Inbound)][number % 3],
            kind: [None, Some(ContactKind::Thanks), Some(ContactKind::Offer), Some(ContactKind::Support)][number / 3 % 4],
        }),
        EventType::PriceChanged => {
            Some(Noted::PriceChanged { product_id: "tea".into(), old: Some(money(20)), new: (number > 3).then(|| money(number)) })
        }
        EventType::ProfileUpdated => {
            told.then(|| Noted::Birthday(MonthDay::parse(["01-15", "02-29", "06-30"][number % 3]).expect("a day")))
        }
        EventType::CampaignExposed => Some(Noted::Campaign {
            campaign: ["spring", "", "autumn"][number % 3].into(),
            arm: ["", "control", "card", "holdout"][number / 3 % 4].into(),
            reward_granted: number % 5 == 1,
        }),
        EventType::CostBooked => {
            Some(Noted::Cost { kind: [None, Some(CostKind::Acquire), Some(CostKind::Serve)][number % 3], amount: Some(money(number)) })
        }
        EventType::SubscriptionCancelled | EventType::CustomerLost => told.then(|| Noted::Departure {
            reason: ["", "price", "quality"][number / 3 % 3].into(),
            competitor: competitor(number),
            recoverable: [None, Some(true), Some(false)][number / 5 % 3],
        }),
        EventType::CompetitorOffer => told.then(|| Noted::CompetitorOffer { competitor: "rival".into(), days: Some(7.0) }),
        _ => None,
    }
}

/// The events in the order in which they arrive: each at most 33 days late, identical copies included.
pub(crate) fn arrivals(sketches: &[Sketch]) -> Vec<Event<'static>> {
    let mut arriving: Vec<(i64, Event<'static>)> = Vec::new();
    for (index, sketch) in sketches.iter().enumerate() {
        let event = event(index, sketch);
        for delay in std::iter::once(&sketch.delay_hours).chain(&sketch.copies) {
            arriving.push((sketch.hour + delay, event.clone()));
        }
    }
    arriving.sort_by_key(|(hour, _)| *hour);
    arriving.into_iter().map(|(_, event)| event).collect()
}
