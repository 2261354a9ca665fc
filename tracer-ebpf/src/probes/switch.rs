//! Switches: when and why a traced thread leaves its CPU, and when it returns.

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tracer_common::control::Control;
use tracer_common::counters::Probe;
use tracer_common::gil::waits_on;
use tracer_common::python::{Python, status};
use tracer_common::switch::{SwitchKey, SwitchValue, Thread, flag, futex_flags};
use tracer_common::syscall::{ReadKey, names_descriptor};
use tracer_common::target::Target;
use tracer_common::turn;
use tracer_common::wakeup::FUTEX;

use crate::config::PREV_STATE_ARGUMENT;
use crate::emit::{Outcome, counted, now, row, slice};
use crate::file;
use crate::gil;
use crate::maps::{SWITCHES, THREADS};
use crate::narrow::low;
use crate::python::{gil_with, own_gil, parked, place, walk_some};
use crate::registers::Registers;
use crate::scratch::{self, Scratch, copy, raise, zero};
use crate::task::Task;
use crate::thread::{add_wait, began_before, entry, send_counts};

/// `TASK_UNINTERRUPTIBLE`, and `__TASK_STOPPED | __TASK_TRACED`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/sched.h#L99>
const STATE_UNINTERRUPTIBLE: u64 = 2;
const STATE_STOPPED: u64 = 4 | 8;
/// A new row's value. In read-only data, since a program has only 512 bytes of stack.
// SAFETY: a struct of numbers.
static NEW: SwitchValue = unsafe { core::mem::zeroed() };
/// No read precedes.
const NO_CALL: i32 = -1;

/// One thread leaves this CPU and another takes it.
///
/// proto: `bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state` (the last since 5.18)
#[btf_tracepoint(function = "sched_switch")]
pub fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    counted(Probe::Switch, |control| {
        // SAFETY: the tracepoint's prototype gives the argument this type.
        let (prev, next) = unsafe { (Task::new(ctx.arg(1)), Task::new(ctx.arg(2))) };
        if prev.target().is_none() && next.target().is_none() {
            return Outcome::FILTERED;
        }
        let Some(scratch) = scratch::of_probe(Probe::Switch) else { return Outcome::MAP_BUSY };
        let switch =
            Switch { control, now: now(), preempt: ctx.arg::<u64>(0) & 1 == 1, state: prev_state(&ctx) };
        scratch.switch.outcome = leave(&switch, prev, scratch).0;
        scratch.switch.arrived = arrive(&switch, next, scratch).0;
        Outcome(worse(scratch.switch.outcome, scratch.switch.arrived))
    })
}

/// The switch-out is the primary record, where there is one, unless what the switch-in adds to is lost. In the order of
/// their numbers: filtered, emitted, aggregated, lost for different reasons.
#[inline(always)]
fn worse(left: u32, arrived: u32) -> u32 {
    if left > arrived { left } else { arrived }
}

#[derive(Clone, Copy)]
struct Switch {
    control: &'static Control,
    now: u64,
    preempt: bool,
    state: u64,
}

#[inline(always)]
fn prev_state(ctx: &BtfTracePointContext) -> u64 {
    if PREV_STATE_ARGUMENT.load() == 3 { ctx.arg::<u64>(3) & 0xffff_ffff } else { 0 }
}

