//! The house rules that a machine can check, read off the sources. CONTRIBUTING.md has the rules and their reasons.
//!
//! `workspace` finds the members and their files, `source` takes a file apart, `modules` finds the file that a path leads
//! to. Each further module holds some rules: a rule is a function from sources to complaints, tried on the whole
//! workspace and on a few lines that keep it and break it.
//!
//! Clippy checks the rest of the house rules, as set in `Cargo.toml` and `clippy.toml`.

mod code;
mod documents;
mod imports;
mod layers;
mod limits;
mod module_docs;
mod modules;
mod non_obvious;
mod places;
mod purity;
mod source;
mod workspace;

/// Fails with all complaints at once, under a heading that says what to do about them.
fn assert_none(complaints: impl IntoIterator<Item = String>, heading: &str) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "{heading}:\n{}", complaints.join("\n"));
}
