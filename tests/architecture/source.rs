//! One Rust file: its documentation, its words, its modules and imports, and which of its lines are tests.

use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::{Attribute, Expr, ExprLit, Item, ItemConst, ItemUse, Lit, UseTree, Visibility};

/// A file of the workspace, as plain data.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Relative to the workspace, with slashes.
    pub(super) path: String,
    pub(super) text: String,
    /// The lines of `//!`, and whatever is included there.
    pub(super) docs: String,
    /// All words of the code, in their order. Comments are none, and a literal is one word.
    words: Vec<Word>,
    /// The lines of the items that are compiled for tests only; all lines in a file of tests.
    tests: Vec<RangeInclusive<usize>>,
    pub(super) test_functions: Vec<String>,
    pub(super) modules: Vec<Module>,
    /// Those at the top of the file.
    pub(super) imports: Vec<Import>,
    /// The lines of these imports.
    import_lines: Vec<RangeInclusive<usize>>,
    pub(super) constants: Vec<Constant>,
}

/// A macro that makes tests of the functions that it is given.
const SUITE: &str = "run_against_each_backend";

/// An identifier, a literal, a bracket or a single sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) line: usize,
}

/// `mod name;`, a module with a file of its own.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) is_test: bool,
}

/// One name that a `use` brings in.
#[derive(Debug, Clone)]
pub(super) struct Import {
    /// As written, without the brackets; the last segment is `*` for a glob.
    pub(super) path: Vec<String>,
    /// The name in this file.
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) is_public: bool,
}

/// A public constant.
#[derive(Debug)]
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) docs: String,
}

