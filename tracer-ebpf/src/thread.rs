//! What is known of a thread: its entry, and what its switches add up to.

use tracer_common::control::Control;
use tracer_common::counters::Probe;
use tracer_common::event::kind;
use tracer_common::handler::Waited;
use tracer_common::python::status;
use tracer_common::switch::{Counted, SwitchValue, Thread, flag};

use crate::emit::{Outcome, header, send_record};
use crate::maps::THREADS;
use crate::task::Task;
use crate::turn::turn_waited;

/// In read-only data, since a program has only 512 bytes of stack.
// SAFETY: a struct of numbers.
static UNSEEN: Thread = unsafe { core::mem::zeroed() };

/// What the thread did until now; an empty entry at its first sight. It is to run on this CPU, where no other changes it.
#[inline(always)]
pub fn entry(tid: u32) -> Result<&'static mut Thread, Outcome> {
    match THREADS.get_ptr_mut(tid) {
        // SAFETY: entries are preallocated, and the thread is to run on this CPU: no other changes its entry.
        Some(thread) => Ok(unsafe { &mut *thread }),
        None => fresh(tid),
    }
}

/// The empty entry of a thread that has not run yet, whatever is left there of another with its id.
#[inline(always)]
pub fn fresh(tid: u32) -> Result<&'static mut Thread, Outcome> {
    THREADS.insert(tid, &UNSEEN, 0).map_err(Outcome::refused)?;
    // SAFETY: a preallocated entry that no other CPU changes now.
    THREADS.get_ptr_mut(tid).map(|thread| unsafe { &mut *thread }).ok_or(Outcome::MAP_BUSY)
}

/// A thread that was off its CPU when the window began, asleep or waiting for one, and that user space has not read:
/// where is not known.
#[inline(always)]
pub fn began_before(task: Task, thread: &mut Thread, flags: u32) {
    thread.key.pid = task.pid();
    thread.key.tid = task.tid();
    thread.key.syscall = -1;
    thread.key.after_call = -1;
    thread.key.flags = flag::BEGAN_BEFORE | flags;
    thread.key.status = status::UNRESOLVED;
}

/// The current thread leaves its CPU for the last time: what the kernel has counted of it. A global function, see
/// [`crate::python::walk`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn send_counts(now: u64) -> u32 {
    let task = Task::current();
    let counted = Counted {
        header: header(kind::COUNTED, size_of::<Counted>(), now, task),
        voluntary: task.voluntary_switches(),
        involuntary: task.involuntary_switches(),
    };
    // SAFETY: a value on this program's stack.
    unsafe { send_record(Probe::Switch as u32, (&raw const counted).cast(), size_of::<Counted>() as u64) };
    0
}

/// The thread was off its CPU for so long, for the reason that its row gives.
#[inline(always)]
pub fn add_wait(thread: &mut Thread, gap: &SwitchValue) {
    thread.off_cpu_ns += gap.off_cpu_ns;
    if thread.key.flags & flag::GIL != 0 {
        thread.gil_ns += gap.off_cpu_ns;
    } else {
        thread.run_queue_ns += gap.run_queue_ns;
    }
    if thread.turns != 0 {
        turn_waited(thread.key.tid, gap.off_cpu_ns, gap.run_queue_ns);
    }
}

/// What a thread has waited for so far, the wait that goes on included.
#[inline(always)]
pub fn waited(control: &Control, tid: u32, now: u64) -> Waited {
    let Some(thread) = THREADS.get_ptr(tid) else { return Waited::default() };
    // SAFETY: a preallocated entry. It may change meanwhile, each word by itself, if another thread asks.
    unsafe { &*thread }.waited(control.started_ns, now)
}
