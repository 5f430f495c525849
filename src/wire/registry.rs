//! Records whose schema is in a registry, as Confluent's serializers write them: a zero byte, the schema's id in four bytes, big-endian, then the datum.

pub mod avro;
pub mod protobuf;

use avro::AvroSchema;
use protobuf::ProtobufSchema;

/// A record that says its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed<'r> {
    /// The id in the registry.
    pub schema: u32,
    /// What comes after the id.
    pub datum: &'r [u8],
}

impl<'r> Framed<'r> {
    /// The frame of a record; `None` when it does not begin with one.
    #[must_use]
    pub fn read(record: &'r [u8]) -> Option<Self> {
        let (&[magic, id @ ..], datum) = record.split_first_chunk::<5>()?;
        (magic == 0).then(|| Self { schema: u32::from_be_bytes(id), datum })
    }

    /// What comes before the datum.
    #[must_use]
    pub fn head(&self) -> [u8; 5] {
        let [a, b, c, d] = self.schema.to_be_bytes();
        [0, a, b, c, d]
    }
}

/// A schema that another refers to: the name it goes by there, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// A full name in Avro, a file in Protobuf.
    pub name: String,
    /// The schema.
    pub text: String,
}

/// What data of a schema are read by.
#[derive(Debug)]
pub enum RegisteredSchema {
    /// Apache Avro.
    Avro(Box<AvroSchema>),
    /// Protocol Buffers.
    Protobuf(Box<ProtobufSchema>),
    /// Data are JSON, whatever their schema says.
    Json,
}

impl RegisteredSchema {
    /// The schema that a registry has of a `kind` (`AVRO`, `PROTOBUF` or `JSON`), with all that it refers to, directly or not; what is referred to comes first.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(kind: &str, text: &str, references: &[Reference]) -> Result<Self, String> {
        match kind {
            "AVRO" => AvroSchema::parse(text, references).map(Box::new).map(Self::Avro),
            "PROTOBUF" => ProtobufSchema::parse(text, references).map(Box::new).map(Self::Protobuf),
            "JSON" => Ok(Self::Json),
            other => Err(format!("schemas of type {other} are not known")),
        }
    }

    /// A datum as JSON.
    ///
    /// # Errors
    /// Why it is none of this schema.
    pub fn to_json(&self, datum: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Avro(schema) => schema.to_json(datum),
            Self::Protobuf(schema) => schema.to_json(datum),
            Self::Json => Ok(datum.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        assert_eq!(Framed::read(&[0, 0, 0, 1, 2, 9]), Some(Framed { schema: 258, datum: &[9] }));
        assert_eq!(Framed { schema: 258, datum: &[9] }.head(), [0, 0, 0, 1, 2]);
        assert_eq!(Framed::read(&[0, 0, 0, 0, 7]), Some(Framed { schema: 7, datum: &[] }));
        for none in [&[][..], &[0, 0, 0, 1], b"{\"user_id\":1}"] {
            assert_eq!(Framed::read(none), None, "{none:?}");
        }
    }
}
