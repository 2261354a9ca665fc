//! Python's signal handlers: watchpoints on the flags that CPython sets when a signal arrives, and clears just before
//! it calls the handler; and breakpoints at the functions that do so, where ends are asked for or watchpoints are not to
//! be had. <https://github.com/python/cpython/blob/v3.12.0/Modules/signalmodule.c> (`_PyErr_CheckSignalsTstate`)

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_loop;
use aya_ebpf::macros::{perf_event, uprobe, uretprobe};
use aya_ebpf::programs::{PerfEventContext, ProbeContext, RetProbeContext};
use tracer_common::control::Control;
use tracer_common::counters::Probe;
use tracer_common::event::kind;
use tracer_common::handler::{Check, ENTRY_BYTES, End, FUNCTION, Place, SIGNALS, Start};
use tracer_common::target::Target;

use crate::emit::{Outcome, counted, counted_preemptible, header, now, send};
use crate::maps::{CHECKS, HANDLERS};
use crate::python::{function, send_site, walk};
use crate::task::Task;
use crate::thread;
use crate::user;

/// `bpf_perf_event_data.addr`, the watched address: after the registers and the sample period.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/bpf_perf_event.h>
const ADDRESS: usize = 176;

/// The main thread has written to a flag, in user mode.
#[perf_event]
pub fn handler(ctx: PerfEventContext) -> u32 {
    counted(Probe::Handler, |control| {
        let at = now();
        let task = Task::current();
        let Some(target) = task.target() else { return Outcome::FILTERED };
        let Some(place) = place(task) else { return Outcome::FILTERED };
        // SAFETY: inside of the context, which the verifier checks.
        let flag = unsafe { ctx.as_ptr().cast::<u8>().add(ADDRESS).cast::<u64>().read_volatile() };
        // A signal sets it; a page that was written to just now is resident.
        if user::read::<u32>(flag) != Some(0) {
            return Outcome::FILTERED;
        }
        let called = if flag == place.is_tripped {
            Called::of(arrived(place), place)
        } else {
            Called { signals: signal_of(place, flag), exact: true }
        };
        start(Probe::Handler, &Moment { control, at, task, target, place }, called)
    });
    0
}

/// A function that looks for signals is entered: CPython does so between two instructions, and some C functions do.
/// Handlers that run make it look again, from inside.
#[uprobe]
pub fn check_entry(_ctx: ProbeContext) -> u32 {
    counted_preemptible(Probe::Check, |control| {
        let (at, task) = (now(), Task::current());
        let Some(target) = task.target() else { return Outcome::FILTERED };
        let Some((place, check)) = checked(task) else { return Outcome::FILTERED };
        let call = 1 << (check.depth & 63);
        check.depth += 1;
        if user::read::<u32>(place.is_tripped) != Some(1) {
            check.tripped &= !call;
            return Outcome::FILTERED;
        }
        check.tripped |= call;
        if place.at_check == 0 {
            return Outcome::FILTERED;
        }
        let called = Called::of(arrived(place), place);
        start(Probe::Check, &Moment { control, at, task, target, place }, called)
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
        send::<End>(|event| {
            let header = header(kind::HANDLER_END, size_of::<End>(), at, task);
            // SAFETY: the entry has room for one event.
            unsafe { event.write(End { header, level, pad: 0 }) };
        })
    });
    0
}

/// What is known of the current thread's looking for signals, if it is a main thread: only that one calls handlers.
#[inline(always)]
fn checked(task: Task) -> Option<(&'static Place, &'static mut Check)> {
    if task.tid() != task.pid() {
        return None;
    }
    // SAFETY: a preallocated entry, of the thread that runs.
    Some((place(task)?, unsafe { &mut *CHECKS.get_ptr_mut(task.tid())? }))
}

#[inline(always)]
fn place(task: Task) -> Option<&'static Place> {
    // SAFETY: entries are preallocated, so that the memory outlives this program's run.
    HANDLERS.get_ptr(task.pid()).map(|place| unsafe { &*place })
}

/// The signal whose own flag this is, as a set.
#[inline(always)]
fn signal_of(place: &Place, flag: u64) -> u64 {
    let index = flag.wrapping_sub(place.handlers) / ENTRY_BYTES;
    1 << (index.wrapping_sub(1) & 63)
}

/// The search for signals that have arrived.
#[repr(C)]
struct Search {
    handlers: u64,
    signals: u64,
}

/// Signals whose handlers are called now, one after another.
#[derive(Clone, Copy)]
struct Called {
    signals: u64,
    exact: bool,
}

impl Called {
    /// Of those that have arrived, the ones that do not tell of themselves.
    #[inline(always)]
    fn of(arrived: u64, place: &Place) -> Self {
        let signals = arrived & !place.watched;
        // CPython calls the lowest number first.
        Self { signals, exact: signals.trailing_zeros() == arrived.trailing_zeros() }
    }
}

/// What happens now, and to whom.
struct Moment {
    control: &'static Control,
    at: u64,
    task: Task,
    target: &'static Target,
    place: &'static Place,
}

/// All signals that have arrived.
#[inline(always)]
fn arrived(place: &Place) -> u64 {
    let mut search = Search { handlers: place.handlers, signals: 0 };
    // SAFETY: `search_step` has the signature that the helper wants, and `search` outlives the loop.
    unsafe { bpf_loop(SIGNALS, search_step as *mut c_void, (&raw mut search).cast(), 0) };
    search.signals
}

#[inline(never)]
unsafe extern "C" fn search_step(index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` hands on what it was given.
    let search = unsafe { &mut *context.cast::<Search>() };
    let flag = search.handlers + (index + 1) * ENTRY_BYTES;
    search.signals |= u64::from(user::read::<u32>(flag) == Some(1)) << (index & 63);
    0
}

#[inline(always)]
fn start(probe: Probe, moment: &Moment, called: Called) -> Outcome {
    let Moment { control, at, task, target, place } = *moment;
    if called.signals == 0 {
        return Outcome::FILTERED; // a handler has raised, and CPython looks for signals again
    }
    let stack = walk(probe, target).id;
    let first = u64::from(called.signals.trailing_zeros()) + 1;
    let function = user::read(place.handlers + first * ENTRY_BYTES + FUNCTION).unwrap_or(0);
    let handler = function::called(probe, target, place, function).unwrap_or_default();
    send_site(probe, target, handler);
    // SAFETY: a preallocated entry, of the thread that runs.
    let level = CHECKS.get_ptr(task.tid()).map_or(0, |check| unsafe { (*check).depth });
    send::<Start>(|event| {
        let start = Start {
            header: header(kind::HANDLER_START, size_of::<Start>(), at, task),
            stack,
            signals: called.signals,
            space: target.space,
            code: handler.code,
            identity: handler.identity,
            level,
            exact: u32::from(called.exact),
            pad: 0,
            waited: thread::waited(control, task.pid(), at),
        };
        // SAFETY: the entry has room for one event.
        unsafe { event.write(start) };
    })
}
