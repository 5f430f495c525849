//! Answers as tables for people to read: whatever shape they have, so that a new insight has its table.

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::Failure;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Json,
    Table,
}

impl Format {
    /// Prints what has a name, or everything.
    pub(super) fn print(self, name: Option<&str>, told: &Value) -> Result<(), Failure> {
        match (self, name) {
            (Self::Json, _) => super::print(&told.to_string()),
            (Self::Table, Some(name)) => super::print(tables(name, told).trim_end()),
            (Self::Table, None) => super::print(all_tables(told).trim_end()),
        }
    }
}

/// A row: what is in each column, by its name.
type Row = Vec<(String, String)>;

/// The text of all insights: one after the other, and first as of when they are.
fn all_tables(insights: &Value) -> String {
    let mut out = format!("as of {}\n\n", text(&insights["as_of"]));
    for (name, value) in insights.as_object().into_iter().flatten().filter(|(_, value)| value.is_object() || value.is_array()) {
        show(name, value, &mut out);
    }
    out
}

/// The text of a value under a title: figures line by line, lists and groups as tables with a line of names on top.
fn tables(title: &str, value: &Value) -> String {
    let mut out = String::new();
    show(&shown(title), value, &mut out);
    out
}

fn show(title: &str, value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) if is_group(fields) => rows(title, fields.iter().map(|(name, row)| (Some(name.as_str()), row)), out),
        Value::Object(fields) => {
            let mut figures = Row::new();
            flatten("", value, &mut figures);
            let lines: Vec<Row> = figures.into_iter().map(|(name, figure)| vec![(String::new(), name), (" ".to_owned(), figure)]).collect();
            if !lines.is_empty() {
                write_table(title, &lines, out);
            }
            for (name, inner) in fields.iter().filter(|(_, inner)| is_table(inner)) {
                show(&format!("{title}, {}", shown(name)), inner, out);
            }
        }
        Value::Array(values) if values.iter().any(Value::is_object) => rows(title, values.iter().map(|row| (None, row)), out),
        other => {
            let line = format!("## {title}\n{}\n\n", text(other));
            out.push_str(&line);
        }
    }
}

/// A table of objects, then the tables inside of each.
fn rows<'v>(title: &str, objects: impl Iterator<Item = (Option<&'v str>, &'v Value)> + Clone, out: &mut String) {
    let row = |(name, object): (Option<&str>, &Value)| {
        let mut row: Row = name.map(|name| (String::new(), shown(name))).into_iter().collect();
        flatten("", object, &mut row);
        row
    };
    let all: Vec<Row> = objects.clone().map(row).collect();
    write_table(title, &all, out);
    for ((name, object), row) in objects.zip(&all) {
        let name = name.or_else(|| row.first().map(|(_, first)| first.as_str())).unwrap_or_default();
        for (field, inner) in object.as_object().into_iter().flatten().filter(|(_, inner)| is_table(inner)) {
            show(&format!("{title}, {name}, {field}"), inner, out);
        }
    }
}

/// Whether an object is a table of like objects by name, and not one of fields.
fn is_group(fields: &Map<String, Value>) -> bool {
    fields.len() > 1 && fields.values().all(Value::is_object)
}

/// Whether a value is shown as a table of its own. The others are figures of the row that they are in.
fn is_table(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(Value::is_object),
        Value::Object(fields) => is_group(fields) || fields.values().any(is_table),
        _ => false,
    }
}

/// The figures of an object, those of objects in it by both names.
fn flatten(prefix: &str, value: &Value, row: &mut Row) {
    for (name, inner) in value.as_object().into_iter().flatten().filter(|(_, inner)| !is_table(inner)) {
        let name = if prefix.is_empty() { shown(name) } else { format!("{prefix}.{}", shown(name)) };
        match inner {
            Value::Object(_) => flatten(&name, inner, row),
            figure => row.push((name, text(figure))),
        }
    }
}

