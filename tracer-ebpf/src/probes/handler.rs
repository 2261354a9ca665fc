//! Python's signal handlers: a breakpoint in the function that puts their arguments together; and breakpoints at the
//! functions that look for signals, where ends are asked for.
//! <https://github.com/python/cpython/blob/v3.12.0/Modules/signalmodule.c> (`_PyErr_CheckSignalsTstate`)

use aya_ebpf::macros::{uprobe, uretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};
use tracer_common::control::Control;
use tracer_common::counters::Probe;
use tracer_common::event::kind;
use tracer_common::handler::{Check, ENTRY_BYTES, FUNCTION, HandlerAddresses, HandlerEnd, SIGNALS, Start};
use tracer_common::python::Frame;
use tracer_common::target::Target;

use crate::emit::{Outcome, claim, counted_preemptible, header, now, release, send};
use crate::maps::{CHECKS, HANDLERS};
use crate::python::function::{self, type_of};
use crate::python::{send_site, walk};
use crate::scratch;
use crate::task::Task;
use crate::thread;
use crate::user;

/// Arguments are put together for a call from C. CPython calls a handler with the signal and the frame, and hardly
/// anything else with a small number and a frame.
///
/// proto (3.12): `PyObject *Py_BuildValue("(iO)", int i, PyObject *frame)`
#[uprobe]
pub fn handler(ctx: ProbeContext) -> u32 {
    counted_preemptible(Probe::Handler, |control| {
        let (at, task) = (now(), Task::current());
        // Both are read where they lie: one load at a place that is chosen would be no load from the context.
        let (signal, frame) = (ctx.arg::<u32>(1).unwrap_or(0), ctx.arg::<u64>(2).unwrap_or(0));
        let is_signal = (1..=SIGNALS).contains(&signal);
        let Some(target) = task.target().filter(|_| is_signal) else { return Outcome::FILTERED };
        let Some(place) = place_of_main(task) else { return Outcome::FILTERED };
        if frame != place.none && type_of(place, frame) != Some(place.frame_type) {
            return Outcome::FILTERED;
        }
        start(control, &HandlerMoment { at, task, target, place }, signal)
    });
    0
}

/// A function that looks for signals is entered: CPython does so between two instructions, and some C functions do.
/// Handlers that run make it check again, from inside.
#[uprobe]
pub fn check_entry(_ctx: ProbeContext) -> u32 {
    counted_preemptible(Probe::Check, |_| {
        let Some((place, check)) = checked(Task::current()) else { return Outcome::FILTERED };
        let call = 1 << (check.depth & 63);
        check.depth += 1;
        let has_some = user::read::<u32>(place.is_tripped) == Some(1);
        check.tripped = if has_some { check.tripped | call } else { check.tripped & !call };
        Outcome::FILTERED
    });
    0
}

/// It returns.
#[uretprobe]
pub fn check_return(_ctx: RetProbeContext) -> u32 {
    counted_preemptible(Probe::Check, |_| {
        let (at, task) = (now(), Task::current());
        let Some((_, check)) = checked(task) else { return Outcome::FILTERED };
        let level = check.depth;
        if level == 0 {
            return Outcome::FILTERED; // it was entered before it was watched
        }
        check.depth = level - 1;
        if check.tripped >> ((level - 1) & 63) & 1 == 0 {
            return Outcome::FILTERED;
        }
        send::<HandlerEnd>(|event| {
            let header = header(kind::HANDLER_END, size_of::<HandlerEnd>(), at, task);
            // SAFETY: the entry has room for one event.
            unsafe { event.write(HandlerEnd { header, level, pad: 0 }) };
        })
    });
    0
}

/// What is known of the current thread's checks for signals, if it is a main thread.
#[inline(always)]
fn checked(task: Task) -> Option<(&'static HandlerAddresses, &'static mut Check)> {
    // SAFETY: a preallocated entry, of the thread that runs.
    Some((place_of_main(task)?, unsafe { &mut *CHECKS.get_ptr_mut(task.tid())? }))
}

/// Only main threads call handlers.
#[inline(always)]
fn place_of_main(task: Task) -> Option<&'static HandlerAddresses> {
    if task.tid() != task.pid() {
        return None;
    }
    // SAFETY: entries are preallocated, so that the memory outlives this program's run.
    HANDLERS.get_ptr(task.pid()).map(|place| unsafe { &*place })
}

/// What happens now, and in which process.
struct HandlerMoment {
    at: u64,
    task: Task,
    target: &'static Target,
    place: &'static HandlerAddresses,
}

/// Sends that a signal's handler is called, with its stack and function unless a thread that was preempted here is in the
/// middle of putting its own together.
#[inline(always)]
fn start(control: &Control, moment: &HandlerMoment, signal: u32) -> Outcome {
    let HandlerMoment { at, task, target, place } = *moment;
    let (mut stack, mut handler) = (0, Frame::default());
    let Some(room) = scratch::of_probe(Probe::Handler) else { return Outcome::FILTERED };
    let busy = &raw mut room.busy;
    if claim(busy) {
        stack = walk(Probe::Handler, target).id;
        let function = place.handlers + u64::from(signal) * ENTRY_BYTES + FUNCTION;
        let function = user::read(function).unwrap_or(0);
        handler = function::called(Probe::Handler, target, place, function).unwrap_or_default();
        send_site(Probe::Handler, target, handler);
        release(busy);
    }
    // SAFETY: a preallocated entry, of the thread that runs.
    let level = CHECKS.get_ptr(task.tid()).map_or(0, |check| unsafe { (*check).depth });
    send::<Start>(|event| {
        let start = Start {
            header: header(kind::HANDLER_START, size_of::<Start>(), at, task),
            stack,
            space: target.space,
            code: handler.code,
            identity: handler.identity,
            signal,
            level,
            pad: 0,
            waited: thread::waited(control, task.pid(), at),
        };
        // SAFETY: the entry has room for one event.
        unsafe { event.write(start) };
    })
}
