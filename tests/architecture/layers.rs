//! What depends on what, and what is used in one file only.

use super::assert_none;
use super::source::Source;
use super::workspace::{MEMBERS, Member};

/// What a published package may not depend on in any way, by the beginnings of names.
fn forbidden(package: &str) -> &'static [&'static str] {
    match package {
        "kinesis-aggregation" => &["kinesis-", "tokio", "aws-", "hyper"],
        "kinesis-service" => &["kinesis-kpl", "kinesis-kcl", "kinesis-testkit"],
        "kinesis-testkit" => &["kinesis-kpl", "kinesis-kcl", "kinesis-oracle"],
        // Tools stand on top of everything.
        "kinesis-cli" => &[],
        _ => &["kinesis-kpl", "kinesis-kcl"],
    }
}

fn forbidden_dependencies(member: &Member) -> Vec<String> {
    let is_forbidden = |name: &&String| {
        let mut prefixes = forbidden(&member.package).iter();
        **name != member.package && prefixes.any(|prefix| name.starts_with(prefix))
    };
    let found = member.dependencies.iter().filter(is_forbidden);
    found
        .map(|name| format!("{} must not depend on {name}", member.package))
        .collect()
}

/// Uses of `patterns` outside of the one file of the member that is for them.
fn elsewhere<'a>(sources: impl Iterator<Item = &'a Source>, patterns: &[&str], file: &str) -> Vec<String> {
    let others = sources.filter(|source| source.path != file);
    let uses = others.flat_map(|source| {
        let lines = patterns
            .iter()
            .flat_map(|pattern| source.uses_of(pattern).into_iter().map(move |l| (l, pattern)));
        lines
            .map(|(line, pattern)| source.complain(line, pattern))
            .collect::<Vec<_>>()
    });
    uses.collect()
}

const CLOCKS: [&str; 2] = ["Instant::now", "SystemTime::now"];
const BACKOFF: [&str; 1] = ["backoff::"];

fn published() -> impl Iterator<Item = &'static Member> {
    MEMBERS.iter().filter(|member| member.is_published)
}

#[test]
fn producer_and_consumer_do_not_know_each_other_and_the_format_knows_neither_runtime_nor_aws() {
    for member in published() {
        let read = member.dependencies.contains("thiserror");
        assert!(
            read,
            "read no dependencies of {}: {:?}",
            member.package, member.dependencies
        );
    }
    assert_none(published().flat_map(forbidden_dependencies), "wrong way round");
}

#[test]
fn a_crate_reads_its_clocks_in_one_file() {
    let found =
        published().flat_map(|member| elsewhere(member.sources(), &CLOCKS, &format!("{}/src/clock.rs", member.folder)));
    assert_none(found, "read a clock in clock.rs only");
}

#[test]
fn a_crate_uses_backoff_in_one_file() {
    let found = published()
        .flat_map(|member| elsewhere(member.sources(), &BACKOFF, &format!("{}/src/retry.rs", member.folder)));
    assert_none(found, "use backoff in retry.rs only");
    let mut all = published().flat_map(|member| elsewhere(member.sources(), &BACKOFF, ""));
    assert!(all.next().is_some(), "nobody uses backoff: remove this rule");
}

#[test]
fn a_dependency_in_the_wrong_direction_is_found() {
    let member = |name: &str, on: &str| {
        Member::parse(
            "x",
            &format!("name = \"{name}\"\n[dev-dependencies]\n{on}.workspace = true"),
        )
    };
    for (name, on) in [
        ("kinesis-kpl", "kinesis-kcl"),
        ("kinesis-kcl", "kinesis-kpl"),
        ("kinesis-testkit", "kinesis-kcl"),
        ("kinesis-service", "kinesis-testkit"),
        ("kinesis-oracle", "kinesis-kpl"),
        ("kinesis-testkit", "kinesis-oracle"),
        ("kinesis-aggregation", "kinesis-service"),
        ("kinesis-aggregation", "aws-config"),
        ("kinesis-new", "kinesis-kpl"),
    ] {
        assert_eq!(forbidden_dependencies(&member(name, on)).len(), 1, "{name} on {on}");
    }
    for (name, on) in [
        ("kinesis-kpl", "kinesis-service"),
        ("kinesis-cli", "kinesis-kcl"),
        ("kinesis-kcl", "tokio"),
    ] {
        assert_none(forbidden_dependencies(&member(name, on)), on);
    }
}

#[test]
fn a_clock_or_a_delay_outside_of_its_file_is_found() {
    let code = "fn f() { Instant::now(); }\nuse backoff::ExponentialBackoff;";
    let sources = ["a/src/clock.rs", "a/src/retry.rs", "a/src/b.rs"].map(|path| Source::parse(path, code));
    assert_eq!(
        elsewhere(sources.iter(), &CLOCKS, "a/src/clock.rs"),
        ["a/src/retry.rs:1: Instant::now", "a/src/b.rs:1: Instant::now"]
    );
    assert_eq!(
        elsewhere(sources.iter(), &BACKOFF, "a/src/retry.rs"),
        ["a/src/clock.rs:2: backoff::", "a/src/b.rs:2: backoff::"]
    );
}
