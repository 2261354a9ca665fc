//! A folder for what a test writes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

/// A new folder, gone with this value.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tracer-e2e-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).expect("the temporary folder is writable");
        Self(path)
    }

    /// A path in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Itself.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Copies what is to be executed; by install(1), since what we write ourselves another test's new process may still have
/// open for writing: from its fork to its exec it holds all of our descriptors, and no such file can be executed.
#[track_caller]
pub fn install(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let mut command = Command::new("install");
    let status = command.args(["-m", "755"]).arg(from.as_ref()).arg(to.as_ref()).status();
    assert!(status.is_ok_and(|status| status.success()), "{} can be copied", from.as_ref().display());
}

/// The same with new contents.
#[track_caller]
pub fn install_bytes(bytes: impl AsRef<[u8]>, to: &Path) {
    let draft = to.with_extension("draft");
    fs::write(&draft, bytes).expect("the folder is ours");
    install(&draft, to);
    fs::remove_file(draft).expect("it was written just now");
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
