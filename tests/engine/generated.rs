//! Random events, and random ways for them to arrive.

use proptest::prelude::*;
use stickiness::engine::settings::{Breakdown, EngineSettings};
use stickiness::model::churn::settings::ChurnSettings;
use stickiness::model::churn::{ChurnModel, ProcessKind};
use stickiness::model::event::{Event, EventType, Facts, OrderFacts, ReturnFacts, SurveyFacts};
use stickiness::model::money::Money;
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
const KINDS: [EventType; 22] = [
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
];

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
            ..EngineSettings::default()
        }
    })
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
    let kinds = if merges { KINDS.len() } else { KINDS.len() - 2 };
    let sketch =
        (0..USERS.len(), 0..kinds, 0..days * 24, 0..40_usize, 0..5_usize, 0..33 * 24_i64, prop::collection::vec(0..33 * 24_i64, 0..2));
    let sketch = sketch.prop_map(|(user, what, hour, number, channel, delay_hours, copies)| Sketch {
        user,
        what,
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
    let money = |cents: usize| Money::from_millionths(cents as i128 * 10_000);
    let facts = match kind {
        EventType::OrderPlaced => Facts::Order(OrderFacts {
            order_id: if number % 10 == 9 { "".into() } else { format!("o{}", number % 9).into() },
            amount: money(number * 100),
            ..OrderFacts::default()
        }),
        EventType::OrderReturned => Facts::Return(ReturnFacts {
            order_id: format!("o{}", number % 9).into(),
            amount: (!number.is_multiple_of(3)).then(|| money(number * 40)),
        }),
        EventType::SurveyResponse => Facts::Survey(SurveyFacts { recommend: Some((number % 11) as u8), ..SurveyFacts::default() }),
        EventType::ComplaintOpened | EventType::ComplaintResolved => {
            Facts::Complaint(if number.is_multiple_of(3) { "".into() } else { format!("c{}", number % 4).into() })
        }
        EventType::UserMerged => Facts::MergedInto(USERS[number % USERS.len()].into()),
        _ => Facts::None,
    };
    let channel = ["web", "app", "shop"].get(sketch.channel);
    Event {
        user_id: USERS[sketch.user].into(),
        event_id: format!("e{index:04}").into(),
        kind,
        // Distinct times, so that no two events tie but in their day.
        time: EventTime::from_millis(START + sketch.hour * HOUR + index as i64),
        facts,
        breakdowns: channel.map(|channel| (0, (*channel).into())).into_iter().collect(),
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
