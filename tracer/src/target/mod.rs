//! Which process, which interpreter, which version: everything that is known of a target before a probe is attached,
//! and what its sleeping threads do.

pub mod allowance;
pub mod asleep;
pub mod asyncio;
pub mod collector;
pub mod comm;
pub mod discover;
pub mod elf;
pub mod epilogue;
pub mod error;
pub mod eval;
mod gil;
pub mod handler_call;
pub mod maps;
pub mod masks;
pub mod namespace;
pub mod open;
pub mod process;
mod record;
pub mod runtime;
pub mod signals;
pub mod sleep;
mod slot;
pub mod threads;
pub mod version;

#[cfg(test)]
mod parked;

pub use asleep::{Asleep, asleep};
pub use discover::{Interpreter, discover, discover_briefly};
pub use error::Error;
pub use masks::Masks;
pub use process::Process;
