//! The garbage collector's own counts, and whether a thread holds the GIL.

use tracer_common::gc::{Collector, Counts, GENERATIONS, RING_COUNTS, RING_ENTRY, RINGS, SINGLE_RINGS, flag};
use tracer_common::target::Target;

use super::state::thread_state;
use crate::direct::Memory;
use crate::narrow::low;
use crate::task::Task;
use crate::user;

/// `struct gc_generation_stats`: collections, collected, uncollectable.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/internal/pycore_gc.h>
type Plain = [u64; 3];

/// What the collector has counted so far; `None` where that is not known.
#[inline(always)]
pub fn counts(collector: &Collector) -> Option<[Counts; GENERATIONS]> {
    if collector.statistics == 0 {
        return None;
    }
    if collector.flags & flag::RINGS != 0 {
        let rings = user::read::<u64>(collector.statistics)?;
        let [young, middle, old] = if collector.flags & flag::SINGLE == 0 { RINGS } else { SINGLE_RINGS };
        return Some([newest(rings, young)?, newest(rings, middle)?, newest(rings, old)?]);
    }
    let [young, middle, old] = user::read::<[Plain; GENERATIONS]>(collector.statistics)?;
    let of = |[collections, collected, _]: Plain| Counts { collections, collected };
    Some([of(young), of(middle), of(old)])
}

#[inline(always)]
fn newest(rings: u64, (start, index): (u64, u64)) -> Option<Counts> {
    let entry = user::read::<u8>(rings + index)?;
    user::read(rings + start + u64::from(entry) * RING_ENTRY + RING_COUNTS)
}

/// Whether all threads stand still for the current one.
#[inline(always)]
pub fn has_stopped_others(task: Task, target: &Target) -> bool {
    let python = &target.python;
    let Ok(state) = thread_state(python, Memory::current(), task.fsbase()) else { return false };
    user::read(python.collector.requester) == Some(state)
}

/// Whether the current thread has the GIL: `last_holder` and `locked` of a `_gil_runtime_state`.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/internal/pycore_gil.h>
#[inline(always)]
pub fn holds_gil(task: Task, target: &Target) -> bool {
    let python = &target.python;
    let Ok(state) = thread_state(python, Memory::current(), task.fsbase()) else { return false };
    let [holder, locked] = user::read::<[u64; 2]>(python.gil + 8).unwrap_or_default();
    holder == state && low(locked) == 1
}