/// A traced thread leaves: why, where, and after how long on the CPU.
#[inline(always)]
fn leave(switch: &Switch, task: Task, scratch: &mut Scratch) -> Outcome {
    let Some(target) = task.target() else { return Outcome::FILTERED };
    let thread = match entry(task.tid()) {
        Ok(thread) => thread,
        Err(refused) => return refused,
    };
    let mut made_up = Outcome::AGGREGATED;
    if thread.running == 0 {
        made_up = make_up_for_return(switch, task, thread, scratch);
    }
    scratch.switch.key = SwitchKey {
        stack: zero(),
        object: zero(),
        pid: task.pid(),
        tid: task.tid(),
        slice: slice(switch.control),
        syscall: 0,
        flags: low(zero()),
        status: low(zero()),
        after_call: NO_CALL,
        pad: 0,
    };
    scratch.switch.gap = SwitchValue {
        count: 1,
        off_cpu_ns: zero(),
        run_queue_ns: zero(),
        on_cpu_ns: switch.now.saturating_sub(thread.since_ns),
        began_before: zero(),
        gil_waits: zero(),
    };
    explain(switch, task, target, thread, scratch);
    charge_for_gil(thread);
    // No thread waits for the GIL of a process of one thread, and while that one is off its CPU there comes no other.
    let is_alone = task.threads() == 1 && !task.is_dead();
    let held = if target.python.gil_holder == 0 || is_alone {
        Outcome::AGGREGATED.0
    } else {
        gil::gil_at_leave(switch.now, slice(switch.control))
    };
    // Looked up anew: the walk wrote to it behind the compiler's back.
    let Some(scratch) = scratch::of_probe(Probe::Switch) else { return Outcome::MAP_BUSY };
    let outcome = add_gap();
    // What the thread does now holds also where there is no row to count it in.
    copy(&mut thread.key, &scratch.switch.key);
    thread.place = if scratch.switch.key.stack == 0 { 0 } else { place(&scratch.stack.frames[0]) };
    thread.since_ns = switch.now;
    // A thread that was preempted, or that a signal kept from sleeping, stays runnable.
    let stays = switch.state == 0 || scratch.switch.key.flags & flag::VOLUNTARY == 0;
    thread.runnable_ns = if stays { switch.now } else { 0 };
    thread.voluntary_seen = task.voluntary_switches() + 1;
    thread.running = 0;
    if scratch.switch.key.flags & flag::DEAD != 0 {
        let _ = THREADS.remove(task.tid());
        send_counts(switch.now);
    }
    Outcome(worse(worse(made_up.0, held), outcome))
}

/// A thread that sleeps for the GIL at the very instruction of its last read gave the GIL away for that read: the wait
/// is the read's price. So it is with any other call that it has slept in. Acquisitions are counted apart from switches: one sleeps in turns of 5 ms.
/// <https://github.com/python/cpython/blob/v3.12.0/Python/ceval_gil.c#L325>
#[inline(always)]
fn charge_for_gil(thread: &mut Thread) {
    let Some(scratch) = scratch::of_probe(Probe::Switch) else { return };
    let row = &mut scratch.switch.key;
    take_last_read(thread, row.tid);
    const ASLEEP_FOR_IT: u32 = flag::GIL | flag::VOLUNTARY;
    if row.flags & ASLEEP_FOR_IT != ASLEEP_FOR_IT {
        return;
    }
    let leaf = scratch.stack.frames[0];
    let (site, read) = (thread.last_read.site, thread.last_read);
    let after_read =
        row.stack != 0 && read.file != 0 && leaf.code == site.code && leaf.instruction == site.instruction;
    let before = &thread.key;
    // Where callers were left out, its line says whether it is the same place.
    let same_stack = if (before.flags | row.flags) & flag::LEAF_ONLY == 0 {
        before.stack == row.stack
    } else {
        thread.place == place(&leaf)
    };
    let same_place = same_stack && row.stack != 0 && before.flags & flag::VOLUNTARY != 0;
    let goes_on = before.flags & flag::GIL != 0 && same_place && !(after_read && read.fresh == 1);
    if after_read {
        row.object = read.file;
        row.after_call = read.syscall.cast_signed();
    } else if same_place {
        // It slept at this very instruction: in the call that gave the GIL away, or for the GIL after such a call.
        row.object = before.object;
        row.after_call = if goes_on { before.after_call } else { before.syscall };
    }
    scratch.switch.gap.gil_waits = u64::from(!goes_on);
    thread.last_read.fresh = 0;
}

/// The thread's last read, if it is the last of this CPU too: since it ran on another, it has left that.
#[inline(always)]
fn take_last_read(thread: &mut Thread, tid: u32) {
    let Some(reading) = scratch::of_probe(Probe::Syscall) else { return };
    if reading.read.reader == tid {
        let ReadKey { site, file, syscall, .. } = &reading.read.key;
        copy(&mut thread.last_read.site, site);
        (thread.last_read.file, thread.last_read.syscall, thread.last_read.fresh) = (*file, *syscall, 1);
        reading.read.reader = 0;
    }
}

