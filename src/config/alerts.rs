//! The section of alerts: when they start and end, and where they go beside their topic.

use url::Url;

use super::section::Section;
use super::{AlertmanagerSettings, Credentials, Secret};
use crate::engine::alerts::AlertSettings;
use crate::model::spike::SpikeRules;
use crate::model::spike::deficit::Cusum;

pub(super) fn alerts(section: Section<'_>) -> (Option<AlertSettings>, Option<AlertmanagerSettings>) {
    let default = AlertSettings::default();
    let enabled = section.flag("enabled", true);
    let fire_p = section.number("fire_p", 1e-12..=0.5, default.fire_p);
    let resolve_p = section.number("resolve_p", 1e-12..=1.0, default.resolve_p);
    if resolve_p < fire_p {
        section.mistake("resolve_p", format!("must be at least alerts.fire_p, which is {fire_p}"));
    }
    let settings = AlertSettings {
        fire_p,
        resolve_p,
        resolve_days: section.whole("resolve_days", 1..=90, default.resolve_days),
        level_shift_days: section.whole("level_shift_days", 2..=365, default.level_shift_days),
        rules: rules(&section, default.rules),
        cusum: Cusum {
            k: section.number("cusum_k", 0.1..=3.0, default.cusum.k),
            h: section.number("cusum_h", 1.0..=50.0, default.cusum.h),
        },
        process: default.process,
    };
    let alertmanager = alertmanager(&section);
    section.finish();
    (enabled.then_some(settings), alertmanager.filter(|_| enabled))
}

fn rules(section: &Section<'_>, default: SpikeRules) -> SpikeRules {
    let minimum_count = section.whole("minimum_count", 1..=1_000_000, default.minimum_count);
    let minimum_at_risk = section.whole("minimum_at_risk", 1..=1_000_000, default.minimum_at_risk);
    let history_days = section.whole("history_days", 28..=1095, default.history_days);
    let minimum_history_days = section.whole("minimum_history_days", 14..=1095, default.minimum_history_days);
    if minimum_history_days > history_days {
        section.mistake("minimum_history_days", format!("must be at most alerts.history_days, which is {history_days}"));
    }
    SpikeRules { history_days, minimum_history_days, minimum_count, minimum_at_risk }
}

fn alertmanager(section: &Section<'_>) -> Option<AlertmanagerSettings> {
    let url = section.optional_text("alertmanager_url");
    let token = section.optional_text("alertmanager_token");
    let username = section.optional_text("alertmanager_username");
    if token.as_ref().is_some_and(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        section.mistake("alertmanager_token", "must be visible ASCII characters without spaces, at least one");
    }
    if username.as_ref().is_some_and(|name| name.is_empty() || name.contains(|letter: char| letter == ':' || letter.is_control())) {
        section.mistake("alertmanager_username", "must not be empty nor contain `:` or control characters");
    }
    if username.is_some() && token.is_none() {
        section.mistake("alertmanager_username", "needs its password in alerts.alertmanager_token");
    }
    let credentials = token.map(|token| match username {
        Some(username) => Credentials::Basic { username, password: Secret(token) },
        None => Credentials::Bearer(Secret(token)),
    });
    let address = plain_address(&url?).or_else(|| {
        let allowed = "must be an http or https address without user, query or fragment, such as \"http://localhost:9093\"";
        section.secret_mistake("alertmanager_url", allowed);
        None
    })?;
    Some(AlertmanagerSettings { url: address, credentials })
}

/// The address, when alerts can be sent there. Credentials have keys of their own, which are never printed.
pub(super) fn plain_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain).then_some(url)
}
