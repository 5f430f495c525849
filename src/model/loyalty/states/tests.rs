//! What makes which type, step and kind.

use super::*;

fn evidence() -> Evidence {
    Evidence { loyal_orders: 3, ..Evidence::default() }
}

fn bought(orders: u64) -> Evidence {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let buying = (orders as f64 / 6.0).min(1.0);
    Evidence { orders, streak: orders, buying, ..evidence() }
}

#[test]
fn behaviour_by_attitude() {
    let with = |evidence: Evidence, attitude: f64| Evidence { attitude: Some(attitude), ..evidence };
    for (evidence, expected) in [
        (evidence(), None),
        (bought(1), None),
        (with(bought(1), 0.2), Some(LoyaltyType::Disloyal)),
        (with(bought(0), 0.8), Some(LoyaltyType::Latent)),
        (Evidence { activity: 0.6, ..evidence() }, Some(LoyaltyType::Latent)),
        (Evidence { activity: 0.6, ..bought(2) }, Some(LoyaltyType::Latent)),
        (bought(3), Some(LoyaltyType::Inertia)),
        (with(bought(4), 0.3), Some(LoyaltyType::Inertia)),
        (Evidence { reward_share: Some(0.5), ..bought(4) }, Some(LoyaltyType::Mercenary)),
        (Evidence { reward_share: Some(0.49), ..bought(4) }, Some(LoyaltyType::Inertia)),
        (Evidence { reward_share: Some(0.9), ..with(bought(4), 0.9) }, Some(LoyaltyType::Committed)),
        (with(bought(3), 0.5), Some(LoyaltyType::Committed)),
        (Evidence { recommend: Some(9), ..with(bought(3), 0.5) }, Some(LoyaltyType::Fanatic)),
        (Evidence { reviews: 1, ..with(bought(3), 0.5) }, Some(LoyaltyType::Fanatic)),
        (Evidence { referrals: 1, ..bought(3) }, Some(LoyaltyType::Fanatic)),
        (Evidence { referrals: 1, ..with(bought(3), 0.1) }, Some(LoyaltyType::Inertia)),
    ] {
        let states = States::default().moved(&evidence, &LoyaltySettings::default());
        assert_eq!(states.loyalty_type, expected, "{evidence:?}");
    }
}

#[test]
fn a_score_falls_by_the_margin_before_it_is_low() {
    let settings = LoyaltySettings::default();
    let mut states = States::default();
    let types = [0.49, 0.5, 0.46, 0.45, 0.44, 0.46, 0.5].map(|attitude| {
        states = states.moved(&Evidence { attitude: Some(attitude), ..bought(3) }, &settings);
        states.loyalty_type.map(LoyaltyType::name)
    });
    let [low, high] = [Some("inertia"), Some("committed")];
    assert_eq!(types, [low, high, high, high, low, low, high]);
}

/// Of 30 days, 15 make behaviour high at 0.5, and with a margin of 0.05 it stays so down to 13.5.
#[test]
fn days_matter_from_where_behaviour_stays_high() {
    let settings = LoyaltySettings::default();
    assert_eq!([0, 1, 13, 14, 15, 30].map(|days| activity_matters(days, &settings)), [false, false, false, true, true, true]);
    let strict = LoyaltySettings { high: 0.8, margin: 0.0, ..settings };
    assert_eq!([23, 24].map(|days| activity_matters(days, &strict)), [false, true]);
}

#[test]
fn one_step_a_day() {
    let settings = LoyaltySettings::default();
    let all =
        Evidence { gap_variation: Some(0.3), satisfaction: Some(4.0), recommend: Some(9), one_brand: true, referrals: 1, ..bought(3) };
    let mut states = States::default();
    let mut climb = |evidence: &Evidence| {
        states = states.moved(evidence, &settings);
        states.step.name()
    };
    let up = [(); 5].map(|()| climb(&all));
    assert_eq!(up, ["habit", "satisfied", "emotion", "loyal", "loyal"]);
    let unsteady = Evidence { gap_variation: Some(1.0), ..all.clone() };
    assert_eq!([(); 5].map(|()| climb(&unsteady)), ["emotion", "satisfied", "habit", "none", "none"]);
    let unsaid = Evidence { satisfaction: None, ..all };
    assert_eq!([(); 3].map(|()| climb(&unsaid)), ["habit", "habit", "habit"], "each step stands on those before");
}

#[test]
fn another_kind_or_brand_takes_over_by_a_margin() {
    let settings = LoyaltySettings::default();
    let mut states = States::default();
    let kinds = [[0.5, 0.4], [0.5, 0.54], [0.5, 0.56], [0.54, 0.5]].map(|[impulsive, emotional]| {
        let kinds = [Some(impulsive), Some(emotional), None, None];
        states = states.moved(&Evidence { kinds, ..bought(3) }, &settings);
        states.kind.map(LoyaltyKind::name)
    });
    assert_eq!(kinds, [Some("impulsive"), Some("impulsive"), Some("emotional"), Some("emotional")]);
    let few = Evidence { kinds: [Some(1.0); 4], ..bought(2) };
    assert_eq!(states.moved(&few, &settings).kind, None);
    let brands = [[8, 0], [8, 10], [8, 11], [0, 0]].map(|weights| {
        let brands = ["north", "south"].into_iter().zip(weights).filter(|(_, weight)| *weight > 0);
        let brands = brands.map(|(name, weight)| (name.into(), weight)).collect();
        states = states.moved(&Evidence { brands, ..evidence() }, &settings);
        states.brand.clone()
    });
    assert_eq!(brands.each_ref().map(Option::as_deref), [Some("north"), Some("north"), Some("south"), None]);
}

#[test]
fn signals_before_a_complaint() {
    let settings = LoyaltySettings::default();
    for (signals, legal, expected) in [(0, false, "low"), (1, false, "elevated"), (2, false, "high"), (3, false, "high"), (0, true, "high")]
    {
        let states = States::default().moved(&Evidence { signals, legal, ..evidence() }, &settings);
        assert_eq!(states.complaint_risk.name(), expected);
    }
}

#[test]
fn margins_are_what_lies_between_a_score_and_where_it_is_high() {
    let known = Evidence { high: 0.5, attitude: Some(0.75), activity: 0.25, buying: 0.125, ..evidence() };
    assert_eq!((known.attitude_margin(), known.behaviour_margin()), (Some(0.25), -0.25));
    let unknown = Evidence { attitude: None, buying: 1.0, ..known };
    assert_eq!((unknown.attitude_margin(), unknown.behaviour_margin()), (None, 0.5));
}
