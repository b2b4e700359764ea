//! The sections *Non-obvious*: each entry names the test or the benchmark that holds it.

use std::collections::BTreeSet;

use super::assert_none;
use super::documents::{Document, code_spans};
use super::modules::module_of;
use super::source::Source;
use super::workspace::{SOURCES, files, relative};

/// All tests of the workspace, by the ways in which documents name them.
#[derive(Debug, Default)]
struct Tests {
    functions: BTreeSet<String>,
    /// The files with tests or benchmarks in them.
    files: BTreeSet<String>,
    modules: Vec<Vec<String>>,
}

impl Tests {
    fn of<'a>(sources: impl Iterator<Item = &'a Source>) -> Self {
        let mut tests = Self::default();
        for source in sources {
            tests.functions.extend(source.test_functions.iter().cloned());
            if !source.test_functions.is_empty() || source.path.contains("/benches/") {
                tests.files.insert(source.path.clone());
                tests.modules.push(module_of(&source.path));
            }
        }
        tests
    }

    /// Whether `span` is the name of a test, the end of a module's path, or a file or folder with tests.
    fn has(&self, document: &Document, span: &str) -> bool {
        self.functions.contains(span) || self.has_module(span) || self.has_file(document, span)
    }

    /// `pipeline::tests::order` stands for all modules whose path has these names in it, next to each other.
    fn has_module(&self, span: &str) -> bool {
        let names: Vec<&str> = span.split("::").collect();
        // Tests inside a file are a module of their own.
        let file = names.strip_suffix(&["tests"]).unwrap_or(&names);
        names.len() > 1
            && [&*names, file]
                .iter()
                .any(|names| self.modules.iter().any(|module| contains(module, names)))
    }

    fn has_file(&self, document: &Document, span: &str) -> bool {
        let Some(path) = document.find(span).filter(|_| span.contains('/')) else {
            return false;
        };
        let all = if path.is_dir() {
            files(&path, &["rs"])
        } else {
            vec![path]
        };
        all.iter().any(|file| self.files.contains(&relative(file)))
    }
}

fn contains(module: &[String], names: &[&str]) -> bool {
    !names.is_empty()
        && module
            .windows(names.len())
            .any(|window| window.iter().zip(names).all(|(a, b)| a == b))
}

/// The entries of the section: lines that begin with a star, with those that belong to them.
fn entries(text: &str) -> Vec<String> {
    let section = text.split_once("\n## Non-obvious\n").map_or("", |(_, rest)| rest);
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut found: Vec<String> = Vec::new();
    for line in section
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
    {
        match (line.strip_prefix("* "), found.last_mut()) {
            (Some(entry), _) => found.push(entry.to_owned()),
            (None, Some(entry)) if line.starts_with("  ") => *entry += &format!(" {}", line.trim()),
            (None, _) => {}
        }
    }
    found
}

/// A sentence in snake case.
fn is_test_name(span: &str) -> bool {
    let in_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    span.chars().all(in_name) && span.matches('_').count() > 3
}

fn untested(document: &Document, tests: &Tests) -> Vec<String> {
    let entries = entries(&document.text);
    let untested = entries
        .iter()
        .filter(|entry| !code_spans(entry).iter().any(|(_, span)| tests.has(document, span)));
    untested.map(|entry| format!("{}: {entry}", document.path)).collect()
}

fn unknown_tests(document: &Document, tests: &Tests) -> Vec<String> {
    let names = code_spans(&document.text)
        .into_iter()
        .filter(|(_, span)| is_test_name(span));
    let unknown = names.filter(|(_, name)| !tests.functions.contains(*name));
    unknown
        .map(|(line, name)| format!("{}:{line}: {name}", document.path))
        .collect()
}

#[test]
fn each_entry_of_non_obvious_names_a_test_or_a_benchmark() {
    let tests = Tests::of(SOURCES.iter());
    let documents = Document::all("DESIGN.md");
    let count: usize = documents.iter().map(|document| entries(&document.text).len()).sum();
    assert!(count > 20, "found only {count} entries");
    assert_none(
        documents.iter().flat_map(|document| untested(document, &tests)),
        "name a test that fails without it",
    );
}

#[test]
fn every_test_that_a_document_names_exists() {
    let tests = Tests::of(SOURCES.iter());
    let documents = ["DESIGN.md", "README.md", "CONTRIBUTING.md"]
        .iter()
        .flat_map(|name| Document::all(name));
    assert_none(
        documents.flat_map(|document| unknown_tests(&document, &tests)),
        "there is no such test",
    );
}

#[test]
fn an_entry_without_an_existing_test_is_found() {
    let sources = [
        Source::parse(
            "kcl/src/lease/guard.rs",
            "#[cfg(test)] mod tests { #[test] fn it_holds() {} }",
        ),
        Source::parse("kcl/src/lib.rs", "pub fn no_test() {}"),
        Source::parse("kcl/benches/speed.rs", "fn main() {}"),
    ];
    let tests = Tests::of(sources.iter());
    let complaints = |entry: &str| {
        let text = format!("# D\n\n## Non-obvious\n\n* **One.** {entry}\n\n## Next\n\n* no entry\n");
        untested(
            &Document {
                path: "kcl/DESIGN.md".to_owned(),
                text,
            },
            &tests,
        )
        .len()
    };
    for good in [
        "`it_holds`",
        "`x`,\n  `it_holds`",
        "`lease::guard`",
        "`lease::guard::tests`",
        "`src/lease/guard.rs`",
        "`src/lease/`",
    ] {
        assert_eq!(complaints(good), 0, "{good}");
    }
    for bad in [
        "",
        "it_holds",
        "`no_test`",
        "`lease::renewer`",
        "`held`",
        "`src/lib.rs`",
        "`src/nowhere.rs`",
        "\n\n`it_holds`",
    ] {
        assert_eq!(complaints(bad), 1, "{bad}");
    }
}

#[test]
fn a_test_that_does_not_exist_is_found_by_its_name() {
    let tests = Tests::of([Source::parse("a/src/b.rs", "#[test] fn a_lease_is_not_lost() {}")].iter());
    let text = "`a_lease_is_not_lost` `a_lease_is_not_found` `max_leases`".to_owned();
    let document = Document {
        path: "X.md".to_owned(),
        text,
    };
    assert_eq!(unknown_tests(&document, &tests), ["X.md:1: a_lease_is_not_found"]);
}
