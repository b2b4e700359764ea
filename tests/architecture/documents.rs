//! The documents: how long they are, and that the files they name exist.

use std::path::Path;

use super::assert_none;
use super::workspace::{MEMBERS, files, read, relative, root};

const MAX_DESIGN_LINES: usize = 150;

/// A page in Markdown, below the workspace.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) path: String,
    pub(super) text: String,
}

impl Document {
    /// All pages called `name`; those of the crates among them.
    pub(super) fn all(name: &str) -> Vec<Self> {
        let paths = files(&root(), &["md"]).into_iter();
        let named = paths.filter(|path| path.file_name().is_some_and(|found| found == name));
        named
            .map(|path| Self {
                path: relative(&path),
                text: read(&path),
            })
            .collect()
    }

    fn folder(&self) -> &Path {
        Path::new(&self.path).parent().unwrap_or(Path::new(""))
    }

    /// Where `name` leads, if there is something: from the page's folder or from the workspace's.
    pub(super) fn find(&self, name: &str) -> Option<std::path::PathBuf> {
        let places = [root().join(self.folder()).join(name), root().join(name)];
        places.into_iter().find(|path| path.exists())
    }
}

/// What stands between backticks, with its line. Blocks of code are left out.
pub(super) fn code_spans(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_block = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2).map(|span| (index + 1, span)));
        }
    }
    found
}

/// The targets of links, without those into the web and those inside the page.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let files = targets.map(|target| target.split('#').next().unwrap_or_default());
        let local = files.filter(|file| !file.is_empty() && !file.contains("://"));
        found.extend(local.map(|file| (index + 1, file)));
    }
    found
}

/// Whether the text between backticks is the path of a file or a folder: from a crate or from the workspace.
fn is_path(span: &str) -> bool {
    let plain = span.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
    let first = span.split_once('/').map_or("", |(first, _)| first);
    let is_folder = ["src", "tests", "benches", "examples", ".ci"].contains(&first);
    plain && (is_folder || MEMBERS.iter().any(|member| member.folder == first))
}

fn missing_files(document: &Document) -> Vec<String> {
    let links = links(&document.text);
    let spans = code_spans(&document.text).into_iter().filter(|(_, span)| is_path(span));
    let missing = links
        .into_iter()
        .chain(spans)
        .filter(|(_, name)| document.find(name).is_none());
    missing
        .map(|(line, name)| format!("{}:{line}: {name}", document.path))
        .collect()
}

fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines >= MAX_DESIGN_LINES).then(|| format!("{path}: {lines} lines"))
}

#[test]
fn the_design_of_the_whole_is_under_150_lines() {
    assert_none(
        too_long("DESIGN.md", &read(&root().join("DESIGN.md"))),
        "move what is about one crate into its own DESIGN.md",
    );
}

#[test]
fn every_file_that_a_document_names_exists() {
    let documents = ["DESIGN.md", "README.md", "CONTRIBUTING.md"]
        .iter()
        .flat_map(|name| Document::all(name));
    assert_none(
        documents.flat_map(|document| missing_files(&document)),
        "there is no such file",
    );
}

#[test]
fn a_design_of_150_lines_is_too_long() {
    assert_eq!(too_long("DESIGN.md", &"x\n".repeat(149)), None);
    assert!(too_long("DESIGN.md", &"x\n".repeat(150)).is_some());
}

#[test]
fn a_name_of_a_file_that_does_not_exist_is_found() {
    let document = |text: &str| Document {
        path: "kcl/X.md".to_owned(),
        text: text.to_owned(),
    };
    for bad in [
        "`src/nowhere.rs`",
        "`kcl/nowhere/`",
        "[x](nowhere.md)",
        "[x](../nowhere.md#part)",
    ] {
        assert_eq!(missing_files(&document(bad)).len(), 1, "{bad}");
    }
    for good in [
        "`src/lib.rs`, `kcl/src/lib.rs`, `src/`, [x](../README.md#part)",
        "[x](https://example.com/nowhere.md), [x](#part), `tasks::Tasks`, `a/b.rs`, `clock.rs`",
        "```text\n`src/nowhere.rs`\n```",
    ] {
        assert_none(missing_files(&document(good)), good);
    }
}
