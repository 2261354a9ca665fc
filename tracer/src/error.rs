//! Why there is no answer, and of what kind that is.

use crate::{attach, process};

/// Why there is no answer: one line that names the act, the object, the cause and the next step.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum Error {
    /// A process cannot be read.
    Target(#[from] process::Error),
    /// The kernel does not take the probes.
    Attach(#[from] attach::Error),
}

/// Kinds of errors that somebody may want to treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such process any more.
    Gone,
    /// A right is missing.
    NotPermitted,
    /// The process runs no CPython that is known.
    NotPython,
    /// The kernel lacks something, or refuses the probes.
    Kernel,
    /// Anything else.
    Other,
}

impl Error {
    /// Of what kind it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Target(error) => error.kind(),
            Self::Attach(error) => error.kind(),
        }
    }
}
