//! Pure: reads the numbers and texts of a JSON document.
//!
//! It is lenient where that does no harm: escapes in texts stay as they are written, and of a name that occurs twice the last
//! value counts.

use std::collections::BTreeMap;

/// How deeply values may be nested. Our choice: documents of ECS have six levels.
const DEEPEST: usize = 64;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Object(BTreeMap<String, Self>),
    List(Vec<Self>),
    Text(String),
    Number(f64),
    /// `true`, `false` and `null`.
    Word,
}

impl Json {
    /// Reads a document. `None` if it is not JSON.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text, depth: 0 };
        let value = reader.value()?;
        reader.skip_space();
        reader.rest.is_empty().then_some(value)
    }

    /// The member of an object that `path` leads to.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, name| match value {
            Self::Object(members) => members.get(*name),
            Self::List(_) | Self::Text(_) | Self::Number(_) | Self::Word => None,
        })
    }

    pub(super) fn number(&self, path: &[&str]) -> Option<f64> {
        match self.at(path)? {
            Self::Number(number) => Some(*number),
            Self::Object(_) | Self::List(_) | Self::Text(_) | Self::Word => None,
        }
    }

    pub(super) fn text(&self, path: &[&str]) -> Option<&str> {
        match self.at(path)? {
            Self::Text(text) => Some(text),
            Self::Object(_) | Self::List(_) | Self::Number(_) | Self::Word => None,
        }
    }

    pub(super) fn list(&self, path: &[&str]) -> Option<&[Self]> {
        match self.at(path)? {
            Self::List(values) => Some(values),
            Self::Object(_) | Self::Text(_) | Self::Number(_) | Self::Word => None,
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Option<Json> {
        self.skip_space();
        match self.rest.chars().next()? {
            '{' => self.nested(Self::object),
            '[' => self.nested(Self::list),
            '"' => self.text().map(Json::Text),
            'a'..='z' => self.word(),
            _ => self.number(),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Option<Json>) -> Option<Json> {
        self.depth += 1;
        let value = if self.depth > DEEPEST { None } else { read(self) };
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Option<Json> {
        let mut members = BTreeMap::new();
        self.elements(('{', '}'), |reader| {
            reader.skip_space();
            let name = reader.text()?;
            reader.take(':')?;
            members.insert(name, reader.value()?);
            Some(())
        })?;
        Some(Json::Object(members))
    }

    fn list(&mut self) -> Option<Json> {
        let mut values = Vec::new();
        self.elements(('[', ']'), |reader| {
            values.push(reader.value()?);
            Some(())
        })?;
        Some(Json::List(values))
    }

    fn elements(
        &mut self,
        (open, close): (char, char),
        mut element: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.take(open)?;
        if self.take(close).is_some() {
            return Some(());
        }
        loop {
            element(self)?;
            if self.take(',').is_none() {
                return self.take(close);
            }
        }
    }

    fn text(&mut self) -> Option<String> {
        let inside = self.rest.strip_prefix('"')?;
        let mut is_escaped = false;
        let end = inside.find(|letter| {
            let ends = letter == '"' && !is_escaped;
            is_escaped = letter == '\\' && !is_escaped;
            ends
        })?;
        let (text, rest) = inside.split_at_checked(end)?;
        self.rest = rest.strip_prefix('"')?;
        Some(text.to_owned())
    }

    fn word(&mut self) -> Option<Json> {
        let words = ["true", "false", "null"];
        self.rest = words.iter().find_map(|word| self.rest.strip_prefix(word))?;
        Some(Json::Word)
    }

    fn number(&mut self) -> Option<Json> {
        let is_part = |letter: char| letter.is_ascii_digit() || "+-.eE".contains(letter);
        let end = self.rest.find(|letter| !is_part(letter)).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end)?;
        let number = digits.parse().ok()?;
        self.rest = rest;
        Some(Json::Number(number))
    }

    /// Takes `letter` if it is next.
    fn take(&mut self, letter: char) -> Option<()> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(letter)?;
        Some(())
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_of_nested_objects_and_lists_are_found_by_their_path() {
        let text = r#" {"a": {"b": -1.5e3, "c": [1, {"d": "x\"y"}, null, true], "e": {}}, "f": []} "#;
        let json = Json::parse(text).unwrap();
        assert_eq!(json.number(&["a", "b"]), Some(-1_500.0));
        assert_eq!(json.list(&["a", "c"]).unwrap()[1].text(&["d"]), Some(r#"x\"y"#));
        assert_eq!(json.list(&["f"]), Some(&[][..]));
        assert_eq!(json.number(&["a", "x"]), None);
        assert_eq!(json.text(&["a", "b"]), None);
    }

    #[test]
    fn a_text_that_is_not_json_is_refused() {
        for text in [
            "",
            "{",
            "{\"a\" 1}",
            "[1,]",
            "[1 2]",
            "{} x",
            "\"a",
            "nul",
            "1.2.3",
            "\"\\\"",
        ] {
            assert_eq!(Json::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_document_that_is_nested_too_deeply_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(&nested(DEEPEST)).is_some());
        assert_eq!(Json::parse(&nested(DEEPEST + 1)), None);
    }

    proptest! {
        #[test]
        fn what_serde_writes_is_read(numbers in proptest::collection::vec(-1e9..1e9_f64, 0..5), name in "\\PC{0,9}") {
            let text = serde_json::json!({ "n": numbers, "t": { name.as_str(): name.as_str() } }).to_string();
            let json = Json::parse(&text).unwrap();
            let read: Vec<_> = json.list(&["n"]).unwrap().iter().map(|value| value.number(&[]).unwrap()).collect();
            prop_assert_eq!(read, numbers);
        }

        #[test]
        fn no_text_makes_it_fail(text in "[\\[\\]{}\",:0-9a-z\\\\ .é-]{0,40}") {
            drop(Json::parse(&text));
        }
    }
}
