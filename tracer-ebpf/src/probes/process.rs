//! Processes and threads: born, renamed, replaced, ended, let go.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tracer_common::control::Control;
use tracer_common::counters::Probe;
use tracer_common::event::{Header, kind};
use tracer_common::process::{EXEC_ARGUMENT_BYTES, EXEC_PATH_BYTES, Exec, Exit, Fork, Free, Rename};
use tracer_common::switch::flag;
use tracer_common::syscall::names_descriptor;
use tracer_common::target::{self, Target};
use tracer_common::wakeup::EXIT;

use crate::emit::{Outcome, claim, counted, header, now, send, send_urgent};
use crate::file;
use crate::gil;
use crate::kernel::{self, Typed, copied, field};
use crate::maps::{EXECS, SENDERS, TARGETS, THREADS};
use crate::narrow::{count, int, low};
use crate::python::walk;
use crate::registers::Registers;
use crate::task::{Task, forget, trace};
use crate::thread::fresh;
use crate::turn::{send_turns, turns_end};
use crate::user;

/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/entry/syscalls/syscall_64.tbl>
const CLONE: i64 = 56;
const CLONE3: i64 = 435;

/// A task is born; it has not run yet.
///
/// proto: `struct task_struct *parent, struct task_struct *child`
#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    counted(Probe::Fork, |control| {
        // SAFETY: the tracepoint's prototype gives the argument this type.
        let (parent, child) = unsafe { (Task::new(ctx.arg(0)), Task::new(ctx.arg(1))) };
        let Some(target) = parent.target() else { return Outcome::FILTERED };
        let at = now();
        let is_thread = child.pid() == parent.pid();
        let followed = is_thread || target.flags & target::flag::FOLLOW != 0;
        // The child shares its parent's memory, or has a copy of it: what is known of the parent's interpreter holds.
        if followed && !is_thread {
            gil::forget_queues(child.pid());
            let _ = EXECS.remove(child.pid());
            if let Err(error) = trace(child, target) {
                return Outcome::refused(error);
            }
        }
        if followed {
            await_first_run(child, at);
        }
        let stack = walk(Probe::Fork, target).id;
        let registers = parent.registers();
        send::<Fork>(|event| {
            // SAFETY: all fields of one event, for which the entry has room; whole, it would not fit on the stack.
            unsafe {
                (*event).header = header(kind::FORK, size_of::<Fork>(), at, parent);
                (*event).stack = stack;
                (*event).child_pid = child.pid();
                (*event).child_tid = child.tid();
                (*event).shown_child = child.shown(control);
                (*event).comm = parent.comm();
                (*event).followed = u32::from(followed);
                (*event).syscall = registers.call();
                (*event).clone_flags = clone_flags(registers);
                (*event).group = parent.group(control);
                (*event).session = parent.session(control);
                (*event).own_pid = child.pid_to(child);
                (*event).pad = 0;
            }
        })
    })
}

/// `CLONE_*`: `clone` has them as its first argument, `clone3` where that points.
#[inline(always)]
fn clone_flags(registers: Registers) -> u64 {
    match registers.syscall() {
        CLONE => registers.first(),
        CLONE3 => user::read(registers.first()).unwrap_or(0),
        _ => 0,
    }
}

#[inline(always)]
fn await_first_run(child: Task, at: u64) {
    // A table without room is reported by the thread's first switch, which is lost.
    let Ok(thread) = fresh(child.tid()) else { return };
    thread.key.pid = child.pid();
    thread.key.tid = child.tid();
    thread.key.syscall = -1;
    thread.key.after_call = -1;
    thread.key.flags = flag::BORN;
    thread.since_ns = at;
    thread.voluntary_seen = 1;
}

