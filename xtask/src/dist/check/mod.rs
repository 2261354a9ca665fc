//! Each package is installed where there is no toolchain, and traces a program there.

mod crates;
mod roots;
mod trial;
mod wheel;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Release, VERSION, packed};
use crate::command::{cargo, is_root, isolated, output, run, say};
use crate::{pythons, tree};

/// What nobody should take for checked.
const NOT_COVERED: &[&str] = &[
    "a registry: the wheel and the crates are installed from their files",
    "systemd: the unit is installed, and nothing starts it",
    "other distributions than Debian, other machines than x86-64",
    "other kernels than this one: see cargo xtask kernels",
    "a second machine: both builds are made here, by one compiler and from one registry's sources",
];

/// Installs and runs each, and says what took how long.
pub fn check(release: &Release) -> Result<()> {
    ensure!(is_root(), "cannot check what was built: the tracer needs root; try again as root");
    checked("the sums", sums(release))?;
    checked("the bill of materials", bill(release))?;
    for python in pythons::for_packages() {
        checked(&format!("the wheel, by {}", python.display()), wheel::wheel(release, &python))?;
    }
    for suite in roots::DEBIANS {
        let what = format!("one command, from nothing to a report, in Debian {}", suite.name);
        checked(&what, roots::package(release, &suite))?;
    }
    checked("the program, alone in a file system", roots::alone(release))?;
    checked("the crate", crates::installed(release))?;
    checked("a second build, elsewhere", again(release))?;
    NOT_COVERED.iter().for_each(|what| say(format!("not checked: {what}")));
    Ok(())
}

fn checked(what: &str, result: Result<Duration>) -> Result<()> {
    let took = result.with_context(|| format!("{what} does not do"))?;
    say(format!("checked {what}: {:.1} s", took.as_secs_f64()));
    Ok(())
}

/// As somebody would who has downloaded all of it.
fn sums(release: &Release) -> Result<Duration> {
    let begin = Instant::now();
    let mut sha256sum = Command::new("sha256sum");
    sha256sum.args(["--check", "--strict", "--quiet", "SHA256SUMS"]).current_dir(&release.folder);
    run(sha256sum.stdout(Stdio::null()))?;
    let listed = fs::read_to_string(release.folder.join("SHA256SUMS"))?.lines().count();
    let there = fs::read_dir(&release.folder)?.count();
    ensure!(listed + 1 == there, "{listed} sums of {there} files, one of which holds the sums");
    Ok(begin.elapsed())
}

/// It names what only the program, only the probes and only the linker bring.
fn bill(release: &Release) -> Result<Duration> {
    let begin = Instant::now();
    let bill = named(&release.folder, ".cdx.json")?;
    let bill: Value = serde_json::from_slice(&fs::read(bill)?)?;
    let parts = bill["components"].as_array().context("it has no components")?;
    for name in ["aya", "aya-ebpf", "rust-std", "musl-dev"] {
        ensure!(parts.iter().any(|part| part["name"] == name), "it does not name {name}");
    }
    let version = &bill["metadata"]["component"]["version"];
    ensure!(version == VERSION, "it is of version {version}");
    Ok(begin.elapsed())
}

/// A folder outside of the workspace, for as long as this value lives.
struct Elsewhere(PathBuf);

impl Elsewhere {
    fn make() -> Result<Self> {
        let made = output(Command::new("mktemp").arg("--directory")).context("cannot make a folder")?;
        Ok(Self(made.trim_end().into()))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // What is left of it is a nuisance, and no fault of what was checked.
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The only file whose name ends so.
fn named(folder: &Path, end: &str) -> Result<PathBuf> {
    let paths = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let mut found = paths.filter(|path| path.to_string_lossy().ends_with(end));
    found.next().with_context(|| format!("there is no {end} in {}", folder.display()))
}

/// Builds all of it from the same sources in another folder, and compares the sums.
fn again(release: &Release) -> Result<Duration> {
    let begin = Instant::now();
    let elsewhere = Elsewhere::make()?;
    build_at(&elsewhere.0, release)?;
    let sums = |root: &Path| fs::read_to_string(root.join("target/dist/SHA256SUMS"));
    let (here, there) = (sums(&tree::root())?, sums(&elsewhere.0)?);
    if here != there {
        bail!("its sums are others:\n{there}, not:\n{here}");
    }
    Ok(begin.elapsed())
}

fn build_at(elsewhere: &Path, release: &Release) -> Result<()> {
    packed::copy_sources(elsewhere)?;
    fs::create_dir(elsewhere.join("target"))?;
    std::os::unix::fs::symlink(tree::tools(), elsewhere.join("target/tools"))?;
    // git lists the files of a folder that it knows.
    for arguments in [&["init", "--quiet"][..], &["add", "--all"]] {
        run(Command::new("git").arg("-C").arg(elsewhere).args(arguments))?;
    }
    let mut xtask = isolated(cargo());
    xtask.args(["xtask", "dist"]).current_dir(elsewhere).env("SOURCE_DATE_EPOCH", &release.epoch);
    run(&mut xtask)
}
