//! Why a command came to nothing.

use std::io;

use tracer::launch;
use tracer::limits::TooLow;
use tracer::recording::ReadError;
use tracer::report::output::{self, OutputError, plain};
use tracer::report::saved::SavedError;
use tracer::{ErrorKind, attach, process};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("no process was given; try tracer ps, then tracer --pid PID")]
    NoPid,
    #[error("cannot write several formats to stdout: it takes one; try -o NAME")]
    ManyFormats,
    #[error("cannot write a diff as {0}; try .txt, .json, .md or .svg")]
    NoDiff(&'static str),
    #[error("no Python process is selected; try tracer ps, which lists them")]
    NoneSelected,
    #[error(transparent)]
    Limits(#[from] TooLow),
    #[error(transparent)]
    Target(#[from] process::Error),
    #[error(transparent)]
    Attach(#[from] attach::Error),
    #[error(transparent)]
    Launch(#[from] launch::Error),
    #[error("cannot record: no file was given; try -o FILE.trc")]
    NoRecording,
    #[error(transparent)]
    Recording(#[from] ReadError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Saved(#[from] SavedError),
    #[error("cannot act for the user who called sudo: {}; try without sudo", plain(.0))]
    Caller(io::Error),
    #[error("cannot write the events: {}; try {}", plain(.0), remedy(.0))]
    Stream(io::Error),
    #[error("cannot start: {0}; try again")]
    Runtime(io::Error),
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::BrokenPipe => "a reader that stays",
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge => output::remedy(error),
        _ => "-o FILE",
    }
}

impl Failure {
    /// What the contract says of it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoPid | Self::ManyFormats | Self::NoDiff(_) | Self::NoRecording => 2,
            Self::NoneSelected => 4,
            Self::Target(error) => exit_code(error.kind()),
            Self::Attach(error) => exit_code(error.kind()),
            Self::Output(error) if error.is_usage() => 2,
            Self::Limits(_) | Self::Launch(_) | Self::Output(_) | Self::Recording(_) => 1,
            Self::Saved(_) | Self::Caller(_) | Self::Stream(_) | Self::Runtime(_) => 1,
        }
    }
}

/// What the contract says of a library's error.
pub fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Gone => 4,
        ErrorKind::NotPermitted => 5,
        ErrorKind::NotPython => 6,
        ErrorKind::Kernel => 7,
        _ => 1,
    }
}
