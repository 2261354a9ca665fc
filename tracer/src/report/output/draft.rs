//! A file that takes its name only when it is complete.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, linkat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::directory;
use super::error::{Obstacle, OutputError};
use super::invoker::Invoker;

/// Names that are tried before giving up: somebody may have taken the first ones.
const NAMES: u32 = 100;

/// A file being written, under a name of its own beside its destination.
#[derive(Debug)]
pub struct Draft {
    invoker: Invoker,
    path: PathBuf,
    directory: OwnedFd,
    file: File,
    /// The name it has now: none at first, and none once it has been renamed.
    draft_name: Option<OsString>,
}

impl Draft {
    /// Creates the draft of `path`, mode 0600, without a name where the file system can do that: then nothing stays of it
    /// however we end.
    pub fn create(invoker: &Invoker, path: &Path) -> Result<Self, OutputError> {
        let name = file_name(path)?;
        let directory = directory::open(invoker, path)?;
        check_destination(invoker, path, &directory, name)?;
        let (file, draft_name) = create(&directory).map_err(|cause| OutputError::create(path, cause))?;
        Ok(Self { invoker: *invoker, path: path.into(), directory, file, draft_name })
    }

    /// Writes everything down to the disk, then gives the file its name.
    pub fn finish(mut self, report: &[u8]) -> Result<(), OutputError> {
        self.write(report)?;
        self.file.sync_all().map_err(|cause| OutputError::write(&self.path, cause))?;
        self.publish()
    }

    /// Writes more of it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        self.file.write_all(bytes).map_err(|cause| OutputError::write(&self.path, cause))
    }

    /// Leaves only the first bytes, and goes on after them.
    pub fn truncate(&mut self, bytes: u64) -> Result<(), OutputError> {
        let truncated = self.file.set_len(bytes).and_then(|()| self.file.seek(SeekFrom::Start(bytes)));
        truncated.map(|_| ()).map_err(|cause| OutputError::write(&self.path, cause))
    }

    /// Gives the file its name, in place of what may have it.
    pub fn publish(&mut self) -> Result<(), OutputError> {
        let name = file_name(&self.path)?;
        check_destination(&self.invoker, &self.path, &self.directory, name)?;
        if self.draft_name.is_none() {
            let named = link_new(&self.directory, &self.file);
            self.draft_name = Some(named.map_err(|cause| OutputError::write(&self.path, cause))?);
        }
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
            // Nobody is left to report it to if even this fails.
            let _ = unlinkat(&self.directory, name, AtFlags::empty());
        }
    }
}

/// `dir/..` and `/` have none: they are directories.
fn file_name(path: &Path) -> Result<&OsStr, OutputError> {
    path.file_name().ok_or_else(|| OutputError::occupied(path, Obstacle::Directory))
}

/// Creates a file without a name, or else with one.
fn create(directory: &OwnedFd) -> rustix::io::Result<(File, Option<OsString>)> {
    let mode = Mode::RUSR | Mode::WUSR;
    let nameless = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    match openat(directory, ".", nameless, mode) {
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT) => {}
        opened => return opened.map(|file| (file.into(), None)),
    }
    let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let (file, name) = by_new_name(|name| openat(directory, name, new, mode))?;
    Ok((file.into(), Some(name)))
}

/// Gives a file without a name one that nothing has yet.
fn link_new(directory: &OwnedFd, file: &File) -> rustix::io::Result<OsString> {
    let opened = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |name: &OsStr| linkat(CWD, &opened, directory, name, AtFlags::SYMLINK_FOLLOW);
    by_new_name(link).map(|((), name)| name)
}

fn by_new_name<T>(make: impl Fn(&OsStr) -> rustix::io::Result<T>) -> rustix::io::Result<(T, OsString)> {
    for number in 0..NAMES {
        let name = OsString::from(format!(".tracer-{}-{number}.tmp", process::id()));
        match make(&name) {
            Err(Errno::EXIST) => continue,
            made => return made.map(|made| (made, name)),
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
        FileType::RegularFile if !invoker.owns(there.st_uid) => Obstacle::Foreign,
        FileType::RegularFile => return Ok(()),
        _ => Obstacle::Device,
    };
    Err(OutputError::occupied(path, obstacle))
}