impl Source {
    /// Takes `text` apart.
    ///
    /// # Panics
    ///
    /// If it is not Rust.
    pub(super) fn parse(path: &str, text: &str) -> Self {
        let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut source = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            docs: docs_of(&file.attrs),
            ..Self::default()
        };
        source.read_words(tokens);
        for item in &file.items {
            source.read_item(item);
        }
        let in_tests = path.starts_with("tests/") || path.contains("/tests/");
        if in_tests || file.attrs.iter().any(is_for_tests) {
            source.mark_as_test();
        }
        source
    }

    /// Whether nothing of the file is compiled into a library or a program.
    pub(super) fn is_test(&self) -> bool {
        self.tests.iter().any(|lines| *lines.start() == 0)
    }

    pub(super) fn mark_as_test(&mut self) {
        self.tests = vec![0..=usize::MAX];
    }

    pub(super) fn is_pure(&self) -> bool {
        self.docs.starts_with("Pure:")
    }

    /// The words of the code that is compiled into a library or a program.
    pub(super) fn production(&self) -> Vec<&Word> {
        self.words.iter().filter(|word| !self.is_test_line(word.line)).collect()
    }

    /// The same without the imports at the top of the file.
    pub(super) fn production_without_imports(&self) -> Vec<&Word> {
        let is_import = |word: &&Word| self.import_lines.iter().any(|lines| lines.contains(&word.line));
        self.production().into_iter().filter(|word| !is_import(word)).collect()
    }

    /// Blank lines and comments count, the lines of tests do not.
    pub(super) fn production_lines(&self) -> usize {
        self.lines_without_tests().count()
    }

    /// The lines with their numbers, comments and all.
    pub(super) fn lines_without_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(number, _)| !self.is_test_line(*number))
    }

    /// The lines in which `pattern`, a few words of code, occurs in production.
    pub(super) fn uses_of(&self, pattern: &str) -> Vec<usize> {
        let mut wanted = Self::default();
        wanted.read_words(pattern.parse().unwrap());
        let words = self.production();
        let same = |window: &&[&Word]| window.iter().zip(&wanted.words).all(|(a, b)| a.text == b.text);
        let found = words.windows(wanted.words.len()).filter(same);
        found.map(|window| window[0].line).collect()
    }

    pub(super) fn complain(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    fn is_test_line(&self, line: usize) -> bool {
        self.tests.iter().any(|lines| lines.contains(&line))
    }

    fn read_words(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            if let Some(condition) = attribute_at(&tokens, at) {
                self.read_attribute(&condition, &tokens[at..]);
            }
            self.read_token(token);
        }
    }

    fn read_token(&mut self, token: &TokenTree) {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                self.push(open, group.span_open());
                self.read_words(group.stream());
                self.push(close, group.span_close());
            }
            TokenTree::Ident(ident) => self.push(&ident.to_string(), ident.span()),
            TokenTree::Punct(punct) => self.push(&punct.as_char().to_string(), punct.span()),
            TokenTree::Literal(literal) => self.push(&literal.to_string(), literal.span()),
        }
    }

    fn push(&mut self, text: &str, span: Span) {
        self.words.push(Word {
            text: text.to_owned(),
            line: span.start().line,
        });
    }

    /// Reads the attribute `condition`, which `item` begins with: `cfg(test)` and `test` say something about the item.
    fn read_attribute(&mut self, condition: &str, item: &[TokenTree]) {
        if is_test_condition(condition) {
            let is_end = |token: &&TokenTree| match token {
                TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                TokenTree::Punct(punct) => punct.as_char() == ';',
                TokenTree::Ident(_) | TokenTree::Literal(_) => false,
            };
            let last = item.iter().find(is_end).or(item.last());
            let end = last.map_or(0, |token| token.span().end().line);
            self.tests.push(item[0].span().start().line..=end);
        }
        let path = condition.split('(').next().unwrap_or_default();
        if path == "test" || path.ends_with("::test") {
            let mut words = item.iter().map(ToString::to_string).skip_while(|word| word != "fn");
            self.test_functions.extend(words.nth(1));
        }
    }

    fn read_item(&mut self, item: &Item) {
        if let Item::Mod(module) = item
            && module.content.is_none()
        {
            self.modules.push(Module {
                name: module.ident.to_string(),
                is_test: module.attrs.iter().any(is_for_tests),
            });
        } else if let Item::Macro(call) = item
            && call.mac.path.is_ident(SUITE)
        {
            let cases = call.mac.tokens.clone().into_iter().map(|token| token.to_string());
            self.test_functions.extend(cases.filter(|name| name != ","));
        } else if let Item::Use(import) = item
            && !import.attrs.iter().any(is_for_tests)
        {
            self.read_use(import);
        } else if let Item::Const(constant) = item
            && !matches!(constant.vis, Visibility::Inherited)
        {
            self.read_constant(constant);
        }
    }

    fn read_constant(&mut self, constant: &ItemConst) {
        self.constants.push(Constant {
            name: constant.ident.to_string(),
            docs: docs_of(&constant.attrs),
        });
    }

    fn read_use(&mut self, import: &ItemUse) {
        let end = import.semi_token.span.end().line;
        self.import_lines.push(import.use_token.span.start().line..=end);
        let first = Import {
            path: Vec::new(),
            name: String::new(),
            line: import.use_token.span.start().line,
            is_public: !matches!(import.vis, Visibility::Inherited),
        };
        let mut open = vec![(first, &import.tree)];
        while let Some((mut at, tree)) = open.pop() {
            match tree {
                UseTree::Path(path) => {
                    at.path.push(path.ident.to_string());
                    open.push((at, &path.tree));
                }
                UseTree::Group(group) => open.extend(group.items.iter().map(|tree| (at.clone(), tree))),
                UseTree::Name(name) => self.imports.push(at.ending(name.ident.to_string(), None)),
                UseTree::Rename(rename) => {
                    let name = rename.rename.to_string();
                    self.imports.push(at.ending(rename.ident.to_string(), Some(name)));
                }
                UseTree::Glob(_) => self.imports.push(at.ending("*".to_owned(), None)),
            }
        }
    }
}

impl Import {
    fn ending(mut self, last: String, name: Option<String>) -> Self {
        // `use a::{self}` means `a`.
        if last != "self" || self.path.is_empty() {
            self.path.push(last);
        }
        self.name = name.unwrap_or_else(|| self.path.last().cloned().unwrap_or_default());
        self
    }
}

