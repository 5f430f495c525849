//! What is wrong in the settings: every mistake, each with its key, its value and what is allowed.

use std::fmt;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The whole key, such as `time.mau_days`; empty when the file as a whole is meant.
    pub key: String,
    /// The value as TOML, redacted when the key holds a secret; `None` when the key itself is the mistake.
    pub found: Option<String>,
    /// What is allowed.
    pub allowed: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.found, self.key.as_str()) {
            (_, "") => write!(formatter, "{}", self.allowed),
            (Some(found), key) => write!(formatter, "{key} = {found}: {}", self.allowed),
            (None, key) => write!(formatter, "{key}: {}", self.allowed),
        }
    }
}

/// All mistakes of the settings, at least one; one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "mistake" } else { "mistakes" };
        write!(formatter, "{} {plural} in the settings", self.0.len())?;
        self.0.iter().try_for_each(|mistake| write!(formatter, "\n  {mistake}"))
    }
}

impl std::error::Error for Mistakes {}

/// What is printed in place of a secret.
pub(super) const REDACTED: &str = "<redacted>";

/// Whether the value of a key must not be printed.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["password", "secret", "token", "ssl.key", "credential", "sasl.jaas", "oauthbearer"].iter().any(|part| key.contains(part))
}

/// A value as TOML, on one line, cut after 80 characters.
pub(super) fn shown(key: &str, value: &toml::Value) -> String {
    if is_secret(key) {
        return REDACTED.to_owned();
    }
    let text = redacted(value).to_string().replace('\n', " ");
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The value with the secrets inside it redacted.
fn redacted(value: &toml::Value) -> toml::Value {
    match value {
        toml::Value::Table(table) => table
            .iter()
            .map(|(key, inner)| (key.clone(), if is_secret(key) { REDACTED.into() } else { redacted(inner) }))
            .collect::<toml::Table>()
            .into(),
        toml::Value::Array(items) => items.iter().map(redacted).collect::<Vec<_>>().into(),
        // A table of secrets that was not written as a table is a text.
        toml::Value::String(text) if is_secret(text) => REDACTED.into(),
        other => other.clone(),
    }
}

/// The known name closest to `name`, when it is close enough to be a slip.
pub(super) fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let length = name.chars().count();
    let near = if length < 4 { 1 } else { (length / 3).max(2) };
    let distances = known.into_iter().map(|candidate| (distance(name, candidate), candidate));
    distances.filter(|(distance, _)| *distance <= near).min().map(|(_, candidate)| candidate)
}

/// The least count of insertions, removals and replacements of characters that turn one text into the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, left) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        let known = ["group_id", "inputs", "repartition"];
        for (name, meant) in [("grup_id", Some("group_id")), ("input", Some("inputs")), ("repartitions", Some("repartition")), ("x", None)]
        {
            assert_eq!(did_you_mean(name, known), meant, "{name}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn secrets_are_not_shown() {
        let value: toml::Table =
            "properties = { \"sasl.password\" = \"hunter2\", \"ssl.key.pem\" = \"hunter2\", a = [1] }".parse().expect("TOML");
        let text = shown("kafka", &value.into());
        assert!(!text.contains("hunter2") && text.contains("a = [1]"), "{text}");
        let text = shown("kafka.properties", &"{sasl.password=hunter2".into());
        assert_eq!(text, format!("\"{REDACTED}\""));
        assert_eq!(shown("http.token", &"hunter2".into()), REDACTED);
    }
}
