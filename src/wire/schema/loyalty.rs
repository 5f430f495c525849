//! The fields of a profile that the measures of loyalty are; docs/measures.md has their formulas.

use super::Shape::{Between, Count, Day, Flag, Number, OneOf, OrNull, Record, Text};
use super::{Field, RATIO, Shape};
use crate::model::loyalty::stage::LifeStage;
use crate::model::loyalty::states::{ComplaintRisk, LoyaltyKind, LoyaltyStep, LoyaltyType};

const SHARE: Shape = OrNull(&Between(0, 1));
const FIVE: Shape = OrNull(&Between(1, 5));
const TEXT: Shape = OrNull(&Text);
const DAY: Shape = OrNull(&Day);

pub(super) const LOYALTY_FIELDS: &[Field] = &[
    ("assisted_share", SHARE, "orders with a discount or a reward over orders"),
    ("full_price_share", SHARE, "orders without a discount and not below their list amount over orders"),
    ("saving_mean", RATIO, "list amount less amount, mean of the orders that tell it"),
    ("margin_share", RATIO, "net money less cost over net money, of the orders that tell their cost"),
    ("repeat_orders_30d", Count, "orders of the 30 days that end with as_of, without the first ever"),
    ("category_entropy", RATIO, "entropy of the categories of orders, in bits; null without any"),
    ("gap_variation", RATIO, "standard deviation over mean of the gaps between order days: 0 of a steady rhythm; null below two gaps"),
    ("decision_s_mean", RATIO, "geometric mean of decision times in seconds: told by orders, or from the first view to the order"),
    ("wait_s_mean", RATIO, "seconds waited for an order, mean of the orders that tell it"),
    ("expected_less_paid_mean", RATIO, "money that the user expected to pay less amount, mean of the orders that tell it"),
    ("favourite_brand", TEXT, "the brand that orders of late weigh most for: each half as much after loyalty.brand_half_life_days"),
    (
        "favourite_brand_view_share",
        SHARE,
        "days with views of favourite_brand over days with views of each brand, in loyalty.view_days days; null without views that tell brands",
    ),
    ("favourite_item", TEXT, "the item viewed on most of the last loyalty.view_days days"),
    ("favourite_category", TEXT, "the category viewed on most of the last loyalty.view_days days"),
    ("favourite_channel", TEXT, "the channel used on most of the last loyalty.view_days days"),
    (
        "favourite_hour",
        OrNull(&Between(0, 23)),
        "hour of the day in which on most of the last loyalty.view_days days something was first looked at",
    ),
    ("birthday_due_day", DAY, "the next birthday, today if it is today"),
    ("holiday_due_day", DAY, "the next of loyalty.holidays, today if it is one"),
    ("channels", Count, "distinct channels of the last loyalty.view_days days"),
    ("cost_acquire", Number, "money booked to acquire the user, ever"),
    ("cost_retain", Number, "money booked to retain the user, ever"),
    ("cost_serve", Number, "money booked to serve the user, ever"),
    ("rewards_redeemed", Count, "rewards redeemed, ever"),
    ("reward_amount", Number, "what they were worth, as far as told"),
    ("rewards_granted", Count, "rewards given out with orders and campaigns, ever"),
    ("redemption_rate", SHARE, "rewards redeemed over those given out, at most 1; null where none is told of"),
    ("offers_90d", Count, "own offers of 90 days whose loyalty.response_days are over: campaigns seen, and contacts to offer something"),
    ("offer_following", SHARE, "share of them with an order after that used a discount or a reward, or names the campaign"),
    ("switching_cost", SHARE, "mean of tenure, breadth, share of orders with rewards, and trust, as far as known; null without orders"),
    ("own_view_share", SHARE, "days with views of own items over those and views of competitors, in loyalty.view_days days"),
    ("competitor_views", Count, "views of competitors in the last loyalty.view_days days"),
    ("competitor_purchases", Count, "purchases from competitors, ever"),
    ("competitor_spend", Number, "their money, as far as told"),
    ("customer_share", SHARE, "own money over own and competitors'; without those, money of 30 days over the stated category_spend"),
    ("dependence", SHARE, "customer_share x (1 - gap_variation), at least 0"),
    ("price_rises", Count, "rises of prices whose loyalty.response_days are over"),
    ("price_response", RATIO, "odds of an order after a rise of prices over odds of one before, half a rise added to each"),
    ("competitor_offers", Count, "offers of competitors whose loyalty.response_days are over"),
    ("offer_resistance", SHARE, "share of them with an order after"),
    ("quality_issues", Count, "failures of quality whose loyalty.response_days are over"),
    ("tolerance", SHARE, "share of them with an order after"),
    ("repurchase_intention", FIVE, "the latest answer within 180 days"),
    ("trust", FIVE, "the latest answer within 180 days"),
    ("satisfaction", FIVE, "the latest answer within 180 days"),
    ("responsiveness", FIVE, "the latest answer within 180 days"),
    ("effort", OrNull(&Between(1, 7)), "the latest answer within 180 days"),
    ("satisfaction_zone", ZONE, "where satisfaction puts the user: below loyalty.zone_defection, between, from loyalty.zone_affection"),
    ("value_minimum", FIVE, "the smallest of the latest quality, service and price; null when one is missing"),
    ("attention", FIVE, "the latest answer within 180 days: pays attention to the brand"),
    ("names_brand", OrNull(&Flag), "the latest answer within 180 days: named the brand when asked for one"),
    ("disconfirmation", RATIO, "benefit - expectation, mean of the answers of 180 days that have both"),
    (
        "delivered_value",
        OrNull(&Between(-1, 1)),
        "ratings of attributes, weighted by importance, less what is known of money, time and effort, each 0 to 1; null without either",
    ),
    ("satisfaction_balance", RATIO, "benefit - cost - expectation, of the latest answers; null when one is missing"),
    ("relative_attitude", OrNull(&Between(-1, 1)), "own less competitor's rating of attributes, weighted by importance, over 4"),
    ("sentiment", OrNull(&Between(-1, 1)), "mean sentiment of feedback, shrunk by loyalty.sentiment_prior"),
    ("emotion", SHARE, "mean of attitude and (sentiment + 1) / 2, as far as known"),
    ("loyal_rule", OrNull(&Flag), "satisfied, trusting, and loyal over loyalty.long_days; null without both answers"),
    ("referrals_sent", Count, "referrals, converted or not"),
    ("referral_conversion", SHARE, "converted referrals over those sent"),
    ("suggestions", Count, "suggestions, ever"),
    ("reviews", Count, "reviews, ever"),
    ("interactions_30d", Count, "interactions with peers in 30 days"),
    ("peers", Count, "distinct peers of the last loyalty.view_days days"),
    ("contacts_30d", Count, "contacts in 30 days, by either side"),
    ("contact_response_rate", SHARE, "outbound contacts of 90 days that an active day answered within loyalty.answer_days"),
    ("two_way_ratio", RATIO, "inbound over outbound contacts of 90 days"),
    ("contact_due_day", DAY, "loyalty.contact_days after the last outbound contact of 90 days"),
    ("last_thanked_day", DAY, "last contact to thank within 180 days"),
    ("cooling", RATIO, "rate of active days in 28 days over that in 84; null before the user is known for 84 days"),
    ("cooling_p", SHARE, "sign test of Cox and Stuart: probability that gaps between active days lengthen so by chance"),
    ("repeated_problems", Count, "categories with two or more complaints within 180 days"),
    ("complaint_signals", Count, "of repeated failures, a burst of inbound contacts, and a fall of satisfaction, how many are there"),
    (
        "loyalty_type",
        OrNull(&OneOf(LoyaltyType::NAMES)),
        "behaviour by attitude, as decided when a day closed; null where nothing tells it",
    ),
    ("loyalty_step", OneOf(LoyaltyStep::NAMES), "how far the user has come, one step a closed day at most"),
    ("loyalty_kind", OrNull(&OneOf(LoyaltyKind::NAMES)), "what loyalty comes from; null below three orders"),
    ("life_stage", OneOf(LifeStage::NAMES), "where the user stands in the life cycle"),
    ("brand", TEXT, "the favourite brand, as decided when a day closed: another must weigh loyalty.brand_margin more"),
    ("complaint_risk", OneOf(ComplaintRisk::NAMES), "low without a signal, elevated with one, high with more or a matter of law"),
    ("loyalty_evidence", EVIDENCE, "what the states are decided by, as of as_of; null where nothing tells them"),
];

