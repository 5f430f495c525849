//! Data of Protobuf schemas as JSON, in the mapping of proto3 but with the names of fields as the schema writes them.
//!
//! A field without presence that has its default is not on the wire, and is absent here, too: where 0 means something, declare it `optional`.

use prost_reflect::{DescriptorPool, DynamicMessage, FileDescriptor, MessageDescriptor, SerializeOptions};

use super::Reference;

/// Indexes of nested messages that one datum may name.
const DEEPEST: u64 = 32;

/// A file with the messages that it declares.
#[derive(Debug)]
pub struct ProtobufSchema(FileDescriptor);

impl ProtobufSchema {
    /// Reads a `.proto` file and those that it imports. Google's well-known types need not be among them.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str, references: &[Reference]) -> Result<Self, String> {
        const NAME: &str = "registered.proto";
        let mut pool = DescriptorPool::global();
        let files = references.iter().map(|reference| (reference.name.as_str(), reference.text.as_str()));
        for (name, text) in files.chain([(NAME, text)]) {
            if pool.get_file_by_name(name).is_some() {
                continue;
            }
            let file = protox_parse::parse(name, text).map_err(|error| error.to_string())?;
            pool.add_file_descriptor_proto(file).map_err(|error| error.to_string())?;
        }
        pool.get_file_by_name(NAME).map(Self).ok_or_else(|| "it declares nothing".to_owned())
    }

    /// A datum as JSON: first the place of its message in the file, then the message.
    ///
    /// # Errors
    /// Why it is none of this schema.
    pub fn to_json(&self, datum: &[u8]) -> Result<Vec<u8>, String> {
        let mut rest = datum;
        let message = self.message(&mut rest)?;
        let message = DynamicMessage::decode(message, rest).map_err(|error| error.to_string())?;
        let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
        let mut json = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut json);
        message.serialize_with_options(&mut serializer, &options).map_err(|error| error.to_string())?;
        Ok(json)
    }

    /// The message that a datum begins by naming: how many indexes, then each, down through nested messages, as zigzag varints; a single 0 stands for the first message.
    fn message(&self, rest: &mut &[u8]) -> Result<MessageDescriptor, String> {
        let wrong = || "it names a message that its schema does not declare".to_owned();
        let count = u64::try_from(zigzag(rest).ok_or_else(wrong)?).map_err(|_| wrong())?;
        if count > DEEPEST {
            return Err(wrong());
        }
        let mut message: Option<MessageDescriptor> = None;
        for depth in 0..count.max(1) {
            let index = if count == 0 { 0 } else { zigzag(rest).ok_or_else(wrong)? };
            let index = usize::try_from(index).map_err(|_| wrong())?;
            message = match (&message, depth) {
                (None, _) => self.0.messages().nth(index),
                (Some(outer), _) => outer.child_messages().nth(index),
            };
            if message.is_none() {
                return Err(wrong());
            }
        }
        message.ok_or_else(wrong)
    }
}

/// A varint that counts 0, -1, 1, -2, … as 0, 1, 2, 3, …
fn zigzag(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prost_reflect::prost::Message as _;
    use serde_json::{Value, json};

    use super::*;

    const EVENTS: &str = r#"
        syntax = "proto3";
        package shop;
        import "place.proto";
        import "google/protobuf/timestamp.proto";
        message Other { message Nested { string user_id = 1; } }
        message Event {
            string user_id = 1;
            google.protobuf.Timestamp timestamp = 2;
            Kind type = 3;
            Properties properties = 4;
            enum Kind { activity = 0; order_placed = 1; }
        }
        message Properties { double amount = 1; optional int64 recommend = 2; Place place = 3; int64 untold = 4; }
    "#;
    const PLACE: &str = r#"syntax = "proto3"; package shop; message Place { string city_name = 1; }"#;

    fn schema() -> ProtobufSchema {
        let place = Reference { name: "place.proto".to_owned(), text: PLACE.to_owned() };
        ProtobufSchema::parse(EVENTS, &[place]).expect("a schema")
    }

    /// The datum that a message is, from its JSON.
    fn datum(indexes: &[u8], message: &MessageDescriptor, json: &Value) -> Vec<u8> {
        let message = DynamicMessage::deserialize(message.clone(), json.clone()).expect("a message");
        [indexes, message.encode_to_vec().as_slice()].concat()
    }

    #[test]
    fn messages_keep_the_names_of_their_fields() {
        let schema = schema();
        let event = schema.0.messages().nth(1).expect("the second");
        let json = json!({
            "user_id": "ada", "timestamp": "2026-01-31T12:00:00.5Z", "type": "order_placed",
            "properties": {"amount": 12.5, "recommend": 0, "place": {"city_name": "Ulm"}},
        });
        // One index, 1, as zigzag varints.
        let told = schema.to_json(&datum(&[2, 2], &event, &json)).expect("of the schema");
        let expected = json!({
            "user_id": "ada", "timestamp": "2026-01-31T12:00:00.500Z", "type": "order_placed",
            "properties": {"amount": 12.5, "recommend": 0, "place": {"city_name": "Ulm"}},
        });
        assert_eq!(serde_json::from_slice::<Value>(&told).expect("JSON"), expected);
    }

    #[test]
    fn messages_are_found_by_their_place() {
        let schema = schema();
        let nested = schema.0.messages().next().expect("the first").child_messages().next().expect("nested");
        // Two indexes, 0 and 0.
        let told = schema.to_json(&datum(&[4, 0, 0], &nested, &json!({"user_id": "bob"}))).expect("of the schema");
        assert_eq!(told, br#"{"user_id":"bob"}"#);
        assert_eq!(schema.to_json(&[0]).as_deref(), Ok(b"{}".as_slice()), "the first message, empty");
        for indexes in [&[][..], &[2, 6], &[4, 0, 2], &[1], &[255], &[0x80; 11], &[200, 1]] {
            assert!(schema.to_json(indexes).is_err(), "{indexes:?}");
        }
        assert!(ProtobufSchema::parse(EVENTS, &[]).is_err(), "what it imports is missing");
        assert!(ProtobufSchema::parse("message", &[]).is_err());
    }
}
