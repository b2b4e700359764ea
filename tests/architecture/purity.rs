//! Pure files: what they may not contain, so that a decision depends on its arguments alone.

use super::assert_none;
use super::source::Source;
use super::workspace::SOURCES;

const FORBIDDEN: [(&str, &str); 10] = [
    ("async", "async"),
    ("await", "await"),
    ("tokio", "tokio"),
    ("Client", "a client"),
    ("Instant::now", "a clock"),
    ("SystemTime::now", "a clock"),
    ("elapsed()", "a clock"),
    ("rand", "a generator of its own"),
    ("Rng::new", "a generator of its own"),
    ("Rng::default", "a generator of its own"),
];

fn impurities(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (pattern, what) in FORBIDDEN {
        found.extend(source.uses_of(pattern).iter().map(|line| source.complain(*line, what)));
    }
    let mut all = source.uses_of("fastrand");
    for line in source.uses_of("fastrand::Rng") {
        all.remove(all.iter().position(|found| *found == line).unwrap());
    }
    found.extend(
        all.iter()
            .map(|line| source.complain(*line, "fastrand's global generator")),
    );
    found
}

fn unordered_maps(source: &Source) -> Vec<String> {
    if !source.uses_of("clippy::disallowed_types").is_empty() {
        return Vec::new();
    }
    let names = ["HashMap", "HashSet"];
    let lines = names
        .iter()
        .flat_map(|name| source.uses_of(name).into_iter().map(move |line| (line, name)));
    lines.map(|(line, name)| source.complain(line, name)).collect()
}

fn pure_files() -> impl Iterator<Item = &'static Source> {
    SOURCES.iter().filter(|source| source.is_pure())
}

#[test]
fn a_pure_file_has_no_async_no_runtime_no_client_no_clock_and_no_global_randomness() {
    let count = pure_files().count();
    assert!(count > 20, "found only {count} pure files");
    assert_none(pure_files().flat_map(impurities), "not pure");
}

#[test]
fn a_pure_file_uses_a_hash_map_only_with_a_reason_why_its_order_does_not_matter() {
    assert_none(
        pure_files().flat_map(unordered_maps),
        "without `#[expect(clippy::disallowed_types, reason = …)]`",
    );
}

#[test]
fn every_impurity_is_found_where_it_is_compiled_and_nowhere_else() {
    for code in [
        "async fn f() {}",
        "use tokio::time::Duration;",
        "fn f(client: aws_sdk_kinesis::Client) {}",
        "fn f() { let now = Instant::now(); }",
        "fn f() { let now = std::time::SystemTime::now(); }",
        "fn f(began: Instant) { began.elapsed(); }",
        "fn f() { rand::random(); }",
        "fn f() { let rng = fastrand::Rng::new(); }",
        "fn f() { fastrand::u8(..); }",
        "fn f() { let rng: fastrand::Rng = x; fastrand::u8(..); }",
    ] {
        assert_eq!(impurities(&Source::parse("a/src/b.rs", code)).len(), 1, "{code}");
    }
    for code in [
        "/// Not async, without tokio.\nfn f(now: Instant, rng: &mut fastrand::Rng) -> &str { \"tokio::spawn\" }",
        "fn f(clients: Clients, operand: u8) {}",
        "#[cfg(test)]\nmod tests { use tokio::time; fn f() { Instant::now(); } }",
    ] {
        assert_none(impurities(&Source::parse("a/src/b.rs", code)), code);
    }
}

#[test]
fn an_unordered_map_without_a_reason_is_found() {
    let bad = "use std::collections::HashMap;";
    assert_eq!(unordered_maps(&Source::parse("a/src/b.rs", bad)).len(), 1);
    let good = "#[expect(clippy::disallowed_types, reason = \"r\")]\nuse std::collections::HashMap;";
    assert_none(unordered_maps(&Source::parse("a/src/b.rs", good)), good);
}