/// The thread leaves without having returned: it ran when the window began, or its return was not seen, since the
/// kernel may skip a program on whatever thread was there before. A known gap then ends at the wakeup.
#[inline(always)]
fn make_up_for_return(switch: &Switch, task: Task, thread: &mut Thread, scratch: &mut Scratch) -> Outcome {
    if thread.key.pid == 0 {
        thread.since_ns = start(switch, task);
        return Outcome::AGGREGATED;
    }
    gil_at_return(switch, task, thread);
    let returned = if thread.runnable_ns == 0 { switch.now } else { thread.runnable_ns };
    scratch.switch.gap = gap(&Switch { now: returned, ..*switch }, task, thread);
    add_wait(thread, &scratch.switch.gap);
    thread.since_ns = returned;
    thread.key.slice = slice(switch.control);
    copy(&mut scratch.switch.key, &thread.key);
    Outcome(add_gap())
}

/// Since when the window holds this thread: its own start, or the window's.
#[inline(always)]
fn start(switch: &Switch, task: Task) -> u64 {
    switch.control.started_ns.max(task.start_time())
}

/// Everything of the row that says why and where.
#[inline(always)]
fn explain(switch: &Switch, task: Task, target: &Target, thread: &mut Thread, scratch: &mut Scratch) {
    let registers = task.registers();
    let row = &mut scratch.switch.key;
    row.syscall = registers.call();
    if is_voluntary(switch, task, thread) {
        raise(&mut row.flags, flag::VOLUNTARY);
    }
    if switch.state & STATE_UNINTERRUPTIBLE != 0 {
        raise(&mut row.flags, flag::UNINTERRUPTIBLE);
    }
    if switch.state & STATE_STOPPED != 0 {
        raise(&mut row.flags, flag::STOPPED);
    }
    if task.is_dead() {
        // Its memory is gone, and its registers say how it ended, not why it leaves. It may lose its CPU before its last
        // switch, which is voluntary: <https://github.com/torvalds/linux/blob/v6.12/kernel/exit.c> (`do_exit`)
        if row.flags & flag::VOLUNTARY != 0 {
            raise(&mut row.flags, flag::DEAD);
        }
        row.status = status::NO_PYTHON_FRAME;
        return;
    }
    if low(registers.first()) == 0 {
        raise(&mut row.flags, flag::NO_DESCRIPTORS);
    }
    if row.syscall == FUTEX {
        raise(&mut row.flags, lock(registers, &target.python, thread));
    }
    if row.flags & flag::VOLUNTARY != 0 && names_descriptor(row.syscall) {
        // The file that the system call's first argument names.
        scratch.switch.key.object = file::opened(Probe::Switch as u32, low(registers.first()));
    }
    // What keeps an event loop is not given up: a loop that is not kept leaves its CPU for its waits alone.
    let keeps_loop = thread.turns != 0 && !turn::waits(scratch.switch.key.syscall);
    let thinning = if keeps_loop { 0 } else { switch.control.thinning };
    let stack = walk_some(Probe::Switch, target, scratch.switch.key.tid, thinning);
    (scratch.switch.key.stack, scratch.switch.key.status) = (stack.id, stack.status);
    raise(&mut scratch.switch.key.flags, stack.flags);
    if scratch.switch.key.syscall == FUTEX && scratch.switch.key.flags & flag::GIL == 0 {
        raise(&mut scratch.switch.key.flags, lock_by_thread(registers, target, thread));
    }
    if scratch.switch.key.flags & (flag::VOLUNTARY | flag::GIL) == flag::VOLUNTARY {
        thread.gil_words = [0; 2];
    }
}

/// What only its thread state says of a futex, once that may be looked for.
#[inline(always)]
fn lock_by_thread(registers: Registers, target: &Target, thread: &mut Thread) -> u32 {
    if target.python.thread_status != 0 {
        return parked(registers.first(), registers.stack_pointer());
    }
    let gil = own_gil(Probe::Switch as u32);
    if gil != 0 && is_for_gil(registers, gil, target.python.gil_bytes, thread) {
        thread.gil = gil;
        return flag::GIL;
    }
    let other = gil_with(Probe::Switch as u32, registers.first(), registers.stack_pointer());
    if other != 0 && is_for_gil(registers, other, target.python.gil_bytes, thread) {
        thread.gil = other;
        return flag::GIL;
    }
    // For the same as it did when it slept on this word before.
    let waits = waits_on(thread.gil_words, registers.first(), low(registers.third()));
    if waits { flag::GIL } else { 0 }
}

