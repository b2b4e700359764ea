//! The page of what the producer is held to names tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../kpl/ACCEPTANCE.md");

/// The names of the test functions in the Rust files below `folder`.
fn tests_below(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            names.extend(functions.map(str::to_owned));
        }
    }
}

#[test]
fn each_row_of_the_producers_acceptance_names_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut tests = BTreeSet::new();
    for folder in ["aggregation/src", "aggregation/tests", "kpl/src", "kpl/tests", "tests"] {
        tests_below(&root.join(folder), &mut tests);
    }
    let rows: Vec<_> = PAGE
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| behaviour"))
        .collect();
    assert!(rows.len() > 40, "{}", rows.len());
    for row in rows {
        let named: Vec<_> = row.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{row}");
        for name in named {
            assert!(tests.contains(name), "there is no test {name}");
        }
    }
}
