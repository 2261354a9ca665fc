//! The GIL: which thread holds it while others wait. An interpreter beside the main one may have a GIL of its own, which
//! has a queue of its own here; 0 stands for the main interpreter's.
//!
//! Time is charged piece by piece to the thread that held the GIL: when a thread goes to sleep for it, to the holder that
//! it sees; when it is handed over, to the thread that does so; when a waiter returns, to the holder that was seen last;
//! when the holder leaves its CPU or returns, to the holder itself. Each moment in which threads wait is charged once,
//! however many they are. From the hand-over until the thread that was woken up comes to a CPU nobody holds it, unless the
//! thread that gave it away is seen to have it again. A piece off the CPU has the line that it left at. A piece on the CPU has none: the line at which
//! it ends is the one that gives the GIL away, and not the one that ran. Samples show which lines ran.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use tracer_common::counters::Probe;
use tracer_common::gil::{
    GILS, HoldKey, Holder, LAST_HOLDER, LOCKED, Pthread, Queue, QueueKey, QueueWords, is_linked, pass,
};
use tracer_common::python::{Frame, Python};
use tracer_common::switch::{Thread, flag};
use tracer_common::target::Target;
use tracer_common::wakeup::FUTEX;

use crate::direct::Memory;
use crate::emit::{NO_EXIST, Outcome, add, replace, row};
use crate::maps::{HOLDS, PTHREADS, QUEUES, THREADS};
use crate::narrow::low;
use crate::python::own_gil;
use crate::scratch::{self, copy, raise, zero};
use crate::task::{Task, target};
use crate::user;

/// Values of [`Thread::waits_for_gil`].
const ASLEEP: u32 = 1;
const HANDED: u32 = 2;

/// No queue yet. In read-only data, since a program has only 512 bytes of stack.
// SAFETY: a struct of numbers.
static EMPTY: Queue = unsafe { core::mem::zeroed() };

/// Whether the current thread, which sleeps on a futex, does so for this GIL: on a word of it, or with musl on one of its own
/// stack.
#[inline(always)]
pub fn is_slept_on(gil: u64, bytes: u32, futex: u64, stack_pointer: u64) -> bool {
    futex.wrapping_sub(gil) < u64::from(bytes) || leads_to(gil, futex, stack_pointer) != 0
}

/// Whether the current thread waits for a GIL, where the C library makes it sleep on its own stack. A global function, see
/// [`crate::python::walk`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn leads_to(gil: u64, futex: u64, stack_pointer: u64) -> u32 {
    /// It has come last, unless others came since it let go of the mutex.
    const NEWER: u32 = 7;
    let memory = Memory::current();
    u32::from(is_linked(gil, futex, stack_pointer, NEWER, |address| user::word(memory, address)))
}

/// What the current thread, which leaves its CPU, sees: that it holds the GIL itself, or which thread does when it goes to
/// sleep for it. A global function, see [`crate::python::walk`], by what lies in the scratch buffer.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn gil_at_leave(now: u64, slice: u32) -> u32 {
    let task = Task::current();
    let Some(scratch) = scratch::of_probe(Probe::Switch) else { return Outcome::MAP_BUSY.0 };
    let Some(thread) = THREADS.get_ptr_mut(task.tid()) else { return Outcome::MAP_BUSY.0 };
    // SAFETY: a preallocated entry; the thread is on this CPU, so that no other switch touches it.
    let thread = unsafe { &mut *thread };
    if scratch.switch.key.flags & flag::DEAD != 0 {
        forget_thread(task, thread);
        return Outcome::AGGREGATED.0;
    }
    introduce(task, thread);
    const ASLEEP_FOR_IT: u32 = flag::GIL | flag::VOLUNTARY;
    let waits = scratch.switch.key.flags & ASLEEP_FOR_IT == ASLEEP_FOR_IT;
    if !waits {
        // Which one a thread waits for has been found by where it sleeps.
        thread.gil = own_gil(Probe::Switch as u32);
    }
    let holder = holder_pthread(&scratch.target.python, scratch.memory, thread.gil);
    let is_own = holder == thread.pthread;
    if is_own {
        raise(&mut scratch.switch.key.flags, flag::HOLDS_GIL);
    }
    if !waits && !is_own && !is_last_holder(task, thread.gil) {
        return Outcome::AGGREGATED.0;
    }
    let Some(queue) = queue(task.pid(), thread.gil) else { return Outcome::AGGREGATED.0 };
    let waited = pass(&Shared(queue), now, u64::from(waits));
    let seen = match (is_own, waits) {
        // It cannot wait for itself: the GIL changed hands between the two reads.
        (true, true) => 0,
        (true, false) => task.tid(),
        (false, _) => tid(task, holder),
    };
    // A thread that was woken up for it, and loses its CPU before it finds that the other one has it again, never had it.
    let had_it = !waits && !is_own && (seen == 0 || seen != queue.giver_tid);
    let charged = if had_it { task.tid() } else { seen };
    let waited = waited + queue.see(seen);
    let outcome = charge(task.pid(), scratch.target.space, slice, queue, charged, waited);
    if waits {
        thread.waits_for_gil = ASLEEP;
    }
    if waits || !is_own {
        return outcome.0;
    }
    queue.away_site.code = zero();
    if scratch.switch.key.stack != 0 {
        copy(&mut queue.away_site, &scratch.stack.frames[0]);
    }
    queue.away_tid = task.tid();
    outcome.0
}

