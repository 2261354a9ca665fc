//! The interpreters that the tests trace: those that are here, and those that Debian's suites add; and their packages.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{output, say, with_remedy};
use crate::suite::Suite;
use crate::{foreign, packages, tree};

/// A suite of Debian, and which of its programs are interpreters.
struct Source {
    suite: Suite,
    programs: &'static [&'static str],
}

const SOURCES: &[Source] = &[
    Source {
        suite: Suite {
            name: "sid",
            packages: &[
                "python3.14-minimal",
                "libpython3.14-stdlib",
                "python3.15-minimal",
                "libpython3.15-stdlib",
                "dash",
                "coreutils",
            ],
        },
        programs: &["python3.14", "python3.15"],
    },
    // What the tracer has to refuse: a debug build, and another implementation.
    Source {
        suite: Suite { name: "bookworm", packages: &["python3.11-dbg", "pypy3", "dash", "coreutils"] },
        programs: &["python3.11-dbg", "pypy3"],
    },
];

/// Gets what can be got, then lists what is here.
pub fn pythons() -> Result<()> {
    let provided = provide();
    for python in all() {
        say(format!("{:<16} {}", python.version, python.path.display()));
    }
    provided
}

/// Gets the interpreters of [`SOURCES`] and the packages that run on them, unless they were got before.
pub fn provide() -> Result<()> {
    let bin = folder().join("bin");
    fs::create_dir_all(&bin).with_context(|| format!("cannot make {}", bin.display()))?;
    // Launchers and links name it, and outlive a link to it.
    let folder = folder().canonicalize()?;
    SOURCES.iter().try_for_each(|source| source.provide(&folder, &bin))?;
    foreign::provide(&folder, &bin, |minor| library(&folder, minor))?;
    packages::provide(&packages(), release)
}

/// The standard library of CPython 3.`minor`: Debian's, or pyenv's.
fn library(folder: &Path, minor: u8) -> Option<PathBuf> {
    let name = format!("lib/python3.{minor}");
    let of_debian = folder.join("sid/usr").join(&name);
    let of_pyenv = || Some(release(minor)?.parent()?.parent()?.join(&name));
    Some(of_debian).filter(|library| library.exists()).or_else(of_pyenv)
}

/// Interpreters of each kind that people install packages by: this system's, pyenv's, Debian's newest and musl's.
pub fn for_packages() -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from("/usr/bin/python3")];
    paths.extend([8, 13].into_iter().filter_map(release));
    let names = ["python3.14", "python3.12-musl", "python3.14-musl"];
    paths.extend(names.map(|name| folder().join("bin").join(name)).into_iter().filter(|path| path.exists()));
    paths
}

/// A pip, where it lies, and its interpreter; others can run it too.
pub struct Pip {
    pub python: PathBuf,
    pub folder: PathBuf,
}

/// That of CPython 3.12.
pub fn pip() -> Result<Pip> {
    let python = release(12).context("there is no CPython 3.12 with a pip")?;
    let where_it_lies = ["-c", "import os, pip; print(os.path.dirname(pip.__path__[0]))"];
    let folder = output(Command::new(&python).args(where_it_lies)).context("CPython 3.12 has no pip")?;
    Ok(Pip { python, folder: folder.trim_end().into() })
}

/// Where [`packages::provide`] puts them.
pub fn packages() -> PathBuf {
    folder().join("packages")
}

/// One place, whatever the target directory: they are as large as they are slow to come by.
fn folder() -> PathBuf {
    tree::root().join("target/pythons")
}

impl Source {
    fn provide(&self, folder: &Path, bin: &Path) -> Result<()> {
        if !self.suite.is_unpacked(folder) {
            let programs = self.programs.join(" and ");
            say(format!(
                "downloading {programs} from Debian {}: about 15 seconds, only once",
                self.suite.name
            ));
            let unpacked = self.suite.unpack(folder).with_context(|| format!("cannot get {programs}"));
            with_remedy(unpacked, "try again once a Debian mirror can be reached")?;
        }
        self.programs.iter().try_for_each(|program| {
            let launcher = bin.join(program);
            write_executable(&launcher, &launcher_of(program, &self.suite.root(folder)))
                .with_context(|| format!("cannot write {}", launcher.display()))
        })
    }
}

/// Becomes the program, with the suite's `/usr` mounted over this system's: the rest of the file system is there as
/// ever, and the mount goes with the process.
fn launcher_of(program: &str, root: &Path) -> String {
    let root = root.display();
    format!(
        "#!/bin/sh\n\
         exec unshare --mount sh -c 'mount --bind \"$0/usr\" /usr && exec /usr/bin/{program} \"$@\"' '{root}' \"$@\"\n"
    )
}

fn write_executable(path: &Path, text: &str) -> std::io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// An interpreter that runs.
struct Python {
    /// `CPython 3.12.1`
    version: String,
    path: PathBuf,
}

/// Those of pyenv, of this system and of [`SOURCES`].
fn all() -> Vec<Python> {
    let mut paths = of_pyenv();
    paths.push("/usr/bin/python3".into());
    paths.extend(entries(&folder().join("bin")));
    paths.into_iter().filter_map(Python::ask).collect()
}

/// pyenv's newest CPython 3.`minor`.
pub fn release(minor: u8) -> Option<PathBuf> {
    let prefix = format!("CPython 3.{minor}.");
    let found = of_pyenv().into_iter().rev().filter_map(Python::ask);
    found.into_iter().find(|python| python.version.starts_with(&prefix)).map(|python| python.path)
}

fn of_pyenv() -> Vec<PathBuf> {
    let pyenv = env::var_os("PYENV_ROOT").map(PathBuf::from);
    let pyenv = pyenv.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".pyenv")));
    let versions = entries(&pyenv.unwrap_or_default().join("versions"));
    versions.into_iter().map(|version| version.join("bin/python")).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

impl Python {
    fn ask(path: PathBuf) -> Option<Self> {
        let who =
            "import platform; print(platform.python_implementation() + ' ' + platform.python_version())";
        let version = output(Command::new(&path).args(["-c", who]))?.trim_end().to_owned();
        Some(Self { version, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launcher_becomes_its_program_with_all_arguments() {
        let launcher = launcher_of("python3.14", Path::new("/a b/sid"));
        let (first, second) = launcher.split_once('\n').unwrap();
        assert_eq!(first, "#!/bin/sh");
        assert!(second.starts_with("exec unshare --mount "), "{second}");
        assert!(second.ends_with("exec /usr/bin/python3.14 \"$@\"' '/a b/sid' \"$@\"\n"), "{second}");
    }
}
