//! Python's signal handlers: watchpoints on the flags that CPython sets when a signal arrives, and clears just before
//! it calls the handler. <https://github.com/python/cpython/blob/v3.12.0/Modules/signalmodule.c>
//! (`_PyErr_CheckSignalsTstate`)

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_loop;
use aya_ebpf::macros::perf_event;
use aya_ebpf::programs::PerfEventContext;
use tracer_common::control::Control;
use tracer_common::counters::Probe;
use tracer_common::event::kind;
use tracer_common::handler::{ENTRY_BYTES, FUNCTION, Place, SIGNALS, Start};
use tracer_common::target::Target;

use crate::emit::{Outcome, counted, header, now, send};
use crate::maps::HANDLERS;
use crate::python::{called, send_site, walk};
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
        let signals = if flag == place.is_tripped { arrived(place) } else { signal_of(place, flag) };
        if signals == 0 {
            return Outcome::FILTERED; // a handler has raised, and CPython looks for signals again
        }
        start(control, at, task, target, place, signals)
    });
    0
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
fn start(control: &Control, at: u64, task: Task, target: &Target, place: &Place, signals: u64) -> Outcome {
    let stack = walk(Probe::Handler, task, target).id;
    let first = u64::from(signals.trailing_zeros()) + 1;
    let function = user::read(place.handlers + first * ENTRY_BYTES + FUNCTION).unwrap_or(0);
    let handler = called(Probe::Handler, target, place, function).unwrap_or_default();
    send_site(Probe::Handler, task, target, handler);
    send::<Start>(|event| {
        let start = Start {
            header: header(kind::HANDLER_START, size_of::<Start>(), at, task),
            stack,
            signals,
            space: target.space,
            code: handler.code,
            identity: handler.identity,
            pad: 0,
            waited: thread::waited(control, task.pid(), at),
        };
        // SAFETY: the entry has room for one event.
        unsafe { event.write(start) };
    })
}