/// A thread that has waited for the GIL, or left with it, is on a CPU again. It waits no longer: it takes the GIL, or
/// finds that another has it, and goes back to sleep. A global function, see [`crate::python::walk`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn gil_at_arrive(pid: u32, tid: u32, now: u64, slice: u32) -> u32 {
    let (Some(thread), Some(target)) = (THREADS.get_ptr_mut(tid), target(pid)) else {
        return Outcome::MAP_BUSY.0;
    };
    // SAFETY: a preallocated entry; the thread comes to this CPU, so that no other switch touches it.
    let thread = unsafe { &mut *thread };
    let Some(queue) = queue(pid, thread.gil) else { return Outcome::AGGREGATED.0 };
    let left_with_it = queue.away_tid == tid;
    let change = if thread.waits_for_gil == 0 { 0 } else { u64::MAX };
    let was_handed = thread.waits_for_gil == HANDED;
    thread.waits_for_gil = 0;
    let waited = pass(&Shared(queue), now, change);
    let holder = if left_with_it { tid } else { queue.holder_tid };
    if holder == 0 {
        queue.add_unseen(waited);
    }
    let outcome = charge(pid, target.space, slice, queue, holder, waited);
    if left_with_it {
        queue.away_tid = 0;
    }
    if was_handed {
        queue.holder_tid = tid;
    }
    outcome.0
}

/// A thread that waits for the GIL is woken up: by the thread that gives it away, or since its time is up. It goes on to
/// wait until it runs. Meanwhile the thread that gave the GIL away may take it again, or run without it.
#[inline(always)]
pub fn woken(now: u64, slice: u32, task: Task, target: &Target, thread: &mut Thread) -> Outcome {
    let waker = &thread.waker;
    let handed_over = waker.tid != 0 && waker.pid == task.pid() && waker.syscall == FUTEX;
    if thread.waits_for_gil == 0 || !handed_over {
        return Outcome::AGGREGATED;
    }
    let Some(queue) = queue(task.pid(), thread.gil) else { return Outcome::AGGREGATED };
    thread.waits_for_gil = HANDED;
    let waited = pass(&Shared(queue), now, 0) + queue.see(waker.tid);
    let outcome = charge(task.pid(), target.space, slice, queue, waker.tid, waited);
    queue.give(waker.tid);
    outcome
}

/// Whether the current thread, which runs, holds the GIL while others sleep for it.
#[inline(always)]
pub fn keeps_others_waiting(task: Task, target: &Target) -> bool {
    if target.python.gil_holder == 0 {
        return false;
    }
    let gil = own_gil(Probe::Sample as u32);
    if !is_waited_for(task.pid(), gil) {
        return false;
    }
    let Some(scratch) = scratch::of_probe(Probe::Sample) else { return false };
    holder_pthread(&target.python, scratch.memory, gil) == task.fsbase()
}

#[inline(always)]
fn is_last_holder(task: Task, gil: u64) -> bool {
    // SAFETY: a preallocated entry; one word of it.
    QUEUES.get_ptr(key(task.pid(), gil)).is_some_and(|queue| unsafe { (*queue).holder_tid } == task.tid())
}

#[inline(always)]
fn is_waited_for(pid: u32, gil: u64) -> bool {
    // SAFETY: a preallocated entry; one word of it.
    QUEUES
        .get_ptr(key(pid, gil))
        .is_some_and(|queue| unsafe { (&raw const (*queue).waiters).read_volatile().cast_signed() > 0 })
}

/// `pthread_self()` of the thread that holds this GIL; 0 where none does. The thread that gave it up last stays the
/// last holder. <https://github.com/python/cpython/blob/v3.12.0/Python/ceval_gil.c#L229>
#[inline(always)]
fn holder_pthread(python: &Python, memory: Memory, gil: u64) -> u64 {
    let (holder, locked) = match gil {
        0 => (python.gil_holder, python.gil_locked),
        gil => (gil + LAST_HOLDER, gil + LOCKED),
    };
    if user::word(memory, locked).map(low) != Some(1) {
        return 0;
    }
    let Some(state) = user::word(memory, holder) else { return 0 };
    user::word(memory, state + u64::from(python.layout.thread_id)).unwrap_or(0)
}

