//! The house rules that a machine can check, read off the sources. CONTRIBUTING.md has the rules and their reasons.
//!
//! The sources are scanned as text: a small lexer blanks comments, literals and test items, and what is left is what the
//! libraries consist of. Clippy enforces some of the rules too, but item by item, where each item may be exempted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const MEMBERS: [&str; 7] = ["aggregation", "service", "kpl", "kcl", "testkit", "examples", "tests"];
const LIBRARIES: [&str; 5] = ["aggregation", "service", "kpl", "kcl", "testkit"];
const MAX_PRODUCTION_LINES: usize = 400;

#[test]
fn a_pure_file_has_no_async_no_runtime_no_client_no_clock_and_no_global_randomness() {
    let pure: Vec<&Source> = SOURCES.iter().filter(|source| source.is_pure()).collect();
    assert!(pure.len() > 20, "found only {} pure files", pure.len());
    let mut found = Vec::new();
    for source in pure {
        let production = source.production();
        for path in [
            "async",
            "await",
            "tokio",
            "Client",
            "Instant::now",
            "SystemTime::now",
            "elapsed()",
        ] {
            found.extend(positions(&production, path).map(|at| source.complain(at, path)));
        }
        for path in ["rand", "Rng::new", "Rng::default"] {
            found.extend(positions(&production, path).map(|at| source.complain(at, "a generator of its own")));
        }
        let free = positions(&production, "fastrand").filter(|at| !production[*at..].starts_with("fastrand::Rng"));
        found.extend(free.map(|at| source.complain(at, "fastrand's global generator")));
    }
    assert!(found.is_empty(), "not pure:\n{}", found.join("\n"));
}

#[test]
fn a_pure_file_uses_a_hash_map_only_with_a_reason_why_its_order_does_not_matter() {
    let mut found = Vec::new();
    for source in SOURCES.iter().filter(|source| source.is_pure()) {
        let production = source.production();
        if production.contains("#[expect(clippy::disallowed_types") {
            continue;
        }
        for name in ["HashMap", "HashSet"] {
            found.extend(positions(&production, name).map(|at| source.complain(at, name)));
        }
    }
    assert!(
        found.is_empty(),
        "without `#[expect(clippy::disallowed_types, reason = …)]`:\n{}",
        found.join("\n")
    );
}

#[test]
fn the_file_map_lists_every_file_once() {
    let expected: BTreeMap<&str, String> = SOURCES
        .iter()
        .map(|source| (&*source.path, source.map_line()))
        .collect();
    let design = fs::read_to_string(root().join("DESIGN.md")).unwrap_or_default();
    let mut listed = BTreeSet::new();
    let mut found = Vec::new();
    for line in file_map(&design) {
        let (path, description) = line.split_once("  ").unwrap_or((line, ""));
        if !expected.contains_key(path) {
            found.push(format!("- remove, there is no such file:  {line}"));
        } else if !listed.insert(path) {
            found.push(format!("- remove, listed before:  {line}"));
        } else if description.trim().is_empty() {
            found.push(format!("- describe in one line, after two spaces:  {path}"));
        }
    }
    let missing = expected.iter().filter(|(path, _)| !listed.contains(**path));
    found.extend(missing.map(|(_, line)| format!("+ {line}")));
    let hint = "the ```text block below \"## File map\" in DESIGN.md";
    assert!(found.is_empty(), "change {hint}:\n{}", found.join("\n"));
}

#[test]
fn no_file_has_more_than_400_production_lines() {
    let lengths = SOURCES.iter().map(|source| (source.production_lines(), &source.path));
    let long: Vec<_> = lengths.filter(|(lines, _)| *lines > MAX_PRODUCTION_LINES).collect();
    assert!(
        long.is_empty(),
        "over {MAX_PRODUCTION_LINES} lines without tests: {long:#?}"
    );
}

#[test]
fn a_module_with_submodules_is_a_file_beside_its_directory() {
    let paths = SOURCES.iter().map(|source| &source.path);
    let found: Vec<_> = paths.filter(|path| path.ends_with("/mod.rs")).collect();
    assert!(
        found.is_empty(),
        "`lease.rs` and `lease/`, never `lease/mod.rs`: {found:#?}"
    );
}

