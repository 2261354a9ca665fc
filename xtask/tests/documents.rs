//! What the documents for those who change this project name is there: files, folders, modules, types and functions.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 2] = ["ARCHITECTURE.md", "CONTRIBUTING.md"];

/// Names that belong to the kernel, C libraries and processors, in no file of ours.
/// Or what any name stands for.
const FOREIGN: [&str; 6] = ["tp_value", "thread_info", "icebp", "vmlinux", "area", "act"];

#[test]
fn what_documents_name_is_there() {
    let source = Source::read();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).expect("the documents are there");
        let missing: Vec<_> = quoted(&text).into_iter().filter(|name| !source.has(name)).collect();
        assert!(missing.is_empty(), "{document} names what is not there: {missing:#?}");
    }
}

#[test]
fn the_tree_shows_folders_that_are_there() {
    let source = Source::read();
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("it is there");
    let tree =
        text.split("## The tree").nth(1).and_then(|rest| rest.split("```").nth(1)).expect("it has a tree");
    let paths = paths(tree.strip_prefix("text").unwrap_or(tree));
    assert!(paths.len() > 40, "the tree is read: {paths:?}");
    let missing: Vec<_> = paths.into_iter().filter(|path| !source.has_path(path)).collect();
    assert!(missing.is_empty(), "not there: {missing:#?}");
}

fn root() -> PathBuf {
    let xtask = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    Path::new(&xtask).parent().expect("xtask lies in the workspace").to_owned()
}

/// Paths of all files, and all words of the sources.
struct Source {
    paths: Vec<String>,
    words: BTreeSet<String>,
}

impl Source {
    fn read() -> Self {
        let mut source = Self { paths: Vec::new(), words: BTreeSet::new() };
        for folder in ["tracer-common", "tracer-ebpf", "tracer", "xtask", "deploy", "docs"] {
            source.walk(&root(), folder);
        }
        source
    }

    fn walk(&mut self, root: &Path, folder: &str) {
        for entry in fs::read_dir(root.join(folder)).expect("a folder").flatten() {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                self.walk(root, &path);
                continue;
            }
            let is_code =
                path.rsplit('.').next().is_some_and(|ending| ["rs", "py", "toml", "js"].contains(&ending));
            if is_code && let Ok(text) = fs::read_to_string(entry.path()) {
                let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
                self.words.extend(words.map(str::to_owned));
            }
            self.paths.push(path);
        }
    }

    /// A path, as a part of one, or words that all occur. What is written in capitals in a path stands for any name.
    fn has(&self, name: &str) -> bool {
        if name.contains('/') && !name.starts_with('/') {
            let known = name.split(|c: char| c.is_ascii_uppercase()).next().unwrap_or_default();
            return name.contains(' ') || self.paths.iter().any(|path| path.contains(known));
        }
        let words = name.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| word.len() > 2);
        let stands_for_any =
            |word: &&str| word.chars().all(|c| c.is_ascii_uppercase()) && !self.words.contains(*word);
        words
            .filter(|word| !FOREIGN.contains(word) && !stands_for_any(word))
            .all(|word| self.words.contains(word))
    }

    fn has_path(&self, wanted: &str) -> bool {
        self.paths
            .iter()
            .any(|path| path == wanted || path.starts_with(&format!("{}/", wanted.trim_end_matches('/'))))
    }
}

/// What stands between backticks, but for blocks of text.
fn quoted(text: &str) -> Vec<&str> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|text| text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))).collect()
}

/// The paths in the first column of the tree: a line without indentation begins a folder, others are inside of it.
fn paths(tree: &str) -> Vec<String> {
    let (mut paths, mut folder) = (Vec::new(), String::new());
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let inside = line.strip_prefix("  ");
        let names = inside.unwrap_or(line);
        let column = names.split("  ").next().unwrap_or_default();
        let mut names =
            column.split(", ").filter_map(|name| name.split(' ').next()).filter(|name| !name.is_empty());
        match inside {
            Some(_) => paths.extend(names.map(|name| format!("{folder}{name}"))),
            None => {
                folder = names.next().unwrap_or_default().to_owned();
                paths.push(folder.clone());
            }
        }
    }
    paths
}

#[test]
fn what_is_missing_is_found() {
    let words = ["analysis", "Sums", "drain"].map(str::to_owned).into();
    let source = Source { paths: vec!["tracer/src/analysis/sums.rs".to_owned()], words };
    for (name, there) in [
        ("analysis::Sums", true),
        ("analysis::Summands", false),
        ("tracer/src/analysis/NAME.rs", true),
        ("analysis/summands.rs", false),
    ] {
        assert_eq!(source.has(name), there, "{name}");
    }
    assert!(source.has_path("tracer/src/analysis/") && !source.has_path("tracer/src/anal"));
    assert_eq!(quoted("`a` b `c`\n```\n`d`\n```\n`e`"), ["a", "c", "e"]);
    let tree = "a/src/   one\n  b.rs, c/   two\n             more\n";
    assert_eq!(paths(tree), ["a/src/", "a/src/b.rs", "a/src/c/"]);
}
