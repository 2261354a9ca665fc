//! What neither rustfmt nor clippy checks of the files in this repository.

mod sizes;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// How far above an unsafe block its reason may stand: a long statement lies between them.
const SAFETY_DISTANCE: usize = 6;

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    check(|file| {
        let lines: Vec<_> = file.text.lines().collect();
        let offends =
            |number: &usize| file.is_rust() && is_unsafe(lines[*number]) && !is_justified(&lines, *number);
        (0..lines.len()).filter(offends).map(|number| file.at(number, "unsafe without `SAFETY:`")).collect()
    });
}

#[test]
fn links_to_sources_are_pinned_to_a_tag() {
    check(|file| {
        let offends = |line: &&str| links(line).any(|link| !is_pinned(link));
        file.lines_that(offends, "a link to a branch: pin it to a tag, as in blob/v6.12")
    });
}

#[test]
fn words_are_those_of_the_field() {
    check(|file| match file.is_prose_checked() {
        true => file.lines_that(
            |line| unplain(line).is_some(),
            "say what is read, sent, reported or decided, in a plain word",
        ),
        false => Vec::new(),
    });
}

#[test]
fn no_file_names_a_path_of_somebody_s_machine() {
    check(|file| file.lines_that(|line| names_machine_path(line), "a path of one machine"));
}

/// A text file of the repository.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Code and documents; not this file, which has the words.
    fn is_prose_checked(&self) -> bool {
        let ending = self.path.rsplit('.').next().unwrap_or_default();
        ["rs", "md", "py", "js", "c"].contains(&ending) && !self.path.ends_with("tests/tidy/main.rs")
    }

    fn at(&self, line: usize, offence: &str) -> String {
        format!("{}:{}: {offence}", self.path, line + 1)
    }

    fn lines_that(&self, offends: impl Fn(&&str) -> bool, offence: &str) -> Vec<String> {
        let lines = self.text.lines().enumerate().filter(|(_, line)| offends(line));
        lines.map(|(number, _)| self.at(number, offence)).collect()
    }
}

/// Fails with all the offences found in all files.
fn check(offences: impl Fn(&File) -> Vec<String>) {
    let found: Vec<_> = files().iter().flat_map(offences).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The text files that git tracks, and those that it would offer to add.
fn files() -> Vec<File> {
    let xtask = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let root = Path::new(&xtask).parent().expect("xtask lies in the workspace");
    // The tests may run as root in somebody else's checkout, which git distrusts unless this says otherwise.
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output();
    let Some(listed) = output.ok().filter(|output| output.status.success()) else {
        println!("skipped: git does not list the files of {}", root.display());
        return Vec::new();
    };
    let paths = String::from_utf8_lossy(&listed.stdout);
    let read =
        |path: &str| Some(File { path: path.to_owned(), text: fs::read_to_string(root.join(path)).ok()? });
    paths.lines().filter_map(read).collect()
}

fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    // In pieces, so that this file does not find itself.
    [concat!("unsafe", " {"), concat!("unsafe", " impl")].iter().any(|start| code.contains(start))
}

fn is_justified(lines: &[&str], number: usize) -> bool {
    lines[number.saturating_sub(SAFETY_DISTANCE)..=number].iter().any(|line| line.contains("SAFETY:"))
}

/// What follows the repository's name in each link to CPython's or Linux's sources.
fn links(line: &str) -> impl Iterator<Item = &str> {
    ["python/cpython", "torvalds/linux"].into_iter().flat_map(move |repository| {
        line.match_indices(repository).map(move |(start, name)| &line[start + name.len()..])
    })
}

fn is_pinned(link: &str) -> bool {
    let files = link.strip_prefix("/blob/").or_else(|| link.strip_prefix("/tree/"));
    files.is_none_or(|revision| {
        revision.strip_prefix('v').is_some_and(|tag| tag.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// Words that say neither what is read, sent, reported or decided, nor by which thread; also as parts of names.
const NOT_PLAIN: [&str; 19] = [
    "told", "tell", "tells", "telling", "untold", "whom", "whomever", "verdict", "verdicts", "elder",
    "hasten", "glance", "begot", "beget", "betwixt", "thence", "whence", "ere", "naught",
];

/// Likewise two words in a row: read, probe, poll, check.
const NOT_PLAIN_PAIRS: [[&str; 2]; 6] =
    [["look", "at"], ["looks", "at"], ["looked", "at"], ["looking", "at"], ["a", "look"], ["look", "into"]];

/// The first such word of a line.
fn unplain(line: &str) -> Option<String> {
    let words = words(line);
    let alone = words.iter().find(|word| NOT_PLAIN.contains(&word.as_str())).cloned();
    let is_two = |two: &&[String]| NOT_PLAIN_PAIRS.iter().any(|pair| two.iter().eq(pair));
    alone.or_else(|| words.windows(2).find(is_two).map(|two| two.join(" ")))
}

/// Words in lower case, and those that names are made of: `looked_at` and `LookedAt` are two.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in line.chars() {
        if !c.is_ascii_alphabetic() || before.is_ascii_lowercase() && c.is_ascii_uppercase() {
            words.push(String::new());
        }
        if c.is_ascii_alphabetic() {
            words.last_mut().expect("there is one").push(c.to_ascii_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Folders at the top of a file system where people work.
const MACHINE_FOLDERS: [&str; 2] = ["root", "work"];

/// Whether a path of a home or work directory begins in this line; `/proc/PID/root/` is none.
fn names_machine_path(line: &str) -> bool {
    MACHINE_FOLDERS.iter().any(|folder| {
        line.match_indices(&format!("/{folder}/")).any(|(start, _)| {
            let before = line[..start].chars().next_back();
            before.is_none_or(|c| c.is_whitespace() || "\"'`(=:<,".contains(c))
        })
    })
}

#[test]
fn the_checks_find_what_they_look_for() {
    assert!(is_unsafe(concat!("let x = ", "unsafe", " { f() };")) && !is_unsafe("// an unsafe { block }"));
    assert!(is_justified(&["// SAFETY: f is sound", "f()"], 1) && !is_justified(&["", "f()"], 1));
    assert!(is_pinned("/blob/v3.12.0/Include/cpython/code.h") && is_pinned("/issues/1"));
    assert!(!is_pinned("/blob/main/Include/cpython/code.h"));
    for (line, found) in [
        ("/// What the kernel told us.", Some("told")),
        ("fn look_at(&self) {}", Some("look at")),
        ("struct LookedAt;", Some("looked at")),
        ("a toll of an intellect; it looks for what looks like `/proc`", None),
    ] {
        assert_eq!(unplain(line).as_deref(), found, "{line}");
    }
    assert!(MACHINE_FOLDERS.iter().all(|folder| names_machine_path(&format!("see `/{folder}/notes`"))));
    assert!(MACHINE_FOLDERS.iter().all(|folder| !names_machine_path(&format!("/proc/1/{folder}/lib"))));
}
