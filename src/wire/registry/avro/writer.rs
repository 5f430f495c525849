//! JSON as data of an Avro schema.

use apache_avro::Schema;
use apache_avro::schema::RecordSchema;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Map, Value};

use crate::model::time::Day;

/// Writes data of one schema. Of the types of Avro it knows those that published records have.
pub struct AvroWriter {
    schema: &'static Schema,
    writer: GenericDatumWriter<'static>,
}

impl AvroWriter {
    /// Reads a schema without references, which is then in memory for good.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let schema: &'static Schema = Box::leak(Box::new(Schema::parse_str(text).map_err(|error| error.to_string())?));
        // What is written is made by the schema, and need not be held against it.
        let writer = GenericDatumWriter::builder(schema).validate(false).build().map_err(|error| error.to_string())?;
        Ok(Self { schema, writer })
    }

    /// Appends the datum of a record. A field that the record does not have is null.
    ///
    /// # Errors
    /// What of the record the schema has no place for, or what it wants and the record does not have. Nothing is appended then.
    pub fn append(&self, record: &Value, out: &mut Vec<u8>) -> Result<(), String> {
        let value = avro(record, self.schema).map_err(|place| format!("the Avro schema has no place for {place}"))?;
        let start = out.len();
        let written = self.writer.write_value_ref(out, &value);
        written.map(drop).map_err(|error| {
            out.truncate(start);
            error.to_string()
        })
    }
}

/// The datum of a value; else where in the value there is something that the schema has no place for.
fn avro(value: &Value, schema: &Schema) -> Result<Avro, String> {
    let other = || format!("a value such as {value}");
    Ok(match schema {
        Schema::Null if value.is_null() => Avro::Null,
        Schema::Boolean => Avro::Boolean(value.as_bool().ok_or_else(other)?),
        Schema::Long => Avro::Long(value.as_i64().ok_or_else(other)?),
        Schema::Double => Avro::Double(value.as_f64().ok_or_else(other)?),
        Schema::String => Avro::String(value.as_str().ok_or_else(other)?.to_owned()),
        Schema::Date => Avro::Date(value.as_str().and_then(Day::parse).ok_or_else(other)?.number()),
        Schema::Array(array) => {
            let values = value.as_array().ok_or_else(other)?.iter();
            Avro::Array(values.map(|value| avro(value, &array.items)).collect::<Result<_, _>>()?)
        }
        Schema::Record(record) => fields(value.as_object().ok_or_else(other)?, record)?,
        Schema::Union(union) => {
            let mut reasons = Vec::new();
            let fits = |(at, branch)| match avro(value, branch) {
                Ok(found) => Some((at, found)),
                Err(reason) => {
                    reasons.push(reason);
                    None
                }
            };
            let fitting = (0..).zip(union.variants()).find_map(fits);
            let (at, found) = fitting.ok_or_else(|| reasons.pop().unwrap_or_else(other))?;
            Avro::Union(at, Box::new(found))
        }
        _ => return Err(other()),
    })
}

fn fields(object: &Map<String, Value>, record: &RecordSchema) -> Result<Avro, String> {
    if let Some(unknown) = object.keys().find(|name| !record.lookup.contains_key(*name)) {
        return Err(format!("field `{unknown}`"));
    }
    let datum = record.fields.iter().map(|field| {
        let value = avro(object.get(&field.name).unwrap_or(&Value::Null), &field.schema);
        value.map(|value| (field.name.clone(), value)).map_err(|reason| format!("{reason} in field `{}`", field.name))
    });
    Ok(Avro::Record(datum.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::AvroSchema;
    use super::*;

    const SCHEMA: &str = r#"{"type": "record", "name": "R", "fields": [
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "state", "type": ["null", "boolean", "string"], "default": null},
        {"name": "share", "type": ["null", "double"], "default": null},
        {"name": "counts", "type": ["null", {"type": "array", "items": "long"}], "default": null},
        {"name": "inner", "type": ["null", {"type": "record", "name": "I", "fields": [{"name": "text", "type": "string"}]}], "default": null}
    ]}"#;

    #[test]
    fn what_is_written_is_read_again() {
        let (writer, reader) = (AvroWriter::parse(SCHEMA).expect("a schema"), AvroSchema::parse(SCHEMA, &[]).expect("a schema"));
        let none = json!({"day": "1969-12-31", "state": null, "share": null, "counts": null, "inner": null});
        let all =
            json!({"day": "2026-01-31", "state": true, "share": 1.0, "counts": [0, -1, 4_294_967_296_i64], "inner": {"text": "ä\"\u{0}"}});
        let named = json!({"day": "2026-01-31", "state": "new", "share": 0.1, "counts": [], "inner": {"text": ""}});
        for record in [none, all, named] {
            let mut datum = vec![9];
            writer.append(&record, &mut datum).expect("of the schema");
            assert_eq!(reader.to_json(&datum[1..]).expect("a datum"), record.to_string().into_bytes());
        }
        let mut datum = Vec::new();
        writer.append(&json!({"day": "2026-01-31"}), &mut datum).expect("the others may be null");
        // 20,484 days since the epoch, zigzag; four nulls.
        assert_eq!(datum, [0x88, 0xc0, 0x02, 0, 0, 0, 0]);
    }

    #[test]
    fn what_has_no_place_is_told_and_nothing_is_written() {
        let writer = AvroWriter::parse(SCHEMA).expect("a schema");
        for (record, place) in [
            (json!({"day": "2026-01-31", "dau": 1}), "field `dau`"),
            (json!({"state": true}), "a value such as null in field `day`"),
            (json!({"day": "31 January"}), "a value such as \"31 January\" in field `day`"),
            (json!({"day": "2026-01-31", "counts": [0.5]}), "a value such as 0.5 in field `counts`"),
            (json!({"day": "2026-01-31", "inner": {"text": "a", "b": 1}}), "field `b` in field `inner`"),
        ] {
            let mut datum = Vec::new();
            let reason = writer.append(&record, &mut datum).expect_err("no place");
            assert_eq!(reason, format!("the Avro schema has no place for {place}"));
            assert!(datum.is_empty());
        }
    }
}
