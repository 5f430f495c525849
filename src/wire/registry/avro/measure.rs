//! Looks at a datum before the library does, which goes down into it without a limit and makes room for as many elements as a datum says it has.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::Name;

/// How deep values may be in each other, the branch of a union and the name of a type counting as one each: deeper than any event, and far from the end of a thread's stack.
const DEEPEST: usize = 24;
/// How many values a datum may have: elements that take no bytes are not bounded by its length.
const MOST_VALUES: u64 = 1 << 20;

/// A look at the bytes of a datum that are left.
pub(super) struct Measure<'d> {
    named: &'d HashMap<Name, Schema>,
    rest: &'d [u8],
    values: u64,
}

impl<'d> Measure<'d> {
    pub(super) fn new(named: &'d HashMap<Name, Schema>, datum: &'d [u8]) -> Self {
        Self { named, rest: datum, values: 0 }
    }

    /// Goes over a value of a schema. `depth` is how many values it is in.
    ///
    /// # Errors
    /// It is cut, too deep, or too many.
    pub(super) fn pass(&mut self, schema: &Schema, depth: usize) -> Result<(), String> {
        self.values += 1;
        if depth > DEEPEST {
            return Err(format!("values are more than {DEEPEST} deep in each other"));
        }
        if self.values > MOST_VALUES {
            return Err(format!("it has more than {MOST_VALUES} values"));
        }
        match schema {
            Schema::Null => Ok(()),
            Schema::Boolean => self.skip(1),
            Schema::Float => self.skip(4),
            Schema::Double => self.skip(8),
            Schema::Bytes | Schema::String | Schema::BigDecimal => self.skip_counted(),
            Schema::Fixed(fixed) => self.skip(fixed.size),
            Schema::Record(record) => record.fields.iter().try_for_each(|field| self.pass(&field.schema, depth + 1)),
            Schema::Array(array) => self.blocks(|measure| measure.pass(&array.items, depth + 1)),
            Schema::Map(map) => self.blocks(|measure| {
                measure.skip_counted()?;
                measure.pass(&map.types, depth + 1)
            }),
            Schema::Union(union) => {
                let branch = usize::try_from(self.long()?).ok().and_then(|index| union.variants().get(index));
                self.pass(branch.ok_or("a branch of a union that is not there")?, depth + 1)
            }
            Schema::Ref { name } => {
                let named = self.named;
                self.pass(named.get(name).ok_or("a type that is not there")?, depth + 1)
            }
            other => self.plain(other),
        }
    }

    /// Enums, whole numbers, and logical types.
    fn plain(&mut self, schema: &Schema) -> Result<(), String> {
        match schema {
            Schema::Decimal(decimal) => match &decimal.inner {
                apache_avro::schema::InnerDecimalSchema::Fixed(fixed) => self.skip(fixed.size),
                apache_avro::schema::InnerDecimalSchema::Bytes => self.skip_counted(),
            },
            Schema::Uuid(uuid) => match uuid {
                apache_avro::schema::UuidSchema::Fixed(fixed) => self.skip(fixed.size),
                apache_avro::schema::UuidSchema::Bytes | apache_avro::schema::UuidSchema::String => self.skip_counted(),
            },
            Schema::Duration(fixed) => self.skip(fixed.size),
            _ => self.long().map(drop),
        }
    }

    /// Blocks of elements: how many, negative with the length of the block after it; 0 ends them.
    fn blocks(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                element(self)?;
            }
        }
    }

    fn skip(&mut self, length: usize) -> Result<(), String> {
        self.rest = self.rest.get(length..).ok_or("it ends too early")?;
        Ok(())
    }

    fn skip_counted(&mut self) -> Result<(), String> {
        let length = usize::try_from(self.long()?).map_err(|_| "a length below 0")?;
        self.skip(length)
    }

    /// A zigzag varint.
    fn long(&mut self) -> Result<i64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, after) = self.rest.split_first().ok_or("it ends too early")?;
            self.rest = after;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err("a number of more than 64 bits".to_owned())
    }
}
