//! `[[segments]]`: users by rules. Conditions nest, so they are read value by value, each with the path to it.

use std::collections::BTreeSet;
use std::time::Duration;

use toml::{Table, Value};

use super::duration;
use super::input::not_a_type;
use super::mistakes::did_you_mean;
use super::section::Section;
use crate::engine::rules::fields;
use crate::model::event::EventType;
use crate::model::rules::{Action, Condition, End, EventCondition, EventFilter, FieldCondition, PropertyTest, Range, SegmentRule, Window};
use crate::wire::schema;

/// How deep conditions may nest.
const DEEPEST: usize = 16;
/// How many conditions on events there may be in all rules together.
const MOST_CONDITIONS: usize = 10_000;
/// How many rules there may be.
const MOST_RULES: usize = 1000;
/// The longest name, in bytes.
const LONGEST_NAME: usize = 128;
/// The longest window; users are not remembered event by event for longer.
const LONGEST_WINDOW: &str = "3660d";

/// What says which events or figures a condition is of: exactly one of them in each.
const SUBJECTS: [&str; 7] = ["all", "any", "not", "count", "sum", "none", "field"];
const RANGE: [&str; 5] = ["more_than", "at_least", "less_than", "at_most", "exactly"];

/// Reads values below a key at the top, and notes what is wrong with them.
pub(super) struct Reader<'r, 'w> {
    pub(super) top: &'r Section<'w>,
    pub(super) key: &'static str,
}

pub(super) fn segments(top: &Section<'_>) -> Vec<SegmentRule> {
    let Some(value) = top.value("segments") else { return Vec::new() };
    let Some(items) = value.as_array() else {
        top.mistake("segments", "must be a list of tables, each begun by [[segments]]");
        return Vec::new();
    };
    if items.len() > MOST_RULES {
        top.mistake("segments", format!("must be at most {MOST_RULES} rules"));
    }
    let reader = Reader { top, key: "segments" };
    let mut conditions = 0;
    let mut names = BTreeSet::new();
    let mut rules = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let name = item.get("name").and_then(Value::as_str).map_or_else(|| at.to_string(), str::to_owned);
        if !names.insert(name.clone()) {
            reader.wrong(&format!("{name}.name"), item.get("name"), "is the name of another segment, too");
        }
        let rule = reader.rule(item, &name);
        if let Some(rule) = &rule {
            rule.when.each_of_events(&mut |_| conditions += 1);
        }
        rules.extend(rule);
    }
    if conditions > MOST_CONDITIONS {
        top.mistake("segments", format!("has {conditions} conditions on events, at most {MOST_CONDITIONS} are allowed"));
    }
    rules
}

/// Values of a property to compare with: numbers however they are written.
fn one_of(texts: Vec<String>, value: &Value) -> PropertyTest {
    let numbers: Vec<f64> = match value {
        Value::Array(values) => values.iter().filter_map(number).collect(),
        value => number(value).into_iter().collect(),
    };
    if numbers.is_empty() { PropertyTest::OneOf(texts) } else { PropertyTest::AnyOf(texts, numbers) }
}

impl Reader<'_, '_> {
    pub(super) fn wrong(&self, path: &str, value: Option<&Value>, allowed: impl Into<String>) {
        self.top.item_mistake(self.key, path, value, allowed);
    }

