//! The numbers in `limits.rs`: each says where it comes from.

use super::assert_none;
use super::source::Source;
use super::workspace::SOURCES;

const ORIGINS: [&str; 4] = ["Source:", "Our choice", "KPL's", "KCL's"];

fn without_origin(source: &Source) -> Vec<String> {
    let unexplained = source.constants.iter().filter(|constant| {
        let docs = &constant.docs;
        !ORIGINS.iter().any(|origin| docs.contains(origin))
    });
    unexplained
        .map(|constant| format!("{}: {}", source.path, constant.name))
        .collect()
}

#[test]
fn every_limit_says_where_it_comes_from() {
    let files = || SOURCES.iter().filter(|source| source.path.ends_with("/limits.rs"));
    let constants: usize = files().map(|source| source.constants.len()).sum();
    assert!(constants > 10, "found only {constants} limits");
    assert_none(
        files().flat_map(without_origin),
        "say \"Source: …\", \"Our choice\", \"KPL's\" or \"KCL's\"",
    );
}

#[test]
fn a_limit_without_an_origin_is_found() {
    let bad = "/// How many.\npub const MAX: u8 = 5;";
    assert_eq!(without_origin(&Source::parse("a/src/limits.rs", bad)).len(), 1);
    let good = "/// How many. Our choice.\npub const MAX: u8 = 5;\nconst PRIVATE: u8 = 6;";
    assert_none(without_origin(&Source::parse("a/src/limits.rs", good)), good);
}
