//! What a guest runs on: Debian's Python, the tracer and the check, unpacked into its memory at boot.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::emulator::Emulator;
use crate::command::{run, say};
use crate::suite::Suite;
use crate::tree;

/// `libgcc-s1` is the tracer's.
const SYSTEM: Suite = Suite {
    name: "bookworm",
    packages: &["python3.11-minimal", "libpython3.11-stdlib", "busybox-static", "libgcc-s1"],
};

/// Not needed to run anything, and half of the whole.
const LEFT_OUT: [&str; 4] = ["./usr/share", "./usr/lib/python3.11/lib2to3", "./var", "./packages"];

/// Builds the image around this tracer; returns its path.
pub fn build(folder: &Path, emulator: &Emulator, tracer: &Path, expected: &str) -> Result<PathBuf> {
    let folder = folder.join("image");
    fs::create_dir_all(&folder)?;
    if !SYSTEM.is_unpacked(&folder) {
        say("downloading the guests' Python: about 15 seconds, only once");
        SYSTEM.unpack(&folder)?;
    }
    let root = SYSTEM.root(&folder);
    copy(tracer, &root.join("usr/bin/tracer"))?;
    for file in ["init", "check.py", "programs.py", "target.py", "pair.py"] {
        copy(&tree::root().join("xtask/kernels").join(file), &root.join(file))?;
    }
    fs::write(root.join("expected"), expected)?;
    let image = folder.join("image.gz");
    pack(emulator, &root, &image).with_context(|| format!("cannot make {}", image.display()))?;
    Ok(image)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(0o755))?)
}

/// The kernel's own format for it.
/// <https://docs.kernel.org/driver-api/early-userspace/buffer-format.html>
fn pack(emulator: &Emulator, root: &Path, image: &Path) -> Result<()> {
    let mut find = Command::new("find");
    find.arg(".");
    for path in LEFT_OUT {
        find.args(["-path", path, "-prune", "-o"]);
    }
    let mut find = find.arg("-print").current_dir(root).stdout(Stdio::piped()).spawn()?;
    let mut cpio = emulator
        .program("cpio")
        .args(["--create", "--format=newc", "--owner=0:0", "--quiet"])
        .current_dir(root)
        .stdin(find.stdout.take().context("cannot read from find")?)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut gzip = Command::new("gzip");
    gzip.arg("-1").stdin(cpio.stdout.take().context("cannot read from cpio")?).stdout(File::create(image)?);
    run(&mut gzip)?;
    ensure!(find.wait()?.success() && cpio.wait()?.success(), "cannot pack {}", root.display());
    Ok(())
}
