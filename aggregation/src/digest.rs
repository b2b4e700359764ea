//! Pure: the MD5 of one message, and of many at once.
//!
//! One MD5 is a chain of steps of which each waits for the one before it, so a core is mostly idle while it computes one.
//! [`md5_of_all`] computes eight in step: word *i* of all eight blocks lies side by side, and the compiler turns a step of
//! four of them into one vector instruction. It is about four times as fast as one message after the other.
//!
//! ```text
//!  messages ──► queue ──► 8 lanes, each with a message and the number of its next block
//!                 ▲         │ one block of each lane: transpose, compress
//!                 └─────────┤ a lane whose message ends gives its digest and takes the next message
//!                           ▼
//!                        digests, in the order of the messages
//! ```
//!
//! Source of the algorithm and its constants: RFC 1321.

use md5::{Digest, Md5};

/// The length of an MD5 in bytes. Source: RFC 1321.
pub(crate) const LEN: usize = 16;

/// The bytes that one step of MD5 takes. Source: RFC 1321, 3.4.
const BLOCK_LEN: usize = 64;

/// The messages that are hashed in step: two vectors of four 32-bit words, which every x86-64 and ARM64 has.
const LANES: usize = 8;

/// The bytes behind the message: a one bit and the length in bits. Source: RFC 1321, 3.1 and 3.2.
const MIN_PADDING: usize = 1 + size_of::<u64>();

/// The chaining values before the first block. Source: RFC 1321, 3.3.
const INITIAL: [u32; 4] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];

/// How far the steps of each round rotate. Source: RFC 1321, 3.4.
const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// What each step adds: the sine of its number, in units of 2^-32. Source: RFC 1321, 3.4.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xD76A_A478, 0xE8C7_B756, 0x2420_70DB, 0xC1BD_CEEE,
    0xF57C_0FAF, 0x4787_C62A, 0xA830_4613, 0xFD46_9501,
    0x6980_98D8, 0x8B44_F7AF, 0xFFFF_5BB1, 0x895C_D7BE,
    0x6B90_1122, 0xFD98_7193, 0xA679_438E, 0x49B4_0821,
    0xF61E_2562, 0xC040_B340, 0x265E_5A51, 0xE9B6_C7AA,
    0xD62F_105D, 0x0244_1453, 0xD8A1_E681, 0xE7D3_FBC8,
    0x21E1_CDE6, 0xC337_07D6, 0xF4D5_0D87, 0x455A_14ED,
    0xA9E3_E905, 0xFCEF_A3F8, 0x676F_02D9, 0x8D2A_4C8A,
    0xFFFA_3942, 0x8771_F681, 0x6D9D_6122, 0xFDE5_380C,
    0xA4BE_EA44, 0x4BDE_CFA9, 0xF6BB_4B60, 0xBEBF_BC70,
    0x289B_7EC6, 0xEAA1_27FA, 0xD4EF_3085, 0x0488_1D05,
    0xD9D4_D039, 0xE6DB_99E5, 0x1FA2_7CF8, 0xC4AC_5665,
    0xF429_2244, 0x432A_FF97, 0xAB94_23A7, 0xFC93_A039,
    0x655B_59C3, 0x8F0C_CC92, 0xFFEF_F47D, 0x8584_5DD1,
    0x6FA8_7E4F, 0xFE2C_E6E0, 0xA301_4314, 0x4E08_11A1,
    0xF753_7E82, 0xBD3A_F235, 0x2AD7_D2BB, 0xEB86_D391,
];

/// One word of each lane.
type Row = [u32; LANES];

/// Hashes `bytes`: the checksum of a message, the hash key of a partition key.
pub(crate) fn md5(bytes: &[u8]) -> [u8; LEN] {
    Md5::digest(bytes).into()
}

/// Hashes all of `messages`, and returns their digests in the same order.
///
/// Its time grows with the longest message, or with an eighth of all bytes.
pub(crate) fn md5_of_all(messages: &[&[u8]]) -> Vec<[u8; LEN]> {
    if let [message] = messages {
        return vec![md5(message)];
    }
    let mut digests = vec![[0; LEN]; messages.len()];
    let mut waiting = messages.iter().zip(&mut digests);
    let mut lanes = [const { None::<Lane<'_>> }; LANES];
    let mut state = INITIAL.map(|word| [word; LANES]);
    loop {
        let mut words = [[0; LANES]; 16];
        let mut is_busy = false;
        for (place, lane) in lanes.iter_mut().enumerate() {
            if lane.is_none() {
                *lane = waiting.next().map(|(message, digest)| Lane::new(message, digest));
                set_column(&mut state, place, INITIAL);
            }
            if let Some(lane) = lane {
                set_column(&mut words, place, lane.next_block());
                is_busy = true;
            }
        }
        if !is_busy {
            return digests;
        }
        compress(&mut state, &words);
        for (place, lane) in lanes.iter_mut().enumerate() {
            if let Some(ended) = lane.take_if(|lane| lane.is_read()) {
                *ended.digest = to_bytes(column(&state, place));
            }
        }
    }
}

/// One message on its way through the lanes.
struct Lane<'a> {
    /// The whole blocks that are not read.
    blocks: std::slice::Iter<'a, [u8; BLOCK_LEN]>,
    /// What follows the whole blocks: the end of the message, and its padding.
    end: [[u8; BLOCK_LEN]; 2],
    /// How many blocks of `end` are in use, and how many of them are read.
    end_len: usize,
    end_read: usize,
    digest: &'a mut [u8; LEN],
}

impl<'a> Lane<'a> {
    fn new(message: &'a [u8], digest: &'a mut [u8; LEN]) -> Self {
        let (blocks, rest) = message.as_chunks();
        let end_len = (rest.len() + MIN_PADDING).div_ceil(BLOCK_LEN);
        let bits = (message.len() as u64).wrapping_mul(8).to_le_bytes();
        let mut end = [[0; BLOCK_LEN]; 2];
        let bytes = end.as_flattened_mut();
        let padding = std::iter::once(&0x80);
        let filled = rest.iter().chain(padding);
        bytes.iter_mut().zip(filled).for_each(|(to, from)| *to = *from);
        let length = bytes.iter_mut().skip(end_len * BLOCK_LEN - bits.len());
        length.zip(bits).for_each(|(to, from)| *to = from);
        Self {
            blocks: blocks.iter(),
            end,
            end_len,
            end_read: 0,
            digest,
        }
    }

    /// The next 16 words.
    fn next_block(&mut self) -> [u32; 16] {
        let block = self.blocks.next().or_else(|| {
            self.end_read += 1;
            self.end.get(self.end_read - 1)
        });
        let (words, _) = block.map_or(&[][..], |block| block.as_slice()).as_chunks();
        let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
        std::array::from_fn(|_| words.next().unwrap_or(0))
    }

    fn is_read(&self) -> bool {
        self.end_read == self.end_len
    }
}

fn set_column<const N: usize>(rows: &mut [Row; N], place: usize, values: [u32; N]) {
    for (row, value) in rows.iter_mut().zip(values) {
        if let Some(word) = row.get_mut(place) {
            *word = value;
        }
    }
}

fn column<const N: usize>(rows: &[Row; N], place: usize) -> [u32; N] {
    rows.each_ref().map(|row| row.get(place).copied().unwrap_or(0))
}

fn to_bytes(words: [u32; 4]) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    let (places, _) = bytes.as_chunks_mut();
    places
        .iter_mut()
        .zip(words)
        .for_each(|(place, word)| *place = word.to_le_bytes());
    bytes
}

