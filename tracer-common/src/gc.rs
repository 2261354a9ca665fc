//! The garbage collector: when it runs, and what each run did.

use crate::event::Header;
use crate::{pod, sized};

/// Generations of objects, the youngest first.
pub const GENERATIONS: usize = 3;
/// In place of a figure that is not known.
pub const UNKNOWN: u32 = u32::MAX;
/// Pauses that are shorter keep only their innermost frame, and nobody is asked who waited meanwhile.
pub const LONG_NS: u64 = 1_000_000;

/// Where one process's collector keeps what the probes read.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Collector {
    /// Address of the `int` that is 1 while it runs; 0 where that is not known.
    pub collecting: u64,
    /// Address of its statistics by generation, or, with [`flag::RINGS`], of a pointer to them; 0 where there are none.
    pub statistics: u64,
    /// Without GIL: address of the word that names the thread state for which all others stand still; 0 with one.
    pub requester: u64,
    /// Which argument of the collecting function is the generation, counted from 1; 0 where that is not known.
    pub generation_argument: u32,
    /// See [`flag`].
    pub flags: u32,
}

/// Flags of [`Collector`].
pub mod flag {
    /// The statistics of a generation are a ring of its last collections (3.15).
    pub const RINGS: u32 = 1;
    /// The collecting function checks by itself whether a collection goes on (3.13 and later).
    pub const CHECKS: u32 = 2;
    /// The GIL's struct says which thread state holds it (3.7 and later).
    pub const HOLDER: u32 = 4;
    /// Beside [`RINGS`]: each has one entry (3.15 without GIL).
    pub const SINGLE: u32 = 8;
}

/// The rings: where each begins, and where the index of its last entry is.
/// <https://github.com/python/cpython/blob/v3.15.0/Include/internal/pycore_interp_structs.h>
pub const RINGS: [(u64, u64); GENERATIONS] = [(0, 704), (712, 904), (912, 1104)];
/// Likewise with [`flag::SINGLE`].
pub const SINGLE_RINGS: [(u64, u64); GENERATIONS] = [(0, 64), (72, 136), (144, 208)];
/// Bytes of an entry, and where its [`Counts`] are.
pub const RING_ENTRY: u64 = 64;
/// See there.
pub const RING_COUNTS: u64 = 16;

/// What the collector has counted of one generation.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Collections that have ended.
    pub collections: u64,
    /// Objects that they freed.
    pub collected: u64,
}

/// A collection that goes on in one thread.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// Since then, in nanoseconds of `CLOCK_MONOTONIC`.
    pub since_ns: u64,
    /// The stack pointer at its begin, and again at its end.
    pub stack_pointer: u64,
    /// As they stood at its begin.
    pub counts: [Counts; GENERATIONS],
    /// As its caller said, or [`UNKNOWN`].
    pub generation: u32,
    /// 1 where `counts` could be read.
    pub counted: u32,
    /// Its process.
    pub pid: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

/// A collection has ended. The header names the thread that it ran in.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pause {
    /// Its kind is [`crate::event::kind::GC_PAUSE`], its time that of the end.
    pub header: Header,
    /// When it began, in nanoseconds of `CLOCK_MONOTONIC`.
    pub since_ns: u64,
    /// Where: the innermost frame alone if it was shorter than [`LONG_NS`].
    pub stack: u64,
    /// Objects that it freed; `u64::MAX` where that is not known.
    pub collected: u64,
    /// Generation, or [`UNKNOWN`].
    pub generation: u32,
    /// Threads of the process that waited for the GIL at its end; [`UNKNOWN`] where they were not counted.
    pub waiters: u32,
}

/// A sample fell into a collection; a record, beside the sample's row.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    /// Its kind is [`crate::event::kind::GC_SAMPLE`].
    pub header: Header,
    /// Where.
    pub stack: u64,
    /// Collections that had ended before, of all generations: distinguishes one from the next. 0 where that is not known.
    pub number: u64,
}

sized!(Collector = 32, Counts = 16, Collection = 80, Pause = 24 + 32, Sampled = 40);
pod!(Collector, Collection);
