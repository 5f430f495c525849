//! `[[webhooks]]`: where published records are posted, which of them, and how long that is tried. No value of these tables is shown when it may hold a secret.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::{Table, Value};
use url::Url;

use super::duration;
use super::mistakes::did_you_mean;
use super::section::Section;
use super::segments::{Reader, texts};
use crate::model::rules::PropertyTest;
use crate::wire::schema;
use crate::wire::webhook::{FieldTest, RecordFilter, RecordKind};

/// How many webhooks there may be: each reads its topics by itself.
const MOST_WEBHOOKS: usize = 32;
/// The longest name, in bytes.
const LONGEST_NAME: usize = 64;
const KEYS: [&str; 9] = ["name", "url", "records", "where", "secret_env", "secret_file", "timeout", "retry_for", "from"];

/// One table of `[[webhooks]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookSettings {
    /// What it is called in the log, in metrics and in the names of its consumer groups.
    pub name: String,
    /// Where records are posted.
    pub url: WebhookUrl,
    /// What is posted, at least one kind, each once.
    pub records: Vec<RecordKind>,
    /// Which of them.
    pub filter: RecordFilter,
    /// Where the secrets are that sign.
    pub secret: SecretSource,
    /// How long an attempt may take, connecting included.
    pub timeout: Duration,
    /// How long after its first attempt a record is given up.
    pub retry_for: Duration,
    /// Where a webhook begins that has delivered nothing yet.
    pub from: WebhookStart,
}

/// An address that may hold credentials; printing shows whom it leads to.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(pub Url);

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.origin().ascii_serialization())
    }
}

/// Where the secrets of a webhook are: one or more, with spaces or line ends between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In the environment variable of this name.
    Environment(String),
    /// In this file.
    File(PathBuf),
}

/// Where a webhook begins that has delivered nothing yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookStart {
    /// With what is published from now on.
    Latest,
    /// With the oldest record that its topics have.
    Earliest,
}

pub(super) fn webhooks(top: &Section<'_>) -> Vec<WebhookSettings> {
    let Some(value) = top.value("webhooks") else { return Vec::new() };
    let Some(items) = value.as_array() else {
        top.secret_mistake("webhooks", "must be a list of tables, each begun by [[webhooks]]");
        return Vec::new();
    };
    if items.len() > MOST_WEBHOOKS {
        top.secret_mistake("webhooks", format!("must be at most {MOST_WEBHOOKS}"));
    }
    let reader = Reader { top, key: "webhooks" };
    let mut names = BTreeSet::new();
    let mut webhooks = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let written = item.get("name").and_then(Value::as_str).filter(|name| is_name(name));
        let path = written.map_or_else(|| at.to_string(), str::to_owned);
        if written.is_some_and(|name| !names.insert(name)) {
            reader.wrong(&format!("{path}.name"), item.get("name"), "is the name of another webhook, too");
        }
        webhooks.extend(webhook(&reader, item, &path));
    }
    webhooks
}

/// Names are in those of consumer groups, and are labels of metrics.
fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn webhook(reader: &Reader<'_, '_>, value: &Value, path: &str) -> Option<WebhookSettings> {
    if !value.is_table() {
        reader.wrong(path, None, "must be a table");
        return None;
    }
    let table = reader.table(value, path, &KEYS)?;
    let name = table.get("name").and_then(Value::as_str).filter(|name| is_name(name));
    if name.is_none() {
        let allowed = format!("must be a text of 1 to {LONGEST_NAME} letters, digits, `_` and `-`");
        reader.wrong(&format!("{path}.name"), table.get("name"), allowed);
    }
    let url = url(reader, table, path);
    let records = records(reader, table, path);
    let filter = filter(reader, table, path, records.as_deref().unwrap_or_default());
    let secret = secret(reader, table, path);
    let timeout = duration(reader, table, path, "timeout", "100ms"..="60s", "10s");
    let retry_for = duration(reader, table, path, "retry_for", "0s"..="7d", "1h");
    let from = from(reader, table, path);
    Some(WebhookSettings {
        name: name?.to_owned(),
        url: url?,
        records: records?,
        filter: filter?,
        secret: secret?,
        timeout,
        retry_for,
        from,
    })
}

fn url(reader: &Reader<'_, '_>, table: &Table, path: &str) -> Option<WebhookUrl> {
    let url = table.get("url").and_then(Value::as_str).and_then(|text| Url::parse(text).ok());
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.fragment().is_none());
    if url.is_none() {
        let allowed = "must be an http or https address without fragment, such as \"https://crm.example.com/hooks/stickiness\"";
        reader.wrong(&format!("{path}.url"), None, allowed);
    }
    url.map(WebhookUrl)
}

