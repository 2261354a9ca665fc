//! The switches that user space turns while the probes run.

use crate::{pod, sized};

/// Most frames that are kept of a stack, whatever was asked.
pub const MAX_DEPTH: usize = 1024;

/// Helper number that stands for `bpf_rdonly_cast` in the object file, until the loader rewrites its calls.
pub const RDONLY_CAST_PLACEHOLDER: u32 = 0x7fff_0001;

/// The one entry of the `CONTROL` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// 1 while probes work; 0 makes each return before it counts anything.
    pub running: u32,
    /// Aggregates carry this number in their keys, so that a finished epoch can be drained while the next one fills.
    pub epoch: u32,
    /// Start of the window, nanoseconds of `CLOCK_MONOTONIC`.
    pub started_ns: u64,
    /// Which detail has been shed, see `SHED_*`.
    pub shed: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

/// Shed: at switches only the innermost frame is taken.
pub const SHED_SWITCH_STACKS: u32 = 1;
/// Shed: at reads the call site is not taken.
pub const SHED_READ_SITES: u32 = 2;
sized!(Control = 24);
pod!(Control);
