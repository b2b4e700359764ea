//! The shape of files: their size, where modules stand, and how a `select!` begins.

use super::assert_none;
use super::source::Source;
use super::workspace::SOURCES;

const MAX_PRODUCTION_LINES: usize = 400;

fn too_long(source: &Source) -> Option<String> {
    let lines = source.production_lines();
    (lines > MAX_PRODUCTION_LINES).then(|| format!("{}: {lines} lines", source.path))
}

fn in_its_own_folder(source: &Source) -> Option<String> {
    source.path.ends_with("/mod.rs").then(|| source.path.clone())
}

/// A `select!` of a library polls in a random order, unless it begins with `biased;`.
fn random_selects(source: &Source) -> Vec<String> {
    let (all, biased) = (source.uses_of("select!"), biased_selects(source));
    let random = all.iter().filter(|line| !biased.contains(line));
    random
        .map(|line| source.complain(*line, "a select! that is not biased"))
        .collect()
}

fn biased_selects(source: &Source) -> Vec<usize> {
    let words = source.production();
    let begins = words.windows(5).filter(|window| {
        let texts: Vec<&str> = window.iter().map(|word| &*word.text).collect();
        texts == ["select", "!", "{", "biased", ";"]
    });
    begins.map(|window| window[0].line).collect()
}

#[test]
fn no_file_has_more_than_400_production_lines() {
    assert_none(SOURCES.iter().filter_map(too_long), "too long, tests not counted");
}

#[test]
fn a_module_with_submodules_is_a_file_beside_its_directory() {
    assert_none(
        SOURCES.iter().filter_map(in_its_own_folder),
        "`lease.rs` and `lease/`, never `lease/mod.rs`",
    );
}

#[test]
fn every_select_polls_its_branches_in_the_order_in_which_they_stand() {
    assert_none(SOURCES.iter().flat_map(random_selects), "begin it with `biased;`");
}

#[test]
fn a_long_file_is_found_unless_its_length_is_tests() {
    let lines = "fn f() {}\n".repeat(MAX_PRODUCTION_LINES);
    assert_eq!(too_long(&Source::parse("a/src/b.rs", &lines)), None);
    let longer = format!("{lines}fn f() {{}}");
    assert!(too_long(&Source::parse("a/src/b.rs", &longer)).is_some());
    let tests = format!("{lines}#[cfg(test)]\nmod tests {{}}");
    assert_eq!(too_long(&Source::parse("a/src/b.rs", &tests)), None);
}

#[test]
fn a_module_in_mod_rs_is_found() {
    assert!(in_its_own_folder(&Source::parse("a/src/b/mod.rs", "")).is_some());
    assert_eq!(in_its_own_folder(&Source::parse("a/src/b.rs", "")), None);
}

#[test]
fn a_select_that_is_not_biased_is_found() {
    let bad = "fn f() { tokio::select! { x = y => {} } }";
    assert_eq!(random_selects(&Source::parse("a/src/b.rs", bad)).len(), 1);
    let good = "fn f() { tokio::select! { biased; x = y => {} } }";
    assert_none(random_selects(&Source::parse("a/src/b.rs", good)), good);
}
