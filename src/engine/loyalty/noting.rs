//! What the measures of loyalty keep of an event.

use super::super::component::Slot;
use super::super::habit::{Rare, Remembered};
use super::super::partition::PartitionEngine;
use crate::model::complaints::Moment;
use crate::model::event::{ActivityFacts, ComplaintDetails, Event, EventType, Facts, Noted, SurveyFacts};
use crate::model::loyalty::facts::{Fact, RIVAL_ITEMS, What, millionths};
use crate::model::loyalty::occasions::{Occasion, OccasionKind};
use crate::model::loyalty::settings::LoyaltySettings;
use crate::model::loyalty::{Birthday, FoldDays, Loyalty};
use crate::model::purchases::{Order, Purchases};
use crate::model::time::EventTime;

/// Days that must stay open beside what settings ask for: occasions and views are looked back at from any of them.
const OPEN_DAYS: i32 = 90;
/// Days that purchases reach back from there: the days before an occasion, and those of brands.
const REACH_DAYS: i32 = 30;

/// What of an event is kept.
#[derive(Default)]
struct Kept {
    facts: Vec<What>,
    occasion: Option<OccasionKind>,
}

impl PartitionEngine {
    /// Keeps what the measures of loyalty need of an accepted event, and tells whether states may be decided otherwise for it. A view is looked back at from the orders
    /// after it alone.
    pub(in crate::engine) fn note_loyalty(&mut self, slot: Slot, event: &Event<'_>, mark: Remembered) -> bool {
        let day = mark.day;
        let at = Moment { time: event.time, day };
        let channel = channel_of(event);
        let (view, brand) = match &event.facts {
            Facts::Activity(facts) => ([facts.item.as_ref(), facts.category.as_ref(), channel], facts.brand.as_ref()),
            _ => (["", "", channel], ""),
        };
        let birthday = match &event.facts {
            Facts::Noted(noted) => {
                if let Noted::Birthday(day) = **noted {
                    Some(Birthday { told: event.time, day })
                } else {
                    None
                }
            }
            _ => None,
        };
        let kept = kept(event);
        if view == [""; 3] && brand.is_empty() && birthday.is_none() && kept.facts.is_empty() && kept.occasion.is_none() {
            return false;
        }
        let mut decides = !kept.facts.is_empty() || kept.occasion.is_some();
        let is_single = self.state.population.component(slot).is_none();
        let (has_more, is_known) = self.kept_of_others(slot, |loyalty| loyalty.views.knows(view, at));
        let rare = self.rare(slot, day);
        // With the first of what is kept, the user has states.
        let is_first = rare.loyalty.is_none() && !has_more;
        let is_before_order = !is_single || is_first || rare.purchases.standing().last().is_some_and(|last| last.time >= event.time);
        let loyalty = rare.loyalty_mut();
        decides |= loyalty.views.see(view, at) && is_before_order && !is_known;
        if !brand.is_empty() {
            decides |= loyalty.brands.make().see([brand, "", ""], at) && is_first;
        }
        for what in kept.facts {
            loyalty.facts.make().add(Fact { at, event: mark.digest, what });
        }
        if let Some(birthday) = birthday {
            loyalty.tell_birthday(birthday);
        }
        if let Some(kind) = kept.occasion {
            loyalty.occasions.make().add(Occasion { at, event: mark.digest, kind });
        }
        decides
    }

    /// Whether anything is kept under other ids of the user of a slot, and whether an event is known of one: a repeat may come when what the event said is kept there.
    fn kept_of_others(&self, slot: Slot, is_known: impl Fn(&Loyalty) -> bool) -> (bool, bool) {
        let population = &self.state.population;
        let members = population.component(slot).map_or(&[][..], |component| &component.members);
        let others = members.iter().filter(|member| **member != slot);
        let kept = others.filter_map(|member| population.habit(*member).rare.as_deref()?.loyalty.as_ref());
        kept.fold((false, false), |(_, known), loyalty| (true, known || is_known(loyalty)))
    }

    /// The days of which loyalty folds or forgets something, once they are over for all that can still come.
    pub(in crate::engine) fn loyalty_fold_days(&self) -> Option<FoldDays> {
        let newest = self.state.newest_day?;
        let changeable_from = self.first_changeable()?.min(newest - OPEN_DAYS);
        let orders_before = self.first_needed()?.min(changeable_from - REACH_DAYS);
        let facts_before = (newest - crate::model::loyalty::facts::FACT_DAYS).min(changeable_from);
        Some(FoldDays { orders_before, changeable_from, facts_before })
    }
}

