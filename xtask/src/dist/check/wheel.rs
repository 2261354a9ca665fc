//! The wheel, by pip.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::super::Release;
use super::named;
use super::trial::{bare, in_time, works};
use crate::command::run;
use crate::demo::{self, Shop};
use crate::pythons::{self, Pip};

/// Runs the pip of another interpreter.
const PIP: &str =
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('pip', run_name='__main__')";

/// Into a virtual environment of its own; then run with nothing else on `PATH`.
pub fn wheel(release: &Release, python: &Path) -> Result<Duration> {
    let begin = Instant::now();
    let folder = release.staged("installed")?.join(python.strip_prefix("/")?);
    let (wheel, pip) = (named(&release.folder, ".whl")?, pythons::pip()?);
    let is_for_musl = python.to_string_lossy().ends_with("-musl");
    let install = if is_for_musl { into_folder } else { into_environment };
    let program = install(python, &pip, &folder, &wheel)?;
    let shop = Shop::open(&mut Command::new(python), &demo::program())?;
    works(|| bare(&program), &shop)?;
    in_time(begin)
}

/// Returns where the program is.
fn into_environment(python: &Path, pip: &Pip, folder: &Path, wheel: &Path) -> Result<PathBuf> {
    run(Command::new(python).args(["-m", "venv", "--without-pip"]).arg(folder))?;
    // By the interpreter from outside: that of the environment is a link, which may lead into a root of its own.
    let mut install = pip_of(python, pip);
    install.arg("--python").arg(folder.join("bin/python"));
    run(install.args(OFFLINE).arg(wheel))?;
    Ok(folder.join("bin/tracer"))
}

/// Those for musl lack what environments and pip need, so that another interpreter's pip installs what would fit them.
fn into_folder(_: &Path, pip: &Pip, folder: &Path, wheel: &Path) -> Result<PathBuf> {
    let mut install = pip_of(&pip.python, pip);
    install.args(OFFLINE).args(["--platform", "musllinux_1_1_x86_64", "--only-binary", ":all:"]);
    run(install.arg("--target").arg(folder).arg(wheel))?;
    Ok(folder.join("bin/tracer"))
}

const OFFLINE: [&str; 5] =
    ["install", "--quiet", "--no-index", "--root-user-action=ignore", "--disable-pip-version-check"];

fn pip_of(python: &Path, pip: &Pip) -> Command {
    let mut command = Command::new(python);
    command.args(["-W", "ignore", "-c", PIP]).arg(&pip.folder);
    command
}
