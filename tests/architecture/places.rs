//! What no file names: places on one machine, and work that is left for later.

use super::assert_none;
use super::source::Source;
use super::workspace::{SOURCES, files, read, relative, root};

/// Put together here, so that this file does not name them either.
fn unwelcome() -> [String; 5] {
    [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["/ho", "me/"],
        ["TO", "DO"],
        ["FIX", "ME"],
    ]
    .map(|parts| parts.concat())
}

fn in_rust(source: &Source) -> Vec<String> {
    let temporary = ["/t", "mp/"].concat();
    let lines = source
        .lines_without_tests()
        .filter(|(_, line)| line.contains(&temporary));
    let found = lines.map(|(number, _)| source.complain(number, &temporary));
    found.chain(in_text(&source.path, &source.text)).collect()
}

fn in_text(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let words = unwelcome().into_iter().filter(|word| stands_alone(line, word));
        found.extend(words.map(|word| format!("{path}:{}: {word}", index + 1)));
    }
    found
}

/// Whether `word` is in `line`, and not as a part of a longer name.
fn stands_alone(line: &str, word: &str) -> bool {
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let continues = word.ends_with(in_name) && line[at + word.len()..].starts_with(in_name);
        !line[..at].ends_with(in_name) && !continues
    })
}

#[test]
fn no_file_names_a_place_on_one_machine_or_leaves_work_for_later() {
    let mut found: Vec<String> = SOURCES.iter().flat_map(in_rust).collect();
    for path in files(&root(), &["md", "toml"]) {
        found.extend(in_text(&relative(&path), &read(&path)));
    }
    assert_none(found, "remove");
}

#[test]
fn a_place_on_one_machine_is_found_in_code_comments_and_documents() {
    for word in unwelcome() {
        assert_eq!(in_text("a.md", &format!("see {word} there")).len(), 1, "{word}");
        assert_eq!(
            in_rust(&Source::parse("a/src/b.rs", &format!("// {word} x"))).len(),
            1,
            "{word}"
        );
    }
    assert_none(
        in_text("a.md", "the METHODOLOGY of net/work/load"),
        "parts of longer names",
    );
}

#[test]
fn a_temporary_folder_is_named_in_tests_only() {
    let line = format!("const A: &str = \"{}x\";", ["/t", "mp/"].concat());
    assert_eq!(in_rust(&Source::parse("a/src/b.rs", &line)).len(), 1);
    let test = format!("#[cfg(test)] mod tests {{ {line} }}");
    assert_none(in_rust(&Source::parse("a/src/b.rs", &test)), "in a test");
}
