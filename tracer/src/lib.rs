//! What running CPython processes do at their boundary with Linux, each event tied to the Python line that caused it: the
//! `tracer` command as a library.
//!
//! [`Trace`] watches processes for a while and returns a [`Report`], [`dump()`] says where their threads are now, and
//! [`signals()`] what each signal would do to them. Nothing is injected, and no process is stopped.
//!
//! ```no_run
//! # // Not run, since it needs root.
//! let report = tracer::Trace::builder()
//!     .pid(4242)
//!     .only(&[tracer::Section::Reads])
//!     .duration(std::time::Duration::from_secs(5))
//!     .run()?;
//! for read in &report.reads.rows {
//!     println!("{}: {} calls", read.path, read.syscalls);
//! }
//! # Ok::<(), tracer::Error>(())
//! ```

mod error;
mod face;

pub use dispositions::Signals;
pub use dump::Dump;
pub use error::{Error, ErrorKind};
pub use face::{Trace, TraceBuilder, dump, signals};
pub use report::Report;
pub use sections::Section;

pub mod report;

mod clock;
mod cpython;
mod kernel;
mod python;
mod quick;
mod sys;

// What the command and the benchmarks are made of. It is nobody else's, and may change at any time.
#[doc(hidden)]
pub mod analysis;
#[doc(hidden)]
pub mod attach;
#[doc(hidden)]
pub mod decode;
#[doc(hidden)]
pub mod diff;
#[doc(hidden)]
pub mod dispositions;
#[doc(hidden)]
pub mod doctor;
#[doc(hidden)]
pub mod dump;
#[doc(hidden)]
pub mod event;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
#[doc(hidden)]
pub mod launch;
#[doc(hidden)]
pub mod limits;
#[doc(hidden)]
pub mod process;
#[doc(hidden)]
pub mod ps;
#[doc(hidden)]
pub mod recording;
#[doc(hidden)]
pub mod redact;
#[doc(hidden)]
pub mod roots;
#[doc(hidden)]
pub mod sections;
#[doc(hidden)]
pub mod selection;
#[doc(hidden)]
pub mod session;
#[doc(hidden)]
pub mod symbols;
#[doc(hidden)]
pub mod timeline;
#[doc(hidden)]
pub mod units;
