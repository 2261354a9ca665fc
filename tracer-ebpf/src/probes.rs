//! One file per family of hooks.

mod entry;
mod handler;
mod process;
mod sample;
mod signal;
mod switch;
mod syscall;
