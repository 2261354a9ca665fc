//! Wakeups: when a traced thread becomes runnable, and whose system call did it.

use core::hint::black_box;

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tracer_common::control::Control;
use tracer_common::counters::Probe;
use tracer_common::python::status;
use tracer_common::switch::{Thread, flag};
use tracer_common::target::Target;
use tracer_common::wakeup::{WakeKey, Waker, can_wake};

use crate::emit::{Outcome, counted, now, row, slice};
use crate::gil;
use crate::kernel::{Typed, preempt_count};
use crate::maps::{THREADS, WAKEUPS};
use crate::python::{leaf, send_site};
use crate::scratch;
use crate::task::Task;

/// Somebody wakes a thread up: told by the waker, and before the thread is on a queue. That it is, `sched_wakeup` would
/// tell, by the CPU that puts it there: another program for every wakeup of the machine, which says little more.
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/sched/core.c#L4118>
///
/// proto: `struct task_struct *p`
#[btf_tracepoint(function = "sched_waking")]
pub fn sched_waking(ctx: BtfTracePointContext) -> i32 {
    counted(Probe::Waking, |control| {
        // SAFETY: the prototype says so.
        let task = unsafe { Task::new(ctx.arg::<Typed>(0)) };
        let Some(target) = task.target() else { return Outcome::FILTERED };
        let Some(thread) = THREADS.get_ptr_mut(task.tid()) else { return Outcome::FILTERED };
        // SAFETY: a preallocated entry; the kernel lets one thread at a time wake it up.
        let thread = unsafe { &mut *thread };
        note(Task::current(), task, thread);
        // On its way to sleep, perhaps: whether it does so, its next switch tells.
        thread.woken_early = thread.running;
        if thread.running == 1 {
            return Outcome::FILTERED;
        }
        runnable(control, task, target, thread)
    })
}

/// A new thread becomes runnable for the first time.
///
/// proto: `struct task_struct *p`
#[btf_tracepoint(function = "sched_wakeup_new")]
pub fn sched_wakeup_new(ctx: BtfTracePointContext) -> i32 {
    counted(Probe::Wakeup, |control| {
        // SAFETY: the prototype says so.
        let task = unsafe { Task::new(ctx.arg::<Typed>(0)) };
        let Some(target) = task.target() else { return Outcome::FILTERED };
        let Some(thread) = THREADS.get_ptr_mut(task.tid()) else { return Outcome::FILTERED };
        // SAFETY: a preallocated entry; its thread has not run yet.
        runnable(control, task, target, unsafe { &mut *thread })
    })
}

/// Whoever runs is the waker if it is in a system call that wakes others up, and not just interrupted.
#[inline(always)]
fn note(current: Task, task: Task, thread: &mut Thread) {
    /// `HARDIRQ_MASK | NMI_MASK`, and the bit that is set while softirqs are served.
    const INTERRUPTED: u32 = 0x00ff_0000;
    const SOFTIRQ: u32 = 0x100;
    thread.waker.tid = 0;
    let (tid, syscall, interrupts) = (current.tid(), current.own_call(), preempt_count());
    if !can_wake(syscall) || tid == task.tid() || interrupts & INTERRUPTED != 0 {
        return;
    }
    let in_softirq = u32::from(interrupts & SOFTIRQ != 0);
    let mut waker =
        Waker { comm: current.comm(), pid: current.pid(), tid, syscall, in_softirq, ..Waker::default() };
    if let Some(target) = current.target()
        && leaf(Probe::Waking, target) == status::OK
        && let Some(scratch) = scratch::of_probe(Probe::Waking)
    {
        (waker.site, waker.space) = (scratch.leaf, target.space);
        send_site(Probe::Waking, target, scratch.leaf);
    }
    thread.waker = waker;
}

#[inline(always)]
fn runnable(control: &Control, task: Task, target: &Target, thread: &mut Thread) -> Outcome {
    if thread.runnable_ns != 0 {
        thread.waker.tid = 0;
        return Outcome::FILTERED;
    }
    thread.runnable_ns = now();
    let held = gil::woken(thread.runnable_ns, slice(control), task, target, thread);
    // The compiler knows what a function of ours returns, and the verifier does not.
    match Outcome(black_box(add_wakeup(task.tid(), slice(control)))) {
        Outcome::AGGREGATED => held,
        refused => refused,
    }
}

/// Counts the wakeup of a thread, if somebody did it. A global function, see [`crate::python::walk`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn add_wakeup(tid: u32, slice: u32) -> u32 {
    let Some(thread) = THREADS.get_ptr_mut(tid) else { return Outcome::MAP_BUSY.0 };
    // SAFETY: a preallocated entry, of a thread that is being woken up by one other, or arrives on this CPU.
    let thread = unsafe { &mut *thread };
    // Who held the GIL is told by itself; who gave it on would be a row for each pair of stacks.
    if thread.waker.tid == 0 || thread.key.flags & flag::GIL != 0 {
        return Outcome::AGGREGATED.0;
    }
    let mut key = WakeKey { row: thread.key, waker: thread.waker };
    key.row.slice = slice;
    thread.waker.tid = 0;
    match row(&WAKEUPS, &key, &0) {
        Ok((wakeups, _)) => {
            // SAFETY: this CPU's row; a program that this one interrupted adds to it before or after.
            unsafe { *wakeups += 1 };
            Outcome::AGGREGATED.0
        }
        Err(refused) => refused.0,
    }
}
