//! What a profile says of loyalty: numbers out of a user's facts as of a day.

use std::collections::{BTreeMap, BTreeSet};

use super::super::habit::{Activity, Rare};
use super::noting::decision_s_mean;
use crate::model::event::{ContactKind, Direction};
use crate::model::loyalty::Loyalty;
use crate::model::loyalty::facts::{FACT_DAYS, Fact, FactTotals, Facts, What};
use crate::model::loyalty::occasions::Response;
use crate::model::loyalty::scores::{brand_weights, cooling, entropy, heaviest, lengthening, mean_known, ratio, share_of};
use crate::model::loyalty::settings::LoyaltySettings;
use crate::model::loyalty::views::{DIMENSIONS, Dimension};
use crate::model::money::Money;
use crate::model::purchases::PurchaseTotals;
use crate::model::survey::{Detail, Item, Surveys};
use crate::model::time::{Calendar, Day};

/// Days of the windows that contacts, orders and interactions are counted in.
pub(super) const MONTH: i32 = 30;
/// Days of outbound contacts whose answers are counted.
const CONTACT_HISTORY_DAYS: i32 = 90;
/// The lowest rating, in millionths.
const ONE: i64 = 1_000_000;
/// Days of a burst of inbound contacts.
pub(super) const BURST_DAYS: i32 = 7;

