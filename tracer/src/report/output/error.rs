//! Why a report cannot be written.

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::report::{Format, Name};

/// Why a report cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Neither the extension nor `-f` says what to write.
    #[error("cannot write {path}: its extension names no format; try {}, or -f FORMAT", endings())]
    UnknownFormat {
        /// As it was asked for.
        path: Name,
    },
    /// Something is there that is not ours to replace.
    #[error("cannot write {path}: {obstacle}; try another name")]
    Occupied {
        /// As it was asked for.
        path: Name,
        /// What is there.
        obstacle: Obstacle,
    },
    /// The path leads through a link that somebody else may turn elsewhere.
    #[error("cannot write {path}: {link} is another user's link; try the path it points to")]
    ForeignLink {
        /// As it was asked for.
        path: Name,
        /// The link.
        link: Name,
    },
    /// The directory does not take a file.
    #[error("cannot create {path}: {}; try another directory", plain(.cause))]
    Create {
        /// As it was asked for.
        path: Name,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The file does not take the report.
    #[error("cannot write {path}: {}; try {}", plain(.cause), remedy(.cause))]
    Write {
        /// As it was asked for.
        path: Name,
        /// What the kernel said.
        cause: io::Error,
    },
    /// Standard output does not take the report.
    #[error("cannot write to stdout: {}; try -o FILE", plain(.0))]
    Stdout(io::Error),
}

impl OutputError {
    pub(super) fn unknown_format(path: &Path) -> Self {
        Self::UnknownFormat { path: name(path) }
    }

    pub(super) fn occupied(path: &Path, obstacle: Obstacle) -> Self {
        Self::Occupied { path: name(path), obstacle }
    }

    pub(super) fn foreign_link(path: &Path, link: &Path) -> Self {
        Self::ForeignLink { path: name(path), link: name(link) }
    }

    pub(crate) fn create(path: &Path, cause: impl Into<io::Error>) -> Self {
        Self::Create { path: name(path), cause: cause.into() }
    }

    pub(crate) fn write(path: &Path, cause: impl Into<io::Error>) -> Self {
        Self::Write { path: name(path), cause: cause.into() }
    }

    /// Whether the command line is at fault, not the system.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::UnknownFormat { .. })
    }
}

/// What stands where the report should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A symbolic link.
    Link,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A device or a socket.
    Device,
    /// A file that has other names as well.
    HardLinked,
    /// A file of a user who did not ask for the report.
    Foreign,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "it is a symbolic link",
            Self::Directory => "it is a directory",
            Self::Fifo => "it is a named pipe",
            Self::Device => "it is a device or a socket",
            Self::HardLinked => "the file has several names (hard links)",
            Self::Foreign => "it is another user's file",
        })
    }
}

fn name(path: &Path) -> Name {
    Name::new(path.as_os_str().as_bytes())
}

fn endings() -> String {
    Format::ALL.iter().map(|format| format.ending()).collect::<Vec<_>>().join(", ")
}

/// What helps where a file takes no more.
#[must_use]
pub fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::FileTooLarge => "ulimit -f unlimited",
        _ => "another disk",
    }
}

/// The kernel's word in the house's style: `no space left on device`.
#[must_use]
pub fn plain(cause: &io::Error) -> String {
    let words = cause.to_string();
    let words = words.split(" (os error").next().unwrap_or_default();
    words.to_lowercase()
}
