//! A suite's newest kernel, taken out of its package.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::command::{run, say, with_remedy};
use crate::suite::PrivateApt;

/// Small, and with all that a guest without a disk needs built in.
const NEWEST: &str = "linux-image-cloud-amd64";
/// What holds the kernel itself, directly or by a dependency, depends on the suite.
const HOLDERS: [&str; 2] = ["linux-image-", "linux-binary-"];

/// The path of the kernel; it is downloaded only once.
pub fn kernel(folder: &Path, suite: &str) -> Result<PathBuf> {
    let folder = folder.join(suite);
    let kernel = folder.join("vmlinuz");
    if kernel.exists() {
        return Ok(kernel);
    }
    say(format!("downloading the kernel of Debian {suite}: a few seconds, only once"));
    let half = folder.join("vmlinuz.half");
    let downloaded =
        download(&folder, suite, &half).with_context(|| format!("cannot get the kernel of {suite}"));
    with_remedy(downloaded, "try again once a Debian mirror can be reached")?;
    fs::rename(half, &kernel)?;
    Ok(kernel)
}

fn download(folder: &Path, suite: &str, kernel: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let apt = PrivateApt::new(folder.join("apt"), suite)?;
    apt.update()?;
    let mut package = NEWEST.to_owned();
    loop {
        let depends = apt.depends(&package)?;
        let holder = depends.into_iter().find(|name| HOLDERS.iter().any(|holder| name.starts_with(holder)));
        let Some(holder) = holder else { break };
        package = holder;
    }
    let file = apt.download_alone(&package)?;
    let mut archive =
        Command::new("dpkg-deb").arg("--fsys-tarfile").arg(file).stdout(Stdio::piped()).spawn()?;
    let contents = archive.stdout.take().context("cannot read from dpkg-deb")?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--to-stdout", "--wildcards", "*/vmlinuz*"]).stdin(contents);
    run(tar.stdout(File::create(kernel)?))?;
    ensure!(archive.wait()?.success(), "cannot unpack the kernel");
    fs::remove_dir_all(folder.join("apt"))?;
    Ok(())
}
