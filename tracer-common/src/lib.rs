//! What the probes in the kernel and the tracer in user space both know: the shape of what crosses between them.
//!
//! No logic beyond identity hashes. Every type is `repr(C)` with fixed-width integers and a size that is asserted
//! at compile time; ids are never reused. One module per event family, named as its probe, its decoder and its
//! analysis are.
#![no_std]
#![warn(missing_docs)]

pub mod control;
pub mod counters;
pub mod event;
pub mod file;
pub mod gc;
pub mod gil;
pub mod handler;
pub mod hash;
mod kernel_fields;
pub mod pages;
pub mod process;
pub mod python;
pub mod sample;
pub mod signal;
pub mod switch;
pub mod syscall;
pub mod target;
pub mod task;
pub mod turn;
pub mod wakeup;

/// Marks map keys and values as plain data for aya, in user space only.
macro_rules! pod {
    ($($name:ty),+ $(,)?) => { $(
        // SAFETY: `repr(C)`, integers only, padding spelled out as fields: every bit pattern is a value.
        #[cfg(feature = "user")]
        unsafe impl aya::Pod for $name {}
    )+ };
}
pub(crate) use pod;

/// Fails the build when a wire type changes its size by accident.
macro_rules! sized {
    ($($name:ty = $bytes:expr),+ $(,)?) => { $( const _: () = assert!(size_of::<$name>() == $bytes); )+ };
}
pub(crate) use sized;
