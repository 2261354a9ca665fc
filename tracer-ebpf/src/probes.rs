//! One file per family of hooks.

mod direct_map;
mod entry;
mod gc;
mod handler;
mod opening;
mod process;
mod sample;
mod signal;
mod switch;
mod syscall;
mod tasks;
mod wakeup;