fn records(reader: &Reader<'_, '_>, table: &Table, path: &str) -> Option<Vec<RecordKind>> {
    let path = format!("{path}.records");
    let known = || RecordKind::ALL.map(RecordKind::name).join(", ");
    let value = table.get("records");
    let Some(names) = value.and_then(texts).filter(|names| !names.is_empty()) else {
        reader.wrong(&path, value, format!("must be a list of some of {}", known()));
        return None;
    };
    let mut kinds = Vec::new();
    for name in &names {
        match RecordKind::ALL.into_iter().find(|kind| kind.name() == name) {
            Some(kind) if kinds.contains(&kind) => reader.wrong(&path, value, format!("names `{name}` twice")),
            Some(kind) => kinds.push(kind),
            None => reader.wrong(&path, value, format!("`{name}` is none of {}", known())),
        }
    }
    (kinds.len() == names.len()).then_some(kinds)
}

/// A field that is misspelt, or that one of the kinds does not have, would hold records back for ever without a word.
fn filter(reader: &Reader<'_, '_>, table: &Table, path: &str, records: &[RecordKind]) -> Option<RecordFilter> {
    let Some(value) = table.get("where") else { return Some(RecordFilter::default()) };
    let tests = reader.properties(value, path)?;
    let mut sound = true;
    for (field, test) in &tests {
        for kind in records {
            if let Some(allowed) = unsound(*kind, field, test) {
                reader.wrong(&format!("{path}.where.{field}"), value.get(field), allowed);
                sound = false;
            }
        }
    }
    sound.then(|| RecordFilter(tests.into_iter().map(|(field, test)| FieldTest { field, test }).collect()))
}

/// Why no record of a kind could ever pass.
fn unsound(kind: RecordKind, field: &str, test: &PropertyTest) -> Option<String> {
    let name = field.strip_prefix('/').map_or(field, |pointer| pointer.split('/').next().unwrap_or_default());
    let fields = schema::fields(kind.schema());
    let Some(values) = fields.get(name) else {
        let known = || fields.keys().map(String::as_str);
        return Some(match did_you_mean(name, known()) {
            Some(meant) => format!("`{name}` is no field of {}; did you mean `{meant}`?", kind.name()),
            None => format!("`{name}` is no field of {}; known are {}", kind.name(), known().collect::<Vec<_>>().join(", ")),
        });
    };
    match (values, test) {
        (Some(values), PropertyTest::OneOf(texts)) => {
            let stray = texts.iter().find(|text| !values.contains(text))?;
            Some(format!("`{stray}` is no value of `{name}` in {}; known are {}", kind.name(), values.join(", ")))
        }
        _ => None,
    }
}

fn secret(reader: &Reader<'_, '_>, table: &Table, path: &str) -> Option<SecretSource> {
    let written: Vec<&str> = ["secret_env", "secret_file"].into_iter().filter(|key| table.contains_key(*key)).collect();
    let [key] = written[..] else {
        let allowed =
            "needs one of secret_env, the name of an environment variable, and secret_file, the path of a file, that has its secret";
        reader.wrong(path, None, allowed);
        return None;
    };
    // What is written here by mistake may be the secret.
    let is_place = |text: &&str| !text.is_empty() && !text.starts_with("whsec_") && !text.contains('\0');
    let text = table[key].as_str().filter(is_place).filter(|text| key == "secret_file" || !text.contains('='));
    if text.is_none() {
        let allowed = if key == "secret_file" { "the path of a file" } else { "the name of an environment variable" };
        reader.wrong(&format!("{path}.{key}"), None, format!("must be {allowed} that has the secret, not the secret itself"));
    }
    text.map(|text| if key == "secret_file" { SecretSource::File(text.into()) } else { SecretSource::Environment(text.to_owned()) })
}

fn duration(reader: &Reader<'_, '_>, table: &Table, path: &str, key: &str, range: RangeInclusive<&str>, default: &str) -> Duration {
    let known = |text: &str| duration::parse(text).unwrap_or_default();
    let Some(value) = table.get(key) else { return known(default) };
    let (low, high) = (known(range.start()), known(range.end()));
    let read = value.as_str().and_then(duration::parse).filter(|read| (low..=high).contains(read));
    read.unwrap_or_else(|| {
        let allowed = format!("must be a duration from \"{}\" to \"{}\", in ms, s, min, h or d", range.start(), range.end());
        reader.wrong(&format!("{path}.{key}"), Some(value), allowed);
        known(default)
    })
}

fn from(reader: &Reader<'_, '_>, table: &Table, path: &str) -> WebhookStart {
    match table.get("from").map(Value::as_str) {
        None | Some(Some("latest")) => WebhookStart::Latest,
        Some(Some("earliest")) => WebhookStart::Earliest,
        Some(_) => {
            reader.wrong(&format!("{path}.from"), table.get("from"), "must be one of \"latest\", \"earliest\"");
            WebhookStart::Latest
        }
    }
}
