//! `[tracing]`: which records are traced, and where their spans go.

use url::Url;

use super::alerts::plain_address;
use super::section::Section;

/// Whether this program can send spans.
pub(super) const CAN_TRACE: bool = cfg!(feature = "opentelemetry");

/// `[tracing]`, when `tracing.enabled` is true.
#[derive(Clone, Debug, PartialEq)]
pub struct TracingSettings {
    /// Where a collector takes OTLP over HTTP, without `/v1/traces`; `None` is what `OTEL_EXPORTER_OTLP_ENDPOINT` says, or `http://localhost:4318`.
    pub endpoint: Option<Url>,
    /// Which share of the records without a `traceparent` begins a trace; from 0 to 1.
    pub sample_ratio: f64,
    /// `service.name` of the spans; `None` is what `OTEL_SERVICE_NAME` says, or `stickiness`.
    pub service_name: Option<String>,
}

pub(super) fn traces(section: Section<'_>, can_trace: bool) -> Option<TracingSettings> {
    let enabled = section.flag("enabled", false);
    if enabled && !can_trace {
        section.mistake("enabled", "must be false: this binary was built without the feature `opentelemetry`");
    }
    let endpoint = section.optional_text("endpoint").and_then(|text| {
        let address = plain_address(&text);
        if address.is_none() {
            let allowed = "must be an http or https address without user, query or fragment, such as \"http://localhost:4318\"";
            section.secret_mistake("endpoint", allowed);
        }
        if address.as_ref().is_some_and(|address| address.path().ends_with("/v1/traces")) {
            section.mistake("endpoint", "must be without `/v1/traces`, which is put after it");
        }
        address
    });
    let sample_ratio = section.number("sample_ratio", 0.0..=1.0, 0.0);
    let service_name = section.optional_text("service_name");
    if service_name.as_ref().is_some_and(String::is_empty) {
        section.mistake("service_name", "must not be empty");
    }
    section.finish();
    enabled.then_some(TracingSettings { endpoint, sample_ratio, service_name })
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;

    fn read(text: &str, can_trace: bool) -> Result<Option<TracingSettings>, Vec<String>> {
        let written = written::read(text, []);
        let settings = traces(written.top().section("tracing"), can_trace);
        let mistakes: Vec<String> = written.mistakes.into_inner().iter().map(ToString::to_string).collect();
        if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
    }

    #[test]
    fn a_program_without_the_feature_says_so() {
        let text = "[tracing]\nenabled = true\nendpoint = \"https://collector/otlp\"\nsample_ratio = 1";
        let refused = "tracing.enabled = true: must be false: this binary was built without the feature `opentelemetry`";
        assert_eq!(read(text, false), Err(vec![refused.to_owned()]));
        let settings = read(text, true).expect("settings").expect("on");
        assert_eq!(settings.endpoint.as_ref().map(Url::as_str), Some("https://collector/otlp"));
        assert_eq!((settings.sample_ratio, settings.service_name), (1.0, None));
        let twice = "tracing.endpoint = \"http://collector:4318/v1/traces\": must be without `/v1/traces`, which is put after it";
        assert_eq!(read("[tracing]\nendpoint = \"http://collector:4318/v1/traces\"", true), Err(vec![twice.to_owned()]));
        for can_trace in [false, true] {
            assert_eq!(read("[tracing]\nsample_ratio = 1", can_trace), Ok(None));
        }
    }
}