/// A process runs another program.
///
/// proto: `struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm`
#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    counted(Probe::Exec, |control| {
        // SAFETY: the tracepoint's prototype gives the argument this type.
        let task = unsafe { Task::new(ctx.arg(0)) };
        if TARGETS.get_ptr(task.pid()).is_none() {
            // What was known of it holds no more; most are not there.
            let _ = SENDERS.remove(task.pid());
            return Outcome::FILTERED;
        }
        let at = now();
        // First, so that user space, which may replace the entry now, sees either this or the new one.
        let _ = EXECS.insert(task.pid(), &at, 0);
        let Some(target) = TARGETS.get_ptr_mut(task.pid()) else { return Outcome::MAP_BUSY };
        // SAFETY: a preallocated entry, of a process that has one thread now.
        unsafe { forget_interpreter(&mut *target, at) };
        gil::forget_queues(task.pid());
        let old_tid = low(ctx.arg(1));
        move_thread(old_tid, task.tid());
        // SAFETY: the prototype says that the third argument is a `struct linux_binprm *`.
        let path: u64 = unsafe { field(ctx.arg::<Typed>(2), &kernel::BPRM_FILENAME) };
        send_urgent::<Exec>(|event| {
            let header = header(kind::EXEC, size_of::<Exec>(), at, task);
            // SAFETY: the entry has room for one event, which `fill_exec` fills.
            unsafe { fill_exec(event, control, header, task, old_tid, path) };
        })
    })
}

#[inline(always)]
fn forget_interpreter(target: &mut Target, at: u64) {
    target.flags &= !(target::flag::PYTHON | target::flag::NOT_PYTHON);
    target.space = at;
}

/// A thread that is not its process's leader takes the leader's id with its exec.
#[inline(always)]
fn move_thread(old: u32, new: u32) {
    if old == new {
        return;
    }
    if let Some(thread) = THREADS.get_ptr_mut(old) {
        // SAFETY: a preallocated entry; its thread is the current one.
        let thread = unsafe { *thread };
        let _ = THREADS.insert(new, thread, 0);
        let _ = THREADS.remove(old);
    }
}

/// # Safety
/// `event` must have room for an [`Exec`].
#[inline(always)]
unsafe fn fill_exec(
    event: *mut Exec,
    control: &Control,
    header: Header,
    task: Task,
    old_tid: u32,
    path: u64,
) {
    // SAFETY: all fields of one event; the helpers stay inside their arrays.
    unsafe {
        (*event).header = header;
        (*event).space = header.at_ns;
        (*event).old_tid = old_tid;
        (*event).group = task.group(control);
        (*event).session = task.session(control);
        (*event).pad = 0;
        (*event).comm = task.comm();
        (*event).path[0] = 0;
        bpf_probe_read_kernel_str((&raw mut (*event).path).cast(), count(EXEC_PATH_BYTES), path as *const _);
        let (start, end) = task.arguments();
        let whole = end.saturating_sub(start);
        (*event).arguments_whole = low(whole);
        let bytes = low(whole.min(EXEC_ARGUMENT_BYTES as u64));
        let read = user::read_into((&raw mut (*event).arguments).cast(), bytes & 0x1ff, start);
        (*event).arguments_bytes = if read { bytes } else { 0 };
    }
}

/// A thread ends.
///
/// proto: `struct task_struct *p` (and `bool group_dead` since 6.16)
#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    counted(Probe::Exit, |control| {
        // SAFETY: the tracepoint's prototype gives the argument this type.
        let task = unsafe { Task::new(ctx.arg(0)) };
        if task.target().is_none() {
            return Outcome::FILTERED;
        }
        turns_end(task.pid(), task.tid());
        let at = now();
        let last = last_moment(task);
        let last_thread = task.is_last_thread() && is_first_to_report_end(task);
        if last_thread {
            send_turns(task.pid());
        }
        let (pending, pending_shared) = task.pending();
        let parent = task.parent().shown(control).pid;
        let fill = |event: *mut Exit| {
            let exit = Exit {
                header: header(kind::EXIT, size_of::<Exit>(), at, task),
                wait_status: task.wait_status(),
                last_thread: u32::from(last_thread),
                parent,
                out_of_memory: u32::from(task.is_out_of_memory()),
                group: task.group(control),
                session: task.session(control),
                comm: task.comm(),
                cpu_ns: task.cpu_time(),
                pending,
                pending_shared,
                stack: last.stack,
                object: last.object,
                syscall: last.syscall,
                pad: 0,
            };
            // SAFETY: the entry has room for one event.
            unsafe { event.write(exit) };
        };
        // Its control group is to be looked up before it is reaped.
        if task.is_out_of_memory() { send_urgent(fill) } else { send(fill) }
    })
}

