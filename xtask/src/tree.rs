//! Where things are: in the source tree, and in cargo's target directory.

use std::path::{Path, PathBuf};
use std::{env, io};

use anyhow::{Context, Result};

/// The root of the workspace.
///
/// Cargo sets it again at each run: checkouts that share a target directory share the executable too.
pub fn root() -> PathBuf {
    let xtask = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&xtask).parent().expect("xtask lies in the workspace").to_owned()
}

/// The target directory that the running xtask was built into.
///
/// Asking the executable where it lies needs no second reading of `CARGO_TARGET_DIR`, of
/// `build.target-dir` and of `build.target`: whatever cargo made of them, what it builds next lies there too.
pub fn target() -> Result<PathBuf> {
    let xtask = env::current_exe().context("cannot find the running xtask")?;
    let target = xtask.ancestors().nth(2).map(Path::to_owned);
    target.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)).context("cannot find the target directory")
}

/// Where tools are installed: one place, whatever the target directory, for they take a minute to build.
pub fn tools() -> PathBuf {
    root().join("target/tools")
}

/// The probes as user space embeds them; `tracer/build.rs` looks for the same path.
pub fn object() -> Result<PathBuf> {
    Ok(target()?.join("bpf/tracer.bpf.o"))
}
