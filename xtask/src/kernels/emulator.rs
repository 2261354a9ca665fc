//! The emulator and what packs its images, beside this system's packages: some of these may be in the way of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{say, with_remedy};
use crate::suite::Suite;

const SUITE: Suite = Suite { name: "trixie", packages: &["qemu-system-x86", "cpio", "coreutils"] };

/// Unpacked, and ready to run.
pub struct Emulator {
    folder: PathBuf,
}

impl Emulator {
    /// It is downloaded only once.
    pub fn get(folder: &Path) -> Result<Self> {
        let folder = folder.join("emulator");
        fs::create_dir_all(&folder)?;
        if !SUITE.is_unpacked(&folder) {
            say("downloading an emulator for the guests: about a minute, only once");
            let unpacked = SUITE.unpack(&folder).context("cannot get qemu-system-x86");
            with_remedy(unpacked, "try again once a Debian mirror can be reached")?;
        }
        Ok(Self { folder })
    }

    /// A program of its packages.
    pub fn program(&self, name: &str) -> Command {
        SUITE.program(&self.folder, name)
    }
}
