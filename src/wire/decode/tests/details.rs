//! What events tell beside what figures need.

use super::*;

fn order_details(one: Option<Money>, two: Option<Money>) -> OrderDetails<'static> {
    OrderDetails {
        list_amount: two,
        cost: one,
        channel: "app".into(),
        items: vec!["a".into(), "b".into()],
        wait_s: Some(90.0),
        expected_amount: one,
        intermediary: "agent".into(),
        units: vec![0.0, 2.5],
        campaign: "may".into(),
        reward_granted: true,
    }
}

#[test]
fn details_of_each_type() {
    let view = ActivityFacts {
        name: "view".into(),
        channel: "web".into(),
        item: "tea".into(),
        category: "7".into(),
        brand: "north".into(),
        duration_s: Some(12.5),
    };
    let survey = SurveyDetails {
        effort: Some(2.0),
        category_spend: Some(80.5),
        time_cost: Some(2.0),
        attention: Some(4.0),
        names_brand: Some(false),
        competitor: "rival".into(),
        about_competitor: true,
        attributes: vec![AttributeRating { attribute: "taste".into(), importance: Some(5.0), rating: Some(1.0), competitor_rating: None }],
        ..SurveyDetails::default()
    };
    let survey = SurveyFacts { details: Some(Box::new(survey)), ..SurveyFacts::default() };
    let details =
        ComplaintDetails { category: "late".into(), severity: "legal".into(), satisfied: Some(false), ..ComplaintDetails::default() };
    let complaint = ComplaintFacts { complaint_id: "c".into(), details: Some(Box::new(details)) };
    let [one, two] = [1, 2].map(|units| Some(Money::from_millionths(units * 1_000_000)));
    let order = OrderFacts { details: Some(Box::new(order_details(one, two))), ..OrderFacts::default() };
    for (kind, properties, facts) in [
        (
            "activity",
            r#"{"name":"view","channel":"web","item":"tea","category":7,"brand":"north","duration_s":"12.5"}"#,
            Facts::Activity(view),
        ),
        (
            "survey_response",
            r#"{"effort":2,"category_spend":"80.5","time_cost":2,"attention":4,"names_brand":false,"competitor":"rival","about_competitor":true,"attributes":[{"attribute":"taste","importance":5,"rating":"1"}]}"#,
            Facts::Survey(survey),
        ),
        (
            "complaint_opened",
            r#"{"complaint_id":"c","category":"late","severity":"legal","satisfied":"false"}"#,
            Facts::Complaint(complaint),
        ),
        (
            "order_placed",
            r#"{"list_amount":2,"cost":1,"wait_s":"90","expected_amount":1,"intermediary":"agent","channel":"app","campaign":"may","reward_granted":true,"lines":[{"product_id":"b","quantity":2},{"product_id":"a","quantity":-1},{"product_id":"b","quantity":"0.5"}]}"#,
            Facts::Order(order),
        ),
    ] {
        let payload = record(kind, properties);
        assert_eq!(decoder().decode_json(payload.as_bytes()).expect(properties).facts, facts, "{kind} {properties}");
    }
}

#[test]
fn what_happens_now_and_then_of_each_type() {
    let (one, two) = (Some(Money::from_millionths(1_000_000)), Some(Money::from_millionths(2_000_000)));
    for (kind, properties, noted) in [
        ("reward_redeemed", r#"{"amount":1,"programme":"gold"}"#, Noted::Reward { amount: one, programme: "gold".into() }),
        ("feedback", r#"{"kind":"review","sentiment":-1}"#, Noted::Feedback { kind: Some(FeedbackKind::Review), sentiment: Some(-1.0) }),
        ("social_interaction", r#"{"peer":"ann","kind":"gift"}"#, Noted::Social { peer: "ann".into(), kind: "gift".into() }),
        ("profile_updated", r#"{"birthday":"1990-05-17"}"#, Noted::Birthday(MonthDay::parse("05-17").expect("a day"))),
        ("competitor_viewed", r#"{"competitor":"rival"}"#, Noted::CompetitorViewed("rival".into())),
        (
            "competitor_purchase",
            r#"{"competitor":"rival","amount":2}"#,
            Noted::CompetitorPurchase { competitor: "rival".into(), amount: two },
        ),
        ("competitor_offer", r#"{"days":7}"#, Noted::CompetitorOffer { competitor: "".into(), days: Some(7.0) }),
        (
            "contact_made",
            r#"{"channel":"mail","direction":"outbound","kind":"thanks"}"#,
            Noted::Contact { channel: "mail".into(), direction: Some(Direction::Outbound), kind: Some(ContactKind::Thanks) },
        ),
        ("quality_issue", r#"{"category":"late"}"#, Noted::QualityIssue("late".into())),
        ("price_changed", r#"{"product_id":"tea","old":1,"new":2}"#, Noted::PriceChanged { product_id: "tea".into(), old: one, new: two }),
        ("cost_booked", r#"{"kind":"serve","amount":2}"#, Noted::Cost { kind: Some(CostKind::Serve), amount: two }),
        (
            "campaign_exposed",
            r#"{"campaign":"may","arm":"a","reward_granted":5}"#,
            Noted::Campaign { campaign: "may".into(), arm: "a".into(), reward_granted: true },
        ),
        (
            "customer_lost",
            r#"{"reason":"moved","recoverable":true}"#,
            Noted::Departure { reason: "moved".into(), competitor: "".into(), recoverable: Some(true) },
        ),
    ] {
        let payload = record(kind, properties);
        let event = decoder().decode_json(payload.as_bytes()).expect(properties);
        assert_eq!(event.facts, Facts::Noted(Box::new(noted)), "{kind} {properties}");
        assert_eq!(event.clone().into_owned(), event);
    }
}
