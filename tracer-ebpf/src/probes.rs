//! One file per family of hooks.

mod entry;
mod process;
mod sample;
mod signal;
mod switch;
mod syscall;