/// The measures of loyalty of a user at the end of a day; docs/measures.md has the formula of each. `None` where nothing is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoyaltyProfile {
    /// Orders that used a discount or a reward over orders.
    pub assisted_share: Option<f64>,
    /// Orders at full price over orders.
    pub full_price_share: Option<f64>,
    /// Money below list price for each order that tells its list amount.
    pub saving_mean: Option<f64>,
    /// Net money less cost over net money, of orders that tell their cost.
    pub margin_share: Option<f64>,
    /// Orders of the last 30 days that are not the first ever.
    pub repeat_orders_30d: u64,
    /// Entropy of the categories of orders, in bits.
    pub category_entropy: Option<f64>,
    /// Coefficient of variation of the gaps between order days.
    pub gap_variation: Option<f64>,
    /// Seconds that the user waited for an order, mean of those that tell it.
    pub wait_s_mean: Option<f64>,
    /// Money that the user expected to pay less what was paid, mean of the orders that tell it.
    pub expected_less_paid_mean: Option<f64>,
    /// Geometric mean of decision times in seconds, given or found from views.
    pub decision_s_mean: Option<f64>,
    /// Brand that orders of late weigh most for.
    pub favourite_brand: Option<String>,
    /// Days with a view of that brand over days with views of each brand.
    pub favourite_brand_view_share: Option<f64>,
    /// The item, the category and the channel seen on most days.
    pub favourites: [Option<String>; 3],
    /// Hour of the day, 0 to 23, in which on most days something was looked at for the first time on the day.
    pub favourite_hour: Option<u8>,
    /// The next birthday, and the next of the holidays that settings list; today may be one.
    pub birthday_due_day: Option<Day>,
    /// See `birthday_due_day`.
    pub holiday_due_day: Option<Day>,
    /// Distinct channels.
    pub channels: u64,
    /// Own views over own views and those of competitors.
    pub own_view_share: Option<f64>,
    /// Views of competitors.
    pub competitor_views: u64,
    /// Purchases from competitors ever, and what is known of their money.
    pub competitor_purchases: u64,
    /// See `competitor_purchases`.
    pub competitor_spend: Money,
    /// Own money over own and competitors' money, or over what the user says to spend.
    pub customer_share: Option<f64>,
    /// `customer_share` times regularity.
    pub dependence: Option<f64>,
    /// Responses to rises of prices, offers of competitors, failures of quality.
    pub responses: [Response; 3],
    /// Money spent on the user to acquire, to retain and to serve.
    pub costs: [Money; 3],
    /// Rewards redeemed, and what they were worth.
    pub rewards_redeemed: u64,
    /// See `rewards_redeemed`.
    pub reward_amount: Money,
    /// Rewards given out with orders and campaigns.
    pub rewards_granted: u64,
    /// Rewards redeemed over those given out, at most 1.
    pub redemption_rate: Option<f64>,
    /// Own offers of 90 days whose days of an answer are over.
    pub offers_90d: u64,
    /// Share of them that an order followed which used a discount or a reward, or names the campaign.
    pub offer_following: Option<f64>,
    /// Latest answers: repurchase intention, trust, satisfaction, responsiveness, effort.
    pub answers: [Option<f64>; 5],
    /// The latest answer to whether the user pays attention to the brand.
    pub attention: Option<f64>,
    /// Whether the user named the brand when asked for one.
    pub names_brand: Option<bool>,
    /// What was met less what was expected, mean of the responses that tell both.
    pub disconfirmation: Option<f64>,
    /// Where satisfaction puts the user.
    pub satisfaction_zone: Option<&'static str>,
    /// The smallest of quality, service and price.
    pub value_minimum: Option<f64>,
    /// Benefit - cost - expectation.
    pub satisfaction_balance: Option<f64>,
    /// Benefits, weighted by importance, less what they cost in money, time and effort, from -1 to 1.
    pub delivered_value: Option<f64>,
    /// Own less competitor's rating, weighted by importance, from -1 to 1.
    pub relative_attitude: Option<f64>,
    /// Shrunk mean sentiment of feedback.
    pub sentiment: Option<f64>,
    /// Attitude and sentiment together, 0 to 1.
    pub emotion: Option<f64>,
    /// Satisfied, trusting, and a long repeated purchase.
    pub loyal_rule: Option<bool>,
    /// Referrals, converted or not.
    pub referrals_sent: u64,
    /// Converted referrals over those sent.
    pub referral_conversion: Option<f64>,
    /// Suggestions.
    pub suggestions: u64,
    /// Reviews.
    pub reviews: u64,
    /// Interactions with peers within 30 days.
    pub interactions_30d: u64,
    /// Distinct peers.
    pub peers: u64,
    /// Contacts within 30 days.
    pub contacts_30d: u64,
    /// Outbound contacts that an active day answered.
    pub contact_response_rate: Option<f64>,
    /// Inbound over outbound contacts within 90 days.
    pub two_way_ratio: Option<f64>,
    /// When the next contact is due.
    pub contact_due_day: Option<Day>,
    /// When the user was last thanked.
    pub last_thanked_day: Option<Day>,
    /// Rate of active days in 28 days over that in 84.
    pub cooling: Option<f64>,
    /// Probability of gaps that lengthen so by chance.
    pub cooling_p: Option<f64>,
    /// Categories of which a problem came at least twice within 180 days.
    pub repeated_problems: u64,
    /// Signals that come before a complaint.
    pub complaint_signals: u64,
    /// What leaving would cost the user, 0 to 1.
    pub switching_cost: Option<f64>,
}

/// What a profile of loyalty is made from.
pub(in crate::engine) struct Known<'k> {
    pub(in crate::engine) activity: &'k Activity,
    pub(in crate::engine) rare: &'k Rare,
    pub(in crate::engine) totals: &'k PurchaseTotals,
    pub(in crate::engine) return_days: i32,
    pub(in crate::engine) streak: u64,
    pub(in crate::engine) loyal_orders: u64,
    pub(in crate::engine) settings: &'k LoyaltySettings,
    pub(in crate::engine) calendar: &'k Calendar,
    pub(in crate::engine) day: Day,
}

impl LoyaltyProfile {
    /// Of a user of whom nothing but active days is known.
    pub(in crate::engine) fn of_activity(activity: &Activity, day: Day) -> Self {
        Self { cooling: cooling(&activity.days, activity.first(), day), cooling_p: lengthening(&activity.days, day), ..Self::default() }
    }

