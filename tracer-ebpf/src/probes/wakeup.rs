//! Wakeups: when a traced thread becomes runnable, and whose system call did it.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tracer_common::control::Control;
use tracer_common::counters::Probe;
use tracer_common::python::status;
use tracer_common::switch::{Thread, flag};
use tracer_common::wakeup::{WakeKey, Waker, can_wake};

use crate::emit::{Outcome, counted, now, row, slice};
use crate::gil;
use crate::kernel::{Typed, preempt_count};
use crate::maps::{THREADS, WAKEUPS};
use crate::python::{leaf, send_site};
use crate::scratch;
use crate::task::Task;
use crate::thread::{began_before, fresh};

/// A thread is woken up: always runs on the waker's CPU, whereas `sched_wakeup` runs on the CPU that puts the
/// thread on its queue, which may be another.
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/sched/core.c#L4118>
///
/// The thread may still be on its way to sleep. So the waker is only noted here, and counted by [`sched_wakeup`]; that
/// is also when the wait in the run queue begins, as the kernel counts it: to wake up a CPU that idles takes longer.
///
/// proto: `struct task_struct *p`
#[btf_tracepoint(function = "sched_waking")]
pub fn sched_waking(ctx: BtfTracePointContext) -> i32 {
    counted(Probe::Waking, |_| {
        // SAFETY: the tracepoint's prototype gives the argument this type.
        let task = unsafe { Task::new(ctx.arg::<Typed>(0)) };
        if task.target().is_none() {
            return Outcome::FILTERED;
        }
        let Some(thread) = THREADS.get_ptr_mut(task.tid()) else { return Outcome::FILTERED };
        // SAFETY: a preallocated entry; the kernel lets one thread at a time wake it up.
        let thread = unsafe { &mut *thread };
        note(Task::current(), task, thread)
    })
}

/// A thread becomes runnable.
///
/// proto: `struct task_struct *p`
#[btf_tracepoint(function = "sched_wakeup")]
pub fn sched_wakeup(ctx: BtfTracePointContext) -> i32 {
    runnable(&ctx)
}

/// A new thread becomes runnable for the first time.
///
/// proto: `struct task_struct *p`
#[btf_tracepoint(function = "sched_wakeup_new")]
pub fn sched_wakeup_new(ctx: BtfTracePointContext) -> i32 {
    runnable(&ctx)
}

/// The thread that runs is the waker if it is in a system call that wakes others up, and not just interrupted.
#[inline(always)]
fn note(current: Task, task: Task, thread: &mut Thread) -> Outcome {
    /// `HARDIRQ_MASK | NMI_MASK`, and the bit that is set while softirqs are served.
    const INTERRUPTED: u32 = 0x00ff_0000;
    const SOFTIRQ: u32 = 0x100;
    thread.waker.tid = 0;
    let (tid, syscall, interrupts) = (current.tid(), current.own_call(), preempt_count());
    if !can_wake(syscall) || tid == task.tid() || interrupts & INTERRUPTED != 0 {
        return Outcome::FILTERED;
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
    Outcome::AGGREGATED
}

#[inline(always)]
fn runnable(ctx: &BtfTracePointContext) -> i32 {
    counted(Probe::Wakeup, |control| {
        // SAFETY: the tracepoint's prototype gives the argument this type.
        let task = unsafe { Task::new(ctx.arg::<Typed>(0)) };
        let Some(target) = task.target() else { return Outcome::FILTERED };
        let Some(thread) = sleeping_thread(task) else { return Outcome::FILTERED };
        if thread.running == 1 || thread.runnable_ns != 0 {
            thread.waker.tid = 0;
            return Outcome::FILTERED;
        }
        thread.runnable_ns = now();
        let held = gil::woken(thread.runnable_ns, slice(control), task, target, thread);
        match add(control, thread) {
            Ok(()) => held,
            Err(refused) => refused,
        }
    })
}

/// The entry of a thread that is woken up. One that has none sleeps since before the window; or it has not left its CPU
/// since then.
#[inline(always)]
fn sleeping_thread(task: Task) -> Option<&'static mut Thread> {
    if let Some(thread) = THREADS.get_ptr_mut(task.tid()) {
        // SAFETY: a preallocated entry, written by this wakeup alone while its thread sleeps.
        return Some(unsafe { &mut *thread });
    }
    if task.is_on_cpu() {
        return None;
    }
    let thread = fresh(task.tid()).ok()?;
    began_before(task, thread, flag::VOLUNTARY);
    Some(thread)
}

/// Counts the wakeup, if a thread did it.
#[inline(always)]
fn add(control: &Control, thread: &mut Thread) -> Result<(), Outcome> {
    // The GIL's holder is reported by itself; the thread that gave it on would be a row for each pair of stacks.
    if thread.waker.tid == 0 || thread.key.flags & flag::GIL != 0 {
        return Ok(());
    }
    let mut key = WakeKey { row: thread.key, waker: thread.waker };
    key.row.slice = slice(control);
    thread.waker.tid = 0;
    let (wakeups, _) = row(&WAKEUPS, &key, &0)?;
    // SAFETY: this CPU's row; a program that this one interrupted adds to it before or after.
    unsafe { *wakeups += 1 };
    Ok(())
}
