//! Entries of the evaluation function: Python calls up to 3.10, calls from C into Python from 3.11 on.

use core::hint::black_box;

use aya_ebpf::macros::uprobe;
use aya_ebpf::programs::ProbeContext;
use tracer_common::counters::Probe;
use tracer_common::sample::EntryKey;

use crate::emit::{Outcome, add, claim, counted_preemptible, release, row, slice};
use crate::maps::ENTRIES;
use crate::python::{frame_at, send_site};
use crate::scratch;
use crate::task::Task;

/// `_PyEval_EvalFrameDefault` is entered.
///
/// proto (3.11): `PyThreadState *tstate, _PyInterpreterFrame *frame, int throwflag`; up to 3.8 the frame comes first
#[uprobe]
pub fn evaluation_entry(ctx: ProbeContext) -> u32 {
    counted_preemptible(Probe::Entry, |control| {
        let task = Task::current();
        let Some(target) = task.target() else { return Outcome::FILTERED };
        // Both are read where they lie: one load at a place that is chosen would be no load from the context.
        let (first, second) = (black_box(ctx.arg::<u64>(0)), black_box(ctx.arg::<u64>(1)));
        let argument = if target.python.entry_frame_argument == 0 { first } else { second };
        let Some(room) = scratch::of_probe(Probe::Entry) else { return Outcome::MAP_BUSY };
        let busy = &raw mut room.busy;
        // Another thread that was preempted here is in the middle of its own.
        if !claim(busy) {
            return Outcome::MAP_BUSY;
        }
        let frame = argument.and_then(|address| frame_at(Probe::Entry, target, address)).unwrap_or_default();
        let key = EntryKey {
            space: target.space,
            code: frame.code,
            identity: frame.identity,
            pid: task.pid(),
            slice: slice(control),
            pad: 0,
        };
        let outcome = match row(&ENTRIES, &key, &0) {
            Ok((count, fresh)) => {
                if fresh {
                    send_site(Probe::Entry, target, frame);
                }
                add(count, 1);
                Outcome::AGGREGATED
            }
            Err(refused) => refused,
        };
        release(busy);
        outcome
    });
    0
}