    pub(super) fn table<'v>(&self, value: &'v Value, path: &str, known: &[&str]) -> Option<&'v Table> {
        let Some(table) = value.as_table() else {
            self.wrong(path, Some(value), "must be a table");
            return None;
        };
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let allowed = match did_you_mean(key, known.iter().copied()) {
                Some(meant) => format!("unknown key; did you mean `{meant}`?"),
                None => format!("unknown key; known here: {}", known.join(", ")),
            };
            self.wrong(&format!("{path}.{key}"), None, allowed);
        }
        Some(table)
    }

    fn rule(&self, value: &Value, path: &str) -> Option<SegmentRule> {
        let table = self.table(value, path, &["name", "when", "on_enter"])?;
        let name = table.get("name").and_then(Value::as_str).filter(|name| is_name(name));
        if name.is_none() {
            self.wrong(
                &format!("{path}.name"),
                table.get("name"),
                format!("must be a text of 1 to {LONGEST_NAME} visible bytes, not `null`"),
            );
        }
        let when = table.get("when").and_then(|when| self.condition(when, &format!("{path}.when"), 1));
        if !table.contains_key("when") {
            self.wrong(&format!("{path}.when"), None, "is missing: who belongs to the segment");
        }
        let on_enter = table.get("on_enter").map(|action| self.action(action, &format!("{path}.on_enter")));
        Some(SegmentRule { name: name?.to_owned(), when: when?, on_enter: on_enter.flatten() })
    }

    fn action(&self, value: &Value, path: &str) -> Option<Action> {
        let table = self.table(value, path, &["within", "fulfilled_by"])?;
        let within = self.duration(table, path, "within");
        if within.is_none() && !table.contains_key("within") {
            self.wrong(&format!("{path}.within"), None, "is missing: how long after entering the action is in time, such as \"24h\"");
        }
        let Some(fulfilled_by) = table.get("fulfilled_by") else {
            self.wrong(&format!("{path}.fulfilled_by"), None, "is missing: the event types that fulfil the action");
            return None;
        };
        let fulfilled_by = self.filter(fulfilled_by, None, &format!("{path}.fulfilled_by"))?;
        Some(Action { within: within?, fulfilled_by })
    }

    fn condition(&self, value: &Value, path: &str, depth: usize) -> Option<Condition> {
        if depth > DEEPEST {
            self.wrong(path, None, format!("conditions may nest {DEEPEST} deep"));
            return None;
        }
        let Some(found) = value.as_table() else {
            self.wrong(path, Some(value), "must be a table");
            return None;
        };
        let subjects: Vec<&str> = SUBJECTS.iter().copied().filter(|subject| found.contains_key(*subject)).collect();
        let [subject] = subjects[..] else {
            self.wrong(path, Some(value), format!("must have exactly one of {}", SUBJECTS.join(", ")));
            return None;
        };
        match subject {
            "all" => self.conditions(found, path, subject, depth).map(Condition::All),
            "any" => self.conditions(found, path, subject, depth).map(Condition::Any),
            "not" => {
                self.table(value, path, &["not"])?;
                self.condition(&found["not"], &format!("{path}.not"), depth + 1).map(|one| Condition::Not(Box::new(one)))
            }
            "field" => self.field(value, path).map(Condition::Field),
            _ => self.events(value, path, subject).map(Condition::Events),
        }
    }

    fn conditions(&self, table: &Table, path: &str, key: &'static str, depth: usize) -> Option<Vec<Condition>> {
        self.table(&Value::Table(table.clone()), path, &[key])?;
        let items = table[key].as_array().filter(|items| !items.is_empty());
        let Some(items) = items else {
            self.wrong(&format!("{path}.{key}"), Some(&table[key]), "must be a list of conditions, at least one");
            return None;
        };
        let read = |(at, item): (usize, &Value)| self.condition(item, &format!("{path}.{key}.{at}"), depth + 1);
        let read: Vec<Option<Condition>> = items.iter().enumerate().map(read).collect();
        read.into_iter().collect()
    }

    fn field(&self, value: &Value, path: &str) -> Option<FieldCondition> {
        let mut known = vec!["field", "is"];
        known.extend(RANGE);
        let table = self.table(value, path, &known)?;
        let (numbers, states) = fields::names();
        let (numbers, states): (Vec<_>, Vec<_>) = (numbers.collect(), states.collect());
        let name = table["field"].as_str().unwrap_or_default();
        let key = format!("{path}.field");
        let stray =
            if numbers.contains(&name) { table.get_key_value("is") } else { RANGE.iter().find_map(|key| table.get_key_value(*key)) };
        if let Some((key, value)) = stray.filter(|_| numbers.contains(&name) || states.contains(&name)) {
            let has = if key == "is" { "a number, and has bounds" } else { "a state, and has `is`" };
            self.wrong(&format!("{path}.{key}"), Some(value), format!("`{name}` is {has}"));
            return None;
        }
        if numbers.contains(&name) {
            let range = self.range(table, path)?;
            return Some(FieldCondition { field: name.to_owned(), test: PropertyTest::In(range) });
        }
        if states.contains(&name) {
            let Some(test) = table.get("is").and_then(texts).filter(|states| !states.is_empty()) else {
                self.wrong(&format!("{path}.is"), table.get("is"), format!("must be what `{name}` has to be: a text, or a list of some"));
                return None;
            };
            if let Some(stray) = unknown_state(name, &test) {
                self.wrong(&format!("{path}.is"), table.get("is"), stray);
                return None;
            }
            return Some(FieldCondition { field: name.to_owned(), test: PropertyTest::OneOf(test) });
        }
        let all = numbers.iter().chain(&states).copied();
        let allowed = match did_you_mean(name, all.clone()) {
            Some(meant) => format!("no field that rules can ask for; did you mean `{meant}`?"),
            None => format!("must be a field of the profile: {}", all.collect::<Vec<_>>().join(", ")),
        };
        self.wrong(&key, table.get("field"), allowed);
        None
    }

    fn events(&self, value: &Value, path: &str, subject: &'static str) -> Option<EventCondition> {
        let mut known = vec![subject, "where", "over", "since", "since_last", "within"];
        if subject == "sum" {
            known.push("of");
        }
        if subject != "none" {
            known.extend(RANGE);
        }
        let table = self.table(value, path, &known)?;
        let types = if subject == "sum" { "of" } else { subject };
        let Some(events) = table.get(types) else {
            self.wrong(&format!("{path}.of"), None, "is missing: the event types whose property is added up");
            return None;
        };
        let events = self.filter(events, table.get("where"), &format!("{path}.{types}"));
        let window = self.window(table, path);
        let sum = (subject == "sum").then(|| table["sum"].as_str().filter(|name| !name.is_empty()).map(str::to_owned));
        if sum == Some(None) {
            self.wrong(&format!("{path}.sum"), table.get("sum"), "must be the name of a property that is a number");
            return None;
        }
        let range = match subject {
            "none" => Some(Range { low: None, high: Some(End { at: 0.0, included: true }) }),
            "count" if !RANGE.iter().any(|key| table.contains_key(*key)) => {
                Some(Range { low: Some(End { at: 1.0, included: true }), high: None })
            }
            _ => self.range(table, path),
        };
        Some(EventCondition { events: events?, sum: sum.flatten(), window: window?, range: range? })
    }

    fn window(&self, table: &Table, path: &str) -> Option<Window> {
        let (over, since, last) = (table.contains_key("over"), table.get("since"), table.get("since_last"));
        if usize::from(over) + usize::from(since.is_some()) + usize::from(last.is_some()) > 1 {
            self.wrong(path, None, "has more than one of over, since, since_last");
            return None;
        }
        if over {
            if let Some(within) = table.get("within") {
                self.wrong(&format!("{path}.within"), Some(within), "belongs to since or since_last; over is a window up to now");
            }
            return self.duration(table, path, "over").map(Window::Last);
        }
        let Some(anchor) = since.or(last) else {
            if let Some(within) = table.get("within") {
                self.wrong(&format!("{path}.within"), Some(within), "needs since or since_last: what it is counted from");
            }
            return Some(Window::Always);
        };
        let key = if since.is_some() { "since" } else { "since_last" };
        let anchor = self.filter(anchor, None, &format!("{path}.{key}"))?;
        let within = if table.contains_key("within") { Some(self.duration(table, path, "within")?) } else { None };
        Some(Window::Since { anchor, first: since.is_some(), within })
    }

    /// A duration in nanoseconds; `None` without one, or with one that is not allowed.
    fn duration(&self, table: &Table, path: &str, key: &str) -> Option<i64> {
        let value = table.get(key)?;
        let longest = duration::parse(LONGEST_WINDOW).unwrap_or_default();
        let read = value.as_str().and_then(duration::parse).filter(|read| (Duration::from_millis(1)..=longest).contains(read));
        if read.is_none() {
            self.wrong(
                &format!("{path}.{key}"),
                Some(value),
                format!("must be a duration from \"1ms\" to \"{LONGEST_WINDOW}\", in ms, s, min, h or d"),
            );
        }
        i64::try_from(read?.as_nanos()).ok()
    }

    /// A type, a list of types, or a table of types and properties.
    fn filter(&self, value: &Value, properties: Option<&Value>, path: &str) -> Option<EventFilter> {
        if value.is_table() {
            let table = self.table(value, path, &["event", "where"])?;
            let Some(event) = table.get("event") else {
                self.wrong(&format!("{path}.event"), None, "is missing: the event types");
                return None;
            };
            return self.filter(event, table.get("where"), path);
        }
        let Some(types) = texts(value).filter(|types| !types.is_empty()) else {
            self.wrong(path, Some(value), "must be an event type, or a list of some");
            return None;
        };
        let unknown =
            |name: &&String| EventType::from_name(name).is_none_or(|kind| matches!(kind, EventType::UserMerged | EventType::UserDeleted));
        if let Some(name) = types.iter().find(unknown) {
            self.wrong(path, Some(value), not_a_type(name));
            return None;
        }
        let properties = properties.map_or(Some(Vec::new()), |properties| self.properties(properties, path))?;
        Some(EventFilter { types, properties })
    }

    /// What properties have to be, by the table `where` at `path`.
    pub(super) fn properties(&self, value: &Value, path: &str) -> Option<Vec<(String, PropertyTest)>> {
        let Some(table) = value.as_table() else {
            self.wrong(path, Some(value), "`where` must be a table of properties");
            return None;
        };
        let test = |(name, value): (&String, &Value)| {
            let path = format!("{path}.where.{name}");
            let test = if value.is_table() {
                self.table(value, &path, &RANGE).and_then(|table| self.range(table, &path)).map(PropertyTest::In)
            } else {
                let values = texts(value).filter(|values| !values.is_empty()).map(|values| one_of(values, value));
                if values.is_none() {
                    self.wrong(&path, Some(value), "must be a text, a number, true or false, a list of some, or a table of bounds");
                }
                values
            };
            Some((name.clone(), test?))
        };
        let read: Vec<Option<(String, PropertyTest)>> = table.iter().map(test).collect();
        read.into_iter().collect()
    }

    fn range(&self, table: &Table, path: &str) -> Option<Range> {
        let mut range = Range::default();
        for (key, included) in [("more_than", false), ("at_least", true), ("less_than", false), ("at_most", true), ("exactly", true)] {
            let Some(value) = table.get(key) else { continue };
            let Some(at) = number(value) else {
                self.wrong(&format!("{path}.{key}"), Some(value), "must be a number");
                return None;
            };
            let end = Some(End { at, included });
            let ends = match key {
                "more_than" | "at_least" => vec![&mut range.low],
                "less_than" | "at_most" => vec![&mut range.high],
                _ => vec![&mut range.low, &mut range.high],
            };
            for known in ends {
                if known.is_some() {
                    self.wrong(&format!("{path}.{key}"), Some(value), "says again where the range ends");
                    return None;
                }
                *known = end;
            }
        }
        if let (Some(low), Some(high)) = (range.low, range.high)
            && (low.at > high.at || (low.at >= high.at && !(low.included && high.included)))
        {
            self.wrong(path, None, "has bounds that no number is within");
            return None;
        }
        if range == Range::default() {
            self.wrong(path, None, format!("needs a bound: one of {}", RANGE.join(", ")));
            return None;
        }
        Some(range)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && name != "null" && !name.chars().any(char::is_control)
}

#[expect(clippy::cast_precision_loss, reason = "bounds are small numbers")]
fn number(value: &Value) -> Option<f64> {
    value.as_float().filter(|number| number.is_finite()).or_else(|| value.as_integer().map(|whole| whole as f64))
}

/// Why a field is never in one of these states. Of what there is no state of a user, there is none called null, either.
fn unknown_state(field: &str, states: &[String]) -> Option<String> {
    let known = schema::fields("profiles").remove(field).flatten()?;
    let known: Vec<&str> = known.iter().map(String::as_str).filter(|state| *state != "null").collect();
    let stray = states.iter().find(|state| !known.contains(&state.as_str()))?;
    Some(format!("`{stray}` is no `{field}`; known are {}", known.join(", ")))
}

/// A scalar as JSON text, or the texts of a list of scalars.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    };
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        value => one(value).map(|text| vec![text]),
    }
}