/// Where a thread was when it ended.
struct LastMoment {
    stack: u64,
    object: u64,
    syscall: i32,
}

/// Where the main thread was, or the one that called `exit_group`: what others did explains no end. Before 6.16 this
/// comes after the thread has let go of its memory.
/// <https://github.com/torvalds/linux/blob/v6.16/kernel/exit.c#L933>
#[inline(always)]
fn last_moment(task: Task) -> LastMoment {
    let mut last = LastMoment { stack: 0, object: 0, syscall: -1 };
    let registers = task.registers();
    let calls_exit = registers.call() == EXIT;
    let Some(target) = task.target() else { return last };
    if task.is_leaving() || !(calls_exit || task.tid() == task.pid()) {
        return last;
    }
    last.stack = walk(Probe::Exit, target).id;
    last.syscall = if calls_exit { EXIT } else { int(registers.interrupted().cast_unsigned()) };
    if names_descriptor(last.syscall) {
        last.object = file::opened(Probe::Exit as u32, low(registers.first()));
    }
    last
}

/// Whether the end of this process has still to be reported. Each thread that leaves takes one from `signal->live` before it
/// gets here, so that of threads that leave at once several may read 0.
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/exit.c#L885>
#[inline(always)]
fn is_first_to_report_end(task: Task) -> bool {
    let Some(target) = TARGETS.get_ptr_mut(task.pid()) else { return true };
    // SAFETY: aligned words of a preallocated entry; each thread that leaves writes the same life.
    unsafe {
        (*target).life = task.life();
        claim(&raw mut (*target).ended)
    }
}

/// The kernel lets go of a task, some milliseconds after it was reaped.
///
/// proto: `struct task_struct *p`
#[btf_tracepoint(function = "sched_process_free")]
pub fn sched_process_free(ctx: BtfTracePointContext) -> i32 {
    counted(Probe::Free, |_| {
        // SAFETY: the tracepoint's prototype gives the argument this type.
        let task = unsafe { Task::new(ctx.arg(0)) };
        let pid = task.pid();
        let Some(target) = task.target().filter(|_| task.tid() == pid) else { return Outcome::FILTERED };
        // The pid is another's by now, whose birth has shown that this one is gone.
        if target.life != 0 && target.life != task.life() {
            return Outcome::FILTERED;
        }
        forget(pid);
        gil::forget_queues(pid);
        let _ = EXECS.remove(pid);
        send::<Free>(|event| {
            // SAFETY: the entry has room for one event.
            unsafe { event.write(Free { header: header(kind::FREE, size_of::<Free>(), now(), task) }) };
        })
    })
}

/// A thread gets another name.
///
/// proto: `struct task_struct *task, const char *comm`
#[btf_tracepoint(function = "task_rename")]
pub fn task_rename(ctx: BtfTracePointContext) -> i32 {
    counted(Probe::Rename, |_| {
        // SAFETY: the tracepoint's prototype gives the argument this type.
        let task = unsafe { Task::new(ctx.arg(0)) };
        if task.target().is_none() {
            return Outcome::FILTERED;
        }
        let Some(comm) = copied::<[u8; 16]>(ctx.arg::<u64>(1)) else { return Outcome::FILTERED };
        send::<Rename>(|event| {
            let header = header(kind::RENAME, size_of::<Rename>(), now(), task);
            // SAFETY: the entry has room for one event.
            unsafe { event.write(Rename { header, comm }) };
        })
    })
}
