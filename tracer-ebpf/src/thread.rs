//! What the switches of a thread add up to.

use tracer_common::control::Control;
use tracer_common::handler::Waited;
use tracer_common::switch::{SwitchValue, Thread, flag};

use crate::maps::THREADS;

/// The thread was off its CPU for so long, for the reason that its row gives.
#[inline(always)]
pub fn add_wait(thread: &mut Thread, gap: &SwitchValue) {
    thread.off_cpu_ns += gap.off_cpu_ns;
    if thread.key.flags & flag::GIL != 0 {
        thread.gil_ns += gap.off_cpu_ns;
    }
}

/// What a thread has waited for so far, the wait that goes on included.
#[inline(always)]
pub fn waited(control: &Control, tid: u32, now: u64) -> Waited {
    let Some(thread) = THREADS.get_ptr(tid) else { return Waited::default() };
    // SAFETY: a preallocated entry. It may change meanwhile, each word by itself, if another thread asks.
    let thread = unsafe { &*thread };
    let since = thread.since_ns.max(control.started_ns);
    // Also of a thread that asks for itself: its return may not have been seen.
    let open = if thread.running == 0 { now.saturating_sub(since) } else { 0 };
    let gil = thread.key.flags & flag::GIL != 0;
    Waited {
        off_cpu_ns: thread.off_cpu_ns + open,
        gil_ns: thread.gil_ns + if gil { open } else { 0 },
        known: 1,
        asleep: u32::from(thread.running == 0 && thread.runnable_ns == 0),
    }
}
