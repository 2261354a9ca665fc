//! Where CPython keeps its garbage collector's state, and which function collects.

use std::ops::RangeInclusive;

/// Where one release keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collector {
    /// The `int` that is 1 during a collection.
    pub collecting: Place,
    /// Bytes from there to `garbage`, a list.
    pub garbage: u64,
    /// What it counts by generation.
    pub statistics: Statistics,
    /// The function that does one collection and returns, best first; a compiler may have made clones of it.
    pub functions: &'static [&'static str],
    /// Which argument of the function is the generation, counted from 1.
    pub generation_argument: u32,
    /// The function looks for itself whether a collection goes on.
    pub checks: bool,
}

/// Where a variable lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has no external linkage.
    Variable(&'static str),
    /// At this offset in `_PyRuntime`.
    Runtime(u32),
    /// At this offset in an interpreter state.
    Interpreter(u32),
    /// The target tells where in an interpreter state.
    DebugOffsets,
}

/// Where the counts lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// There are none.
    None,
    /// A variable without external linkage.
    Variable(&'static str),
    /// Just before `collecting`: three generations of three words each.
    Before,
    /// The word before `collecting` points at them.
    Rings,
}

impl Statistics {
    /// Bytes from the start of the counts, or of the pointer to them, to `collecting`.
    #[must_use]
    pub fn distance(self) -> Option<u64> {
        match self {
            Self::Before => Some(72),
            Self::Rings => Some(8),
            Self::None | Self::Variable(_) => None,
        }
    }
}

/// Releases whose numbers are alike share a block.
#[rustfmt::skip] // one block per release: a review sees what moved
const RELEASES: &[(RangeInclusive<(u8, u8)>, Collector)] = &[
    // https://github.com/python/cpython/blob/v2.7.18/Modules/gcmodule.c
    ((2, 7)..=(2, 7), Collector { collecting: Place::Variable("collecting"), garbage: 8, statistics: Statistics::None,
        functions: &["collect"], generation_argument: 1, checks: false }),
    // https://github.com/python/cpython/blob/v3.6.15/Modules/gcmodule.c
    ((3, 6)..=(3, 6), Collector { collecting: Place::Variable("collecting"), garbage: 8, statistics: Statistics::Variable("generation_stats"),
        functions: &["collect"], generation_argument: 1, checks: false }),
    // https://github.com/python/cpython/blob/v3.7.16/Include/internal/mem.h
    ((3, 7)..=(3, 7), Collector { collecting: Place::Runtime(632), garbage: 8, statistics: Statistics::Before,
        functions: &["collect"], generation_argument: 1, checks: false }),
    // https://github.com/python/cpython/blob/v3.8.18/Include/internal/pycore_pymem.h
    ((3, 8)..=(3, 8), Collector { collecting: Place::Runtime(544), garbage: 8, statistics: Statistics::Before,
        functions: &["collect"], generation_argument: 2, checks: false }),
    // https://github.com/python/cpython/blob/v3.9.18/Include/internal/pycore_gc.h
    ((3, 9)..=(3, 9), Collector { collecting: Place::Interpreter(816), garbage: 8, statistics: Statistics::Before,
        functions: &["collect"], generation_argument: 2, checks: false }),
    // https://github.com/python/cpython/blob/v3.10.13/Modules/gcmodule.c
    ((3, 10)..=(3, 10), Collector { collecting: Place::Interpreter(816), garbage: 8, statistics: Statistics::Before,
        functions: &["gc_collect_main"], generation_argument: 2, checks: false }),
    // https://github.com/python/cpython/blob/v3.11.7/Modules/gcmodule.c
    ((3, 11)..=(3, 11), Collector { collecting: Place::Interpreter(848), garbage: 8, statistics: Statistics::Before,
        functions: &["gc_collect_main"], generation_argument: 2, checks: false }),
    // https://github.com/python/cpython/blob/v3.12.1/Modules/gcmodule.c
    ((3, 12)..=(3, 12), Collector { collecting: Place::Interpreter(312), garbage: 8, statistics: Statistics::Before,
        functions: &["gc_collect_main"], generation_argument: 2, checks: false }),
    // https://github.com/python/cpython/blob/v3.13.0/Python/gc.c
    ((3, 13)..=(3, 14), Collector { collecting: Place::DebugOffsets, garbage: 8, statistics: Statistics::Before,
        functions: &["gc_collect_main", "_PyGC_Collect"], generation_argument: 2, checks: true }),
    // https://github.com/python/cpython/blob/v3.15.0/Include/internal/pycore_interp_structs.h
    ((3, 15)..=(3, 15), Collector { collecting: Place::DebugOffsets, garbage: 16, statistics: Statistics::Rings,
        functions: &["gc_collect_main", "_PyGC_Collect"], generation_argument: 2, checks: true }),
];

/// `PyInterpreterState.stoptheworld` of builds without GIL.
/// <https://github.com/python/cpython/blob/v3.13.0/Include/internal/pycore_interp.h>
#[must_use]
pub fn stop_the_world(release: (u8, u8)) -> Option<u32> {
    match release {
        (3, 13) => Some(10744),
        (3, 14) => Some(10848),
        (3, 15) => Some(10800),
        _ => None,
    }
}

impl Collector {
    /// Of a release, if it is known.
    #[must_use]
    pub fn of(release: (u8, u8)) -> Option<&'static Self> {
        RELEASES.iter().find(|(releases, _)| releases.contains(&release)).map(|(_, collector)| collector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::releases::LAYOUTS;

    #[test]
    fn every_release_is_known() {
        assert!(LAYOUTS.iter().all(|layout| Collector::of(layout.release).is_some()));
        assert_eq!(Collector::of((3, 16)), None);
    }
}
