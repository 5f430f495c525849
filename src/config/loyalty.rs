//! The section of loyalty: thresholds of its measures.

use super::section::Section;
use crate::model::loyalty::settings::LoyaltySettings;
use crate::model::month_day::MonthDay;

/// Thresholds, and days of the year that something is due on.
pub(super) fn loyalty(section: Section<'_>) -> (LoyaltySettings, Vec<MonthDay>) {
    let default = LoyaltySettings::default();
    let share = |key, default| section.number(key, 0.0..=1.0, default);
    let five = |key, default| section.number(key, 1.0..=5.0, default);
    let (zone_defection, zone_affection) = (five("zone_defection", default.zone_defection), five("zone_affection", default.zone_affection));
    if zone_affection < zone_defection {
        section.mistake("zone_affection", format!("must be at least loyalty.zone_defection, which is {zone_defection}"));
    }
    let settings = LoyaltySettings {
        high: share("high", default.high),
        margin: share("margin", default.margin),
        mercenary_share: share("mercenary_share", default.mercenary_share),
        satisfied: five("satisfied", default.satisfied),
        trusting: five("trusting", default.trusting),
        promoter: section.whole("promoter", 0..=10, default.promoter),
        steady_variation: section.number("steady_variation", 0.0..=10.0, default.steady_variation),
        zone_defection,
        zone_affection,
        // What reaches further back than this would have to be kept longer than orders are.
        decision_days: section.whole("decision_days", 1..=90, default.decision_days),
        response_days: section.whole("response_days", 1..=15, default.response_days),
        view_days: section.whole("view_days", 1..=90, default.view_days),
        contact_days: section.whole("contact_days", 1..=3650, default.contact_days),
        answer_days: section.whole("answer_days", 1..=30, default.answer_days),
        brand_half_life_days: section.whole("brand_half_life_days", 1..=30, default.brand_half_life_days),
        brand_margin: section.number("brand_margin", 0.0..=10.0, default.brand_margin),
        sentiment_prior: section.number("sentiment_prior", 0.0..=1000.0, default.sentiment_prior),
        sentiment_high: share("sentiment_high", default.sentiment_high),
        failures: section.whole("failures", 1..=1000, default.failures),
        inbound_contacts: section.whole("inbound_contacts", 1..=1000, default.inbound_contacts),
        satisfaction_drop: section.number("satisfaction_drop", 0.1..=4.0, default.satisfaction_drop),
        long_days: section.whole("long_days", 1..=3650, default.long_days),
        full_breadth: section.whole("full_breadth", 1..=1000, default.full_breadth),
    };
    let holidays = holidays(&section);
    section.finish();
    (settings, holidays)
}

fn holidays(section: &Section<'_>) -> Vec<MonthDay> {
    let mut days = Vec::new();
    for text in section.texts("holidays").unwrap_or_default() {
        // A year would say that it is due in that one alone.
        match MonthDay::parse(&text).filter(|_| text.len() == "MM-DD".len()) {
            Some(day) => days.push(day),
            None => section.mistake("holidays", "each must be a day of every year as MM-DD, such as 12-25"),
        }
    }
    days
}
