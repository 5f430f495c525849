//! Data of Avro schemas as JSON. Logical types become what events are written with: timestamps in RFC 3339, dates as days, decimals as their text.

use std::collections::HashMap;
use std::io::{self, Read};

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{Name, RecordSchema};
use apache_avro::types::Value as Avro;
use apache_avro::{Decimal, Schema};
use serde_json::{Map, Value, json};

use super::Reference;
use crate::model::time::{Day, EventTime};

/// Bytes that one value of a datum may say that it takes: no record is longer.
const LARGEST: usize = 1 << 20;

/// A schema with all named types in it, and in those that it refers to.
#[derive(Debug)]
pub struct AvroSchema {
    schema: Schema,
    others: Vec<Schema>,
    named: HashMap<Name, Schema>,
}

impl AvroSchema {
    /// Reads a schema.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str, references: &[Reference]) -> Result<Self, String> {
        apache_avro::util::max_allocation_bytes(LARGEST);
        let parsed = Schema::parse_str_with_list(text, references.iter().map(|reference| reference.text.as_str()));
        let (schema, others) = parsed.map_err(|error| error.to_string())?;
        let mut named = HashMap::new();
        for known in others.iter().chain([&schema]) {
            collect(known, &mut named);
        }
        Ok(Self { schema, others, named })
    }

    /// A datum as JSON.
    ///
    /// # Errors
    /// Why it is none of this schema.
    pub fn to_json(&self, datum: &[u8]) -> Result<Vec<u8>, String> {
        let mut rest = Rest { bytes: datum, is_cut: false };
        let schemata = self.others.iter().chain([&self.schema]).collect();
        let reader = GenericDatumReader::builder(&self.schema).writer_schemata(schemata);
        let reader = reader.and_then(apache_avro::reader::datum::GenericDatumReaderBuilder::build).map_err(|error| error.to_string())?;
        let value = reader.read_value(&mut rest).map_err(|error| error.to_string())?;
        if rest.is_cut {
            return Err("it ends too early".to_owned());
        }
        if !rest.bytes.is_empty() {
            return Err(format!("{} bytes too many", rest.bytes.len()));
        }
        Ok(self.json(value, &self.schema)?.to_string().into_bytes())
    }

    fn json(&self, value: Avro, schema: &Schema) -> Result<Value, String> {
        let schema = match schema {
            Schema::Ref { name } => self.named.get(name).unwrap_or(schema),
            known => known,
        };
        Ok(match value {
            // A stretch of months, days and milliseconds is nothing that events have.
            Avro::Null | Avro::Duration(_) => Value::Null,
            Avro::Boolean(value) => json!(value),
            Avro::Int(value) => json!(value),
            Avro::Long(value) => json!(value),
            Avro::Float(value) => json!(value),
            Avro::Double(value) => json!(value),
            Avro::String(text) | Avro::Enum(_, text) => json!(text),
            Avro::Union(index, value) => {
                let Schema::Union(union) = schema else { return Err("a union of no schema".to_owned()) };
                let branch = union.variants().get(index as usize).ok_or("a branch of a union that is not there")?;
                self.json(*value, branch)?
            }
            Avro::Array(values) => {
                let Schema::Array(array) = schema else { return Err("an array of no schema".to_owned()) };
                values.into_iter().map(|value| self.json(value, &array.items)).collect::<Result<_, _>>()?
            }
            Avro::Map(values) => {
                let Schema::Map(map) = schema else { return Err("a map of no schema".to_owned()) };
                let members = values.into_iter().map(|(key, value)| Ok((key, self.json(value, &map.types)?)));
                Value::Object(members.collect::<Result<Map<_, _>, String>>()?)
            }
            Avro::Record(fields) => {
                let Schema::Record(RecordSchema { fields: known, .. }) = schema else { return Err("a record of no schema".to_owned()) };
                let members = fields.into_iter().zip(known).map(|((name, value), field)| Ok((name, self.json(value, &field.schema)?)));
                Value::Object(members.collect::<Result<Map<_, _>, String>>()?)
            }
            Avro::Date(days) => json!(Day::from_number(days).to_string()),
            Avro::TimestampMillis(at) | Avro::LocalTimestampMillis(at) => instant(at, 1_000_000)?,
            Avro::TimestampMicros(at) | Avro::LocalTimestampMicros(at) => instant(at, 1_000)?,
            Avro::TimestampNanos(at) | Avro::LocalTimestampNanos(at) => instant(at, 1)?,
            Avro::TimeMillis(millis) => json!(millis),
            Avro::TimeMicros(micros) => json!(micros),
            Avro::Uuid(uuid) => json!(uuid.to_string()),
            Avro::Decimal(decimal) => self.decimal(&decimal, schema)?,
            Avro::BigDecimal(decimal) => json!(decimal.to_string()),
            Avro::Bytes(bytes) | Avro::Fixed(_, bytes) => json!(hexadecimal(&bytes)),
        })
    }

    #[expect(clippy::unused_self, reason = "beside the others")]
    fn decimal(&self, decimal: &Decimal, schema: &Schema) -> Result<Value, String> {
        let Schema::Decimal(of) = schema else { return Err("a decimal of no schema".to_owned()) };
        let bytes = Vec::<u8>::try_from(decimal).map_err(|error| error.to_string())?;
        if bytes.len() > 16 {
            return Err("a decimal of more than 16 bytes".to_owned());
        }
        // Two's complement, big-endian: the sign goes on to the left.
        let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) { -1_i128 } else { 0 };
        let unscaled = bytes.iter().fold(sign, |sum, byte| sum << 8 | i128::from(*byte));
        Ok(json!(scaled(unscaled, of.scale)))
    }
}

