//! The page of what the producer is held to names tests that exist, and that its commands run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../kpl/ACCEPTANCE.md");

/// What a row says in place of a test; the reason follows.
const WITHOUT_TEST: [&str; 2] = ["not applicable: ", "declared, not tested: "];

/// The names of the tests in the Rust files below `folder`.
fn tests_below(folder: &Path, names: &mut BTreeSet<String>) {
    let files: BTreeSet<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    for path in files {
        if path.is_dir() {
            tests_below(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") && is_built(&path) {
            names.extend(tests_in(&fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The names of the functions that are tests, and are run without being asked for.
fn tests_in(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut names = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        let Some(name) = function.and_then(|rest| rest.split('(').next()) else {
            continue;
        };
        let attributes = || {
            lines[..n]
                .iter()
                .rev()
                .take_while(|line| line.starts_with('#') || line.starts_with("//"))
        };
        let is_test = |line: &&&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let is_left_out = |line: &&str| line.starts_with("#[ignore") || line.starts_with("#[cfg");
        if attributes().any(|line| is_test(&line)) && !attributes().any(is_left_out) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Whether the file belongs to a module that is built without a feature. The module's parent declares that.
fn is_built(file: &Path) -> bool {
    let (Some(folder), Some(module)) = (file.parent(), file.file_stem().and_then(|stem| stem.to_str())) else {
        return false;
    };
    let parents = [
        folder.with_extension("rs"),
        folder.join("lib.rs"),
        folder.join("main.rs"),
    ];
    let declaration = format!("mod {module};");
    parents.iter().filter(|parent| parent.exists()).all(|parent| {
        let text = fs::read_to_string(parent).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let declared = lines.iter().position(|line| line.ends_with(&declaration));
        let attributes = lines[..declared.unwrap_or(0)].iter().rev();
        let mut attributes = attributes.take_while(|line| line.starts_with('#') || line.starts_with("//"));
        attributes.all(|line| !line.contains("feature = ") || line.contains("not(feature = "))
    })
}

/// All tests that the commands of the page run.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut tests = BTreeSet::new();
    for folder in ["aggregation/src", "aggregation/tests", "kpl/src", "kpl/tests", "tests"] {
        tests_below(&root.join(folder), &mut tests);
    }
    tests
}

/// What a row holds that is not so, given the tests that there are.
fn objection(row: &str, tests: &BTreeSet<String>) -> Option<String> {
    let proof = row.trim_end_matches('|').rsplit("| ").next().unwrap_or_default().trim();
    if let Some(reason) = WITHOUT_TEST.iter().find_map(|words| proof.strip_prefix(words)) {
        return (reason.len() < 10).then(|| format!("no reason: {row}"));
    }
    let named: Vec<_> = proof.split('`').skip(1).step_by(2).collect();
    let unknown = named.iter().find(|name| !tests.contains(**name));
    match unknown {
        Some(name) => Some(format!("{name} is no test, or not run")),
        None => named.is_empty().then(|| format!("no test and no reason: {row}")),
    }
}

#[test]
fn each_row_of_the_producers_acceptance_names_a_test_or_the_reason_why_there_is_none() {
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| behaviour");
    let rows: Vec<_> = PAGE.lines().filter(is_row).collect();
    assert!(rows.len() > 100, "{}", rows.len());
    let tests = tests();
    let objections: Vec<_> = rows.iter().filter_map(|row| objection(row, &tests)).collect();
    assert!(objections.is_empty(), "{objections:#?}");
}

#[test]
fn a_helper_or_a_test_that_is_not_run_proves_nothing() {
    let tests = tests();
    let says = |proof: &str| objection(&format!("| a behaviour | {proof} |"), &tests);
    assert_eq!(says("`flush_is_a_barrier`, `an_empty_encoder_seals_nothing`"), None);
    assert_eq!(
        says("`the_records_of_a_key_are_read_in_order_whatever_the_service_does`"),
        None
    );
    for proof in [
        "`tests_below`",
        "`live_through`",
        "`no_record_enters_retired_lanes`",
        "`no_such_test`",
        "believe us",
        "not applicable: ",
    ] {
        assert!(says(proof).is_some(), "{proof}");
    }
    assert_eq!(says("not applicable: there is no child process"), None);
}

#[test]
fn a_test_is_a_function_with_the_attribute_of_one_that_is_neither_ignored_nor_left_out() {
    let text = "
        #[test]
        /// With words between.
        fn plain() {}
        #[tokio::test(start_paused = true)]
        async fn asynchronous() {}
        #[test]
        #[ignore = \"slow\"]
        fn ignored() {}
        #[cfg(feature = \"more\")]
        #[test]
        fn left_out() {}
        fn helper() {}
        pub(crate) fn public() {}
    ";
    assert_eq!(tests_in(text), ["plain", "asynchronous"]);
}