impl Rare {
    /// Folds and forgets what loyalty knows of days that nothing can change, before orders of then are folded.
    pub(in crate::engine) fn fold_loyalty(&mut self, days: FoldDays, settings: &LoyaltySettings) {
        let Some(loyalty) = &mut self.loyalty else { return };
        if let Some(occasions) = loyalty.occasions.if_there() {
            occasions.fold_before(days.changeable_from, self.purchases.standing(), i32::from(settings.response_days));
        }
        if let Some(purchases) = self.purchases.if_there() {
            purchases.note_decisions(days.orders_before, |order, before| decision_log(loyalty, settings, order, before));
        }
        // Views of before are never asked for.
        let first = days.orders_before - i32::from(settings.decision_days);
        loyalty.views.forget_before(first);
        if let Some(brands) = loyalty.brands.if_there() {
            brands.forget_before(first);
        }
        if let Some(facts) = loyalty.facts.if_there() {
            facts.fold_before(days.facts_before);
        }
    }
}

/// The natural logarithm, in units of 10^-15, of the seconds from the first view of any of an order's items or categories to the order: on the days before it that settings say, and
/// after the order before. `None` without such a view.
pub(super) fn decision_log(loyalty: &Loyalty, settings: &LoyaltySettings, order: &Order, before: Option<EventTime>) -> Option<i64> {
    let items = order.details.as_deref().map_or(&[][..], |details| &details.items);
    let at = Moment { time: order.time, day: order.day };
    let first = loyalty.views.first_of((items, &order.categories), before, at, i32::from(settings.decision_days))?;
    #[expect(clippy::cast_precision_loss, reason = "a span of some days is far below 2^53 nanoseconds times two")]
    let seconds = (order.time.nanos() - first.nanos()) as f64 / 1e9;
    #[expect(clippy::cast_possible_truncation, reason = "the logarithm of a double is below 710")]
    Some((seconds.ln() * 1e15).round() as i64)
}

/// The channel that an activity event came through.
fn channel_of<'e>(event: &'e Event<'_>) -> &'e str {
    match &event.facts {
        Facts::Activity(ActivityFacts { channel, .. }) => channel,
        Facts::Order(facts) => facts.details.as_deref().map_or("", |details| &details.channel),
        Facts::Complaint(facts) if event.kind == EventType::ComplaintOpened => {
            facts.details.as_deref().map_or("", |details| &details.channel)
        }
        _ => "",
    }
}

/// The geometric mean of a user's decision times in seconds: those that orders tell, and those found from views.
#[expect(clippy::cast_precision_loss, reason = "logarithms and counts are far below 2^53 units")]
pub(in crate::engine) fn decision_s_mean(purchases: &Purchases, loyalty: &Loyalty, settings: &LoyaltySettings) -> Option<f64> {
    let found = purchases.decided(|order, before| decision_log(loyalty, settings, order, before));
    let told = purchases.decisions();
    let (decisions, logs) = (told.0 + found.0, told.1 + found.1);
    (decisions > 0).then(|| (logs as f64 / 1e15 / decisions as f64).exp())
}

fn kept(event: &Event<'_>) -> Kept {
    let one = |what| Kept { facts: vec![what], occasion: None };
    match (&event.facts, event.kind) {
        (Facts::Survey(facts), _) => Kept { facts: answers(facts), occasion: None },
        (Facts::Complaint(facts), EventType::ComplaintOpened) => {
            let details = facts.details.as_deref();
            let category = details.map_or("", |details| &details.category).into();
            let legal = details.is_some_and(|details| details.severity == "legal");
            one(What::Complaint { id: facts.complaint_id.as_ref().into(), category, legal })
        }
        (Facts::Complaint(facts), EventType::ComplaintResolved) => {
            let remedy = facts.details.as_deref().filter(|details| !details.remedy.is_empty() || details.satisfied.is_some());
            let fact = |details: &ComplaintDetails<'_>| What::Remedy {
                id: facts.complaint_id.as_ref().into(),
                remedy: details.remedy.as_ref().into(),
                satisfied: details.satisfied,
            };
            Kept { facts: remedy.map(fact).into_iter().collect(), occasion: None }
        }
        (Facts::Noted(noted), kind) => of_noted(noted, kind),
        (_, kind) => of_type(kind),
    }
}