/// The evidence of states; docs/measures.md has the formulas.
const EVIDENCE: Shape = OrNull(&Record(EVIDENCE_FIELDS));

const EVIDENCE_FIELDS: &[Field] = &[
    ("attitude", SHARE, "of the profile"),
    ("activity", Between(0, 1), "active_days_30d / 30"),
    ("buying", Between(0, 1), "min(1, streak / (2 x purchases.loyal_orders))"),
    ("attitude_margin", RATIO, "attitude less loyalty.high; null without attitude"),
    ("behaviour_margin", Number, "the larger of activity and buying, less loyalty.high"),
    ("reward_share", SHARE, "of the profile"),
    (
        "bought_during_offer",
        OrNull(&Flag),
        "whether an order came within loyalty.response_days after any competitor's offer; null without an offer whose days are over",
    ),
    ("one_brand", Flag, "whether every order is of one brand, and no competitor was looked at or bought from of late"),
    ("kinds", Record(KIND_FIELDS), "how much each kind of loyalty has for it; null where nothing tells it"),
];

const KIND_FIELDS: &[Field] = &[
    ("impulsive", SHARE, "short decisions, rewards, competitors' offers"),
    ("emotional", SHARE, "attitude and breadth"),
    ("cognitive", SHARE, "views before orders"),
    ("behavioural", SHARE, "a steady rhythm"),
];

const ZONE: Shape = OrNull(&OneOf(&["defection", "indifference", "affection"]));
