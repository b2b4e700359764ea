//! The buffers of open aggregates. An idle lane has none; spare ones are shared by all lanes of a producer.

use aggregation::Encoder;

use crate::limits::SPARE_BUFFER_BYTES;
use crate::sync::{Mutex, lock};

/// An encoder that a lane fills, or that is framed.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    pub(crate) encoder: Encoder,
    /// How many of its bytes are counted in `Spares::bytes`.
    spare: usize,
}

impl Buffer {
    /// Whether it has no memory yet.
    pub(crate) fn is_new(&self) -> bool {
        self.encoder.is_empty() && self.spare == 0
    }

    /// Bytes that it has taken up beside those that count as spare.
    pub(crate) fn grown(&self) -> usize {
        self.encoder.memory().saturating_sub(self.spare)
    }
}

/// The spare buffers of a producer, [`SPARE_BUFFER_BYTES`] of them at most, those that lanes have taken from here included.
/// So they need no room in the budget, whichever lanes use them.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    spares: Mutex<Spares>,
}

#[derive(Debug, Default)]
struct Spares {
    encoders: Vec<(Encoder, usize)>,
    /// Bytes of these, and of those that were taken.
    bytes: usize,
}

impl Buffers {
    /// A spare buffer, the one last used, or a new one.
    pub(crate) fn take(&self) -> Buffer {
        let spare = lock(&self.spares).encoders.pop();
        spare.map_or_else(Buffer::default, |(encoder, spare)| Buffer { encoder, spare })
    }

    /// Takes back a buffer that is empty. What is larger than `largest`, or does not fit beside the others, is freed.
    pub(crate) fn give_back(&self, buffer: Buffer, largest: usize) {
        let Buffer { encoder, spare } = buffer;
        let bytes = encoder.memory();
        let mut spares = lock(&self.spares);
        spares.bytes -= spare;
        if (1..=largest).contains(&bytes) && spares.bytes + bytes <= SPARE_BUFFER_BYTES {
            spares.bytes += bytes;
            spares.encoders.push((encoder, bytes));
        }
    }
}

#[cfg(test)]
#[cfg(not(feature = "_loom"))]
mod tests {
    use aggregation::UserRecordRef;

    use super::*;

    /// A buffer that was filled with `bytes` and emptied.
    fn used(mut buffer: Buffer, bytes: usize) -> Buffer {
        buffer.encoder.append(&UserRecordRef::new("key", None, &vec![0; bytes]));
        buffer.encoder.append(&UserRecordRef::new("key", None, b""));
        assert!(buffer.encoder.seal().is_some());
        buffer
    }

    #[test]
    fn a_spare_buffer_is_used_again_and_does_not_count_as_grown() {
        let buffers = Buffers::default();
        let buffer = used(buffers.take(), 50_000);
        assert!(buffer.grown() > 50_000);
        buffers.give_back(buffer, 200_000);
        let buffer = buffers.take();
        assert_eq!((buffer.grown(), buffer.is_new()), (0, false));
        assert!(used(buffer, 90_000).grown() > 30_000, "what it has grown by since");
        assert!(buffers.take().is_new());
    }

    #[test]
    fn what_lanes_have_taken_counts_as_spare_until_it_comes_back() {
        let buffers = Buffers::default();
        let mut taken = Vec::new();
        for _ in 0..200 {
            buffers.give_back(used(Buffer::default(), 50_000), 200_000);
            taken.push(buffers.take());
        }
        let spare: usize = taken.iter().map(|buffer| buffer.spare).sum();
        assert!(
            (SPARE_BUFFER_BYTES / 2..=SPARE_BUFFER_BYTES).contains(&spare),
            "{spare}"
        );
        for buffer in taken {
            buffers.give_back(buffer, 200_000);
        }
        assert_eq!(lock(&buffers.spares).bytes, spare);
    }

    #[test]
    fn a_buffer_that_one_large_record_has_left_is_freed() {
        let buffers = Buffers::default();
        buffers.give_back(used(Buffer::default(), 1 << 20), 200_000);
        assert!(buffers.take().is_new());
        assert_eq!(lock(&buffers.spares).bytes, 0);
    }
}
