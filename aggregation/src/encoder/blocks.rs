//! Pure: bytes that are written a block ahead.

/// Bytes that only grow, until they are cleared.
///
/// A block of them is zeroed at once, some records before it is needed. An encoder among many finds its next bytes far
/// from the processor, and whoever waits for the store of one record waits as long as for that of a block.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// What was written, and zeros.
    bytes: Vec<u8>,
    len: usize,
}

/// Our choice, by measurement: a few records of usual size.
const BLOCK: usize = 1024;

impl Blocks {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The next `len` bytes, which the caller writes.
    pub(super) fn extend(&mut self, len: usize) -> &mut [u8] {
        let (start, end) = (self.len, self.len + len);
        if end > self.bytes.len() {
            self.bytes.resize(end + BLOCK, 0);
        }
        self.len = end;
        self.bytes.get_mut(start..end).unwrap_or_default()
    }

    /// Takes the last `len` bytes out, in memory of their own.
    pub(super) fn split_off(&mut self, len: usize) -> Vec<u8> {
        self.bytes.truncate(self.len);
        self.len -= len;
        self.bytes.split_off(self.len)
    }

    /// Empties it, keeping its memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.len = 0;
    }

    pub(super) fn shrink_to(&mut self, capacity: usize) {
        self.bytes.shrink_to(capacity);
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}
