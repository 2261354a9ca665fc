//! Python packages that the tests trace, each in a folder of its own, for the interpreter that is to run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{say, with_remedy};

/// A package, and the release of CPython 3 whose build of it is wanted.
struct Package {
    name: &'static str,
    version: &'static str,
    minor: u8,
}

const PACKAGES: &[Package] = &[
    // Reads /proc in pieces of 1,024 bytes on 3.9, and in pieces that are large enough on 3.12.
    Package { name: "psutil", version: "5.8.0", minor: 9 },
    Package { name: "psutil", version: "7.0.0", minor: 12 },
    // Both signal their workers, and run on either end of what people run.
    Package { name: "gunicorn", version: "23.0.0", minor: 9 },
    Package { name: "gunicorn", version: "23.0.0", minor: 12 },
    Package { name: "uvicorn", version: "0.34.0", minor: 12 },
    // A loop that is not asyncio's.
    Package { name: "uvloop", version: "0.21.0", minor: 12 },
    // Masters that end and replace their workers each in their own way.
    Package { name: "supervisor", version: "4.3.0", minor: 12 },
    Package { name: "pyuwsgi", version: "2.0.30", minor: 12 },
    // Handles SIGINT while it runs a cell, and ignores it otherwise.
    Package { name: "ipykernel", version: "6.29.5", minor: 12 },
    Package { name: "celery", version: "5.4.0", minor: 9 },
    Package { name: "celery", version: "5.4.0", minor: 12 },
    // They read what we export: pprof, speedscope and collapsed stacks; Perfetto's stacks.
    Package { name: "flamegraph-textual", version: "0.1.2", minor: 12 },
    Package { name: "perfetto", version: "0.59.1", minor: 12 },
];

/// Those that no test needs: what tracing costs is measured with them.
const BENCHED: &[Package] = &[Package { name: "Flask", version: "3.1.0", minor: 12 }];

/// Written last: the folder is whole.
const STAMP: &str = ".whole";

/// Installs below `folder` what is not there yet. `interpreter` finds a CPython 3 by its minor version: a package whose
/// interpreter this machine lacks is left out, and the tests that want it too.
pub fn provide(folder: &Path, interpreter: impl Fn(u8) -> Option<PathBuf>) -> Result<()> {
    provide_these(PACKAGES, folder, interpreter)
}

/// The same of those that are measured.
pub fn provide_benched(folder: &Path, interpreter: impl Fn(u8) -> Option<PathBuf>) -> Result<()> {
    provide_these(BENCHED, folder, interpreter)
}

fn provide_these(
    packages: &[Package],
    folder: &Path,
    interpreter: impl Fn(u8) -> Option<PathBuf>,
) -> Result<()> {
    for package in packages {
        if package.is_whole(folder) {
            continue;
        }
        match interpreter(package.minor) {
            Some(python) => package.install(folder, &python)?,
            None => say(format!("leaving out {}: there is none", package.title())),
        }
    }
    Ok(())
}

/// Where packages of these names are, for CPython 3.`minor`.
pub fn folders(packages: &Path, minor: u8, names: &[&str]) -> Vec<PathBuf> {
    let all = PACKAGES.iter().chain(BENCHED);
    let wanted = all.filter(|package| package.minor == minor && names.contains(&package.name));
    wanted.map(|package| package.folder(packages)).collect()
}

impl Package {
    fn title(&self) -> String {
        format!("{} {} for python3.{}", self.name, self.version, self.minor)
    }

    /// Where the end-to-end tests look for it.
    fn folder(&self, packages: &Path) -> PathBuf {
        packages.join(format!("python3.{}", self.minor)).join(format!("{}-{}", self.name, self.version))
    }

    fn is_whole(&self, packages: &Path) -> bool {
        self.folder(packages).join(STAMP).exists()
    }

    fn install(&self, packages: &Path, python: &Path) -> Result<()> {
        say(format!("installing {} below target/pythons, only once", self.title()));
        let folder = self.folder(packages);
        let installed =
            self.install_to(&folder, python).with_context(|| format!("cannot get {}", self.title()));
        with_remedy(installed, "try again once the Python package index can be reached")
    }

    fn install_to(&self, folder: &Path, python: &Path) -> Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        self.pip(folder, python)?;
        fs::write(folder.join(STAMP), "")?;
        Ok(())
    }

    /// Wheels only: nothing of a package runs while it is installed.
    fn pip(&self, folder: &Path, python: &Path) -> Result<()> {
        let mut pip = Command::new(python);
        pip.args(["-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
            .args(["--only-binary", ":all:", "--retries", "2", "--target"])
            .arg(folder)
            .arg(format!("{}=={}", self.name, self.version));
        let output = pip.output().context("cannot run pip")?;
        if !output.status.success() {
            bail!("{}", reason(&String::from_utf8_lossy(&output.stderr)));
        }
        Ok(())
    }
}

/// What pip gave up for: its last error, or its last words.
fn reason(stderr: &str) -> &str {
    let mut errors = stderr.lines().filter_map(|line| line.strip_prefix("ERROR: "));
    errors.next_back().or(stderr.lines().last()).unwrap_or("pip failed").trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_the_last_error() {
        for (stderr, expected) in [
            (
                "WARNING: retrying\nERROR: no such version\nERROR: No matching distribution\nnotice",
                "No matching distribution",
            ),
            ("python: No module named pip\n", "python: No module named pip"),
            ("", "pip failed"),
        ] {
            assert_eq!(reason(stderr), expected);
        }
    }

    #[test]
    fn each_package_has_a_folder_of_its_own() {
        let mut folders: Vec<_> = PACKAGES.iter().map(|package| package.folder(Path::new("/p"))).collect();
        assert_eq!(folders[0], Path::new("/p/python3.9/psutil-5.8.0"));
        folders.sort();
        folders.dedup();
        assert_eq!(folders.len(), PACKAGES.len());
    }
}
