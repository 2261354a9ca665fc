//! Garbage collections: probes at the begin of the function that collects, and at its return.
//!
//! There are two ways to see the return. A uretprobe replaces the return address on the stack, which is cheap, and safe
//! as long as no second call begins before the first one returns. A uprobe on the `ret` itself is always safe, but the
//! kernel has to step over it.

use core::ffi::c_void;
use core::hint::black_box;

use aya_ebpf::helpers::generated::bpf_for_each_map_elem;
use aya_ebpf::macros::{uprobe, uretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};
use tracer_common::control::Control;
use tracer_common::counters::Probe;
use tracer_common::event::kind;
use tracer_common::gc::{Collection, Counts, LONG_NS, Pause, Sampled, UNKNOWN, flag};
use tracer_common::switch::{self, Thread};
use tracer_common::target::{self, Target};

use crate::config::DEPTH;
use crate::emit::{Outcome, claim, counted_preemptible, header, now, release, send, send_record};
use crate::maps::{COLLECTIONS, THREADS};
use crate::python::{counts, has_stopped_others, holds_gil, walk_to};
use crate::scratch;
use crate::task::Task;
use crate::user;

/// Frames that are kept of a stack where the innermost one is all that is wanted.
const LEAF: u32 = 1;

/// The collecting function is entered.
///
/// proto (3.9): `PyThreadState *tstate, int generation, …`; up to 3.7 the generation comes first
#[uprobe]
pub fn gc_begin(ctx: ProbeContext) -> u32 {
    counted_preemptible(Probe::GcBegin, |_| {
        let task = Task::current();
        let Some(target) = task.target().filter(is_python) else { return Outcome::FILTERED };
        let collector = &target.python.collector;
        // It will return at once, if a collection goes on.
        if collector.flags & flag::CHECKS != 0 && user::read::<u32>(collector.collecting) == Some(1) {
            return Outcome::FILTERED;
        }
        // All are read where they lie: one load at a place that is chosen would be no load from the context.
        let (first, second) = (black_box(ctx.arg::<u32>(0)), black_box(ctx.arg::<u32>(1)));
        let argument = match collector.generation_argument {
            1 => first,
            2 => second,
            _ => None,
        };
        let counts = counts(collector);
        let collection = Collection {
            since_ns: now(),
            // SAFETY: the registers are the context.
            stack_pointer: unsafe { (*ctx.regs).rsp },
            counts: counts.unwrap_or_default(),
            generation: argument.unwrap_or(UNKNOWN),
            counted: u32::from(counts.is_some()),
            pid: task.pid(),
            pad: 0,
        };
        match COLLECTIONS.insert(task.tid(), &collection, 0) {
            Ok(()) => Outcome::AGGREGATED,
            Err(error) => Outcome::refused(error),
        }
    });
    0
}

/// The collecting function is about to return: the stack is as it was at its begin.
#[uprobe]
pub fn gc_end(ctx: ProbeContext) -> u32 {
    // SAFETY: the registers are the context.
    let (stack_pointer, result) = unsafe { ((*ctx.regs).rsp, (*ctx.regs).rax) };
    ended(stack_pointer, result)
}

/// The collecting function has returned, and has taken the return address from the stack.
#[uretprobe]
pub fn gc_return(ctx: RetProbeContext) -> u32 {
    // SAFETY: the registers are the context.
    let (stack_pointer, result) = unsafe { ((*ctx.regs).rsp, (*ctx.regs).rax) };
    ended(stack_pointer - size_of::<u64>() as u64, result)
}

#[inline(always)]
fn ended(stack_pointer: u64, returned: u64) -> u32 {
    counted_preemptible(Probe::GcEnd, |control| {
        let at = now();
        let task = Task::current();
        let Some(target) = task.target() else { return Outcome::FILTERED };
        let Some(collection) = COLLECTIONS.get_ptr(task.tid()) else { return Outcome::FILTERED };
        // SAFETY: a preallocated entry, which only this thread changes.
        let collection = unsafe { &*collection };
        if collection.stack_pointer != stack_pointer {
            return Outcome::FILTERED; // a call inside of it that found a collection going on
        }
        let (generation, collected) = result(target, collection, returned);
        let since_ns = collection.since_ns;
        let _ = COLLECTIONS.remove(task.tid());
        let is_long = at.saturating_sub(since_ns) >= LONG_NS;
        let stack = stack(target, if is_long { DEPTH.load() } else { LEAF });
        let waiters = if is_long { waiters(control, task) } else { UNKNOWN };
        send::<Pause>(|event| {
            let pause = Pause {
                header: header(kind::GC_PAUSE, size_of::<Pause>(), at, task),
                since_ns,
                stack,
                collected,
                generation,
                waiters,
            };
            // SAFETY: the entry has room for one event.
            unsafe { event.write(pause) };
        })
    });
    0
}

