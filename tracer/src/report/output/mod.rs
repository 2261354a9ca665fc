//! Where the report goes: stdout, or a file that nobody else could have prepared.
//!
//! `tracer` runs as root, often in a directory where others may write. So a file is written under a name of our own in
//! the opened directory and renamed at the end; what is already there is replaced only if it is a plain file of
//! the person who asked. Under sudo that is the caller, with whose rights all of it is done. It is opened before tracing begins, so that nobody waits for a report that cannot be kept.

mod directory;
mod draft;
mod error;
mod file_thread;
mod growing;
mod invoker;

pub(crate) use draft::Draft;
pub use growing::GrowingFile;
pub use invoker::Invoker;

pub use error::{Obstacle, OutputError, plain, remedy};

use std::io::{self, Write};
use std::path::Path;

use super::Format;
use crate::sys::closed;
use file_thread::FileThread;

/// An open place for one report. Dropped without [`finish`](Self::finish), it leaves nothing behind.
#[derive(Debug)]
pub struct Destination {
    /// What to write there.
    pub format: Format,
    place: OutputSink,
}

#[derive(Debug)]
enum OutputSink {
    Stdout,
    File(FileThread),
}

impl Destination {
    /// Standard output.
    pub fn stdout(format: Format) -> Self {
        Self { format, place: OutputSink::Stdout }
    }

    /// The file that `--output` names, `-` being stdout. Without a `format` the name's extension decides.
    pub fn open(path: &Path, format: Option<Format>) -> Result<Self, OutputError> {
        Self::open_for(&Invoker::current(), path, format)
    }

    fn open_for(invoker: &Invoker, path: &Path, format: Option<Format>) -> Result<Self, OutputError> {
        if path.as_os_str() == "-" {
            return Ok(Self::stdout(format.unwrap_or(Format::Text)));
        }
        let format =
            format.or_else(|| Format::from_path(path)).ok_or_else(|| OutputError::unknown_format(path))?;
        Ok(Self { format, place: OutputSink::File(FileThread::begin(invoker, path)?) })
    }

    /// Whether the report goes to standard output.
    pub fn is_stdout(&self) -> bool {
        matches!(self.place, OutputSink::Stdout)
    }

    /// Writes the whole report; a file appears under its name only now.
    pub fn finish(self, report: &[u8]) -> Result<(), OutputError> {
        match self.place {
            OutputSink::Stdout => write_stdout(report).map_err(OutputError::Stdout),
            OutputSink::File(thread) => thread.finish(report),
        }
    }
}

/// Whether stdout takes anything: the standard library hides that it was closed.
///
/// # Errors
/// When it was closed from the beginning.
pub fn check_stdout() -> io::Result<()> {
    closed::stdout()
}

fn write_stdout(report: &[u8]) -> io::Result<()> {
    check_stdout()?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(report)?;
    stdout.flush()
}

#[cfg(test)]
mod tests;
