//! What settings mean, and what is said about every mistake.

use super::*;
use crate::engine::settings::{Breakdown, DeletionPast};
use crate::model::churn::level::RiskLevel;
use crate::model::churn::settings::prior;
use crate::model::churn::{ChurnModel, ChurnParameters, ProcessKind, TimeUnit};
use crate::model::event::EventType;
use crate::model::month_day::MonthDay;
use crate::model::spend::Valuation;
use crate::wire::webhook::RecordKind;

fn read(text: &str) -> Result<Settings, Mistakes> {
    Settings::read(text, [])
}

fn with_environment(text: &str, variables: &[(&str, &str)]) -> Result<Settings, Mistakes> {
    Settings::read(text, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

#[test]
fn the_example_is_exactly_the_defaults() {
    let example = include_str!("../../config/stickiness.toml");
    let defaults = read("").expect("defaults");
    assert_eq!(read(example).expect("the example"), defaults);
    assert_eq!(defaults.engine, EngineSettings::default());
}

#[test]
fn the_example_shows_every_key() {
    let example = include_str!("../../config/stickiness.toml");
    // A key that nobody knows makes each section tell the keys that it knows.
    let sections = ["kafka", "topics", "input", "input.fields", "publish", "time", "activity", "purchases", "complaints", "deletion"];
    let more = [
        "churn",
        "churn.activity",
        "churn.purchase",
        "clv",
        "loyalty",
        "breakdowns",
        "alerts",
        "profiles",
        "delivery",
        "snapshots",
        "http",
        "workers",
        "tracing",
    ];
    let text = sections.iter().chain(&more).map(|section| format!("[{section}]\nzzzzzzzzzzzz = 1\n")).collect::<Vec<_>>().concat();
    for mistake in read(&text).expect_err("unknown keys").0 {
        let known = mistake.allowed.strip_prefix("unknown key; known here: ").expect("the known keys");
        for key in known.split(", ") {
            let shown = [format!("\n{key} ="), format!("\n# {key} ="), format!(".{key}]\n")];
            assert!(shown.iter().any(|line| example.contains(line)), "{}: {key}", mistake.key);
        }
    }
}

#[test]
fn the_examples_comments_hold_settings_that_are_allowed() {
    let example = include_str!("../../config/stickiness.toml");
    let is_setting = |line: &&str| {
        line.strip_prefix("# ").is_some_and(|rest| rest.split_once(" = ").is_some_and(|(key, _)| !key.trim_matches('"').contains(", ")))
    };
    let is_table = |line: &str| line.starts_with("# [[");
    let uncommented: Vec<&str> = example.lines().map(|line| if is_setting(&line) || is_table(line) { &line[2..] } else { line }).collect();
    let text = uncommented.join("\n").replace("properties = []", "properties = [\"country\"]");
    let settings = read(&text).expect("the example without its comments");
    assert_eq!(settings.input.default_type, Some(EventType::Activity));
    assert_eq!(settings.engine.segments.len(), 1);
    assert_eq!((settings.webhooks.len(), settings.webhooks[0].timeout), (1, Duration::from_secs(10)));
    assert_eq!(settings.currency.as_deref(), Some("EUR"));
    assert_eq!(settings.worker_threads, NonZeroU16::new(4));
    assert!(
        settings.engine.churn.activity.parameters_set && settings.engine.churn.purchase.parameters_set && settings.engine.clv.spend_set
    );
}

#[test]
fn every_section_is_read() {
    let settings = read(
        r#"
        [kafka]
        inputs = ["a", "b"]
        properties = { "security.protocol" = "ssl", "queued.min.messages" = 1000, "socket.keepalive.enable" = true }
        [topics]
        dead_letters = "dlq"
        [input]
        timestamp_unit = "s"
        [input.fields]
        user_id = "/context/traits/id"
        properties = ""
        [input.types]
        "Order Completed" = "order_placed"
        default = "activity"
        [publish]
        transitions = ["lifecycle.new", "loyal"]
        churn_risk = ["high", "churned"]
        [time]
        earliest = 2000-01-01
        mau_days = 28
        grace = "0s"
        [activity]
        exclude = ["survey_response", "feedback"]
        [deletion]
        past = "decrement"
        [breakdowns]
        properties = ["country", "plan"]
        values.plan = ["pro", 1, true]
        [churn]
        process = "purchase"
        medium = 0.4
        [churn.activity]
        unit = "week"
        [churn.purchase]
        model = "bg-nbd"
        r = 1
        alpha = 2.5
        a = 3
        b = 4
        [clv]
        margin = 0.3
        [http]
        listen = "0.0.0.0:9000"
        token = "hunter2"
        "#,
    )
    .expect("settings");
    assert_eq!(settings.kafka.properties.0["queued.min.messages"], "1000");
    assert_eq!(settings.topics.dead_letters, "dlq");
    assert_eq!(settings.input.event_type("Order Completed"), Some(EventType::OrderPlaced));
    assert_eq!(settings.input.event_type("anything"), Some(EventType::Activity));
    assert!(settings.publish.wants_transition("lifecycle", "new") && settings.publish.wants_transition("loyal", "false"));
    assert!(!settings.publish.wants_transition("lifecycle", "dormant") && !settings.publish.wants_transition("purchase", "first_order"));
    let risks = [None, Some(RiskLevel::Medium), Some(RiskLevel::High), Some(RiskLevel::Churned)];
    assert_eq!(risks.map(|to| settings.publish.wants_risk(to)), [false, false, true, true]);
    assert_eq!((settings.earliest.to_string().as_str(), settings.engine.mau_days, settings.engine.grace_ms), ("2000-01-01", 28, 0));
    assert_eq!(settings.engine.excluded_types, ["feedback", "survey_response"]);
    assert_eq!(settings.engine.deletion_past, DeletionPast::Decrement);
    let plan = vec!["1".to_owned(), "pro".to_owned(), "true".to_owned()];
    let country = Breakdown { property: "country".to_owned(), values: None };
    assert_eq!(settings.engine.breakdowns, [country, Breakdown { property: "plan".to_owned(), values: Some(plan) }]);
    let churn = &settings.engine.churn;
    assert_eq!((churn.process, churn.medium.to_string().as_str(), churn.high.to_string().as_str()), (ProcessKind::Purchase, "0.4", "0.8"));
    assert_eq!(churn.purchase.process.parameters, ChurnParameters { r: 1.0, alpha: 2.5, a: 3.0, b: 4.0 });
    assert!(churn.purchase.parameters_set && !churn.activity.parameters_set);
    let weekly = churn.activity.process.parameters.alpha * 7.0;
    assert!((weekly - prior(ProcessKind::Activity, ChurnModel::MbgNbd, TimeUnit::Day).alpha).abs() < 1e-12);
    assert_eq!(settings.engine.clv.valuation, Valuation { margin: 0.3, discount_annual: 0.1 });
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn the_environment_overrides() {
    let settings = with_environment(
        "[kafka]\ngroup_id = \"file\"\n[time]\nmau_days = 7",
        &[
            ("STICKINESS__KAFKA__GROUP_ID", "12345"),
            ("STICKINESS__KAFKA__INPUTS", "[\"clicks\", \"orders\"]"),
            ("STICKINESS__KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2"),
            ("STICKINESS__TIME__MAU_DAYS", "28"),
            ("STICKINESS__TIME__GRACE", "2h"),
            ("STICKINESS__HTTP__TOKEN", "a b"),
            ("STICKINESS__HTTP__TOKEN", "0042"),
            ("STICKINESS_LOG", "debug"),
            ("STICKINESS__LOG__FORMAT", "json"),
            ("PATH", "/bin"),
        ],
    )
    .expect("settings");
    assert_eq!(settings.kafka.group_id, "12345");
    assert_eq!(settings.kafka.inputs, ["clicks", "orders"]);
    assert_eq!(settings.kafka.properties.0["sasl.password"], "hunter2");
    assert_eq!((settings.engine.mau_days, settings.engine.grace_ms), (28, 7_200_000));
    assert_eq!(settings.http.token.as_ref().map(Secret::reveal), Some("0042"));
    assert_eq!(settings.log, LogSettings { format: LogFormat::Json, level: "info" });
}

#[track_caller]
fn check_mistakes(text: &str, expected: &str) {
    let mistakes = read(text).expect_err(text).0;
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(lines.join("\n"), expected.trim_matches('\n'));
}

#[test]
fn every_mistake_is_reported_at_once() {
    let mistakes = read(include_str!("../../tests/data/settings/mistakes.toml")).expect_err("mistakes");
    assert_eq!(format!("{mistakes}\n"), include_str!("../../tests/data/settings/mistakes.txt"));
}

#[test]
fn other_mistakes() {
    check_mistakes("[kafka", "line 1, column 7: not TOML: unclosed table, expected `]`");
    check_mistakes("kafka = 1", "kafka = 1: must be a table");
    check_mistakes(
        "[http]\ntoken = \"hun ter2\"",
        "http.token = <redacted>: must be visible ASCII characters without spaces, at least one",
    );
    check_mistakes(
        "[http]\nlisten = \"here\"",
        "http.listen = \"here\": must be an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"",
    );
    for (listen, advertised) in [("127.0.0.1:8080", "http://10.0.0.5:8080"), ("0.0.0.0:8080", "http://0.0.0.0:8080")] {
        let expected = format!(
            "http.advertise = \"{advertised}\": names another machine or none, and http.listen = \"{listen}\" is reached from this one alone: listen where others come in"
        );
        check_mistakes(&format!("[http]\ntoken = \"x\"\nlisten = \"{listen}\"\nadvertise = \"{advertised}\""), &expected);
    }
    for (listen, advertised) in [("127.0.0.1:0", "http://localhost:1"), ("[::]:8080", "https://stickiness-0.example:8080")] {
        let text = format!("[http]\ntoken = \"x\"\nlisten = \"{listen}\"\nadvertise = \"{advertised}\"");
        assert!(read(&text).is_ok(), "{text}");
    }
    let mistakes =
        with_environment("[kafka]", &[("STICKINESS__KAFKA", "x"), ("STICKINESS__KAFKA__GROUP_ID__X", "1"), ("STICKINESS__", "")]);
    let text = mistakes.expect_err("mistakes").to_string();
    let expected = "3 mistakes in the settings
  STICKINESS__: must be named like STICKINESS__SECTION__KEY
  STICKINESS__KAFKA__GROUP_ID__X: sets a key of `kafka`, which is not a table
  kafka = \"x\": must be a table (set by STICKINESS__KAFKA)";
    assert_eq!(text, expected);
}

#[test]
fn the_horizon_and_the_windows_fit() {
    for (mau_days, late_horizon_days, fits) in
        [(30, 68, true), (30, 69, false), (60, 68, true), (93, 35, true), (94, 35, false), (128, 0, true), (129, 0, false)]
    {
        let text = format!("[time]\nmau_days = {mau_days}\nlate_horizon_days = {late_horizon_days}");
        assert_eq!(read(&text).is_ok(), fits, "{text}");
    }
}

#[test]
fn listening_to_the_world_needs_a_token() {
    for (listen, token, fine) in [
        ("127.0.0.1:0", "", true),
        ("localhost:80", "", true),
        ("[::1]:80", "", true),
        ("0.0.0.0:80", "", false),
        ("[::]:80", "", false),
        ("10.0.0.1:80", "token = \"x\"", true),
    ] {
        assert_eq!(read(&format!("[http]\nlisten = \"{listen}\"\n{token}")).is_ok(), fine, "{listen}");
    }
}

#[test]
fn days_of_the_decoder_are_those_of_the_zone() {
    let settings = read("[time]\ntime_zone = \"America/New_York\"\nearliest = \"2024-01-02\"").expect("settings");
    let decode = |time: &str| {
        settings.decoder().decode_json(format!(r#"{{"user_id":"u","type":"activity","timestamp":"{time}"}}"#).as_bytes()).is_ok()
    };
    assert!(!decode("2024-01-02T04:59:59Z"));
    assert!(decode("2024-01-02T05:00:00Z"));
    assert!(decode("2100-01-01T04:59:59Z"));
    assert!(!decode("2100-01-01T05:00:00Z"));
}

#[test]
fn webhooks_are_read_and_show_no_secret() {
    let text = r#"
        [[webhooks]]
        name = "crm"
        url = "https://me:hunter2@crm.example.com/hooks?key=hunter3"
        records = ["churn_risk", "transitions"]
        where = { to = ["high", "null"], user_id = "u-1" }
        secret_file = "/run/secrets/crm"
        retry_for = "2h"
        from = "earliest"
        [[webhooks]]
        name = "ops"
        url = "http://localhost:9000"
        records = "alerts"
        where = { "/labels/process" = "activity", observed = { at_least = 10 } }
        secret_env = "OPS_SECRET"
    "#;
    let webhooks = read(text).expect("valid").webhooks;
    let [crm, ops] = &webhooks[..] else { panic!("{webhooks:?}") };
    assert_eq!((crm.name.as_str(), crm.from, crm.retry_for), ("crm", WebhookStart::Earliest, Duration::from_hours(2)));
    assert_eq!(crm.records, [RecordKind::ChurnRisk, RecordKind::Transitions]);
    assert_eq!(crm.url.0.path(), "/hooks");
    assert_eq!(crm.secret, SecretSource::File("/run/secrets/crm".into()));
    assert!(crm.filter.accepts(br#"{"to":null,"user_id":"u-1"}"#) && !crm.filter.accepts(br#"{"to":"low","user_id":"u-1"}"#));
    assert_eq!((ops.from, ops.timeout, ops.retry_for), (WebhookStart::Latest, Duration::from_secs(10), Duration::from_hours(1)));
    assert_eq!(ops.secret, SecretSource::Environment("OPS_SECRET".to_owned()));
    assert!(ops.filter.accepts(br#"{"observed":10,"labels":{"process":"activity"}}"#));
    let shown = format!("{webhooks:?}");
    assert!(shown.contains("https://crm.example.com") && !shown.contains("hunter"), "{shown}");
    // Mistakes of whole tables do not show what may be an address.
    for wrong in
        ["webhooks = \"http://me:hunter2@x\"", "webhooks = [\"http://me:hunter2@x\"]", "webhooks = [{ url = \"ftp://me:hunter2@x\" }]"]
    {
        let mistakes = read(wrong).expect_err("no webhooks").to_string();
        assert!(!mistakes.contains("hunter"), "{mistakes}");
    }
}

#[test]
fn holidays_are_days_of_the_year() {
    let days = read("[loyalty]\nholidays = [\"12-25\", \"02-29\"]").expect("days").engine.holidays;
    assert_eq!(days, ["12-25", "02-29"].map(|day| MonthDay::parse(day).expect("a day")));
    for text in ["25.12.", "2024-12-25", "12-25T00:00"] {
        let mistakes = read(&format!("[loyalty]\nholidays = [\"{text}\"]")).expect_err("no day").to_string();
        assert!(mistakes.contains("loyalty.holidays") && mistakes.contains("MM-DD") && mistakes.contains("12-25"), "{text}: {mistakes}");
    }
}