/// Takes one block of each lane. Source: RFC 1321, 3.4.
#[expect(
    clippy::indexing_slicing,
    reason = "the loop of vector instructions: lanes lie within their rows"
)]
fn compress(state: &mut [Row; 4], words: &[Row; 16]) {
    // Two chains of steps at a time: while one waits for a result, the other computes.
    for lane in 0..LANES / 2 {
        let other = lane + LANES / 2;
        let (mut a, mut b, mut c, mut d) = (state[0][lane], state[1][lane], state[2][lane], state[3][lane]);
        let (mut e, mut f, mut g, mut h) = (state[0][other], state[1][other], state[2][other], state[3][other]);
        macro_rules! step {
            ($mix:ident, $at:expr, $a:ident $b:ident $c:ident $d:ident, $e:ident $f:ident $g:ident $h:ident) => {
                let (word, sine, shift) = const { (word_of($at), SINES[$at], SHIFTS[$at / 16][$at % 4]) };
                $a = $b.wrapping_add(sum($a, $mix($b, $c, $d), words[word][lane], sine).rotate_left(shift));
                $e = $f.wrapping_add(sum($e, $mix($f, $g, $h), words[word][other], sine).rotate_left(shift));
            };
        }
        macro_rules! steps {
            ($mix:ident: $($at:literal)*) => {$(
                step!($mix, $at, a b c d, e f g h);
                step!($mix, $at + 1, d a b c, h e f g);
                step!($mix, $at + 2, c d a b, g h e f);
                step!($mix, $at + 3, b c d a, f g h e);
            )*};
        }
        steps!(round_1: 0 4 8 12);
        steps!(round_2: 16 20 24 28);
        steps!(round_3: 32 36 40 44);
        steps!(round_4: 48 52 56 60);
        for (row, (one, two)) in state.iter_mut().zip([(a, e), (b, f), (c, g), (d, h)]) {
            row[lane] = row[lane].wrapping_add(one);
            row[other] = row[other].wrapping_add(two);
        }
    }
}

/// The word of the block that a step adds. Source: RFC 1321, 3.4.
const fn word_of(step: usize) -> usize {
    let place = match step / 16 {
        0 => step,
        1 => 5 * step + 1,
        2 => 3 * step + 5,
        _ => 7 * step,
    };
    place % 16
}

fn sum(chained: u32, mixed: u32, word: u32, sine: u32) -> u32 {
    chained.wrapping_add(mixed).wrapping_add(word).wrapping_add(sine)
}

/// `F` of RFC 1321: `c` where `b` is set, `d` elsewhere.
fn round_1(b: u32, c: u32, d: u32) -> u32 {
    d ^ (b & (c ^ d))
}

/// `G` of RFC 1321: `b` where `d` is set, `c` elsewhere.
fn round_2(b: u32, c: u32, d: u32) -> u32 {
    c ^ (d & (b ^ c))
}

/// `H` of RFC 1321.
fn round_3(b: u32, c: u32, d: u32) -> u32 {
    b ^ c ^ d
}

/// `I` of RFC 1321.
fn round_4(b: u32, c: u32, d: u32) -> u32 {
    c ^ (b | !d)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn one_by_one(messages: &[&[u8]]) -> Vec<[u8; LEN]> {
        messages.iter().map(|message| md5(message)).collect()
    }

    #[test]
    fn messages_of_each_length_around_a_block_have_their_md5() {
        let bytes: Vec<_> = (0..200).collect();
        let messages: Vec<_> = (0..bytes.len()).map(|len| &bytes[..len]).collect();
        assert_eq!(md5_of_all(&messages), one_by_one(&messages));
    }

    #[test]
    fn no_message_has_no_digest() {
        assert!(md5_of_all(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn many_messages_have_the_digests_of_each(messages in vec(vec(any::<u8>(), 0..1_000), 0..40)) {
            let messages: Vec<_> = messages.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(md5_of_all(&messages), one_by_one(&messages));
        }
    }
}