    /// Of a user with rare facts.
    pub(in crate::engine) fn of(known: &Known<'_>) -> Self {
        let nothing = Loyalty::default();
        let loyalty = known.rare.loyalty.as_ref().unwrap_or(&nothing);
        let facts = loyalty.facts.totals();
        let gap_variation = known.totals.details.gap_variation();
        let mut profile = Self::with(StateMeasures::of(known.rare, gap_variation, known.settings, known.day));
        let of_activity = Self::of_activity(known.activity, known.day);
        (profile.cooling, profile.cooling_p) = (of_activity.cooling, of_activity.cooling_p);
        profile.add_orders(known);
        profile.add_answers(known, loyalty);
        profile.add_voice(known, loyalty, &facts);
        profile.repeated_problems = repeated_problems(known, loyalty);
        profile.add_views(known, loyalty);
        profile.add_shares(known, &facts);
        profile.add_rewards(known, &facts);
        profile.add_offers(known, loyalty);
        profile.add_said(known, loyalty);
        profile.add_contacts(known, loyalty);
        profile.add_switching(known);
        profile
    }

    /// What of it states are decided by, and nothing else yet.
    fn with(measures: StateMeasures) -> Self {
        Self {
            gap_variation: measures.gap_variation,
            decision_s_mean: measures.decision_s_mean,
            responses: measures.responses,
            competitor_views: measures.competitor_views,
            sentiment: measures.sentiment,
            reviews: measures.reviews,
            complaint_signals: measures.complaint_signals,
            ..Self::default()
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn add_orders(&mut self, known: &Known<'_>) {
        let (totals, details) = (known.totals, &known.totals.details);
        let share = |part: u64| ratio(part as f64, totals.orders as f64);
        self.assisted_share = share(details.assisted);
        self.full_price_share = share(details.full_price);
        self.saving_mean = ratio(details.saved.as_f64(), details.listed as f64);
        self.margin_share = ratio((details.costed_net - details.cost).as_f64(), details.costed_net.as_f64());
        self.category_entropy = entropy(&totals.category_counts);
        let purchases = &known.rare.purchases;
        let recent = purchases.standing_from(known.day - (MONTH - 1)).iter().filter(|order| order.day <= known.day).count() as u64;
        self.repeat_orders_30d = recent.min(totals.orders.saturating_sub(1));
        self.wait_s_mean = details.wait_s_mean();
        self.expected_less_paid_mean = ratio(details.expected_less_paid.as_f64(), details.expected as f64);
        let weights = brand_weights(purchases.standing(), known.day, i32::from(known.settings.brand_half_life_days));
        self.favourite_brand = heaviest(&weights).map(|(brand, _)| brand.to_owned());
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn add_views(&mut self, known: &Known<'_>, loyalty: &Loyalty) {
        let (from, day) = (known.day - (i32::from(known.settings.view_days) - 1), known.day);
        let commonest = |dimension| loyalty.views.commonest(dimension, from, day).map(str::to_owned);
        self.favourites = DIMENSIONS.map(commonest);
        self.favourite_hour = loyalty.views.favourite_hour(from, day, |time| known.calendar.hour_of(time));
        self.birthday_due_day = loyalty.birthday.as_deref().map(|birthday| birthday.day.next_from(day));
        self.channels = loyalty.views.keys_between(Dimension::Channel, from, day);
        let own = loyalty.views.seen_between(Dimension::Item, from, day);
        self.own_view_share = ratio(own as f64, (own + self.competitor_views) as f64);
        let branded = loyalty.brands.seen_between(Dimension::Item, from, day);
        let of_favourite = self.favourite_brand.as_deref().map(|brand| loyalty.brands.days_of(Dimension::Item, brand, from, day));
        self.favourite_brand_view_share = of_favourite.and_then(|days| ratio(days as f64, branded as f64));
    }

    fn add_shares(&mut self, known: &Known<'_>, facts: &FactTotals) {
        let own = known.totals.revenue.as_f64();
        let theirs = facts.competitor_spend.as_f64();
        let stated = || {
            let spend = known.rare.surveys.detail(Detail::CategorySpend, known.day)?;
            ratio(self.revenue_of_month(known), spend).map(|share| share.clamp(0.0, 1.0))
        };
        self.customer_share = if theirs > 0.0 { ratio(own.max(0.0), own.max(0.0) + theirs) } else { stated() };
        let regularity = self.gap_variation.map(|variation| (1.0 - variation).max(0.0));
        self.dependence = self.customer_share.zip(regularity).map(|(share, regularity)| share * regularity);
        self.competitor_purchases = facts.competitor_purchases;
        self.competitor_spend = facts.competitor_spend;
        self.costs = facts.costs;
    }

    #[expect(clippy::unused_self, reason = "it reads as the part of a share that it is")]
    fn revenue_of_month(&self, known: &Known<'_>) -> f64 {
        let purchases = &known.rare.purchases;
        let recent = purchases.standing_from(known.day - (MONTH - 1)).iter().filter(|order| order.day <= known.day);
        let net: Money = recent.filter_map(|order| purchases.net(order, known.return_days)).sum();
        net.as_f64()
    }

    fn add_answers(&mut self, known: &Known<'_>, loyalty: &Loyalty) {
        let (surveys, settings, day) = (&known.rare.surveys, known.settings, known.day);
        let [intention, trust, satisfaction, responsiveness] =
            [Item::RepurchaseIntention, Item::Trust, Item::Satisfaction, Item::Responsiveness].map(|item| surveys.item(item, day));
        self.answers = [intention, trust, satisfaction, responsiveness, surveys.detail(Detail::Effort, day)];
        self.satisfaction_zone = satisfaction.map(|score| match score {
            low if low < settings.zone_defection => "defection",
            high if high >= settings.zone_affection => "affection",
            _ => "indifference",
        });
        self.value_minimum = least(surveys, day);
        let detail = |item| surveys.detail(item, day);
        let weighed = detail(Detail::Benefit).zip(detail(Detail::Cost)).zip(detail(Detail::Expectation));
        self.satisfaction_balance = weighed.map(|((benefit, cost), expectation)| benefit - cost - expectation);
        self.delivered_value = delivered_value(surveys, loyalty, day);
        self.relative_attitude = relative_attitude(loyalty.facts.between(day - (FACT_DAYS - 1), day));
        self.emotion = mean_known(&[surveys.attitude(day), self.sentiment.map(|sentiment| f64::midpoint(sentiment, 1.0))]);
        let long = known.totals.span.is_some_and(|(first, last)| last.days_since(first) >= i32::from(settings.long_days));
        let bought = long && known.streak >= known.loyal_orders;
        self.loyal_rule =
            satisfaction.zip(trust).map(|(satisfied, trusts)| satisfied >= settings.satisfied && trusts >= settings.trusting && bought);
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn add_voice(&mut self, known: &Known<'_>, loyalty: &Loyalty, facts: &FactTotals) {
        self.referrals_sent = facts.referrals_sent;
        self.referral_conversion = ratio(known.rare.referrals.count() as f64, facts.referrals_sent as f64).map(|share| share.min(1.0));
        self.suggestions = facts.suggestions;
        let social = |fact: &&Fact| matches!(fact.what, What::Social(_));
        self.interactions_30d = loyalty.facts.between(known.day - (MONTH - 1), known.day).filter(social).count() as u64;
        let window = known.day - (i32::from(known.settings.view_days) - 1);
        let peers = loyalty.facts.between(window, known.day).filter_map(|fact| match &fact.what {
            What::Social(peer) if !peer.is_empty() => Some(peer),
            _ => None,
        });
        self.peers = peers.collect::<BTreeSet<_>>().len() as u64;
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn add_contacts(&mut self, known: &Known<'_>, loyalty: &Loyalty) {
        let day = known.day;
        let contacts = |days: i32| {
            let facts = loyalty.facts.between(day - (days - 1), day);
            facts.filter_map(
                |fact| if let What::Contact { direction, kind } = &fact.what { Some((fact.at.day, *direction, *kind)) } else { None },
            )
        };
        self.contacts_30d = contacts(MONTH).count() as u64;
        let outbound: Vec<Day> =
            contacts(CONTACT_HISTORY_DAYS).filter(|contact| contact.1 == Some(Direction::Outbound)).map(|contact| contact.0).collect();
        let inbound = contacts(CONTACT_HISTORY_DAYS).filter(|contact| contact.1 == Some(Direction::Inbound)).count();
        self.two_way_ratio = ratio(inbound as f64, outbound.len() as f64);
        let within = i32::from(known.settings.answer_days);
        let over: Vec<Day> = outbound.iter().copied().filter(|at| *at + within <= day).collect();
        let answered = over.iter().filter(|at| known.activity.days.count_between(**at + 1, **at + within) > 0).count();
        self.contact_response_rate = ratio(answered as f64, over.len() as f64);
        self.contact_due_day = outbound.last().map(|last| *last + i32::from(known.settings.contact_days));
        self.last_thanked_day = contacts(FACT_DAYS).filter(|contact| contact.2 == Some(ContactKind::Thanks)).map(|contact| contact.0).max();
    }

    fn add_switching(&mut self, known: &Known<'_>) {
        let settings = known.settings;
        let tenure = known.totals.span.map(|(first, _)| share_of(known.day.days_since(first).max(0).unsigned_abs().into(), 365));
        let breadth = (known.totals.categories > 0).then(|| share_of(known.totals.categories, settings.full_breadth.into()));
        let locked = ratio_of(known.totals.rewarded, known.totals.orders);
        let trust = self.answers[1].map(|score| (score - 1.0) / 4.0);
        // Trust alone does not tell what leaving would cost someone who never bought.
        self.switching_cost = tenure.and_then(|tenure| mean_known(&[Some(tenure), breadth, locked, trust]));
    }
}

/// What of a profile states are decided by. Made apart from it, for every close of a day asks for many; meanings and units are those of [`LoyaltyProfile`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct StateMeasures {
    pub(super) gap_variation: Option<f64>,
    pub(super) decision_s_mean: Option<f64>,
    pub(super) responses: [Response; 3],
    pub(super) competitor_views: u64,
    pub(super) sentiment: Option<f64>,
    pub(super) reviews: u64,
    pub(super) complaint_signals: u64,
}

impl StateMeasures {
    /// Of a user with rare facts at the end of a day.
    pub(super) fn of(rare: &Rare, gap_variation: Option<f64>, settings: &LoyaltySettings, day: Day) -> Self {
        let nothing = Loyalty::default();
        let loyalty = rare.loyalty.as_ref().unwrap_or(&nothing);
        let mut measures = Self { gap_variation, ..Self::default() };
        measures.decision_s_mean = decision_s_mean(&rare.purchases, loyalty, settings);
        measures.responses = loyalty.occasions.responses(rare.purchases.standing(), day, i32::from(settings.response_days));
        measures.add_facts(&loyalty.facts, settings, day);
        measures
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn add_facts(&mut self, facts: &Facts, settings: &LoyaltySettings, day: Day) {
        let totals = facts.totals();
        let weight = totals.sentiments as f64 + settings.sentiment_prior;
        self.sentiment = (totals.sentiments > 0).then(|| totals.sentiment_sum as f64 / 1e6 / weight);
        self.reviews = totals.reviews;
        let views = facts.between(day - (i32::from(settings.view_days) - 1), day);
        self.competitor_views = views.filter(|fact| fact.what == What::CompetitorViewed).count() as u64;
        self.complaint_signals = complaint_signals(facts, settings, day);
    }
}

/// Signals that come before a complaint.
fn complaint_signals(facts: &Facts, settings: &LoyaltySettings, day: Day) -> u64 {
    let failures = facts.between(day - (MONTH - 1), day).filter(|fact| fact.what == What::QualityIssue).count();
    let inbound = |fact: &&Fact| matches!(fact.what, What::Contact { direction: Some(Direction::Inbound), .. });
    let burst = facts.between(day - (BURST_DAYS - 1), day).filter(inbound).count();
    let half_year = facts.between(day - (FACT_DAYS - 1), day);
    let scores: Vec<i64> =
        half_year.filter_map(|fact| if let What::Satisfaction(score) = fact.what { Some(score) } else { None }).collect();
    #[expect(clippy::cast_precision_loss, reason = "scores are small")]
    let dropped = scores.last_chunk::<2>().is_some_and(|[before, now]| (before - now) as f64 / 1e6 >= settings.satisfaction_drop);
    let signals = [failures >= usize::from(settings.failures), burst >= usize::from(settings.inbound_contacts), dropped];
    signals.into_iter().map(u64::from).sum()
}

/// Categories of which there was more than one complaint of late.
fn repeated_problems(known: &Known<'_>, loyalty: &Loyalty) -> u64 {
    let mut problems: BTreeMap<&str, BTreeSet<(&str, usize)>> = BTreeMap::new();
    for (number, fact) in loyalty.facts.between(known.day - (FACT_DAYS - 1), known.day).enumerate() {
        if let What::Complaint { id, category, .. } = &fact.what
            && !category.is_empty()
        {
            problems.entry(category).or_default().insert((id, if id.is_empty() { number } else { 0 }));
        }
    }
    problems.values().filter(|complaints| complaints.len() > 1).count() as u64
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn ratio_of(part: u64, whole: u64) -> Option<f64> {
    ratio(part as f64, whole as f64)
}

/// The smallest of quality, service and price; `None` when one is missing.
fn least(surveys: &Surveys, day: Day) -> Option<f64> {
    let [quality, service, price] = [Detail::Quality, Detail::Service, Detail::Price].map(|item| surveys.detail(item, day));
    Some(quality?.min(service?).min(price?))
}

/// Own ratings of attributes, weighted by importance, less the mean of what is known of money, time and effort, each from 0 to 1; `None` without either.
#[expect(clippy::cast_precision_loss, reason = "ratings are small")]
fn delivered_value(surveys: &Surveys, loyalty: &Loyalty, day: Day) -> Option<f64> {
    let mut latest: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for fact in loyalty.facts.between(day - (FACT_DAYS - 1), day) {
        if let What::Attribute { name, importance: Some(importance), rating: Some(own), .. } = &fact.what {
            latest.insert(name, (*importance, own - ONE));
        }
    }
    let weight: i64 = latest.values().map(|(importance, _)| importance).sum();
    let sum: i128 = latest.values().map(|(importance, above)| i128::from(*importance) * i128::from(*above)).sum();
    let benefit = ratio(sum as f64, weight as f64 * 4e6);
    let rated = |item| surveys.detail(item, day);
    let money = rated(Detail::Price).map(|score| (5.0 - score) / 4.0);
    let time = rated(Detail::TimeCost).map(|score| (score - 1.0) / 4.0);
    let effort = rated(Detail::Effort).map(|score| (score - 1.0) / 6.0);
    Some(benefit? - mean_known(&[money, time, effort])?)
}

/// The latest rating of each attribute less the competitor's, weighted by importance, over four times the weights: from -1 to 1.
#[expect(clippy::cast_precision_loss, reason = "ratings are small")]
fn relative_attitude<'f>(facts: impl Iterator<Item = &'f Fact>) -> Option<f64> {
    let mut latest: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for fact in facts {
        if let What::Attribute { name, importance: Some(importance), rating: Some(own), competitor_rating: Some(theirs) } = &fact.what {
            latest.insert(name, (*importance, own - theirs));
        }
    }
    let weight: i64 = latest.values().map(|(importance, _)| importance).sum();
    let sum: i128 = latest.values().map(|(importance, difference)| i128::from(*importance) * i128::from(*difference)).sum();
    ratio(sum as f64, weight as f64 * 4e6)
}
