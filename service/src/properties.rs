//! Pure: the lines of a Java properties file as keys and values.
//!
//! Source: <https://docs.oracle.com/javase/8/docs/api/java/util/Properties.html>.

/// One setting as the file has it, its escapes resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyEntry {
    /// The line in which it begins, from 1.
    pub line: usize,
    /// Its key.
    pub key: String,
    /// Its value, with the blanks behind it, which Java keeps.
    pub value: String,
}

/// A setting with a `\u` that four hexadecimal digits do not follow, or that is half of a character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedEscape {
    /// The line in which the setting begins, from 1.
    pub line: usize,
    /// Its key as it is written.
    pub key: String,
}

/// The settings of a Java properties file, in their order, or what is wrong with one.
pub fn property_entries(text: &str) -> impl Iterator<Item = Result<PropertyEntry, MalformedEscape>> {
    let lines = logical_lines(text).into_iter();
    lines.map(|(line, text)| entry(line, &text))
}

/// Lines without comments and blank ones, each joined with those that continue it.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = text.lines().enumerate();
    let mut logical = Vec::new();
    while let Some((number, line)) = lines.next() {
        let mut joined = line.trim_start_matches(is_blank).to_owned();
        if joined.is_empty() || joined.starts_with(['#', '!']) {
            continue;
        }
        while is_continued(&joined) {
            joined.pop();
            let Some((_, next)) = lines.next() else { break };
            joined.push_str(next.trim_start_matches(is_blank));
        }
        logical.push((number + 1, joined));
    }
    logical
}

/// Whether a line ends with a backslash that no other one escapes.
fn is_continued(line: &str) -> bool {
    let backslashes = line.bytes().rev().take_while(|byte| *byte == b'\\').count();
    backslashes % 2 == 1
}

fn entry(line: usize, text: &str) -> Result<PropertyEntry, MalformedEscape> {
    let (key, rest) = text.split_at(key_end(text));
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    let malformed = || MalformedEscape {
        line,
        key: key.to_owned(),
    };
    let resolve = |text: &str| unescape(text).ok_or_else(malformed);
    Ok(PropertyEntry {
        line,
        key: resolve(key)?,
        value: resolve(value.trim_start_matches(is_blank))?,
    })
}

/// The key ends at the first separator that is not escaped.
fn key_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '=' | ':' => return at,
            _ if is_blank(character) => return at,
            _ => {}
        }
    }
    text.len()
}

/// `None` for a malformed `\u`. Java's escapes are units of UTF-16, so a character may take two of them.
fn unescape(text: &str) -> Option<String> {
    let mut units = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let resolved = match character {
            '\\' => match characters.next()? {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                'f' => '\u{c}',
                'u' => {
                    units.push(hexadecimal(characters.by_ref().take(4))?);
                    continue;
                }
                other => other,
            },
            other => other,
        };
        units.extend_from_slice(resolved.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).ok()
}

fn hexadecimal(digits: impl Iterator<Item = char>) -> Option<u16> {
    let digits: String = digits.filter(char::is_ascii_hexdigit).collect();
    (digits.len() == 4)
        .then(|| u16::from_str_radix(&digits, 16).ok())
        .flatten()
}

/// What Java takes for white space in these files.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, String, String)> {
        let entry = |PropertyEntry { line, key, value }| (line, key, value);
        property_entries(text).map(|read| entry(read.unwrap())).collect()
    }

    fn pair(key: &str, value: &str) -> Vec<(usize, String, String)> {
        vec![(1, key.to_owned(), value.to_owned())]
    }

    #[test]
    fn every_separator_of_java_parts_key_and_value() {
        for text in [
            "a=1",
            "a:1",
            "a 1",
            "a\t1",
            "  a = 1",
            "a : 1",
            "a \t= 1",
            "a   1",
            "\u{c}a\u{c}1",
        ] {
            assert_eq!(read(text), pair("a", "1"), "{text:?}");
        }
        assert_eq!(read("a = = 1"), pair("a", "= 1"), "only the first sign separates");
        assert_eq!(read("a"), pair("a", ""));
        assert_eq!(read("a ="), pair("a", ""));
        assert_eq!(read("a = 1 "), pair("a", "1 "), "Java keeps what follows the value");
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_and_lines_counted() {
        let text = "# one = 1\r\n\r\n  ! two = 2 \\\r\nthree = 3\rfour=4\n";
        assert_eq!(
            read(text),
            [(4, "three".into(), "3".into()), (5, "four".into(), "4".into())],
            "and a comment is not continued"
        );
    }

    #[test]
    fn a_line_goes_on_behind_an_odd_number_of_backslashes() {
        assert_eq!(read("a = one, \\\n     two"), pair("a", "one, two"));
        assert_eq!(read("a\\\n=1"), pair("a", "1"));
        assert_eq!(
            read("a = one\\\\\nb = 2"),
            [(1, "a".into(), "one\\".into()), (2, "b".into(), "2".into())]
        );
        assert_eq!(read("a = one\\"), pair("a", "one"), "at the end of the file");
    }

    #[test]
    fn escapes_are_resolved_in_keys_and_values() {
        assert_eq!(read(r"a\ b\=c = \tx\:y"), pair("a b=c", "\tx:y"));
        assert_eq!(read(r"k\u00e9y = \u0041\uD83D\uDE00\q"), pair("kéy", "A😀q"));
    }

    #[test]
    fn a_malformed_unicode_escape_is_refused_with_its_line() {
        for text in [r"a = \u12", r"a = \u12g4x", r"a = \ud83d alone"] {
            let text = format!("\n{text}\nb = 2");
            let read: Vec<_> = property_entries(&text).collect();
            let malformed = read[0].as_ref().unwrap_err();
            assert_eq!((malformed.line, malformed.key.as_str()), (2, "a"), "{text}");
            assert!(read[1].is_ok(), "what follows is read");
        }
    }
}
