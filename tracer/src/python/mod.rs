//! Which interpreter a process runs, of which version, and where what the probes need lies in its memory; and what its
//! sleeping threads do.
//!
//! What a release of CPython looks like, whatever process runs it, is in [`crate::cpython`].

pub mod asleep;
pub mod asyncio;
pub(crate) mod collected;
pub mod discover;
pub mod epilogue;
pub mod eval;
pub mod gc;
mod gil;
pub mod handler_call;
pub(crate) mod instructions;
pub mod runtime;
pub mod signals;
mod slot;
pub mod threads;
pub mod version;

#[cfg(test)]
mod parked;

pub use asleep::Asleep;
pub use discover::{Interpreter, discover, discover_briefly};
