//! Which interpreters this machine has.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::skip;

/// Prints what an interpreter is, because a path may be a wrapper (pyenv's shims).
const WHO: &str = "import os, sys; print('%d %d ' % sys.version_info[:2] + str(getattr(sys, '_is_gil_enabled', lambda: True)()) + ' ' + os.path.realpath(sys.executable))";

/// Releases that `cargo xtask pythons` gets.
const PROVIDED: [u8; 2] = [14, 15];

/// An interpreter that the tests know by name.
#[derive(Clone, Copy)]
pub enum Interpreter {
    /// The distribution's own: static and stripped on Debian.
    System,
    /// Another build of CPython 3.N.
    Release(u8),
    /// CPython 2.7
    Two,
    /// What `cargo xtask pythons` took from others, by the name of its launcher: `python3.14t`, `python3.12-musl`.
    Foreign(&'static str),
}

/// An interpreter that exists.
pub struct Python {
    /// The executable itself, not a link to it; or a launcher of `cargo xtask pythons`, which becomes it.
    pub path: PathBuf,
    /// 2 or 3
    pub major: u8,
    /// N of 3.N.
    pub minor: u8,
    /// It has a GIL.
    pub has_gil: bool,
}

impl Python {
    fn ask(path: &Path) -> Option<Self> {
        let output = Command::new(path).args(["-c", WHO]).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let mut words = text.trim_end().splitn(4, ' ');
        let (major, minor) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let has_gil = words.next()? == "True";
        let executable = Path::new(words.next()?);
        // Its name in a launcher's mount view means another file here.
        let path = if path.starts_with(provided_folder()) { path } else { executable };
        Some(Self { path: path.into(), major, minor, has_gil })
    }

    /// As the report has it: `3.12.`, and a micro version after it.
    pub fn version_prefix(&self) -> String {
        format!("{}.{}.", self.major, self.minor)
    }
}

impl Interpreter {
    /// The interpreter, if this machine has it.
    pub fn find(self) -> Option<Python> {
        let system = || Python::ask(Path::new("/usr/bin/python3"));
        let (major, minor) = match self {
            Self::System => return system(),
            Self::Release(minor) => (3, minor),
            Self::Two => (2, 7),
            Self::Foreign(name) => return Python::ask(&provided_folder().join(name)),
        };
        let system = system().map(|python| python.path);
        let found = candidates(major, minor).into_iter().filter_map(|path| Python::ask(&path));
        let is_it = |python: &Python| (python.major, python.minor) == (major, minor);
        found.into_iter().find(|python| is_it(python) && Some(&python.path) != system.as_ref())
    }

    /// A machine that runs all tests has it.
    fn is_required(self) -> bool {
        match self {
            Self::System => true,
            Self::Release(minor) => PROVIDED.contains(&minor),
            // Those of older releases want the library of one of pyenv's.
            Self::Foreign(name) => PROVIDED.iter().any(|minor| name.starts_with(&format!("python3.{minor}"))),
            Self::Two => false,
        }
    }

    fn name(self) -> String {
        match self {
            Self::System => "/usr/bin/python3".into(),
            Self::Release(minor) => format!("python3.{minor} beside the system's own"),
            Self::Two => "python2.7".into(),
            Self::Foreign(name) => format!("{name}; try `cargo xtask pythons`"),
        }
    }
}

/// Where a release may be: pyenv's builds, newest first, then the search path, then what xtask got.
fn candidates(major: u8, minor: u8) -> Vec<PathBuf> {
    let mut found = pyenv_builds(major, minor);
    found.sort();
    found.reverse();
    let name = format!("python{major}.{minor}");
    let path = env::var_os("PATH").unwrap_or_default();
    found.extend(env::split_paths(&path).map(|folder| folder.join(&name)));
    found.push(provided_folder().join(name));
    found
}

/// What `cargo xtask pythons` got, by the name of the program in its package; says why there is none.
pub fn provided(program: &str) -> Option<PathBuf> {
    let path = provided_folder().join(program);
    if path.exists() {
        return Some(path);
    }
    skip(&format!("there is no {program}; try `cargo xtask pythons`"));
    None
}

/// A package that `cargo xtask pythons` installed for this interpreter, `psutil-5.8.0`: what its `PYTHONPATH` has to
/// be. Says why there is none.
pub fn package(python: &Python, name: &str) -> Option<PathBuf> {
    let folder = format!("packages/python{}.{}/{name}", python.major, python.minor);
    let path = pythons_folder().join(folder);
    if path.join(".whole").exists() {
        return Some(path);
    }
    skip(&format!(
        "there is no {name} for python{}.{}; try `cargo xtask pythons`",
        python.major, python.minor
    ));
    None
}

fn provided_folder() -> PathBuf {
    pythons_folder().join("bin")
}

fn pythons_folder() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("a package lies in the workspace").join("target/pythons")
}

fn pyenv_builds(major: u8, minor: u8) -> Vec<PathBuf> {
    let Some(root) = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv")))
    else {
        return Vec::new();
    };
    let Ok(entries) = root.join("versions").read_dir() else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{major}.{minor}.")))
        .map(|entry| entry.path().join("bin/python"))
        .collect()
}

/// Runs a property on one interpreter, or says why not.
pub fn each(interpreter: Interpreter, property: fn(&Python)) {
    if !rustix::process::geteuid().is_root() {
        return skip("tracing needs root");
    }
    match interpreter.find() {
        Some(python) => property(&python),
        None if interpreter.is_required() => skip(&format!("there is no {}", interpreter.name())),
        None => eprintln!("skipped: no {}", interpreter.name()),
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
