//! Pure: bytes that are written a block ahead.

use bytes::Bytes;

/// Bytes that only grow, until they are cleared.
///
/// They are zeroed a block at a time, some records before these are written. With many encoders in turns, the next bytes
/// of one are seldom in the processor's caches, and to store into them takes as long for a whole block, of which the
/// lines are fetched side by side, as for one record.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// What was written, and zeros.
    bytes: Vec<u8>,
    len: usize,
}

/// Bytes that are worth more than the buffer that goes with them. Our choice.
const LARGE: usize = 64 * 1024;

/// In bytes. Our choice, by measurement: a few records of usual size.
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

    /// Takes the last `len` bytes out: in memory of their own or, if they are many and nearly all that there is, in that
    /// which they are in.
    pub(super) fn split_off(&mut self, len: usize) -> Bytes {
        self.bytes.truncate(self.len);
        self.len -= len;
        let around = self.bytes.capacity() - len;
        if len >= LARGE && around <= len / 8 {
            let whole = Bytes::from(std::mem::take(&mut self.bytes));
            whole.slice(std::mem::take(&mut self.len)..)
        } else {
            self.bytes.split_off(self.len).into()
        }
    }

    /// Empties it, keeping its memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.len = 0;
    }

    pub(super) fn shrink_to(&mut self, capacity: usize) {
        self.bytes.shrink_to(capacity);
    }

    /// Bytes that it has taken up.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_there_and_nothing_of_the_block_ahead() {
        let (mut blocks, mut written) = (Blocks::default(), Vec::new());
        for (n, len) in (1..).zip([0, 1, BLOCK - 1, 1, BLOCK, 5 * BLOCK, 3]) {
            blocks.extend(len).fill(n);
            written.resize(written.len() + len, n);
            assert_eq!(blocks.as_slice(), written, "after {len} more");
        }
        assert_eq!(&blocks.split_off(4)[..], [6, 7, 7, 7]);
        written.truncate(written.len() - 4);
        assert_eq!((blocks.as_slice(), blocks.len()), (&written[..], written.len()));
    }

    #[test]
    fn many_bytes_take_the_buffer_along_if_there_is_little_else_in_it() {
        for (others, is_taken) in [(100, true), (LARGE, false)] {
            let mut blocks = Blocks::default();
            blocks.extend(others).fill(1);
            blocks.extend(2 * LARGE).fill(2);
            assert_eq!(blocks.split_off(2 * LARGE), [2; 2 * LARGE][..]);
            assert_eq!(
                (blocks.len(), blocks.capacity() == 0),
                (if is_taken { 0 } else { others }, is_taken)
            );
        }
    }

    #[test]
    fn it_is_written_again_in_the_same_memory() {
        let mut blocks = Blocks::default();
        blocks.extend(10 * BLOCK).fill(1);
        let capacity = blocks.capacity();
        blocks.clear();
        assert!(blocks.as_slice().is_empty());
        blocks.extend(9 * BLOCK).fill(2);
        assert_eq!((blocks.as_slice(), blocks.capacity()), (&[2; 9 * BLOCK][..], capacity));
    }
}