/// What is left of a datum. The library takes the end of one for a null in some places.
struct Rest<'d> {
    bytes: &'d [u8],
    /// Whether more was wanted than there is.
    is_cut: bool,
}

impl Read for Rest<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_cut |= self.bytes.is_empty() && !buffer.is_empty();
        self.bytes.read(buffer)
    }
}

/// The text of `unscaled` / 10^`scale`.
fn scaled(unscaled: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let (sign, point) = (if unscaled < 0 { "-" } else { "" }, if scale > 0 { "." } else { "" });
    format!("{sign}{whole}{point}{part}")
}

fn instant(count: i64, nanos: i64) -> Result<Value, String> {
    let at = count.checked_mul(nanos).ok_or("a timestamp that is out of range")?;
    Ok(json!(EventTime::from_nanos(at).to_string()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Collects the types of a schema that others can refer to by name.
fn collect(schema: &Schema, named: &mut HashMap<Name, Schema>) {
    match schema {
        Schema::Record(record) => {
            named.insert(record.name.clone(), schema.clone());
            record.fields.iter().for_each(|field| collect(&field.schema, named));
        }
        Schema::Enum(of) => _ = named.insert(of.name.clone(), schema.clone()),
        Schema::Fixed(of) => _ = named.insert(of.name.clone(), schema.clone()),
        Schema::Array(array) => collect(&array.items, named),
        Schema::Map(map) => collect(&map.types, named),
        Schema::Union(union) => union.variants().iter().for_each(|variant| collect(variant, named)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"type": "record", "name": "Event", "namespace": "shop", "fields": [
        {"name": "user_id", "type": "string"},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "type", "type": {"type": "enum", "name": "Kind", "symbols": ["activity", "order_placed"]}},
        {"name": "properties", "type": ["null", {"type": "record", "name": "Properties", "fields": [
            {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
            {"name": "tags", "type": {"type": "map", "values": {"type": "array", "items": "int"}}},
            {"name": "refund", "type": ["null", "Properties"]},
            {"name": "place", "type": ["null", "shop.Place"]}
        ]}]}
    ]}"#;
    const PLACE: &str = r#"{"type": "record", "name": "Place", "namespace": "shop", "fields": [{"name": "city", "type": "string"}]}"#;

    fn schema() -> AvroSchema {
        let place = Reference { name: "shop.Place".to_owned(), text: PLACE.to_owned() };
        AvroSchema::parse(EVENT, &[place]).expect("a schema")
    }

    /// What fastavro 1.13 for Python writes of an event with a property record in a property record.
    fn datum() -> Vec<u8> {
        let hex = "0661646180c9d8c4baeba40602020263020a73697a657304020300000202fb020a73697a6573040203000000000206556c6d";
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")).collect()
    }

    #[test]
    fn data_are_what_events_are_written_with() {
        let schema = schema();
        let json: Value = serde_json::from_slice(&schema.to_json(&datum()).expect("of the schema")).expect("JSON");
        let tags = json!({"sizes": [1, -2]});
        let refund = json!({"amount": "-0.05", "tags": tags, "refund": null, "place": null});
        let properties = json!({"amount": "0.99", "tags": tags, "refund": refund, "place": {"city": "Ulm"}});
        let expected =
            json!({"user_id": "ada", "timestamp": "2026-01-31T12:00:00.123456Z", "type": "order_placed", "properties": properties});
        assert_eq!(json, expected);
        let decoder = crate::config::Settings::read("", []).expect("settings").decoder();
        let expected = expected.to_string();
        let event = decoder.decode_json(expected.as_bytes()).expect("an event");
        assert_eq!(event.user_id, "ada");
    }

    #[test]
    fn what_is_cut_or_goes_on_is_none_of_the_schema() {
        let schema = schema();
        let whole = datum();
        for length in 0..whole.len() {
            assert!(schema.to_json(&whole[..length]).is_err(), "cut after {length} bytes");
        }
        assert_eq!(schema.to_json(&[whole.as_slice(), &[0]].concat()), Err("1 bytes too many".to_owned()));
        assert!(AvroSchema::parse(EVENT, &[]).is_err(), "what it refers to is missing");
        assert!(AvroSchema::parse("{", &[]).is_err());
    }

    #[test]
    fn decimals() {
        for (unscaled, scale, text) in [(0, 0, "0"), (0, 2, "0.00"), (5, 2, "0.05"), (-1234, 2, "-12.34"), (7, 0, "7"), (-1, 3, "-0.001")] {
            assert_eq!(scaled(unscaled, scale), text);
        }
    }
}