fn of_noted(noted: &Noted<'_>, kind: EventType) -> Kept {
    let one = |what| Kept { facts: vec![what], occasion: None };
    match noted {
        Noted::Reward { amount, .. } => one(What::Reward(*amount)),
        Noted::Feedback { kind, sentiment } => one(What::Feedback { kind: *kind, sentiment: sentiment.map(millionths) }),
        Noted::Social { peer, .. } => one(What::Social(peer.as_ref().into())),
        Noted::CompetitorPurchase { competitor, amount } => {
            one(What::CompetitorPurchase { competitor: competitor.as_ref().into(), amount: *amount })
        }
        Noted::Contact { direction, kind, .. } => one(What::Contact { direction: *direction, kind: *kind }),
        Noted::PriceChanged { old: Some(old), new: Some(new), .. } if new > old => {
            Kept { facts: Vec::new(), occasion: Some(OccasionKind::PriceRise) }
        }
        Noted::Cost { kind: Some(kind), amount: Some(amount) } => one(What::Cost(*kind, *amount)),
        Noted::Departure { reason, competitor, recoverable } => {
            one(What::Departure { reason: reason.as_ref().into(), competitor: competitor.as_ref().into(), recoverable: *recoverable })
        }
        Noted::Campaign { campaign, arm, reward_granted } => {
            let exposure = (!campaign.is_empty()).then(|| What::Exposure { campaign: campaign.as_ref().into(), arm: arm.as_ref().into() });
            Kept { facts: exposure.into_iter().chain(reward_granted.then_some(What::RewardGranted)).collect(), occasion: None }
        }
        Noted::PriceChanged { .. } | Noted::Cost { .. } | Noted::Birthday(_) => Kept::default(),
        Noted::CompetitorViewed(_) | Noted::CompetitorOffer { .. } | Noted::QualityIssue(_) => of_type(kind),
    }
}

/// What an event says by its type alone.
fn of_type(kind: EventType) -> Kept {
    let one = |what| Kept { facts: vec![what], occasion: None };
    match kind {
        EventType::ReferralSent => one(What::ReferralSent),
        EventType::RewardRedeemed => one(What::Reward(None)),
        EventType::Feedback => one(What::Feedback { kind: None, sentiment: None }),
        EventType::SocialInteraction => one(What::Social("".into())),
        EventType::CompetitorViewed => one(What::CompetitorViewed),
        EventType::CompetitorPurchase => one(What::CompetitorPurchase { competitor: "".into(), amount: None }),
        EventType::ContactMade => one(What::Contact { direction: None, kind: None }),
        EventType::QualityIssue => Kept { facts: vec![What::QualityIssue], occasion: Some(OccasionKind::QualityIssue) },
        EventType::SubscriptionCancelled | EventType::CustomerLost => {
            one(What::Departure { reason: "".into(), competitor: "".into(), recoverable: None })
        }
        EventType::CompetitorOffer => Kept { facts: Vec::new(), occasion: Some(OccasionKind::CompetitorOffer) },
        EventType::Signup
        | EventType::Activity
        | EventType::OrderPlaced
        | EventType::ReferralConverted
        | EventType::SurveyResponse
        | EventType::ComplaintOpened
        | EventType::OrderReturned
        | EventType::ComplaintResolved
        | EventType::PriceChanged
        | EventType::CostBooked
        | EventType::CampaignExposed
        | EventType::ProfileUpdated
        | EventType::UserMerged
        | EventType::UserDeleted => Kept::default(),
    }
}

/// The facts of a response: satisfaction, whose fall is a signal, what was met less what was expected, and the rated attributes; or what it says of a competitor.
fn answers(facts: &SurveyFacts<'_>) -> Vec<What> {
    if !facts.is_own() {
        // Of one without a name, nothing can be kept.
        let rival = facts.rival().map(|competitor| What::Rival { competitor: competitor.into(), answers: of_rival(facts) });
        return rival.into_iter().collect();
    }
    let disconfirmation = facts.details.as_deref().and_then(|details| Some(details.benefit? - details.expectation?));
    let disconfirmation = disconfirmation.map(|difference| What::Disconfirmation(millionths(difference)));
    let satisfaction = facts.satisfaction.map(|score| What::Satisfaction(millionths(score)));
    let rated = facts.details.as_deref().map_or(&[][..], |details| &details.attributes).iter().map(|rated| What::Attribute {
        name: rated.attribute.as_ref().into(),
        importance: rated.importance.map(millionths),
        rating: rated.rating.map(millionths),
        competitor_rating: rated.competitor_rating.map(millionths),
    });
    satisfaction.into_iter().chain(disconfirmation).chain(rated).collect()
}

/// Answers by the items that are kept of a competitor, in millionths.
fn of_rival(facts: &SurveyFacts<'_>) -> [Option<i32>; RIVAL_ITEMS.len()] {
    let attention = facts.details.as_deref().and_then(|details| details.attention);
    let recommend = facts.recommend.map(f64::from);
    let scores = [recommend, facts.repurchase_intention, facts.trust, facts.satisfaction, facts.responsiveness, attention];
    scores.map(|score| score.and_then(|score| i32::try_from(millionths(score)).ok()))
}
