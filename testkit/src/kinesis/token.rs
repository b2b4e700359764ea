//! Pure: opaque tokens, which carry the service's state to the client and back.
//!
//! A token is base64 of its fields with a checksum, so that what the service did not write is told from what it did.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const SEPARATOR: char = '/';

/// Writes a token. Fields must not contain a slash.
pub(super) fn seal(fields: &[&str]) -> String {
    debug_assert!(fields.iter().all(|field| !field.contains(SEPARATOR)));
    let text = fields.join("/");
    STANDARD.encode(format!("{}{SEPARATOR}{text}", checksum(&text)))
}

/// Reads a token of `N` fields. `None` if [`seal`] did not write it.
pub(super) fn open<const N: usize>(token: &str) -> Option<[String; N]> {
    let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    let (sum, text) = text.split_once(SEPARATOR)?;
    if sum != checksum(text) {
        return None;
    }
    let fields: Vec<_> = text.split(SEPARATOR).map(str::to_owned).collect();
    fields.try_into().ok()
}

/// FNV-1a, which finds accidents; nobody is kept from forging.
fn checksum(text: &str) -> String {
    let mix = |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, mix))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_opened_into_its_fields() {
        let token = seal(&["orders", "", "7"]);
        assert_eq!(open(&token), Some(["orders".to_owned(), String::new(), "7".to_owned()]));
    }

    #[test]
    fn a_token_of_another_kind_is_refused() {
        assert_eq!(open::<2>(&seal(&["a"])), None);
        assert_eq!(open::<2>("nonsense"), None);
        assert_eq!(open::<2>(""), None);
    }

    proptest! {
        #[test]
        fn a_token_with_a_changed_character_is_refused(index: prop::sample::Index, replacement in "[A-Za-z0-9]") {
            let mut token = seal(&["orders", "1700000000000", "x"]);
            let index = index.index(token.len() - 4);
            prop_assume!(token[index..=index] != replacement);
            token.replace_range(index..=index, &replacement);
            prop_assert_eq!(open::<3>(&token), None);
        }
    }
}