#[test]
fn a_crate_reads_its_clocks_in_one_file() {
    for library in LIBRARIES {
        let readers = files_with(library, &["Instant::now", "SystemTime::now"]);
        let clock = format!("{library}/src/clock.rs");
        let allowed = if library == "aggregation" { vec![] } else { vec![clock] };
        assert_eq!(readers, allowed, "the files of {library} that read a clock");
    }
}

#[test]
fn a_crate_uses_backoff_in_one_file() {
    for library in LIBRARIES {
        let users = files_with(library, &["backoff::"]);
        let retries = matches!(library, "kpl" | "kcl");
        let allowed = if retries {
            vec![format!("{library}/src/retry.rs")]
        } else {
            vec![]
        };
        assert_eq!(users, allowed, "the files of {library} that use backoff");
    }
}

#[test]
fn every_limit_says_where_it_comes_from() {
    let mut found = Vec::new();
    let mut constants = 0;
    for source in SOURCES.iter().filter(|source| source.path.ends_with("/limits.rs")) {
        let mut docs = String::new();
        for (number, line) in source.text.lines().enumerate() {
            if line.starts_with("pub const ") || line.starts_with("pub(crate) const ") {
                constants += 1;
                let origins = ["Source:", "Our choice", "KPL's", "KCL's"];
                if !origins.iter().any(|origin| docs.contains(origin)) {
                    found.push(format!("{}:{}: {line}", source.path, number + 1));
                }
            }
            docs = if line.starts_with("///") {
                docs + line
            } else {
                String::new()
            };
        }
    }
    assert!(constants > 10, "found only {constants} limits");
    assert!(
        found.is_empty(),
        "say \"Source: …\", \"Our choice\", \"KPL's\" or \"KCL's\":\n{}",
        found.join("\n")
    );
}

#[test]
fn producer_and_consumer_do_not_know_each_other_and_the_format_knows_neither_runtime_nor_aws() {
    let forbidden = [
        ("kpl", vec!["kinesis-kcl"]),
        ("kcl", vec!["kinesis-kpl"]),
        ("testkit", vec!["kinesis-kpl", "kinesis-kcl"]),
        ("aggregation", vec!["kinesis-", "tokio", "aws-", "hyper"]),
    ];
    for (library, prefixes) in forbidden {
        let dependencies = dependencies(library);
        assert!(
            dependencies.contains("thiserror"),
            "read no dependencies of {library}: {dependencies:?}"
        );
        let found: Vec<_> = dependencies
            .iter()
            .filter(|name| prefixes.iter().any(|p| name.starts_with(p)))
            .collect();
        assert!(found.is_empty(), "{library} must not depend on {found:?}");
    }
}

