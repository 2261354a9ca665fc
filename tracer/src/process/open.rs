//! Opens the file behind a mapping of another process, and no other file.
//!
//! The target chooses the name: it may lead out of its root, to a FIFO that never answers, or to another file than the
//! one that is mapped. `/proc/PID/map_files` gives the file itself; where we may not use it, the name is resolved
//! inside the target's root, or ours, and the inode compared before anything is opened for reading.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, major, minor, open, openat2};

use crate::process::Process;
use crate::process::maps::Mapping;

/// A file that is mapped.
#[derive(Debug)]
pub struct MappedFile {
    /// Opened for reading.
    pub file: File,
    /// Leads to it where it must be opened by name, by the kernel for a uprobe.
    pub path: PathBuf,
}

/// A file as it is now, whatever its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceInode {
    device: u64,
    inode: u64,
    bytes: i64,
    /// When anything of it was changed last, which nobody can set.
    changed: (i64, i64),
}

impl DeviceInode {
    /// Of an open file.
    ///
    /// # Errors
    /// When its system does not answer.
    pub fn from_file(file: impl AsFd) -> io::Result<Self> {
        let stat = fstat(file)?;
        Ok(Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            bytes: stat.st_size,
            changed: (stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
        })
    }
}

/// Opens a mapped file by the path that led to it before, if it is the same.
///
/// # Errors
/// When it is another now, or gone.
pub fn open_again(path: &Path, id: DeviceInode) -> io::Result<File> {
    let found = open(path, path_only(), Mode::empty())?;
    check(&fstat(&found)?, |_| DeviceInode::from_file(&found).is_ok_and(|now| now == id))?;
    reopen(found)
}

/// Opens the file behind a mapping.
///
/// # Errors
/// When neither way is permitted, or the file is not regular or not the one that is mapped.
pub fn open_mapped(process: &Process, mapping: &Mapping) -> io::Result<MappedFile> {
    by_mapping(process, mapping)
        .or_else(|_| by_name(&process.live_path("root"), mapping))
        // What `maps` shows of a process that has called chroot(2) is the path from our root.
        .or_else(|_| by_name("/", mapping))
}

/// `/proc/PID/map_files/START-END`: needs `CAP_CHECKPOINT_RESTORE` or `CAP_SYS_ADMIN`, works for deleted files.
fn by_mapping(process: &Process, mapping: &Mapping) -> io::Result<MappedFile> {
    let path = process.live_path(&format!("map_files/{:x}-{:x}", mapping.range.start, mapping.range.end));
    let found = open(&*path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    // On overlayfs the inode numbers of `maps` may be those of another layer: the kernel's link is proof enough.
    check(&fstat(&found)?, |_| true)?;
    Ok(MappedFile { file: reopen(found)?, path: path.into() })
}

/// The mapping's name below a root.
fn by_name(root_path: &str, mapping: &Mapping) -> io::Result<MappedFile> {
    let root =
        openat2(CWD, root_path, path_only() | OFlags::DIRECTORY, Mode::empty(), ResolveFlags::empty())?;
    let name = OsStr::from_bytes(&mapping.path);
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let found = openat2(&root, name, path_only(), Mode::empty(), inside)?;
    let device = |stat: &Stat| (major(stat.st_dev), minor(stat.st_dev));
    check(&fstat(&found)?, |stat| (device(stat), stat.st_ino) == mapping.file())?;
    let path = PathBuf::from(root_path).join(name.to_string_lossy().trim_start_matches('/'));
    Ok(MappedFile { file: reopen(found)?, path })
}

fn path_only() -> OFlags {
    OFlags::PATH | OFlags::CLOEXEC
}

/// Refuses what is not a regular file, or not the file that is meant.
fn check(stat: &Stat, is_meant: impl FnOnce(&Stat) -> bool) -> io::Result<()> {
    if FileType::from_raw_mode(stat.st_mode).is_file() && is_meant(stat) {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not the regular file that is mapped"))
    }
}

/// Opens for reading what was opened as a mere path: the same file, whatever its name leads to by now.
fn reopen(found: impl AsFd) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", found.as_fd().as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(open(&*path, flags, Mode::empty())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::interpreters::skip;

    fn ours() -> (Process, Mapping) {
        let process = Process::open(std::process::id()).expect("our own process");
        let maps = process.maps().expect("our own maps");
        let mapping = maps.into_iter().find(|mapping| mapping.executable && mapping.inode != 0);
        (process, mapping.expect("our own text"))
    }

    #[test]
    fn both_ways_lead_to_the_file() {
        let (process, mapping) = ours();
        let inode = |opened: io::Result<MappedFile>| {
            let opened = opened.expect("our own executable");
            assert!(opened.path.exists(), "{}", opened.path.display());
            fstat(&opened.file).expect("an open file").st_ino
        };
        for root in [&*process.live_path("root"), "/"] {
            assert_eq!(inode(by_name(root, &mapping)), mapping.inode, "{root}");
        }
        match by_mapping(&process, &mapping) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                skip("map_files needs CAP_CHECKPOINT_RESTORE");
            }
            opened => assert_eq!(inode(opened), mapping.inode),
        }
    }

    #[test]
    fn another_file_of_the_name_is_refused() {
        let (process, mapping) = ours();
        let other = |change: fn(&mut Mapping)| {
            let mut mapping = mapping.clone();
            change(&mut mapping);
            by_name(&process.live_path("root"), &mapping).is_err()
        };
        assert!(other(|mapping| mapping.inode += 1), "inode");
        assert!(other(|mapping| mapping.device.1 += 1), "device");
        assert!(other(|mapping| mapping.path = b"/dev/null".to_vec()), "no regular file");
        assert!(other(|mapping| mapping.path = b"/proc/self/exe".to_vec()), "a magic link");
    }
}