/// Whether what is known of its collector holds: not between an exec and the probe of the new program.
#[inline(always)]
fn is_python(target: &&Target) -> bool {
    target.flags & target::flag::PYTHON != 0
}

/// Which generation was collected, and how many objects: by what the collector has counted since, or by what its
/// caller said and what it returns.
#[inline(always)]
fn result(target: &Target, collection: &Collection, returned: u64) -> (u32, u64) {
    if collection.counted == 0 {
        return (collection.generation, returned);
    }
    let Some(now) = counts(&target.python.collector) else { return (collection.generation, u64::MAX) };
    let (mut generation, mut collected) = (collection.generation, u64::MAX);
    for (index, (before, after)) in (0_u32..).zip(collection.counts.iter().zip(&now)) {
        if after.collections != before.collections {
            (generation, collected) = (index, after.collected.wrapping_sub(before.collected));
        }
    }
    (generation, collected)
}

/// Walks the stack, unless a thread that was preempted here is in the middle of doing so: then there is none.
#[inline(always)]
fn stack(target: &Target, depth: u32) -> u64 {
    let Some(room) = scratch::of_probe(Probe::GcEnd) else { return 0 };
    let busy = &raw mut room.busy;
    if !claim(busy) {
        return 0;
    }
    let stack = walk_to(Probe::GcEnd, target, depth).id;
    release(busy);
    stack
}

/// The search for threads that wait for the GIL.
#[repr(C)]
struct WaiterSearch {
    gil: u64,
    pid: u32,
    /// The thread that collects: it waits for nothing, also where its return to the CPU was not seen.
    tid: u32,
    found: u32,
    pad: u32,
}

/// Threads that wait now for the GIL that the current one had when it left its CPU last: an interpreter beside the main one
/// may have its own. Where switches are not seen there is none to ask.
#[inline(always)]
fn waiters(control: &Control, task: Task) -> u32 {
    let Some(own) = THREADS.get_ptr(task.tid()).filter(|_| control.running != 0) else { return UNKNOWN };
    // SAFETY: a preallocated entry; one word of it.
    let gil = unsafe { (*own).gil };
    let mut search = WaiterSearch { gil, pid: task.pid(), tid: task.tid(), found: 0, pad: 0 };
    let threads = (&raw const THREADS).cast_mut().cast();
    // SAFETY: `waiter_step` has the signature that the helper wants, and `search` outlives the loop.
    unsafe {
        bpf_for_each_map_elem(threads, waiter_step as *mut c_void, (&raw mut search).cast(), 0);
    }
    search.found
}

#[inline(never)]
unsafe extern "C" fn waiter_step(
    _map: *mut c_void,
    tid: *const u32,
    thread: *const Thread,
    search: *mut WaiterSearch,
) -> i64 {
    // SAFETY: the helper hands on an entry of the map, and what it was given.
    let (tid, thread, search) = unsafe { (*tid, &*thread, &mut *search) };
    let waits = tid != search.tid && thread.running == 0 && thread.key.flags & switch::flag::GIL != 0;
    search.found += u32::from(waits && thread.key.pid == search.pid && thread.gil == search.gil);
    0
}

/// A sample has found the current thread: if it is in the middle of a collection, that is sent.
#[inline(always)]
pub fn sampled(task: Task, target: &Target, stack: u64) {
    let collector = &target.python.collector;
    if !is_python(&target) || collector.collecting == 0 || user::read::<u32>(collector.collecting) != Some(1)
    {
        return;
    }
    // Others may run beside it, without the GIL.
    if collector.flags & flag::HOLDER != 0 && !holds_gil(task, target) {
        return;
    }
    // It lets them go now and then, to run finalizers.
    if collector.requester != 0 && !has_stopped_others(task, target) {
        return;
    }
    let so_far = counts(collector).unwrap_or_default();
    let number = so_far.iter().fold(0, |sum: u64, of: &Counts| sum.wrapping_add(of.collections));
    let sampled =
        Sampled { header: header(kind::GC_SAMPLE, size_of::<Sampled>(), now(), task), stack, number };
    // SAFETY: a value on this program's stack.
    unsafe { send_record(Probe::Sample as u32, (&raw const sampled).cast(), size_of::<Sampled>() as u64) };
}
