//! Which interpreters this machine has.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::skip;

/// Prints what an interpreter is, because a path may be a wrapper (pyenv's shims).
const WHO: &str = "import os, sys; print(sys.version_info[1], os.path.realpath(sys.executable))";

/// An interpreter that the tests know by name.
#[derive(Clone, Copy)]
pub enum Interpreter {
    /// The distribution's own: static and stripped on Debian.
    System,
    /// Another build of CPython 3.N.
    Release(u8),
}

/// An interpreter that exists.
pub struct Python {
    /// The executable itself, not a link to it.
    pub path: PathBuf,
    /// N of 3.N.
    pub minor: u8,
}

impl Python {
    fn ask(path: &Path) -> Option<Self> {
        let output = Command::new(path).args(["-c", WHO]).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let (minor, path) = text.trim_end().split_once(' ')?;
        Some(Self { path: path.into(), minor: minor.parse().ok()? })
    }

    /// As the report has it: `3.12.`, and a micro version after it.
    pub fn version_prefix(&self) -> String {
        format!("3.{}.", self.minor)
    }
}

impl Interpreter {
    fn find(self) -> Option<Python> {
        match self {
            Self::System => Python::ask(Path::new("/usr/bin/python3")),
            Self::Release(minor) => {
                let system = Self::System.find().map(|python| python.path);
                candidates(minor)
                    .iter()
                    .filter_map(|path| Python::ask(path))
                    .find(|python| python.minor == minor && Some(&python.path) != system.as_ref())
            }
        }
    }
}

/// Where CPython 3.`minor` may be: pyenv's builds, newest first, then the search path.
fn candidates(minor: u8) -> Vec<PathBuf> {
    let mut found = pyenv_builds(minor);
    found.sort();
    found.reverse();
    let path = env::var_os("PATH").unwrap_or_default();
    found.extend(env::split_paths(&path).map(|folder| folder.join(format!("python3.{minor}"))));
    found
}

fn pyenv_builds(minor: u8) -> Vec<PathBuf> {
    let Some(root) = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv")))
    else {
        return Vec::new();
    };
    let Ok(entries) = root.join("versions").read_dir() else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("3.{minor}.")))
        .map(|entry| entry.path().join("bin/python"))
        .collect()
}

/// Runs a property on one interpreter, or says why not.
pub fn each(interpreter: Interpreter, property: fn(&Python)) {
    if !rustix::process::geteuid().is_root() {
        return skip("tracing needs root");
    }
    match (interpreter.find(), interpreter) {
        (Some(python), _) => property(&python),
        (None, Interpreter::System) => skip("there is no /usr/bin/python3"),
        (None, Interpreter::Release(minor)) => {
            eprintln!("skipped: no python3.{minor} beside the system's own")
        }
    }
}

/// For what does not depend on the interpreter: the distribution's own.
pub fn system() -> Option<Python> {
    if !rustix::process::geteuid().is_root() {
        skip("tracing needs root");
        return None;
    }
    let python = Interpreter::System.find();
    if python.is_none() {
        skip("there is no /usr/bin/python3");
    }
    python
}
