//! A file that takes its name only when it is complete.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::fchown;
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::directory;
use super::error::{Obstacle, OutputError};
use super::invoker::Invoker;

/// Names that are tried before giving up: somebody may have taken the first ones.
const NAMES: u32 = 100;

/// A report being written, under a name of its own beside its destination.
#[derive(Debug)]
pub struct Draft {
    invoker: Invoker,
    path: PathBuf,
    directory: OwnedFd,
    file: File,
    /// The name it has now; none once it has been renamed.
    draft_name: Option<OsString>,
}

impl Draft {
    /// Creates the draft of `path`, mode 0600, as the property of the invoker.
    pub fn create(invoker: &Invoker, path: &Path) -> Result<Self, OutputError> {
        let name = file_name(path)?;
        let directory = directory::open(invoker, path)?;
        check_destination(invoker, path, &directory, name)?;
        let (file, draft_name) = create_new(&directory).map_err(|cause| OutputError::create(path, cause))?;
        let draft =
            Self { invoker: *invoker, path: path.into(), directory, file, draft_name: Some(draft_name) };
        if let Some((uid, gid)) = invoker.owner() {
            fchown(&draft.file, Some(uid), Some(gid)).map_err(|cause| OutputError::create(path, cause))?;
        }
        Ok(draft)
    }

    /// Writes everything down to the disk, then gives the file its name.
    pub fn finish(mut self, report: &[u8]) -> Result<(), OutputError> {
        let error = |cause| OutputError::write(&self.path, cause);
        self.file.write_all(report).and_then(|()| self.file.sync_all()).map_err(error)?;
        let name = file_name(&self.path)?;
        check_destination(&self.invoker, &self.path, &self.directory, name)?;
        if let Some(draft_name) = &self.draft_name {
            renameat(&self.directory, draft_name, &self.directory, name)
                .map_err(|cause| OutputError::write(&self.path, cause))?;
        }
        self.draft_name = None;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(name) = self.draft_name.take() {
            // Nobody is left to tell if even this fails.
            let _ = unlinkat(&self.directory, name, AtFlags::empty());
        }
    }
}

/// `dir/..` and `/` have none: they are directories.
fn file_name(path: &Path) -> Result<&OsStr, OutputError> {
    path.file_name().ok_or_else(|| OutputError::occupied(path, Obstacle::Directory))
}

fn create_new(directory: &OwnedFd) -> rustix::io::Result<(File, OsString)> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for number in 0..NAMES {
        let name = OsString::from(format!(".tracer-{}-{number}.tmp", process::id()));
        match openat(directory, &name, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => continue,
            opened => return opened.map(|file| (file.into(), name)),
        }
    }
    Err(Errno::EXIST)
}

/// Renaming never writes through what is there; this keeps us from replacing what is not the invoker's.
fn check_destination(
    invoker: &Invoker,
    path: &Path,
    directory: &OwnedFd,
    name: &OsStr,
) -> Result<(), OutputError> {
    let there = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        there => there.map_err(|cause| OutputError::create(path, cause))?,
    };
    let obstacle = match FileType::from_raw_mode(there.st_mode) {
        FileType::Symlink => Obstacle::Link,
        FileType::Directory => Obstacle::Directory,
        FileType::Fifo => Obstacle::Fifo,
        FileType::RegularFile if there.st_nlink != 1 => Obstacle::HardLinked,
        FileType::RegularFile if !invoker.trusts(there.st_uid) => Obstacle::Foreign,
        FileType::RegularFile => return Ok(()),
        _ => Obstacle::Device,
    };
    Err(OutputError::occupied(path, obstacle))
}
