//! The modules of a library: which file a path in the code leads to.

use std::collections::BTreeMap;

use super::source::Source;

/// More re-exports in a row than any name goes through.
const MAX_REEXPORTS: usize = 10;

/// The files of one library by their modules. Modules inside a file count as the file.
#[derive(Debug)]
pub(super) struct Modules<'a> {
    files: BTreeMap<Vec<String>, &'a Source>,
}

impl<'a> Modules<'a> {
    /// The modules among `sources`, the files below one `src/`. Tests and programs are left out.
    pub(super) fn of(sources: impl Iterator<Item = &'a Source>) -> Self {
        let library = sources.filter(|source| !source.is_test() && !source.path.contains("/src/bin/"));
        let files = library.map(|source| (module_of(&source.path), source)).collect();
        Self { files }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Vec<String>, &'a Source)> {
        self.files.iter().map(|(module, source)| (module, *source))
    }

    /// The file in which that stands which `path` means in the module `from`. None if it is not of this library.
    pub(super) fn file_of(&self, from: &[String], path: &[String]) -> Option<&'a Source> {
        self.follow(from, path, MAX_REEXPORTS)
    }

    pub(super) fn is_child(&self, of: &[String], name: &str) -> bool {
        self.files.contains_key(&joined(of, name))
    }

    fn follow(&self, from: &[String], path: &[String], reexports: usize) -> Option<&'a Source> {
        let (mut module, mut rest) = self.start(from, path)?;
        while let Some((name, behind)) = rest.split_first().filter(|(name, _)| self.is_child(&module, name)) {
            module.push(name.clone());
            rest = behind;
        }
        let file = *self.files.get(&module)?;
        let reexport = rest.first().filter(|_| reexports > 0).and_then(|name| {
            let mut public = file.imports.iter().filter(|import| import.is_public);
            let import = public.find(|import| import.name == *name)?;
            self.follow(&module, &import.path, reexports - 1)
        });
        Some(reexport.unwrap_or(file))
    }

    /// The module that `path` begins in, and what is behind that.
    fn start<'p>(&self, from: &[String], path: &'p [String]) -> Option<(Vec<String>, &'p [String])> {
        let (first, mut rest) = path.split_first()?;
        match &**first {
            "crate" => Some((Vec::new(), rest)),
            "self" => Some((from.to_vec(), rest)),
            "super" => {
                let mut module = from.to_vec();
                module.pop()?;
                while let Some(behind) = rest.strip_prefix(&["super".to_owned()]) {
                    module.pop()?;
                    rest = behind;
                }
                Some((module, rest))
            }
            name => self.is_child(from, name).then(|| (from.to_vec(), path)),
        }
    }
}

/// `kcl/src/lease/renewer.rs` is `["lease", "renewer"]`.
pub(super) fn module_of(path: &str) -> Vec<String> {
    let inside = path
        .split_once("/src/")
        .map_or(path, |(_, inside)| inside)
        .trim_end_matches(".rs");
    let names = inside.split('/').filter(|name| !matches!(*name, "lib" | "main"));
    names.map(str::to_owned).collect()
}

fn joined(module: &[String], name: &str) -> Vec<String> {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

#[test]
fn a_path_leads_to_the_file_that_declares_the_name_through_every_reexport() {
    let sources = [
        Source::parse("a/src/lib.rs", "mod x; mod y; pub use x::Inner;"),
        Source::parse("a/src/x.rs", "mod z; pub use z::Inner; pub struct Outer;"),
        Source::parse("a/src/x/z.rs", "pub struct Inner;"),
        Source::parse("a/src/y.rs", ""),
    ];
    let modules = Modules::of(sources.iter());
    for (from, path, file) in [
        ("", "crate::Inner", Some("a/src/x/z.rs")),
        ("y", "crate::x::Outer", Some("a/src/x.rs")),
        ("y", "super::x::Inner", Some("a/src/x/z.rs")),
        ("x", "z::Inner", Some("a/src/x/z.rs")),
        ("x", "self::z", Some("a/src/x/z.rs")),
        ("x::z", "super::super::y::f", Some("a/src/y.rs")),
        ("x::z", "super::*", Some("a/src/x.rs")),
        ("y", "std::fmt", None),
        ("y", "z::Inner", None),
    ] {
        let split =
            |path: &str| -> Vec<String> { path.split("::").filter(|s| !s.is_empty()).map(str::to_owned).collect() };
        let found = modules.file_of(&split(from), &split(path)).map(|source| &*source.path);
        assert_eq!(found, file, "{path} in {from}");
    }
}
