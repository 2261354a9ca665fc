//! The GIL: who holds it, and for how long others wait meanwhile.
//!
//! Time is charged piece by piece, to whoever is seen to hold the GIL at the end of a piece: when a thread goes to
//! sleep for it, to the holder that it sees; when it is handed over, to whoever does so; when a thread's time is up, to
//! the holder that it saw before. Each moment in which somebody waits is charged once, however many do.

use tracer_common::counters::Probe;
use tracer_common::gil::{HoldKey, Holder, Pthread, Queue};
use tracer_common::python::{Frame, Python, status};
use tracer_common::switch::{Thread, flag};
use tracer_common::target::Target;
use tracer_common::wakeup::FUTEX;

use crate::direct::Memory;
use crate::emit::{Outcome, add, row};
use crate::maps::{HOLDS, PTHREADS, QUEUES, THREADS};
use crate::python::leaf_of_state;
use crate::scratch::{self, copy, raise, zero};
use crate::task::{Task, target};
use crate::user;

/// What the current thread, which leaves its CPU, sees: that it holds the GIL itself, or who does when it goes to sleep
/// for it. A global function, see [`crate::python::walk`], by what lies in the scratch buffer.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn gil_at_leave(now: u64, slice: u32) -> u32 {
    let task = Task::current();
    let Some(scratch) = scratch::of_probe(Probe::Switch) else { return Outcome::MAP_BUSY.0 };
    let Some(thread) = THREADS.get_ptr_mut(task.tid()) else { return Outcome::MAP_BUSY.0 };
    // SAFETY: a preallocated entry; the thread is on this CPU, so that no other switch touches it.
    let thread = unsafe { &mut *thread };
    if scratch.switch.flags & flag::DEAD != 0 {
        forget(task, thread);
        return Outcome::AGGREGATED.0;
    }
    introduce(task, thread);
    let holder = holder(&scratch.target.python, scratch.memory);
    let is_own = holder.pthread == thread.pthread;
    if is_own {
        raise(&mut scratch.switch.flags, flag::HOLDS_GIL);
    }
    const ASLEEP_FOR_IT: u32 = flag::GIL | flag::VOLUNTARY;
    if scratch.switch.flags & ASLEEP_FOR_IT != ASLEEP_FOR_IT {
        return Outcome::AGGREGATED.0;
    }
    let site = Frame { code: zero(), instruction: 0, identity: 0 };
    thread.holder = Holder { site, tid: if is_own { 0 } else { tid(task, holder.pthread) }, pad: 0 };
    if leaf_of_state(Probe::Switch as u32, holder.state) == status::OK {
        copy(&mut thread.holder.site, &scratch.leaf);
    }
    thread.waits_for_gil = 1;
    let waited = pass(task.pid(), now, 1);
    charge(task.pid(), scratch.target.space, slice, thread.holder, waited).0
}

/// A thread that has waited for the GIL is on a CPU again: its time was up, or it was handed the GIL and that was told
/// already. A global function, see [`crate::python::walk`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn gil_at_arrive(pid: u32, tid: u32, now: u64, slice: u32) -> u32 {
    let (Some(thread), Some(target)) = (THREADS.get_ptr_mut(tid), target(pid)) else {
        return Outcome::MAP_BUSY.0;
    };
    // SAFETY: a preallocated entry; the thread comes to this CPU, so that no other switch touches it.
    let thread = unsafe { &mut *thread };
    thread.waits_for_gil = 0;
    let waited = pass(pid, now, u64::MAX);
    charge(pid, target.space, slice, thread.holder, waited).0
}

/// A thread that waits for the GIL is woken up. When its time is up, it goes on to wait until it has looked.
#[inline(always)]
pub fn woken(now: u64, slice: u32, task: Task, target: &Target, thread: &mut Thread) -> Outcome {
    let waker = &thread.waker;
    let handed_over = waker.tid != 0 && waker.pid == task.pid() && waker.syscall == FUTEX;
    if thread.waits_for_gil == 0 || !handed_over {
        return Outcome::AGGREGATED;
    }
    thread.waits_for_gil = 0;
    let holder = Holder { site: waker.site, tid: waker.tid, pad: 0 };
    let waited = pass(task.pid(), now, u64::MAX);
    charge(task.pid(), target.space, slice, holder, waited)
}

/// Who holds the GIL.
struct Holding {
    /// Its thread state; 0 for nobody.
    state: u64,
    pthread: u64,
}

/// Whoever gives it up stays the last holder.
/// <https://github.com/python/cpython/blob/v3.12.0/Python/ceval_gil.c#L229>
#[inline(always)]
fn holder(python: &Python, memory: Memory) -> Holding {
    let nobody = Holding { state: 0, pthread: 0 };
    if user::read::<i32>(python.gil_locked) != Some(1) {
        return nobody;
    }
    let Some(state) = user::word(memory, python.gil_holder) else { return nobody };
    let pthread = user::word(memory, state + u64::from(python.layout.thread_id)).unwrap_or(0);
    Holding { state, pthread }
}

/// The interpreter knows threads by what `pthread_self` returns.
#[inline(always)]
fn introduce(task: Task, thread: &mut Thread) {
    let pointer = task.fsbase();
    if thread.pthread != pointer {
        thread.pthread = pointer;
        // Without room its holds are told as nobody's.
        let _ = PTHREADS.insert(Pthread { pointer, pid: task.pid(), pad: 0 }, task.tid(), 0);
    }
}

#[inline(always)]
fn forget(task: Task, thread: &Thread) {
    let _ = PTHREADS.remove(Pthread { pointer: thread.pthread, pid: task.pid(), pad: 0 });
    if task.is_last_thread() {
        let _ = QUEUES.remove(task.pid());
    }
}

#[inline(always)]
fn tid(task: Task, pointer: u64) -> u32 {
    let pthread = Pthread { pointer, pid: task.pid(), pad: 0 };
    // SAFETY: one word.
    PTHREADS.get_ptr(pthread).map_or(0, |tid| unsafe { *tid })
}

/// One more thread waits for the GIL, or one less: how long others have waited since the last time that this was told.
#[inline(always)]
fn pass(pid: u32, now: u64, change: u64) -> u64 {
    let Some(queue) = QUEUES.get_ptr_mut(pid) else {
        let _ = QUEUES.insert(pid, Queue { waiters: change, since_ns: now }, 0);
        return 0;
    };
    // SAFETY: a preallocated entry. Two CPUs may both take the same piece: they would have to come within the same
    // few nanoseconds.
    unsafe {
        let since = (&raw const (*queue).since_ns).read_volatile();
        (&raw mut (*queue).since_ns).write_volatile(now);
        let waiters = (&raw const (*queue).waiters).read_volatile();
        add(&raw mut (*queue).waiters, change);
        if waiters as i64 > 0 { now.saturating_sub(since) } else { 0 }
    }
}

#[inline(always)]
fn charge(pid: u32, space: u64, slice: u32, holder: Holder, waited: u64) -> Outcome {
    if waited == 0 || holder.tid == 0 {
        return Outcome::AGGREGATED;
    }
    let key = HoldKey { holder, space, pid, slice };
    match row(&HOLDS, &key, &0) {
        Ok((held, _)) => {
            // SAFETY: this CPU's row; a program that this one interrupted adds to it before or after.
            unsafe { *held += waited };
            Outcome::AGGREGATED
        }
        Err(refused) => refused,
    }
}
