//! Opening the directory of a report without being led astray.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::error::OutputError;
use super::invoker::Invoker;

/// As many as the kernel follows itself, see path_resolution(7).
const MOST_LINKS: usize = 40;

/// Opens the directory that `path` lies in.
///
/// Links on the way are followed only if they belong to somebody who is trusted, and by replacing them in the path:
/// what is opened in the end is a path without links, so nobody can turn one between the check and the opening.
pub fn open(invoker: &Invoker, path: &Path) -> Result<OwnedFd, OutputError> {
    let mut directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    for _ in 0..MOST_LINKS {
        match open_without_links(&directory) {
            Err(Errno::LOOP) => directory = follow_first_link(invoker, path, &directory)?,
            opened => return opened.map_err(|cause| OutputError::create(path, cause)),
        }
    }
    Err(OutputError::create(path, Errno::LOOP))
}

fn open_without_links(directory: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat2(CWD, directory, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
}

fn follow_first_link(invoker: &Invoker, path: &Path, directory: &Path) -> Result<PathBuf, OutputError> {
    let error = |cause: io::Error| OutputError::create(path, cause);
    let mut prefix = PathBuf::new();
    let mut components = directory.components();
    while let Some(component) = components.next() {
        let parent = prefix.clone();
        prefix.push(component);
        let metadata = fs::symlink_metadata(&prefix).map_err(error)?;
        if metadata.is_symlink() {
            if !invoker.trusts(metadata.uid()) {
                return Err(OutputError::foreign_link(path, &prefix));
            }
            let target = fs::read_link(&prefix).map_err(error)?;
            return Ok(parent.join(target).join(components.as_path()));
        }
    }
    // The link that the kernel found is gone: resolve again.
    Ok(directory.to_path_buf())
}