/// A text that may have come with an event, on one line and harmless to a terminal.
fn shown(text: &str) -> String {
    if text.is_empty() { "(none)".to_owned() } else { text.escape_debug().to_string() }
}

/// A figure: fractions to four places, `-` for what is not known.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => shown(text),
        Value::Number(number) if number.is_f64() => {
            let fixed = format!("{:.4}", number.as_f64().unwrap_or_default());
            fixed.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Value::Array(values) if values.is_empty() => "(none)".to_owned(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Columns in the order in which rows bring them; figures stand under each other at their ends, names at their beginnings.
fn write_table(title: &str, rows: &[Row], out: &mut String) {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flatten() {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let find = |row: &Row, name: &str| row.iter().find(|(known, _)| known == name).map_or("-".to_owned(), |(_, figure)| figure.clone());
    let columns: Vec<Vec<String>> = names
        .iter()
        .map(|name| std::iter::once(cut(name, CELL)).chain(rows.iter().map(|row| cut(&find(row, name), CELL))).collect::<Vec<String>>())
        .collect();
    for part in ["## ", &cut(title, TITLE), "\n"] {
        out.push_str(part);
    }
    let has_names = names.iter().any(|name| !name.trim().is_empty());
    for line in usize::from(!has_names)..=rows.len() {
        let cells: Vec<String> = columns.iter().map(|column| cell(column, line)).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out.push('\n');
}

/// Characters of a cell that are shown at most: names come with events, and one that is long would push all others out of sight.
const CELL: usize = 60;
/// The same of a title, which has several.
const TITLE: usize = 200;

/// A text of at most so many characters; one that is longer ends in an ellipsis.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

/// One cell of a column, as wide as the widest.
fn cell(column: &[String], line: usize) -> String {
    let width = column.iter().map(|text| text.chars().count()).max().unwrap_or_default();
    let are_figures = column.iter().skip(1).all(|text| text == "-" || text.parse::<f64>().is_ok());
    let text = &column[line];
    if are_figures { format!("{text:>width$}") } else { format!("{text:<width$}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_groups_and_lists_are_tables() {
        let value = json!({
            "stay_days": 30,
            "share": 0.123_456,
            "unknown": null,
            "article": { "quick": 0.82 },
            "reasons": { "moved": 2 },
            "by": { "slow": { "part": 1, "users": 10 }, "quick": { "part": 22, "users": null } },
            "curve": [{ "days": 1, "step": "one", "points": [{ "at": 5 }] }, { "days": 10, "step": "", "points": [] }],
            "nothing": [],
        });
        let expected = "\
## recovery
stay_days      30
share          0.1235
unknown        -
article.quick  0.82
reasons.moved  2
nothing        (none)

## recovery, by
       part  users
slow      1     10
quick    22      -

## recovery, curve
days  step    points
   1  one     -
  10  (none)  (none)

## recovery, curve, 1, points
at
 5

";
        assert_eq!(tables("recovery", &value), expected.to_owned());
    }

    #[test]
    fn what_came_with_events_moves_no_cursor() {
        assert_eq!(tables("departures", &json!(["\u{1b}[2J"])), "## departures\n\\u{1b}[2J\n\n");
        let long = "n".repeat(70_000);
        let of_long = tables(&long, &json!({ "by": [{ "name": long, "users": 5 }] }));
        let widest = of_long.lines().map(|line| line.chars().count()).max();
        assert!(of_long.contains("…  ") && widest == Some(203), "{widest:?}");
        let of_user = tables("\u{1b}[2J", &json!({ "\u{1b}[1m": [{ "at": 5 }] }));
        assert_eq!(of_user, "## \\u{1b}[2J, \\u{1b}[1m\nat\n 5\n\n", "ids are anybody's");
        let all = json!({ "as_of": "2026-01-31", "schema": "v1", "reasons": { "\u{1b}[2J": 1, "": 2 } });
        assert_eq!(all_tables(&all), "as of 2026-01-31\n\n## reasons\n\\u{1b}[2J  1\n(none)     2\n\n");
    }
}