/// The interpreter knows threads by what `pthread_self` returns.
#[inline(always)]
fn introduce(task: Task, thread: &mut Thread) {
    let pointer = task.fsbase();
    if thread.pthread != pointer {
        thread.pthread = pointer;
        // Without room its holds are reported as no thread's.
        let _ = PTHREADS.insert(Pthread { pointer, pid: task.pid(), pad: 0 }, task.tid(), 0);
    }
}

#[inline(always)]
fn forget_thread(task: Task, thread: &Thread) {
    let _ = PTHREADS.remove(Pthread { pointer: thread.pthread, pid: task.pid(), pad: 0 });
}

/// The process is gone, or executes another program: no thread waits for the GILs that it had. A global function, see
/// [`crate::python::walk`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn forget_queues(pid: u32) -> u32 {
    let mut next = key(pid, 0);
    // SAFETY: `forget_step` has the signature that the helper wants, and `next` outlives the loop.
    unsafe { bpf_loop(GILS, forget_step as *mut c_void, (&raw mut next).cast(), 0) };
    0
}

/// Forgets one, and goes on to that which was made before it.
#[inline(never)]
unsafe extern "C" fn forget_step(_index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` hands on what it was given.
    let key = unsafe { &mut *context.cast::<QueueKey>() };
    // SAFETY: a preallocated entry; one word of it.
    let before = QUEUES.get_ptr(*key).map_or(0, |queue| unsafe { (*queue).before });
    let _ = QUEUES.remove(*key);
    key.gil = before;
    i64::from(before == 0)
}

#[inline(always)]
fn tid(task: Task, pointer: u64) -> u32 {
    let pthread = Pthread { pointer, pid: task.pid(), pad: 0 };
    // SAFETY: one word.
    PTHREADS.get_ptr(pthread).map_or(0, |tid| unsafe { *tid })
}

#[inline(always)]
fn key(pid: u32, gil: u64) -> QueueKey {
    QueueKey { gil, pid, pad: 0 }
}

/// The queue of a GIL; `None` where there is no room for it, whose holders are not reported then.
#[inline(always)]
fn queue(pid: u32, gil: u64) -> Option<&'static mut Queue> {
    let key = key(pid, gil);
    if QUEUES.get_ptr(key).is_none() && QUEUES.insert(key, &EMPTY, NO_EXIST).is_ok() && gil != 0 {
        link(pid, gil);
    }
    // SAFETY: a preallocated entry of plain words.
    QUEUES.get_ptr_mut(key).map(|queue| unsafe { &mut *queue })
}

/// The main interpreter's queue leads to all others of its process, the newest first.
#[inline(always)]
fn link(pid: u32, gil: u64) {
    let _ = QUEUES.insert(key(pid, 0), &EMPTY, NO_EXIST);
    let (Some(main), Some(new)) = (QUEUES.get_ptr_mut(key(pid, 0)), QUEUES.get_ptr_mut(key(pid, gil))) else {
        return;
    };
    // SAFETY: words of preallocated entries. Of two that come at once one may not be found again: it stays until the map
    // is made anew.
    unsafe {
        (*new).before = (*main).before;
        (*main).before = gil;
    }
}

/// A preallocated entry, which another CPU may write meanwhile.
struct Shared(*mut Queue);

impl QueueWords for Shared {
    #[inline(always)]
    fn waiters(&self) -> u64 {
        // SAFETY: a word of a preallocated entry.
        unsafe { (&raw const (*self.0).waiters).read_volatile() }
    }

    #[inline(always)]
    fn since(&self) -> u64 {
        // SAFETY: as above.
        unsafe { (&raw const (*self.0).since_ns).read_volatile() }
    }

    #[inline(always)]
    fn replace_since(&self, since: u64, now: u64) -> bool {
        // SAFETY: as above.
        replace(unsafe { &raw mut (*self.0).since_ns }, since, now)
    }

    #[inline(always)]
    fn add_waiters(&self, change: u64) {
        // SAFETY: as above.
        add(unsafe { &raw mut (*self.0).waiters }, change);
    }
}

#[inline(always)]
fn charge(pid: u32, space: u64, slice: u32, queue: &Queue, holder: u32, waited: u64) -> Outcome {
    if waited == 0 || holder == 0 {
        return Outcome::AGGREGATED;
    }
    let nowhere = Frame { code: zero(), instruction: 0, identity: 0 };
    let site = if queue.away_tid == holder { queue.away_site } else { nowhere };
    let key = HoldKey { holder: Holder { site, tid: holder, pad: 0 }, space, pid, slice };
    match row(&HOLDS, &key, &0) {
        Ok((held, _)) => {
            // SAFETY: this CPU's row; a program that this one interrupted adds to it before or after.
            unsafe { *held += waited };
            Outcome::AGGREGATED
        }
        Err(refused) => refused,
    }
}