/// The inside of the attribute that begins at this token, without blanks.
fn attribute_at(tokens: &[TokenTree], at: usize) -> Option<String> {
    match (tokens.get(at)?, tokens.get(at + 1)?) {
        (TokenTree::Punct(hash), TokenTree::Group(group))
            if hash.as_char() == '#' && group.delimiter() == Delimiter::Bracket =>
        {
            Some(group.stream().to_string().replace(' ', ""))
        }
        _ => None,
    }
}

fn is_test_condition(attribute: &str) -> bool {
    attribute.starts_with("cfg(test)") || attribute.starts_with("cfg(all(test")
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let Ok(list) = attribute.meta.require_list() else {
        return false;
    };
    let condition = list.tokens.to_string().replace(' ', "");
    attribute.path().is_ident("cfg") && is_test_condition(&format!("cfg({condition})"))
}

/// The documentation in these attributes, line by line.
fn docs_of(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        let Ok(docs) = attribute.meta.require_name_value() else {
            continue;
        };
        if let Expr::Lit(ExprLit {
            lit: Lit::Str(line), ..
        }) = &docs.value
        {
            lines.push(line.value().trim().to_owned());
        } else if let Expr::Macro(included) = &docs.value {
            lines.push(format!("Includes {}.", included.mac.tokens));
        }
    }
    lines.join("\n").trim().to_owned()
}

#[test]
fn a_source_is_its_code_without_comments_literals_and_tests() {
    let text = r###"//! Docs.
fn a<'a>(x: &'a str) -> char { /* seen? /* no */ seen? */ let q = '"'; let e = '\''; kept1 } // seen?
const B: &[u8] = b"seen? \" seen?"; const C: &str = r#"seen? " seen?"#; fn kept2() -> [u8; 2] { [0; 2] }
#[cfg(test)]
#[expect(lint, reason = "seen?")]
mod tests { #[test] fn one() -> [u8; 1] { seen } #[tokio::test(start_paused = true)] async fn two() {} }
#[cfg(all(test, feature = "x"))]
mod seen;
fn kept3() { select! { x = kept4 => {} #[cfg(test)] y = seen => {} } }
"###;
    let source = Source::parse("x/src/y.rs", text);
    let words: Vec<&str> = source.production().iter().map(|word| &*word.text).collect();
    assert!(!words.contains(&"seen"), "{words:?}");
    for kept in ["kept1", "kept2"] {
        assert!(words.contains(&kept), "{kept} in {words:?}");
    }
    assert_eq!(source.production_lines(), text.lines().count() - 6);
    assert_eq!(source.docs, "Docs.");
    assert_eq!(source.test_functions, ["one", "two"]);
    let suite = Source::parse("a/src/b.rs", "run_against_each_backend! { a_case, another_case, }");
    assert_eq!(suite.test_functions, ["a_case", "another_case"]);
    assert_eq!((&*source.modules[0].name, source.modules[0].is_test), ("seen", true));
    assert_eq!(source.uses_of("[0; 2]"), [3]);
}

#[test]
fn a_file_of_tests_has_no_production_code() {
    for (path, text) in [("a/tests/b.rs", "fn f() {}"), ("a/src/b.rs", "#![cfg(test)] fn f() {}")] {
        let source = Source::parse(path, text);
        assert!(source.is_test(), "{path}");
        assert!(source.production().is_empty(), "{path}");
    }
    assert!(!Source::parse("a/src/b.rs", "fn f() {}").is_test());
}

#[test]
fn each_name_of_a_use_is_an_import_by_itself() {
    let source = Source::parse(
        "a/src/b.rs",
        "use crate::x::{self, Y as Z, w::*};\npub(crate) use super::V;",
    );
    let mut imports: Vec<_> = source
        .imports
        .iter()
        .map(|i| (i.path.join("::"), &*i.name, i.line, i.is_public))
        .collect();
    imports.sort();
    assert_eq!(
        imports,
        [
            ("crate::x".to_owned(), "x", 1, false),
            ("crate::x::Y".to_owned(), "Z", 1, false),
            ("crate::x::w::*".to_owned(), "*", 1, false),
            ("super::V".to_owned(), "V", 2, true),
        ]
    );
}
