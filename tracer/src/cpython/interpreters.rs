//! The interpreters that tests find on this machine.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An interpreter.
pub(crate) struct Python {
    pub(crate) path: PathBuf,
    pub(crate) release: (u8, u8),
}

/// All interpreters: pyenv's, the system's and those that `cargo xtask pythons` got. Says so when there are none.
pub(crate) fn all() -> Vec<Python> {
    let found: Vec<_> = candidates().into_iter().filter_map(|path| python(&path)).collect();
    if found.is_empty() {
        skip("no Python interpreter found below ~/.pyenv/versions or in /usr/bin");
    }
    found
}

/// Says why a test is not run, or fails where that is not allowed.
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var_os("TRACER_REQUIRE_E2E").is_none(), "cannot run this test: {reason}");
    println!("skipped: {reason}");
}

/// What a program prints, as JSON.
pub(crate) fn json(python: &Python, program: &str) -> serde_json::Value {
    let output = run(&python.path, program);
    serde_json::from_slice(&output).unwrap_or_else(|error| panic!("{}: {error}", python.path.display()))
}

fn candidates() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = std::fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
    let mut paths: Vec<_> = pyenv.map(|version| version.path().join("bin/python")).collect();
    let provided = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/pythons/bin");
    for folder in [Path::new("/usr/bin"), &provided] {
        paths.extend((6..=15).map(|minor| folder.join(format!("python3.{minor}"))));
    }
    paths.sort();
    paths
}

fn python(path: &Path) -> Option<Python> {
    if !path.exists() {
        return None;
    }
    let output = run(path, "import sys; print('%d %d' % sys.version_info[:2])");
    let text = String::from_utf8(output).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    Some(Python { path: path.into(), release: (major.parse().ok()?, minor.parse().ok()?) })
}

fn run(path: &Path, program: &str) -> Vec<u8> {
    let command = Command::new(path).arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = command.expect("an interpreter that starts");
    child.stdin.take().expect("a pipe").write_all(program.as_bytes()).expect("a reader");
    child.wait_with_output().expect("an interpreter that ends").stdout
}
