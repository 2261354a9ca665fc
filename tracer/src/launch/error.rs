//! Why a command does not run.

use std::io;

use crate::report::Name;

/// Why a command does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no command at all.
    #[error("cannot run a command: none was given; try tracer run -- python3 app.py")]
    Empty,
    /// It is not there, or what its first line names is not.
    #[error("cannot run {command}: no such command; try its path, or another PATH")]
    NotFound {
        /// As it was asked for.
        command: Name,
    },
    /// It is no program.
    #[error("cannot run {command}: it is not executable; try chmod +x, or its interpreter")]
    NotExecutable {
        /// As it was asked for.
        command: Name,
    },
    /// There is nobody of that name.
    #[error("cannot run {command}: there is no user {user}; try another --user")]
    NoUser {
        /// As it was asked for.
        command: Name,
        /// Likewise.
        user: Name,
    },
    /// Anything else that the system said.
    #[error("cannot run {command}: {cause}; try it without tracer")]
    Other {
        /// As it was asked for.
        command: Name,
        /// What the system said.
        cause: io::Error,
    },
}

impl Error {
    /// What the system's refusal means.
    pub(super) fn new(command: &Name, cause: io::Error) -> Self {
        let command = command.clone();
        match cause.kind() {
            io::ErrorKind::NotFound => Self::NotFound { command },
            io::ErrorKind::PermissionDenied => Self::NotExecutable { command },
            _ => Self::Other { command, cause },
        }
    }
}
