//! Data of Avro schemas as JSON. Logical types become what events are written with: timestamps in RFC 3339, dates as days, decimals as their text.

mod measure;
mod writer;

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{Name, RecordSchema};
use apache_avro::types::Value as Avro;
use apache_avro::{Decimal, Schema};
use serde_json::{Map, Value, json};

use self::measure::Measure;
pub use self::writer::AvroWriter;
use super::Reference;
use crate::model::hexadecimal::hexadecimal;
use crate::model::time::{Day, EventTime};

/// Bytes that the library may make room for at once, by its own size of an element: what a datum holds was measured before.
const LARGEST: usize = 64 << 20;
/// Digits after the point of a decimal at most: those of the largest number of 16 bytes.
const LARGEST_SCALE: usize = 38;

/// A schema with all named types in it, and in those that it refers to.
pub struct AvroSchema {
    schema: &'static Schema,
    reader: GenericDatumReader<'static>,
    named: HashMap<Name, Schema>,
}

impl fmt::Debug for AvroSchema {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("AvroSchema").field(self.schema).finish()
    }
}

impl AvroSchema {
    /// Reads a schema, which is then in memory for good: what reads data of it borrows it, and is made once and not for each datum.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str, references: &[Reference]) -> Result<Self, String> {
        apache_avro::util::max_allocation_bytes(LARGEST);
        let parsed = Schema::parse_str_with_list(text, references.iter().map(|reference| reference.text.as_str()));
        let (schema, mut all) = parsed.map_err(|error| error.to_string())?;
        all.push(schema);
        let all: &'static [Schema] = all.leak();
        let schema = all.last().ok_or("it declares nothing")?;
        let mut named = HashMap::new();
        for known in all {
            collect(known, &mut named);
        }
        let reader = GenericDatumReader::builder(schema).writer_schemata(all.iter().collect());
        let reader = reader.and_then(apache_avro::reader::datum::GenericDatumReaderBuilder::build).map_err(|error| error.to_string())?;
        Ok(Self { schema, reader, named })
    }

    /// A datum as JSON.
    ///
    /// # Errors
    /// Why it is none of this schema.
    pub fn to_json(&self, datum: &[u8]) -> Result<Vec<u8>, String> {
        Ok(self.to_value(datum)?.to_string().into_bytes())
    }

    /// A datum as a value of JSON.
    ///
    /// # Errors
    /// Why it is none of this schema.
    pub fn to_value(&self, datum: &[u8]) -> Result<Value, String> {
        Measure::new(&self.named, datum).pass(self.schema, 0)?;
        let mut rest = Rest { bytes: datum, is_cut: false };
        let value = self.reader.read_value(&mut rest).map_err(|error| error.to_string())?;
        if rest.is_cut {
            return Err("it ends too early".to_owned());
        }
        if !rest.bytes.is_empty() {
            return Err(format!("{} bytes too many", rest.bytes.len()));
        }
        self.json(value, self.schema)
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
        if bytes.len() > 16 || of.scale > LARGEST_SCALE {
            return Err(format!("a decimal of more than 16 bytes, or of more than {LARGEST_SCALE} digits after the point"));
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
    fn deep_and_wide_data_are_refused_before_they_are_read() {
        let node = r#"{"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}"#;
        let node = AvroSchema::parse(node, &[]).expect("a schema");
        let levels = |count: usize| [vec![2; count], vec![0]].concat();
        assert!(node.to_json(&levels(7)).is_ok());
        for count in [100, 1_000_000] {
            let refused = node.to_json(&levels(count)).expect_err("too deep");
            assert_eq!(refused, "values are more than 24 deep in each other");
        }
        let nothings = AvroSchema::parse(r#"{"type": "array", "items": "null"}"#, &[]).expect("a schema");
        // A block of 2^40 elements that take no bytes.
        let many = nothings.to_json(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0]).expect_err("too many");
        assert_eq!(many, "it has more than 1048576 values");
        let numbers = AvroSchema::parse(r#"{"type": "array", "items": "int"}"#, &[]).expect("a schema");
        let hundred_thousand = [&[0xc0, 0x9a, 0x0c][..], &vec![2; 100_000], &[0]].concat();
        assert_eq!(numbers.to_json(&hundred_thousand).expect("numbers").len(), 200_001);
        let bytes = AvroSchema::parse(r#""bytes""#, &[]).expect("a schema");
        let large = [&[0x80, 0x80, 0x80, 0x01][..], &vec![0xab; 1 << 20]].concat();
        assert_eq!(bytes.to_json(&large).expect("bytes").len(), (2 << 20) + 2, "in no time");
    }

    #[test]
    fn decimals() {
        for (unscaled, scale, text) in [(0, 0, "0"), (0, 2, "0.00"), (5, 2, "0.05"), (-1234, 2, "-12.34"), (7, 0, "7"), (-1, 3, "-0.001")] {
            assert_eq!(scaled(unscaled, scale), text);
        }
    }
}