/// What sort of lock a futex belongs to.
#[inline(always)]
fn lock(registers: Registers, python: &Python, thread: &mut Thread) -> u32 {
    if is_for_gil(registers, python.gil, python.gil_bytes, thread) {
        thread.gil = 0;
        return flag::GIL;
    }
    futex_flags(registers.second())
}

/// Whether a futex is slept on for this GIL: a word of its own, or with musl one of the waiter's stack.
#[inline(always)]
fn is_for_gil(registers: Registers, gil: u64, bytes: u32, thread: &mut Thread) -> bool {
    let futex = registers.first();
    let is_slept_on = gil::is_slept_on(gil, bytes, futex, registers.stack_pointer());
    // One outside of it: with musl.
    if is_slept_on && futex.wrapping_sub(gil) >= u64::from(bytes) && thread.gil_words[0] != futex {
        thread.gil_words = [futex, thread.gil_words[0]];
    }
    is_slept_on
}

/// The kernel's own decision: `nvcsw` moved. At a thread's first switch there is nothing to compare with, and the rule is
/// the scheduler's. <https://github.com/torvalds/linux/blob/v6.12/kernel/sched/core.c#L6650>
#[inline(always)]
fn is_voluntary(switch: &Switch, task: Task, thread: &Thread) -> bool {
    if thread.voluntary_seen == 0 {
        return !switch.preempt && switch.state != 0;
    }
    task.voluntary_switches() + 1 != thread.voluntary_seen
}

/// A traced thread returns: its gap goes to the row of its switch-out.
#[inline(always)]
fn arrive(switch: &Switch, task: Task, scratch: &mut Scratch) -> Outcome {
    if task.target().is_none() {
        return Outcome::FILTERED;
    }
    let thread = match entry(task.tid()) {
        Ok(thread) => thread,
        Err(refused) => return refused,
    };
    if thread.key.pid == 0 {
        // It has not been woken up since the window began: it waited for a CPU.
        began_before(task, thread, 0);
        thread.runnable_ns = start(switch, task);
    }
    let held = gil_at_return(switch, task, thread);
    scratch.switch.gap = gap(switch, task, thread);
    add_wait(thread, &scratch.switch.gap);
    thread.key.slice = slice(switch.control);
    copy(&mut scratch.switch.key, &thread.key);
    (thread.running, thread.since_ns, thread.runnable_ns) = (1, switch.now, 0);
    Outcome(worse(held, add_gap()))
}

/// A thread that waited for the GIL waits no longer, and one that left with it goes on to use it.
#[inline(always)]
fn gil_at_return(switch: &Switch, task: Task, thread: &Thread) -> u32 {
    if thread.waits_for_gil == 0 && thread.key.flags & flag::HOLDS_GIL == 0 {
        return Outcome::AGGREGATED.0;
    }
    gil::gil_at_arrive(task.pid(), task.tid(), switch.now, slice(switch.control))
}

/// The time since the thread left; since the window's start, when that was before it.
#[inline(always)]
fn gap(switch: &Switch, task: Task, thread: &Thread) -> SwitchValue {
    let before = thread.since_ns == 0;
    let (off_cpu_ns, run_queue_ns) = thread.gap(if before { start(switch, task) } else { 0 }, switch.now);
    SwitchValue {
        off_cpu_ns,
        run_queue_ns,
        began_before: u64::from(before),
        count: zero(),
        on_cpu_ns: zero(),
        gil_waits: zero(),
    }
}

/// Adds the gap in the scratch buffer to its row; where the hit ends, as a number. A global function, see
/// [`crate::python::walk`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn add_gap() -> u32 {
    let Some(scratch) = scratch::of_probe(Probe::Switch) else { return Outcome::MAP_BUSY.0 };
    let (row, _) = match row(&SWITCHES, &scratch.switch.key, &NEW) {
        Ok(row) => row,
        Err(refused) => return refused.0,
    };
    // SAFETY: this CPU's row; the program does not interrupt itself.
    let row = unsafe { &mut *row };
    row.count += scratch.switch.gap.count;
    row.off_cpu_ns += scratch.switch.gap.off_cpu_ns;
    row.run_queue_ns += scratch.switch.gap.run_queue_ns;
    row.on_cpu_ns += scratch.switch.gap.on_cpu_ns;
    row.began_before += scratch.switch.gap.began_before;
    row.gil_waits += scratch.switch.gap.gil_waits;
    Outcome::AGGREGATED.0
}
