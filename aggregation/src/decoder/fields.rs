//! Pure: the fields of a protobuf message, one after the other, without copying.
//!
//! The public API of prost decodes whole messages only, with neither shared strings nor typed errors. Hence this reader;
//! the tests and the fuzz target hold it against prost.
//! Source: Protocol Buffers documentation, "Encoding".

use bytes::{Buf, Bytes};

use super::MalformedMessage;

/// How deeply groups may nest: the limit of the common implementations.
///
/// Source: protobuf-java, `CodedInputStream.DEFAULT_RECURSION_LIMIT`.
const MAX_NESTING: u32 = 100;

/// The part of a message that is still to be read.
pub(super) struct Fields(Bytes);

/// The value of a field.
pub(super) enum Value {
    Varint(u64),
    LengthDelimited(Bytes),
    /// A value that no field of the format has. It was skipped.
    Foreign,
}

enum WireType {
    Varint,
    SixtyFourBit,
    LengthDelimited,
    StartGroup,
    EndGroup,
    ThirtyTwoBit,
}

impl Fields {
    pub(super) fn new(message: Bytes) -> Self {
        Self(message)
    }

    /// Reads the number and the value of the next field.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value)>, MalformedMessage> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.key()?;
        Ok(Some((number, self.value(number, wire_type, MAX_NESTING)?)))
    }

    fn key(&mut self) -> Result<(u32, WireType), MalformedMessage> {
        let key = u32::try_from(self.varint()?).map_err(|_| MalformedMessage::InvalidKey)?;
        let wire_type = match key & 0b111 {
            0 => WireType::Varint,
            1 => WireType::SixtyFourBit,
            2 => WireType::LengthDelimited,
            3 => WireType::StartGroup,
            4 => WireType::EndGroup,
            5 => WireType::ThirtyTwoBit,
            _ => return Err(MalformedMessage::InvalidKey),
        };
        match key >> 3 {
            0 => Err(MalformedMessage::InvalidKey),
            number => Ok((number, wire_type)),
        }
    }

    fn value(&mut self, number: u32, wire_type: WireType, nesting: u32) -> Result<Value, MalformedMessage> {
        match wire_type {
            WireType::Varint => return self.varint().map(Value::Varint),
            WireType::LengthDelimited => {
                let len = self.varint()?;
                return self.take(len).map(Value::LengthDelimited);
            }
            WireType::SixtyFourBit => drop(self.take(8)?),
            WireType::ThirtyTwoBit => drop(self.take(4)?),
            WireType::StartGroup => self.skip_group(number, nesting)?,
            WireType::EndGroup => return Err(MalformedMessage::UnbalancedGroup),
        }
        Ok(Value::Foreign)
    }

    fn skip_group(&mut self, number: u32, nesting: u32) -> Result<(), MalformedMessage> {
        let nesting = nesting.checked_sub(1).ok_or(MalformedMessage::NestedTooDeeply)?;
        loop {
            match self.key()? {
                (end, WireType::EndGroup) if end == number => return Ok(()),
                (inner, wire_type) => self.value(inner, wire_type, nesting)?,
            };
        }
    }

    fn varint(&mut self) -> Result<u64, MalformedMessage> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.0.try_get_u8().map_err(|_| MalformedMessage::Truncated)?;
            let bits = u64::from(byte & 0x7F);
            if bits > u64::MAX >> shift {
                return Err(MalformedMessage::VarintOverflow);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(MalformedMessage::VarintOverflow)
    }

    fn take(&mut self, len: u64) -> Result<Bytes, MalformedMessage> {
        match usize::try_from(len) {
            Ok(len) if len <= self.0.len() => Ok(self.0.split_to(len)),
            _ => Err(MalformedMessage::Truncated),
        }
    }
}

impl Value {
    pub(super) fn into_varint(self) -> Result<u64, MalformedMessage> {
        match self {
            Self::Varint(value) => Ok(value),
            Self::LengthDelimited(_) | Self::Foreign => Err(MalformedMessage::WrongWireType),
        }
    }

    pub(super) fn into_bytes(self) -> Result<Bytes, MalformedMessage> {
        match self {
            Self::LengthDelimited(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Foreign => Err(MalformedMessage::WrongWireType),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(bytes: &'static [u8]) -> Result<u64, MalformedMessage> {
        Fields::new(Bytes::from_static(bytes)).varint()
    }

    /// Reads all fields and returns the first error.
    fn read(message: impl Into<Bytes>) -> Result<(), MalformedMessage> {
        let mut fields = Fields::new(message.into());
        while fields.next()?.is_some() {}
        Ok(())
    }

    fn nested_groups(depth: usize) -> Vec<u8> {
        [vec![0x0B; depth], vec![0x0C; depth]].concat()
    }

    #[test]
    fn a_varint_holds_64_bits_and_no_more() {
        assert_eq!(varint(b"\x7F"), Ok(127));
        assert_eq!(varint(b"\x80\x01"), Ok(128));
        assert_eq!(varint(b"\x80\x80\x00"), Ok(0));
        assert_eq!(varint(b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), Ok(u64::MAX));
        assert_eq!(
            varint(b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"),
            Err(MalformedMessage::VarintOverflow)
        );
        assert_eq!(
            varint(b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"),
            Err(MalformedMessage::VarintOverflow)
        );
        assert_eq!(varint(b"\x80"), Err(MalformedMessage::Truncated));
    }

    #[test]
    fn values_of_every_wire_type_are_read() {
        assert_eq!(
            read(&b"\x08\x01\x11\0\0\0\0\0\0\0\0\x1A\x02hi\x23\x08\x01\x24\x2D\0\0\0\0"[..]),
            Ok(())
        );
    }

    #[test]
    fn a_value_that_is_cut_off_is_refused() {
        for message in [
            &b"\x08"[..],
            b"\x11\0\0\0\0\0\0\0",
            b"\x1A\x02h",
            b"\x2D\0\0\0",
            b"\x23\x08\x01",
        ] {
            assert_eq!(read(message), Err(MalformedMessage::Truncated), "{message:x?}");
        }
    }

    #[test]
    fn a_key_has_a_field_number_and_a_known_wire_type() {
        for message in [&b"\x00\x00"[..], b"\x0E", b"\x0F", b"\x88\x80\x80\x80\x10\x00"] {
            assert_eq!(read(message), Err(MalformedMessage::InvalidKey), "{message:x?}");
        }
    }

    #[test]
    fn groups_end_with_the_number_they_started_with() {
        assert_eq!(read(&b"\x0B\x13\x14\x0C"[..]), Ok(()));
        for message in [&b"\x0C"[..], b"\x0B\x14", b"\x0B\x13\x0C\x14"] {
            assert_eq!(read(message), Err(MalformedMessage::UnbalancedGroup), "{message:x?}");
        }
    }

    #[test]
    fn groups_nest_to_a_limit() {
        assert_eq!(read(nested_groups(100)), Ok(()));
        assert_eq!(read(nested_groups(101)), Err(MalformedMessage::NestedTooDeeply));
        assert_eq!(read(nested_groups(1 << 20)), Err(MalformedMessage::NestedTooDeeply));
    }
}
