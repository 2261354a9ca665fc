//! A recording: what the analysis was given, what ids stood for, and how the run stood, once a second.
//!
//! ```text
//!  file    magic, version │ block │ block │ block …       append-only, each block whole or not there
//!  block   header with lengths and checksums │ zstd of records, one after the other
//!  records what was learnt │ events │ how the run stands   in the first block also how it began
//! ```
//! Rows that were added up in the kernel are in there as they were drained, so that they have a grain of a second. The
//! state of the run counts from its start on: a recording that was cut anywhere still says what was lost.
//!
//! Records are postcard's: positions in enums and structs are the format. Who changes an event, or another type of a
//! record, raises [`VERSION`].

mod before;
mod block;
mod file;
mod flight;
mod reader;
mod record;
mod recorder;
#[cfg(test)]
mod samples;
mod standing;

pub use before::Before;
pub use file::{RecordingEnd, RecordingFile};
pub use flight::{FlightRecorder, Saved};
pub use reader::{Damage, ReadError, Reader};
pub use record::{Malformed, Record, Records};
pub use recorder::{Recorder, Save, Sink};
pub use standing::{Opening, RecordCounts, Standing, Unread, Usage};

/// What a recording begins with: no text file does, and one that was transferred as text shows it.
pub const MAGIC: [u8; 8] = *b"\x89TRC\r\n\x1a\n";
/// Which records there are, and of what they consist.
pub const VERSION: u32 = 2;

/// A recording of one block with this in it.
#[cfg(any(test, fuzzing))]
#[must_use]
pub fn of_block(raw: &[u8]) -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_le_bytes(), &block::pack(raw)].concat()
}