#[test]
fn no_file_names_a_place_on_one_machine_or_leaves_work_for_later() {
    // Put together here, so that this file does not name them either.
    let everywhere = [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["/ho", "me/"],
        ["TO", "DO"],
        ["FIX", "ME"],
    ]
    .map(|parts| parts.concat());
    let temporary = ["/t", "mp/"].concat();
    let mut found = Vec::new();
    for path in files(&root(), &["rs", "md", "toml"]) {
        let source = Source::read(path);
        let texts = everywhere.iter().map(|word| (word, source.text.clone()));
        for (word, text) in texts.chain([(&temporary, source.without_tests())]) {
            found.extend(positions(&text, word).map(|at| source.complain(at, word)));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_scan_sees_code_and_neither_comments_nor_literals_nor_tests() {
    let text = r###"
fn a<'a>(x: &'a str) -> char { /* seen? /* no */ seen? */ let q = '"'; let e = '\''; kept1 } // seen?
const B: &[u8] = b"seen? \" seen?"; const C: &str = r#"seen? " seen?"#; fn kept2() -> [u8; 2] { [0; 2] }
#[cfg(test)]
#[expect(lint, reason = "seen?")]
mod tests { fn f() -> [u8; 1] { seen } }
#[cfg(all(test, feature = "x"))]
mod seen;
fn kept3() {}
"###;
    let source = Source::new("x/src/y.rs".to_owned(), text.to_owned());
    let production = source.production();
    assert!(!production.contains("seen"), "{production}");
    assert!(
        (1..=3).all(|number| production.contains(&format!("kept{number}"))),
        "{production}"
    );
    assert_eq!(production.lines().count(), text.lines().count());
    assert_eq!(source.production_lines(), text.lines().count() - 5);
    assert_eq!(source.test_modules(), ["x/src/y/seen"]);
}

/// A file of the workspace.
struct Source {
    /// Relative to the workspace, with slashes.
    path: String,
    text: String,
    /// The text with comments and literals blanked; as long as the text.
    code: String,
    /// Where the test items are, or everything in a file of tests.
    tests: Vec<Range<usize>>,
}

impl Source {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let relative = path.strip_prefix(root()).unwrap();
        Self::new(relative.to_str().unwrap().replace('\\', "/"), text)
    }

    fn new(path: String, text: String) -> Self {
        if !path.ends_with(".rs") {
            return Self {
                path,
                code: text.clone(),
                text,
                tests: Vec::new(),
            };
        }
        let code = without_comments_and_literals(&text);
        let whole_file = path.starts_with("tests/") || path.contains("/tests/") || code.contains("#![cfg(test)]");
        let tests = if whole_file { whole(&text) } else { test_items(&code) };
        Self {
            path,
            text,
            code,
            tests,
        }
    }

    fn is_pure(&self) -> bool {
        self.text.starts_with("//! Pure:")
    }

    /// The code that is compiled into a library; line numbers are those of the text.
    fn production(&self) -> String {
        blank(&self.code, &self.tests)
    }

    /// The text, comments and all, without its tests.
    fn without_tests(&self) -> String {
        blank(&self.text, &self.tests)
    }

    /// Blank lines and comments count, the lines of tests do not.
    fn production_lines(&self) -> usize {
        let of_tests: usize = self
            .tests
            .iter()
            .map(|range| self.text[range.clone()].lines().count())
            .sum();
        self.text.lines().count() - of_tests
    }

    /// The paths, without `.rs`, of the modules that are tests and have files of their own.
    fn test_modules(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs");
        let directory = stem.strip_suffix("/lib").or(stem.strip_suffix("/main")).unwrap_or(stem);
        let items = self
            .tests
            .iter()
            .filter_map(|range| self.code[range.clone()].strip_suffix(';'));
        let names = items.filter_map(|item| item.rsplit_once("mod ").map(|(_, name)| name.trim()));
        names.map(|name| format!("{directory}/{name}")).collect()
    }

    /// The file's line in the file map, with the first sentence of its documentation.
    fn map_line(&self) -> String {
        let docs: Vec<&str> = self.text.lines().map_while(|line| line.strip_prefix("//! ")).collect();
        let docs = docs.join(" ");
        let sentence = docs
            .split_once(". ")
            .map_or(docs.trim_end_matches('.'), |(first, _)| first);
        format!("{}  {sentence}", self.path)
    }

    fn complain(&self, at: usize, what: &str) -> String {
        let line = self.text[..at].matches('\n').count() + 1;
        format!("{}:{line}: {what}", self.path)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file of the workspace's members, in the order of their paths.
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(read_sources);

fn read_sources() -> Vec<Source> {
    let paths = MEMBERS.iter().flat_map(|member| files(&root().join(member), &["rs"]));
    let mut sources: Vec<Source> = paths.map(Source::read).collect();
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(sources.len() > 100, "found only {} files", sources.len());
    let modules: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        let below = |module: &String| {
            source
                .path
                .strip_prefix(&**module)
                .is_some_and(|rest| rest.starts_with(['.', '/']))
        };
        if modules.iter().any(below) {
            source.tests = whole(&source.text);
        }
    }
    sources
}

fn files(directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
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
    found
}

/// The files of a library whose production code has one of these paths in it.
fn files_with(library: &str, paths: &[&str]) -> Vec<String> {
    let directory = format!("{library}/src/");
    let mut found = Vec::new();
    for source in SOURCES.iter().filter(|source| source.path.starts_with(&directory)) {
        let production = source.production();
        if paths.iter().any(|path| positions(&production, path).next().is_some()) {
            found.push(source.path.clone());
        }
    }
    found
}

/// The dependencies of a member, of every kind.
fn dependencies(member: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
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

/// The lines of the block below the heading "File map".
fn file_map(design: &str) -> impl Iterator<Item = &str> {
    let section = design.split_once("\n## File map\n").map_or("", |(_, section)| section);
    let block = section.split_once("```text\n").map_or("", |(_, block)| block);
    block
        .lines()
        .take_while(|line| !line.starts_with("```"))
        .filter(|line| !line.trim().is_empty())
}

fn whole(text: &str) -> Vec<Range<usize>> {
    let range = 0..text.len();
    vec![range]
}

/// Where `path` stands in `code` by itself, not as a part of longer names.
fn positions<'a>(code: &'a str, path: &'a str) -> impl Iterator<Item = usize> + 'a {
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(path).map(|(at, _)| at).filter(move |at| {
        let (before, behind) = (&code[..*at], &code[at + path.len()..]);
        let continues = path.ends_with(in_name) && behind.starts_with(in_name);
        !before.ends_with(in_name) && !continues
    })
}

/// The text with these ranges replaced by spaces, line for line.
fn blank(text: &str, ranges: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for byte in ranges.iter().flat_map(Clone::clone) {
        if bytes[byte] != b'\n' {
            bytes[byte] = b' ';
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn without_comments_and_literals(text: &str) -> String {
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let opaque = opaque_length(&text[at..]);
        if opaque > 0 {
            ranges.push(at..at + opaque);
        }
        at += opaque.max(first.len_utf8());
    }
    blank(text, &ranges)
}

/// The length of the comment or literal that `rest` begins with, if it does.
fn opaque_length(rest: &str) -> usize {
    let behind = |start: usize, end: &str| rest[start..].find(end).map_or(rest.len(), |at| start + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    if let Some(string) = rest.strip_prefix('"') {
        let mut escaped = false;
        let is_end = |c: char| {
            let end = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            end
        };
        return string.find(is_end).map_or(rest.len(), |at| at + 2);
    }
    if let Some(raw) = rest.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let quoted = raw[hashes..].starts_with('"');
        return if quoted {
            behind(hashes + 2, &format!("\"{}", "#".repeat(hashes)))
        } else {
            0
        };
    }
    let mut chars = rest.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some('\''), Some('\\'), Some(escaped)) => behind(2 + escaped.len_utf8(), "'"),
        (Some('\''), Some(character), Some('\'')) => 2 + character.len_utf8(),
        // A lifetime, or no literal at all.
        _ => 0,
    }
}

fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(first) = rest[at..].chars().next() {
        let mark = rest.get(at..at + 2).unwrap_or_default();
        match mark {
            "/*" => depth += 1,
            "*/" => depth -= 1,
            _ => {}
        }
        at += if matches!(mark, "/*" | "*/") {
            2
        } else {
            first.len_utf8()
        };
        if depth == 0 {
            break;
        }
    }
    at
}

/// The items that are compiled for tests only, each from its attribute to its closing brace or semicolon.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    for (start, _) in code.match_indices("#[cfg(") {
        let condition = &code[start + "#[cfg(".len()..];
        let for_tests = condition.starts_with("test)") || condition.starts_with("all(test");
        if for_tests && items.last().is_none_or(|last| last.end <= start) {
            items.push(start..start + item_length(&code[start..]));
        }
    }
    items
}

fn item_length(item: &str) -> usize {
    let mut depth = 0_i32;
    for (at, c) in item.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return at;
        }
        if depth == 0 && matches!(c, '}' | ';') {
            return at + 1;
        }
    }
    item.len()
}
