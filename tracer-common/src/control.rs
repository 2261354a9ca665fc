//! The switches that user space turns while the probes run.

use crate::{pod, sized};

/// Most frames that are kept of a stack, whatever was asked.
pub const MAX_DEPTH: usize = 1024;
/// Steps of a walk for each frame that it keeps: at most one boundary to C lies between two Python functions, and one
/// step more finds out whether there is another.
pub const STEPS_PER_FRAME: u32 = 3;

/// Helper number that stands for `bpf_rdonly_cast` in the object file, until the loader rewrites its calls.
pub const RDONLY_CAST_PLACEHOLDER: u32 = 0x7fff_0001;

/// The one entry of the `CONTROL` map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// 1 while probes work; 0 makes each return before it counts anything.
    pub running: u32,
    /// Aggregates carry it in their keys, see [`slice()`].
    pub epoch: u32,
    /// Start of the window, nanoseconds of `CLOCK_MONOTONIC`.
    pub started_ns: u64,
    /// Which detail has been shed, see `SHED_*`.
    pub shed: u32,
    /// Callers are read one time in 2 to the power of this, see [`MOST_THINNING`]; 0 each time.
    pub thinning: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
    /// The pid namespace of the tracer: how deep it lies below the initial one, which is 0.
    pub pid_level: u32,
    /// Its address in the kernel, where it is not the initial one.
    pub pid_namespace: u64,
    /// Where the kernel's mapping of all memory begins; 0 where that is not known.
    pub direct_map: u64,
    /// Address of the kernel's variable that says so, 0 where it has none.
    pub page_offset_base: u64,
}

/// The epoch and the CPU of a row, as aggregates carry them in their keys: a finished epoch can be drained while the
/// next one fills, and a row is added to on one CPU only.
#[inline(always)]
#[must_use]
pub const fn slice(epoch: u32, cpu: u32) -> u32 {
    epoch << 16 | cpu & 0xffff
}

/// Whether a [`slice()`] is of this epoch, as far as it remembers.
#[must_use]
pub const fn is_of_epoch(slice: u32, epoch: u32) -> bool {
    slice >> 16 == epoch & 0xffff
}

/// Shed: at reads the call site is not taken.
pub const SHED_READ_SITES: u32 = 1;
/// [`Control::thinning`] at most: one in 32. A walk costs 3 % of what it did then, which leaves little to save; with one in
/// 1,024 two callers of 15,000 sleeps were reported in the wrong order of their times.
pub const MOST_THINNING: u32 = 5;
sized!(Control = 56);
pod!(Control);

/// Rows that the maps of aggregates have room for, two epochs of them; for two CPUs. `--room` multiplies them.
pub mod rows {
    /// Wide values, but a thread has few reasons to leave its CPU.
    pub const SWITCHES: u32 = 32768;
    /// As many as there are rows of switches, nearly, since most sleeps have one waker.
    pub const WAKEUPS: u32 = 16384;
    /// Who held the GIL while others waited.
    pub const HOLDS: u32 = 4096;
    /// The widest value by far, so there are fewer.
    pub const READS: u32 = 8192;
    /// Sizes that found no slot in their row: few, since a row has room for 16.
    pub const READ_SIZES: u32 = 2048;
    /// Functions that the evaluation function was entered for.
    pub const ENTRIES: u32 = 4096;

    /// By the names of the maps.
    pub const ALL: [(&str, u32); 6] = [
        ("SWITCHES", SWITCHES),
        ("WAKEUPS", WAKEUPS),
        ("HOLDS", HOLDS),
        ("READS", READS),
        ("READ_SIZES", READ_SIZES),
        ("ENTRIES", ENTRIES),
    ];
}
