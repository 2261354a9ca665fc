//! The wheel: what `pip install`, `pipx` and `uvx` take.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{Release, VERSION};
use crate::tree;

pub fn write(release: &Release, program: &Path, notices: &Path) -> Result<()> {
    let root = tree::root();
    let mut python = Command::new("python3")
        .arg(root.join("xtask/dist/wheel.py"))
        .arg(VERSION)
        .args([program, &root.join("README.md"), notices, &release.folder])
        .env("SOURCE_DATE_EPOCH", &release.epoch)
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot run python3")?;
    let licences = ["LICENSE-APACHE", "LICENSE-MIT"].map(|name| root.join(name).display().to_string());
    python.stdin.take().context("it reads nothing")?.write_all(licences.join("\n").as_bytes())?;
    ensure!(python.wait()?.success(), "cannot write the wheel");
    Ok(())
}
