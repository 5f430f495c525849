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
