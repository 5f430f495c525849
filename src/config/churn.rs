//! `[churn]` and `[clv]`.

use super::section::Section;
use crate::model::churn::settings::{ChurnSettings, ClvSettings, ProcessSettings, prior};
use crate::model::churn::{ChurnModel, ChurnParameters, ChurnProcess, ProcessKind, TimeUnit};
use crate::model::spend::{SpendParameters, Valuation};

/// What a parameter of a model may be.
const PARAMETER: (f64, f64) = (1e-6, 1e6);

pub(super) fn churn(section: Section<'_>) -> ChurnSettings {
    let default = ChurnSettings::default();
    let settings = ChurnSettings {
        process: section.one_of("process", &ProcessKind::NAMES, default.process),
        medium: section.number("medium", 0.001..=0.999, default.medium),
        high: section.number("high", 0.001..=0.999, default.high),
        refit: section.flag("refit", default.refit),
        complaint_patience_days: section.whole("complaint_patience_days", 0..=3650, default.complaint_patience_days),
        activity: process(section.section("activity"), ProcessKind::Activity, &default.activity.process),
        purchase: process(section.section("purchase"), ProcessKind::Purchase, &default.purchase.process),
    };
    if settings.medium >= settings.high {
        section.mistake("medium", format!("must be below churn.high, which is {}", settings.high));
    }
    section.finish();
    settings
}

fn process(section: Section<'_>, kind: ProcessKind, default: &ChurnProcess) -> ProcessSettings {
    let horizon_days = section.whole("horizon_days", 1..=3650, default.horizon_days);
    let lapse_days = section.whole("lapse_days", 1..=3650, default.lapse_days);
    let model = section.one_of("model", &ChurnModel::NAMES, default.model);
    let unit = section.one_of("unit", &TimeUnit::NAMES, default.unit);
    let known = prior(kind, model, unit);
    let parameters_set = all_or_none(&section, ["r", "alpha", "a", "b"]);
    let parameters = ChurnParameters {
        r: section.number("r", PARAMETER.0..=PARAMETER.1, known.r),
        alpha: section.number("alpha", PARAMETER.0..=PARAMETER.1, known.alpha),
        a: section.number("a", PARAMETER.0..=PARAMETER.1, known.a),
        b: section.number("b", PARAMETER.0..=PARAMETER.1, known.b),
    };
    section.finish();
    ProcessSettings { process: ChurnProcess { model, unit, parameters, horizon_days, lapse_days }, parameters_set }
}

pub(super) fn clv(section: Section<'_>) -> ClvSettings {
    let default = ClvSettings::default();
    let valuation = Valuation {
        margin: section.number("margin", 0.0..=1.0, default.valuation.margin),
        discount_annual: section.number("discount_annual", 0.0..=10.0, default.valuation.discount_annual),
    };
    let spend_set = all_or_none(&section, ["p", "q", "v"]);
    let spend = SpendParameters {
        p: section.number("p", PARAMETER.0..=PARAMETER.1, default.spend.p),
        // The mean over all buyers exists above 1 only.
        q: section.number("q", 1.001..=PARAMETER.1, default.spend.q),
        v: section.number("v", PARAMETER.0..=1e12, default.spend.v),
    };
    section.finish();
    ClvSettings { valuation, spend, spend_set }
}

/// Whether all of the keys are written. Parameters of one model belong together: one alone among priors would mean nothing.
fn all_or_none<const N: usize>(section: &Section<'_>, keys: [&'static str; N]) -> bool {
    let missing: Vec<&str> = keys.into_iter().filter(|key| section.value(key).is_none()).collect();
    if !missing.is_empty() && missing.len() < N {
        let written = keys.into_iter().find(|key| !missing.contains(key)).unwrap_or_default();
        section.mistake(written, format!("is set without {}: set all of {}, or none", missing.join(", "), keys.join(", ")));
    }
    missing.is_empty()
}
