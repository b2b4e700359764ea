//! Circles of imports: files that can only be understood together.
//!
//! A child builds on its parent, so an import of what is around a file closes no circle. Nor does a re-export: a path is
//! followed to the file that declares the name.

use std::collections::{BTreeMap, BTreeSet};

use super::assert_none;
use super::modules::{Modules, module_of};
use super::source::{Source, Word};
use super::workspace::MEMBERS;

/// Two or three files may be about one thing; more may not.
const MAX_CIRCLE: usize = 3;

/// Which files a file needs, each with the place that says so.
type Needs<'a> = BTreeMap<&'a str, BTreeMap<&'a str, String>>;

fn needs<'a>(modules: &Modules<'a>) -> Needs<'a> {
    modules
        .iter()
        .map(|(module, source)| (&*source.path, needs_of(modules, module, source)))
        .collect()
}

fn needs_of<'a>(modules: &Modules<'a>, module: &[String], source: &'a Source) -> BTreeMap<&'a str, String> {
    let words = source.production_without_imports();
    // What is only re-exported is not needed here: the paths to it are followed to its own file.
    let is_needed = |name: &str| words.iter().any(|word| word.text == name);
    let imports = source
        .imports
        .iter()
        .filter(|import| !import.is_public || is_needed(&import.name));
    let mut paths: Vec<(Vec<String>, usize)> = imports.map(|import| (import.path.clone(), import.line)).collect();
    paths.extend(paths_in(&words, |name| modules.is_child(module, name)));
    let mut found = BTreeMap::new();
    for (path, line) in paths {
        let target = modules.file_of(module, &path);
        if let Some(target) = target.filter(|target| !is_around(&target.path, module)) {
            found
                .entry(&*target.path)
                .or_insert_with(|| format!("line {line}, {}", path.join("::")));
        }
    }
    found
}

/// Whether the file is that of the module, or of a folder that the module lies in: a child builds on what is around it.
fn is_around(file: &str, module: &[String]) -> bool {
    module.starts_with(&module_of(file))
}

/// The paths in code that begin with `crate`, `self`, `super` or a child.
fn paths_in(words: &[&Word], is_child: impl Fn(&str) -> bool) -> Vec<(Vec<String>, usize)> {
    let text = |at: usize| words.get(at).map_or("", |word| &*word.text);
    let is_separator = |at: usize| text(at) == ":" && text(at + 1) == ":";
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let begins = matches!(&*word.text, "crate" | "self" | "super") || is_child(&word.text);
        let continues = at > 0 && matches!(text(at - 1), ":" | "." | "$");
        if !begins || continues || !is_separator(at + 1) {
            continue;
        }
        let mut path = vec![word.text.clone()];
        let mut end = at + 1;
        while is_separator(end) && text(end + 2).starts_with(|c: char| c.is_alphabetic() || c == '_') {
            path.push(text(end + 2).to_owned());
            end += 3;
        }
        found.push((path, word.line));
    }
    found
}

/// The circles of more files than may be, each in the order of its paths.
fn circles<'a>(needs: &Needs<'a>) -> Vec<BTreeSet<&'a str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = needs.keys().map(|file| (*file, reached_from(needs, file))).collect();
    let mut found = BTreeSet::new();
    for (file, others) in &reached {
        let circle: BTreeSet<&str> = others
            .iter()
            .copied()
            .filter(|other| reached[other].contains(file))
            .collect();
        if circle.len() > MAX_CIRCLE {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

fn reached_from<'a>(needs: &Needs<'a>, file: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = needs[file].keys().copied().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(needs[next].keys());
        }
    }
    reached
}

/// The files of each circle, each with what it needs of the others.
fn complaints(needs: &Needs<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for circle in circles(needs) {
        found.push(format!("a circle of {} files", circle.len()));
        for file in &circle {
            let inside = needs[file].iter().filter(|(other, _)| circle.contains(*other));
            found.extend(inside.map(|(other, place)| format!("  {file} needs {other} ({place})")));
        }
    }
    found
}

#[test]
fn no_more_than_three_files_of_a_crate_import_each_other_in_a_circle() {
    assert_none(
        MEMBERS
            .iter()
            .flat_map(|member| complaints(&needs(&Modules::of(member.sources())))),
        "cut an import of each circle: move what is shared into a file below both",
    );
}

fn library(files: &[(&str, &str)]) -> Vec<Source> {
    files.iter().map(|(path, text)| Source::parse(path, text)).collect()
}

#[test]
fn a_circle_of_four_files_is_found_with_the_imports_that_close_it() {
    let sources = library(&[
        ("a/src/lib.rs", "mod w; mod x; mod y; mod z; mod far;"),
        ("a/src/w.rs", "use crate::x::X;"),
        ("a/src/x.rs", "pub struct X;\nfn f() { super::y::g(); }"),
        ("a/src/y.rs", "use crate::z::{self, Z};"),
        ("a/src/z.rs", "fn h() { select! { x = crate::w::run() => {} } }"),
        ("a/src/far.rs", "use crate::w::W;"),
    ]);
    let modules = Modules::of(sources.iter());
    let needs = needs(&modules);
    let found = complaints(&needs);
    assert_eq!(found[0], "a circle of 4 files");
    assert_eq!(found[2], "  a/src/x.rs needs a/src/y.rs (line 2, super::y::g)");
    assert_eq!(found.len(), 5, "{found:?}");
}

#[test]
fn a_parent_that_reexports_its_children_and_a_test_that_imports_everything_close_no_circle() {
    let sources = library(&[
        ("a/src/lib.rs", "mod p; pub use p::One;"),
        (
            "a/src/p.rs",
            "mod one; mod two; mod three; pub use one::One; pub use two::Two; pub(crate) use three::Three; pub struct P;",
        ),
        ("a/src/p/one.rs", "use super::P; use crate::p::Two;"),
        (
            "a/src/p/two.rs",
            "use super::{P, Three}; #[cfg(test)] mod tests { use crate::p::One; fn f() { crate::One; } }",
        ),
        ("a/src/p/three.rs", "use crate::p::P;"),
    ]);
    let modules = Modules::of(sources.iter());
    assert_none(complaints(&needs(&modules)), "no circle");
}

#[test]
fn a_parent_and_its_children_may_need_each_other() {
    let sources = library(&[
        ("a/src/lib.rs", "mod p;"),
        (
            "a/src/p.rs",
            "mod one; mod two; mod three; use one::One; use two::Two; pub struct P(One, Two, three::Three);",
        ),
        ("a/src/p/one.rs", "use super::P;"),
        ("a/src/p/two.rs", "use crate::p::P;"),
        ("a/src/p/three.rs", "fn f(p: &super::P) {}"),
    ]);
    let modules = Modules::of(sources.iter());
    assert_none(complaints(&needs(&modules)), "a family");
}

#[test]
fn three_files_may_form_a_circle() {
    let sources = library(&[
        ("a/src/lib.rs", "mod x; mod y; mod z;"),
        ("a/src/x.rs", "use crate::y::Y;"),
        ("a/src/y.rs", "use crate::z::Z;"),
        ("a/src/z.rs", "use crate::x::X;"),
    ]);
    let modules = Modules::of(sources.iter());
    assert_none(complaints(&needs(&modules)), "three");
}
