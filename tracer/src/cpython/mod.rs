//! CPython's objects: how they lie in memory, release by release, and how frames, names and lines are read from them.
//!
//! Nothing here knows a process: whatever can read memory is a [`memory::Memory`].

pub mod code;
pub mod debug_offsets;
pub mod gc;
pub mod layout;
pub mod linetable;
pub mod memory;
pub mod pages;
pub mod releases;
pub mod signals;
pub mod text;
pub mod walk;
mod wire;

#[cfg(test)]
pub(crate) mod interpreters;
