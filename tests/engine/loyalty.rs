//! What becomes of users in the measures of loyalty: transitions day by day, deletions, memory.

use std::sync::Arc;

use stickiness::config::Settings;
use stickiness::engine::effect::Admission;
use stickiness::engine::partition::{PartitionEngine, Placement};
use stickiness::engine::settings::EngineSettings;
use stickiness::model::event::{
    ActivityFacts, AttributeRating, ComplaintDetails, ComplaintFacts, Event, EventType, Facts, Noted, OrderFacts, SurveyDetails,
    SurveyFacts,
};
use stickiness::model::loyalty::settings::LoyaltySettings;
use stickiness::model::money::Money;
use stickiness::model::time::{Calendar, EventTime};
use stickiness::wire::records;

use crate::generated::{HOUR, START};
use crate::scenarios::{Bench, day, event};

fn with_id(id: &str, event: Event<'static>) -> Event<'static> {
    Event { event_id: id.to_owned().into(), ..event }
}

fn order(id: &str, at: &str, brand: &'static str, reward_used: bool) -> Event<'static> {
    let facts = OrderFacts {
        order_id: id.to_owned().into(),
        amount: Money::from_millionths(10_000_000),
        brands: vec![brand.into()],
        reward_used,
        ..OrderFacts::default()
    };
    Event { facts: Facts::Order(facts), ..event("a", EventType::OrderPlaced, at) }
}

fn survey(at: &str, score: f64, recommend: u8) -> Event<'static> {
    let facts = SurveyFacts { recommend: Some(recommend), satisfaction: Some(score), trust: Some(score), ..SurveyFacts::default() };
    with_id(at, Event { facts: Facts::Survey(facts), ..event("a", EventType::SurveyResponse, at) })
}

/// Transitions of one kind since the last call, as `from>to as_of cause`.
fn said(bench: &mut Bench, kind: &str) -> Vec<String> {
    let start = format!("a {kind} ");
    bench.said_of_all().iter().filter_map(|said| said.strip_prefix(&start).map(str::to_owned)).collect()
}

#[test]
fn a_repeat_of_a_view_is_no_news_when_it_is_kept_under_another_id() {
    let settings = "time.grace = \"0s\"\nloyalty.high = 0.1\nloyalty.brand_half_life_days = 3\npurchases.loyal_orders = 1";
    let told = |repeats: bool| {
        let mut bench = Bench::new(Settings::read(settings, []).expect("valid").engine);
        bench.take(&Event { facts: Facts::MergedInto("a".into()), ..event("b", EventType::UserMerged, "2026-03-29") });
        bench.take(&order("1", "2026-08-05", "north", false));
        let facts = Facts::Activity(ActivityFacts { item: "item".into(), ..ActivityFacts::default() });
        let view = Event { facts, ..event("b", EventType::Activity, "2026-08-07") };
        bench.take(&view);
        bench.active("c", "2026-08-17");
        if repeats {
            bench.take(&view);
        }
        bench.active("c", "2026-08-19");
        said(&mut bench, "brand")
    };
    let alone = told(false);
    assert_eq!(alone, ["null>north 2026-08-05 event", "north>null 2026-08-17 clock"]);
    assert_eq!(told(true), alone);
}

#[test]
fn a_buyer_climbs_one_step_a_day_and_types_change_as_days_close() {
    let mut bench = Bench::new(EngineSettings::default());
    for (id, at) in [("1", "2026-01-01"), ("2", "2026-01-08"), ("3", "2026-01-15")] {
        bench.take(&order(id, at, "north", true));
    }
    bench.engine.close_through(day("2026-01-15"));
    let all = bench.said_of_all();
    let of = |kind: &str| all.iter().filter_map(|said| said.strip_prefix(&format!("a {kind} "))).collect::<Vec<_>>();
    assert_eq!(of("loyalty_type"), ["null>mercenary 2026-01-15 event"]);
    assert_eq!(of("loyalty_step"), ["none>habit 2026-01-15 event"]);
    assert_eq!(of("brand"), ["null>north 2026-01-01 event"]);
    assert_eq!(of("life_stage"), ["prospect>new 2026-01-01 event", "new>loyal 2026-01-15 event"]);
    bench.take(&survey("2026-01-17", 5.0, 9));
    bench.take(&with_id("r", event("a", EventType::ReferralConverted, "2026-01-17")));
    bench.engine.close_through(day("2026-01-22"));
    let all = bench.said_of_all();
    let of = |kind: &str| all.iter().filter_map(|said| said.strip_prefix(&format!("a {kind} "))).collect::<Vec<_>>();
    assert_eq!(of("loyalty_type"), ["mercenary>fanatic 2026-01-17 event"]);
    let steps = ["habit>satisfied 2026-01-17 event", "satisfied>emotion 2026-01-18 clock", "emotion>loyal 2026-01-19 clock"];
    assert_eq!(of("loyalty_step"), steps, "one step a closed day");
    bench.engine.close_through(day("2026-08-01"));
    let expected = ["fanatic>latent 2026-07-15 clock"];
    assert_eq!(said(&mut bench, "loyalty_type"), expected, "the streak lapses; when the answers are old, the referral still speaks");
    assert_eq!(bench.engine.forgotten_states(), Vec::<String>::new());
}

#[test]
fn another_brand_takes_over_when_it_weighs_more_by_the_margin() {
    let mut bench = Bench::new(EngineSettings::default());
    for (id, at, brand) in [
        ("1", "2026-01-01", "north"),
        ("2", "2026-01-02", "north"),
        ("3", "2026-01-03", "south"),
        ("4", "2026-01-04", "south"),
        ("5", "2026-01-05", "south"),
    ] {
        bench.take(&order(id, at, brand, false));
    }
    bench.engine.close_through(day("2026-01-05"));
    assert_eq!(
        said(&mut bench, "brand"),
        ["null>north 2026-01-01 event", "north>south 2026-01-05 event"],
        "three against two, not two against two"
    );
    let back = Event {
        facts: Facts::Return(stickiness::model::event::ReturnFacts { order_id: "5".into(), amount: None }),
        ..event("a", EventType::OrderReturned, "2026-01-06")
    };
    bench.take(&back);
    bench.engine.close_through(day("2026-05-10"));
    assert_eq!(
        said(&mut bench, "brand"),
        ["south>null 2026-05-04 clock"],
        "what was returned never was; after 120 days orders weigh nothing"
    );
}

#[test]
fn signals_raise_the_risk_of_a_complaint_until_they_are_old() {
    let mut bench = Bench::new(EngineSettings::default());
    for (id, at) in [("1", "2026-01-01"), ("2", "2026-01-05"), ("2", "2026-01-05")] {
        bench.take(&with_id(id, event("a", EventType::QualityIssue, at)));
    }
    bench.take(&survey("2026-01-02", 4.5, 5));
    bench.take(&survey("2026-01-09", 3.0, 5));
    bench.engine.close_through(day("2026-09-01"));
    let expected = [
        "low>elevated 2026-01-05 event",
        "elevated>high 2026-01-09 event",
        "high>elevated 2026-01-31 clock",
        "elevated>low 2026-07-01 clock",
    ];
    assert_eq!(said(&mut bench, "complaint_risk"), expected);
    let details = ComplaintDetails { severity: "legal".into(), ..ComplaintDetails::default() };
    let facts = ComplaintFacts { details: Some(Box::new(details)), ..ComplaintFacts::from("c") };
    bench.take(&Event { facts: Facts::Complaint(facts), ..event("a", EventType::ComplaintOpened, "2026-09-03") });
    bench.engine.close_through(day("2027-01-01"));
    assert_eq!(said(&mut bench, "complaint_risk"), ["low>high 2026-09-03 event", "high>low 2026-12-02 clock"]);
}

#[test]
fn what_came_before_a_deletion_is_forgotten() {
    let mut bench = Bench::new(EngineSettings::default());
    for (id, at) in [("1", "2026-01-10"), ("2", "2026-01-20")] {
        let noted = Noted::CompetitorPurchase { competitor: "".into(), amount: Some(Money::from_millionths(5_000_000)) };
        bench.take(&with_id(id, Event { facts: Facts::Noted(Box::new(noted)), ..event("a", EventType::CompetitorPurchase, at) }));
        bench.take(&with_id(&format!("f{id}"), event("a", EventType::ReferralSent, at)));
        let facts = ActivityFacts { item: format!("item {id}").into(), ..ActivityFacts::default() };
        bench.take(&Event { facts: Facts::Activity(facts), ..event("a", EventType::Activity, at) });
    }
    bench.take(&event("a", EventType::UserDeleted, "2026-01-15"));
    let profile = records::profile(&bench.engine.profile("a").expect("a new user"));
    assert_eq!((profile["referrals_sent"].as_u64(), profile["competitor_spend"].as_f64()), (Some(1), Some(5.0)));
    assert_eq!(profile["favourite_item"], "item 2");
    bench.take(&event("a", EventType::UserDeleted, "2026-01-21"));
    assert_eq!(bench.engine.profile("a"), None);
    bench.engine.close_through(day("2026-03-01"));
}

#[test]
fn repeats_of_what_happens_now_and_then_are_duplicates() {
    let mut bench = Bench::new(EngineSettings::default());
    let kinds =
        [EventType::ReferralSent, EventType::RewardRedeemed, EventType::Feedback, EventType::SocialInteraction, EventType::PriceChanged];
    for kind in kinds {
        let event = with_id("e", event("a", kind, "2026-01-10"));
        assert_eq!([bench.take(&event), bench.take(&event)], [Admission::Accepted, Admission::Duplicate], "{kind:?}");
    }
}

fn view(number: i64, facts: Facts<'static>) -> Event<'static> {
    Event {
        user_id: format!("u{}", number % 1_000).into(),
        event_id: format!("e{number}").into(),
        kind: EventType::Activity,
        time: EventTime::from_millis(START + number * HOUR / 50),
        facts,
        breakdowns: Vec::new(),
    }
}

#[test]
fn an_own_offer_is_followed_by_an_order_after_it_and_not_by_one_of_its_instant() {
    for (at, following) in [("2026-03-01T12:00:00Z", 0.0), ("2026-03-01T12:00:00.001Z", 1.0), ("2026-02-28", 0.0)] {
        let mut bench = Bench::new(EngineSettings::default());
        let seen = Noted::Campaign { campaign: "spring".into(), arm: "card".into(), reward_granted: false };
        bench.take(&with_id("s", Event { facts: Facts::Noted(Box::new(seen)), ..event("a", EventType::CampaignExposed, "2026-03-01") }));
        bench.take(&order("1", at, "north", true));
        let profile = bench.engine.profile_on("a", day("2026-04-01")).expect("known").loyalty;
        assert_eq!((profile.offers_90d, profile.offer_following), (1, Some(following)), "ordered at {at}");
    }
}

#[test]
fn peers_are_those_met_within_the_days_of_views_and_interactions_those_of_thirty() {
    let settings = LoyaltySettings { view_days: 60, ..LoyaltySettings::default() };
    let mut bench = Bench::new(EngineSettings { loyalty: settings, ..EngineSettings::default() });
    for (peer, at) in [("ann", "2026-01-01"), ("ben", "2026-01-02"), ("cy", "2026-01-31"), ("ben", "2026-02-01"), ("", "2026-02-02")] {
        let met = Noted::Social { peer: peer.into(), kind: "".into() };
        bench.take(&with_id(at, Event { facts: Facts::Noted(Box::new(met)), ..event("a", EventType::SocialInteraction, at) }));
    }
    // The 60 days that end on 2026-03-02 begin with 2026-01-02, the 30 with 2026-02-01.
    let profile = bench.engine.profile_on("a", day("2026-03-02")).expect("known").loyalty;
    assert_eq!((profile.peers, profile.interactions_30d), (2, 2), "ann was met before, and who has no name is nobody");
    let profile = bench.engine.profile_on("a", day("2026-03-03")).expect("known").loyalty;
    assert_eq!((profile.peers, profile.interactions_30d), (2, 1), "ben was met again");
}

#[test]
fn a_comparison_with_a_competitor_speaks_for_180_days() {
    let rated = AttributeRating { attribute: "taste".into(), importance: Some(2.0), rating: Some(5.0), competitor_rating: Some(3.0) };
    let details = Some(Box::new(SurveyDetails { attributes: vec![rated], ..SurveyDetails::default() }));
    let facts = Facts::Survey(SurveyFacts { details, ..SurveyFacts::default() });
    let mut bench = Bench::new(EngineSettings::default());
    bench.take(&with_id("s", Event { facts, ..event("a", EventType::SurveyResponse, "2026-01-01") }));
    // 2 x (5 - 3) of 4 x 2; the 180 days that end on 2026-06-29 begin with 2026-01-01.
    for (on, attitude) in [("2026-01-01", Some(0.5)), ("2026-06-29", Some(0.5)), ("2026-06-30", None)] {
        assert_eq!(bench.engine.profile_on("a", day(on)).expect("known").loyalty.relative_attitude, attitude, "on {on}");
    }
}

#[test]
fn a_user_whose_activity_carries_no_properties_costs_no_more() {
    let engine = || {
        let calendar = Arc::new(Calendar::new("UTC").expect("a zone"));
        PartitionEngine::new(EngineSettings::default(), Placement::ALONE, calendar, [0; 16])
    };
    let (mut plain, mut telling) = (engine(), engine());
    for number in 0..50_000 {
        plain.handle(&view(number, Facts::None), None);
        let facts = ActivityFacts { item: format!("item {}", number % 7).into(), ..ActivityFacts::default() };
        telling.handle(&view(number, Facts::Activity(facts)), None);
    }
    // An id, a habit and a standing, as before there were facts of loyalty, are in `users::tests::what_every_user_costs`.
    let (plain, telling) = (plain.approximate_bytes(), telling.approximate_bytes());
    assert!(plain < 1_000 * 250 && telling > 2 * plain, "{plain} and {telling} bytes for a thousand users");
}
