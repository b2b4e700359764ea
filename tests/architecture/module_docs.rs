//! The documentation of files: each begins with a sentence, and a folder's names what is in it.

use super::assert_none;
use super::source::Source;
use super::workspace::SOURCES;

fn without_sentence(source: &Source) -> Option<String> {
    let paragraphs = source.docs.split("\n\n");
    let has_sentence = paragraphs
        .filter(|text| !text.starts_with('#'))
        .any(|text| text.contains(' '));
    (!has_sentence).then(|| format!("{}: say in one sentence what it is for", source.path))
}

fn unnamed_children(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let children = source.modules.iter().filter(|module| !module.is_test);
    let unnamed = children.filter(|module| !source.docs.contains(&format!("`{}`", module.name)));
    unnamed
        .map(|module| format!("{}: `{}`", source.path, module.name))
        .collect()
}

#[test]
fn every_file_says_what_it_is_for() {
    assert_none(SOURCES.iter().filter_map(without_sentence), "a file begins with `//!`");
}

#[test]
fn the_file_of_a_folder_names_its_modules() {
    assert_none(
        SOURCES.iter().flat_map(unnamed_children),
        "name them in the `//!` of their folder's file, in the order in which data flow through them",
    );
}

#[test]
fn a_file_without_a_sentence_is_found() {
    for bad in [
        "",
        "// Plain comment.",
        "//! # Heading",
        "/// Docs of an item.\nfn f() {}",
    ] {
        assert!(without_sentence(&Source::parse("a/src/b.rs", bad)).is_some(), "{bad}");
    }
    for good in [
        "//! What it is.",
        "//! # Heading\n//!\n//! What it is.",
        "#![doc = include_str!(\"../README.md\")]",
    ] {
        assert_eq!(without_sentence(&Source::parse("a/src/b.rs", good)), None);
    }
}

#[test]
fn a_folder_that_leaves_out_a_module_is_found() {
    let bad = "//! The folder: `one`.\nmod one;\nmod two;\n#[cfg(test)]\nmod tests;";
    assert_eq!(
        unnamed_children(&Source::parse("a/src/b.rs", bad)),
        ["a/src/b.rs: `two`"]
    );
    let good = "//! The folder: `one`, then `two`.\nmod one;\nmod two;";
    assert_none(unnamed_children(&Source::parse("a/src/b.rs", good)), good);
}
