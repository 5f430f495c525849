//! Rows as the JSON records that mean the same under the mapping: what Kafka carries has no header.

use serde_json::{Map, Value};

use super::csv::{Header, RowError};
use super::mapping::{Format, InputMapping, Location};

/// Where the cells of the rows of a file go in a JSON object.
#[derive(Clone, Debug)]
pub struct RowShape {
    header: Header,
    /// The position of a column, and the keys that lead to its value from the top.
    places: Vec<(usize, Vec<String>)>,
    /// Whether records are calls of the Segment spec.
    is_call: bool,
}

impl RowShape {
    /// Of the rows under `header`: fields go where the mapping looks for them, other columns to the properties.
    #[must_use]
    pub fn new(mapping: &InputMapping, header: &Header) -> Self {
        let is_call = mapping.format == Format::Segment;
        let properties = if is_call { vec!["properties".to_owned()] } else { path(&mapping.fields.properties) };
        let mut places = Vec::new();
        for (index, name) in header.names() {
            let is_field = mapping.fields.all().any(|location| location.written() == name);
            let mut paths: Vec<Vec<String>> = if is_field {
                field_paths(mapping, name, is_call)
            } else {
                // A property that is looked for from the top is put there too.
                let pointers = mapping.properties.values().filter(|location| location.pointer().is_some() && location.written() == name);
                pointers.map(path).chain([[properties.clone(), vec![name.to_owned()]].concat()]).collect()
            };
            paths.dedup();
            places.extend(paths.into_iter().map(|path| (index, path)));
        }
        Self { header: header.clone(), places, is_call }
    }

    /// The object of a row, as text: every cell is a text, and an empty one is absent.
    ///
    /// # Errors
    /// When it is no row under the header.
    pub fn json(&self, row: &[u8]) -> Result<String, RowError> {
        let cells = self.header.cells(row)?;
        let mut object = Map::new();
        if self.is_call {
            object.insert("type".to_owned(), "track".into());
        }
        for (index, path) in &self.places {
            if let Some(cell) = cells.get(*index).filter(|cell| !cell.is_empty()) {
                place(&mut object, path, cell);
            }
        }
        Ok(Value::Object(object).to_string())
    }
}

/// The keys that lead to a location.
fn path(location: &Location) -> Vec<String> {
    location.pointer().map_or_else(|| vec![location.written().to_owned()], <[String]>::to_vec)
}

/// Where the column `name` is looked for as a field. Rows have no object of properties, so that a column of that name says nothing.
fn field_paths(mapping: &InputMapping, name: &str, is_call: bool) -> Vec<Vec<String>> {
    let fields = &mapping.fields;
    let user_id = if is_call { vec!["userId".to_owned()] } else { path(&fields.user_id) };
    let others = [&fields.event_id, &fields.kind, &fields.timestamp].into_iter().chain(&fields.arrived_at);
    let found = others.filter(|location| location.written() == name).map(path);
    found.chain((fields.user_id.written() == name).then_some(user_id)).collect()
}

/// Puts a text at the end of a path, unless something is there already.
fn place(object: &mut Map<String, Value>, path: &[String], text: &str) {
    match path {
        [] => {}
        [last] => _ = object.entry(last.clone()).or_insert_with(|| text.into()),
        [first, rest @ ..] => {
            if let Value::Object(inner) = object.entry(first.clone()).or_insert_with(|| Map::new().into()) {
                place(inner, rest, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    const HEADER: &str = "id,customer,what,when,seen,amount,/context/plan,channel,,note";

    /// What the row and its object are read as, which must be the same.
    fn read(settings: &str, header: &str, row: &str) -> String {
        let settings = Settings::read(settings, []).expect("valid");
        let header = Header::parse(header.as_bytes()).expect("a header");
        let json = RowShape::new(&settings.input, &header).json(row.as_bytes()).expect("a row");
        let decoder = settings.decoder();
        let of_row = decoder.decode_row(&header, row.as_bytes());
        assert_eq!(decoder.decode_json_line(json.as_bytes()), of_row, "{json}");
        assert!(of_row.is_ok(), "{of_row:?}");
        json
    }

    #[test]
    fn rows_are_objects_that_mean_the_same() {
        let names = "[input.fields]\nevent_id = \"id\"\nuser_id = \"customer\"\ntype = \"what\"\ntimestamp = \"when\"\narrived_at = \"seen\"\n\
                     [input.types]\nbought = \"order_placed\"\n[input.properties]\nplan = \"/context/plan\"\n";
        let breakdowns = "[breakdowns]\nproperties = [\"plan\", \"channel\", \"note\"]\n";
        let row = "e1,\"a \"\"b\"\"\",bought,1714564800000,1714564800001,12.50,gold,,x,\"two\nlines\"";
        let json = read(&format!("{names}{breakdowns}"), HEADER, row);
        assert_eq!(
            json,
            r#"{"id":"e1","customer":"a \"b\"","what":"bought","when":"1714564800000","seen":"1714564800001","properties":{"amount":"12.50","/context/plan":"gold","note":"two\nlines"},"context":{"plan":"gold"}}"#
        );
        let nested = names.replace("\"id\"", "\"/meta/id\"").replace("[input.types]", "properties = \"\"\n[input.types]");
        let json = read(&format!("{nested}{breakdowns}"), &HEADER.replace("id,", "/meta/id,"), row);
        assert!(json.starts_with(r#"{"meta":{"id":"e1"},"#) && json.contains(r#""amount":"12.50""#), "{json}");
    }

    #[test]
    fn rows_of_other_formats_are_objects_of_those_formats() {
        let row = "m1,u1,Order Completed,2026-01-01T00:00:00Z,12.5,web";
        let json = read("input.format = \"segment\"", "messageId,userId,event,timestamp,revenue,channel", row);
        assert!(json.starts_with(r#"{"type":"track","messageId":"m1","userId":"u1","#), "{json}");
        let json = read("input.format = \"cloudevents\"", "id,subject,type,time,amount,data", "1,u1,activity,1714564800000,12.5,ignored");
        assert!(json.ends_with(r#""data":{"amount":"12.5"}}"#), "{json}");
    }

    #[test]
    fn what_is_no_row_is_none() {
        let header = Header::parse(b"user_id,type").expect("a header");
        let shape = RowShape::new(&InputMapping::default(), &header);
        assert!(shape.json(b"a").is_err() && shape.json(b"a,\xff").is_err());
    }
}
