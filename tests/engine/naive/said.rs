//! What users answer to surveys and do about offers, recounted from the set of events.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use stickiness::engine::insights::{HELD_OUT, Rivals};
use stickiness::model::event::{ContactKind, Direction, Event, EventType, Facts, Noted, SurveyFacts};
use stickiness::model::time::{Day, EventTime};

use super::Naive;
use super::handling::noted;
use super::loyalty::ratio;

type Events<'e> = [&'e Event<'static>];

/// The answers of an event that are about the business.
pub(super) fn own_answers<'e>(event: &'e Event<'static>) -> Option<&'e SurveyFacts<'static>> {
    let Facts::Survey(facts) = &event.facts else { return None };
    let Some(details) = &facts.details else { return Some(facts) };
    (!details.about_competitor).then_some(facts)
}

impl Naive<'_> {
    /// Money that the user says to spend in the category, whoever the other answers are about.
    pub(super) fn stated_spend(&self, events: &Events<'_>, day: Day) -> Option<f64> {
        let told = events.iter().filter_map(|event| {
            let Facts::Survey(facts) = &event.facts else { return None };
            Some((event.time, facts.details.as_deref()?.category_spend?, self.day(event)))
        });
        let last = told.max_by(|one, other| one.partial_cmp(other).expect("numbers"))?;
        (day.days_since(last.2) < 180).then_some(last.1)
    }

    /// Fields of the profile that surveys alone tell.
    pub(super) fn of_said(&self, events: &Events<'_>, day: Day) -> Value {
        let met = |event: &Event<'static>| {
            let details = own_answers(event)?.details.as_deref()?;
            Some(details.benefit? - details.expectation?)
        };
        let met: Vec<f64> = self.within(events, day, 180).into_iter().filter_map(met).collect();
        let named = self.latest_detail(events, day, |details| Some(f64::from(u8::from(details.names_brand?))));
        json!({
            "attention": self.latest_detail(events, day, |details| details.attention),
            "names_brand": named.map(|named| named > 0.5),
            "disconfirmation": ratio(met.iter().sum(), met.len() as f64),
        })
    }

    /// Fields of the profile that tell what a user does about offers and rewards.
    pub(super) fn of_offers(&self, events: &Events<'_>, day: Day) -> Value {
        let orders = self.orders(events);
        let with_orders = orders.iter().filter(|order| order.facts.details.as_deref().is_some_and(|details| details.reward_granted));
        let otherwise = events.iter().filter(|event| matches!(noted(event), Some(Noted::Campaign { reward_granted: true, .. })));
        let granted = with_orders.count() + otherwise.count();
        let redeemed = events.iter().filter(|event| event.kind == EventType::RewardRedeemed).count();
        let days = i32::from(self.settings.loyalty.response_days);
        let offers: Vec<(EventTime, Day, &str)> = self
            .within(events, day, 90)
            .into_iter()
            .filter(|event| self.day(event) + days <= day)
            .filter_map(|event| match noted(event)? {
                Noted::Campaign { campaign, arm, .. } => {
                    let is_shown = !campaign.is_empty() && !HELD_OUT.contains(&&**arm);
                    is_shown.then_some((event.time, self.day(event), &**campaign))
                }
                Noted::Contact { direction: Some(Direction::Outbound), kind: Some(ContactKind::Offer), .. } => {
                    Some((event.time, self.day(event), ""))
                }
                _ => None,
            })
            .collect();
        let followed = offers.iter().filter(|(time, at, campaign)| {
            orders.iter().any(|order| {
                let named = order.facts.details.as_deref().map_or("", |details| &details.campaign);
                let is_answer = order.facts.discounted || order.facts.reward_used || !campaign.is_empty() && named == *campaign;
                is_answer && order.time > *time && order.day.days_since(*at) <= days
            })
        });
        let followed = followed.count();
        json!({
            "rewards_granted": granted,
            "redemption_rate": ratio(redeemed as f64, granted as f64).map(|rate| rate.min(1.0)),
            "offers_90d": offers.len(),
            "offer_following": ratio(followed as f64, offers.len() as f64),
            "favourite_brand_view_share": self.favourite_view_share(events, day),
        })
    }

    /// What one user adds to the counts of answers about competitors.
    pub(super) fn add_rivals(&self, rivals: &mut Rivals, events: &Events<'_>, day: Day) {
        let items: [fn(&SurveyFacts<'static>) -> Option<f64>; 6] = [
            |facts| facts.recommend.map(f64::from),
            |facts| facts.repurchase_intention,
            |facts| facts.trust,
            |facts| facts.satisfaction,
            |facts| facts.responsiveness,
            |facts| facts.details.as_deref()?.attention,
        ];
        let mut latest: BTreeMap<&str, [Option<f64>; 6]> = BTreeMap::new();
        for event in self.within(events, day, 180).into_iter().filter(|event| own_answers(event).is_none()) {
            let Facts::Survey(facts) = &event.facts else { continue };
            let Some(competitor) = facts.rival() else { continue };
            let known = latest.entry(competitor).or_default();
            for (known, item) in known.iter_mut().zip(items) {
                *known = item(facts).or(*known);
            }
        }
        for (competitor, answers) in latest {
            let counts = rivals.0.entry(competitor.into()).or_default();
            counts.users += u64::from(answers.iter().flatten().count() > 0);
            for ((known, answer), item) in counts.items.iter_mut().zip(answers).zip(items) {
                let own = self.latest(events, day, item);
                known.users += u64::from(answer.is_some());
                known.theirs += answer.map_or(0, |answer| (answer * 1e6) as i64);
                if let (Some(theirs), Some(own)) = (answer, own) {
                    known.compared += 1;
                    known.own_less_theirs += ((own - theirs) * 1e6) as i64;
                }
            }
        }
    }

    fn favourite_view_share(&self, events: &Events<'_>, day: Day) -> Option<f64> {
        let favourite = self.favourite_brand(events, day)?;
        let seen = self.within(events, day, i32::from(self.settings.loyalty.view_days)).into_iter().filter_map(|event| {
            let Facts::Activity(facts) = &event.facts else { return None };
            (!facts.brand.is_empty()).then_some((&*facts.brand, self.day(event)))
        });
        let seen: BTreeSet<(&str, Day)> = seen.collect();
        ratio(seen.iter().filter(|(brand, _)| *brand == favourite).count() as f64, seen.len() as f64)
    }
}
