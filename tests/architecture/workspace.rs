//! The members of the workspace and their files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::source::Source;

/// A package of the workspace.
#[derive(Debug)]
pub(super) struct Member {
    /// Its folder.
    pub(super) folder: String,
    /// Its package name, as others depend on it.
    pub(super) package: String,
    /// The packages that it depends on, in whatever way.
    pub(super) dependencies: BTreeSet<String>,
    /// Whether users depend on it.
    pub(super) is_published: bool,
}

/// All members, as Cargo.toml lists them.
pub(super) static MEMBERS: LazyLock<Vec<Member>> = LazyLock::new(|| {
    let folders = listed(&read(&root().join("Cargo.toml")));
    assert!(folders.len() > 5, "found only {folders:?}");
    folders.iter().map(|folder| Member::read(folder)).collect()
});

/// Every Rust file of the members, in the order of their paths.
pub(super) static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let paths = MEMBERS
        .iter()
        .flat_map(|member| files(&root().join(&member.folder), &["rs"]));
    let mut sources: Vec<Source> = paths
        .map(|path| Source::parse(&relative(&path), &read(&path)))
        .collect();
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    // The files of a member below another one are found with both.
    sources.dedup_by(|a, b| a.path == b.path);
    assert!(sources.len() > 100, "found only {} files", sources.len());
    mark_test_modules(&mut sources);
    sources
});

impl Member {
    fn read(folder: &str) -> Self {
        Self::parse(folder, &read(&root().join(folder).join("Cargo.toml")))
    }

    pub(super) fn parse(folder: &str, manifest: &str) -> Self {
        let names = manifest.lines().filter_map(|line| line.strip_prefix("name = \""));
        let package = names.map(|name| name.trim_end_matches('"')).next();
        Self {
            folder: folder.to_owned(),
            package: package.unwrap_or_else(|| panic!("{folder} has no name")).to_owned(),
            dependencies: dependencies(manifest),
            is_published: !manifest.contains("publish = false"),
        }
    }

    /// Its library and its programs.
    pub(super) fn sources(&self) -> impl Iterator<Item = &'static Source> {
        let below = format!("{}/src/", self.folder);
        SOURCES.iter().filter(move |source| source.path.starts_with(&below))
    }
}

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(super) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The path below the workspace, with slashes.
pub(super) fn relative(path: &Path) -> String {
    let relative = path.strip_prefix(root()).unwrap_or(path);
    relative.to_str().unwrap().replace('\\', "/")
}

/// The files with these extensions below `directory`, without those that are built.
pub(super) fn files(directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !matches!(name, "target" | "fuzz" | ".git") {
                found.extend(files(&path, extensions));
            }
        } else if path
            .extension()
            .is_some_and(|e| extensions.iter().any(|extension| e == *extension))
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The folders in the list `members`.
fn listed(manifest: &str) -> Vec<String> {
    let list = manifest
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once(']'));
    let quoted = list.map_or("", |(list, _)| list).split('"').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut in_dependencies = false;
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            in_dependencies = section.ends_with("dependencies");
            names.extend(section.split_once("dependencies.").map(|(_, name)| name.to_owned()));
        } else if in_dependencies && line.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            names.extend(line.split(['.', ' ', '=']).next().map(str::to_owned));
        }
    }
    names
}

/// Marks the files of modules that are declared for tests only.
fn mark_test_modules(sources: &mut [Source]) {
    let mut tests = Vec::new();
    for source in &*sources {
        let stem = source.path.trim_end_matches(".rs");
        let folder = stem.strip_suffix("/lib").or(stem.strip_suffix("/main")).unwrap_or(stem);
        let modules = source.modules.iter().filter(|module| module.is_test);
        tests.extend(modules.map(|module| format!("{folder}/{}", module.name)));
    }
    for source in sources {
        let below = |module: &String| {
            let rest = source.path.strip_prefix(&**module);
            rest.is_some_and(|rest| rest.starts_with(['.', '/']))
        };
        if tests.iter().any(below) {
            source.mark_as_test();
        }
    }
}

#[test]
fn members_are_read_from_the_list_and_their_dependencies_of_every_kind_from_their_manifests() {
    assert_eq!(
        listed("[workspace]\nmembers = [\n  \"a\", \"b\",\n]\n[x]\ny = [\"c\"]"),
        ["a", "b"]
    );
    let manifest = "[package]\nname = \"kinesis-a\"\n[dependencies]\nb.workspace = true\nc = \"1\"\n\
                    [dev-dependencies]\nd = { path = \"d\" }\n[target.x.dependencies.e]\nf = \"1\"\n[lints]\ng = true";
    let member = Member::parse("a", manifest);
    assert_eq!(member.package, "kinesis-a");
    assert_eq!(member.dependencies.iter().collect::<Vec<_>>(), ["b", "c", "d", "e"]);
    assert!(member.is_published);
    assert!(!Member::parse("a", "name = \"a\"\npublish = false").is_published);
}

#[test]
fn a_module_that_is_declared_for_tests_is_a_test_with_all_files_below() {
    let paths = [
        "a/src/lib.rs",
        "a/src/x.rs",
        "a/src/x/tests.rs",
        "a/src/x/tests/y.rs",
        "a/src/x/tested.rs",
    ];
    let text = |path: &str| {
        if path == "a/src/x.rs" {
            "#[cfg(test)] mod tests; mod tested;"
        } else {
            ""
        }
    };
    let mut sources: Vec<Source> = paths.iter().map(|path| Source::parse(path, text(path))).collect();
    mark_test_modules(&mut sources);
    let are_tests: Vec<bool> = sources.iter().map(Source::is_test).collect();
    assert_eq!(are_tests, [false, false, true, true, false]);
}
