//! Reads and waits, at the return of their system call: its registers still hold the arguments.

use core::ffi::c_void;

use aya_ebpf::bindings::pt_regs;
use aya_ebpf::helpers::generated::bpf_loop;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::maps::PerCpuHashMap;
use aya_ebpf::programs::BtfTracePointContext;
use tracer_common::control::{Control, SHED_READ_SITES};
use tracer_common::counters::Probe;
use tracer_common::event::kind;
use tracer_common::process::Reaped;
use tracer_common::python::Frame;
use tracer_common::switch::LastRead;
use tracer_common::syscall::{ReadKey, ReadValue, SizeKey, Tally, flag};
use tracer_common::target::Target;

use crate::emit::{Outcome, counted, header, now, row, send};
use crate::file;
use crate::maps::{READ_SIZES, READS, THREADS};
use crate::python::{leaf, walk};
use crate::scratch::{self, raise};
use crate::task::{Registers, Task};
use crate::user;

/// System call numbers of x86-64.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/entry/syscalls/syscall_64.tbl>
mod nr {
    pub const READ: i64 = 0;
    pub const PREAD64: i64 = 17;
    pub const READV: i64 = 19;
    pub const RECVFROM: i64 = 45;
    pub const RECVMSG: i64 = 47;
    pub const WAIT4: i64 = 61;
    pub const WAITID: i64 = 247;
    pub const PREADV: i64 = 295;
    pub const RECVMMSG: i64 = 299;
    pub const PREADV2: i64 = 327;
}

const O_NONBLOCK: u32 = 0o4000;
const O_DIRECT: u32 = 0o40000;
/// `WNOWAIT`: the child stays a zombie.
const WNOWAIT: u64 = 0x0100_0000;
/// Buffers of one call, and messages of one `recvmmsg`, that are added up (`UIO_MAXIOV`).
const MAX_BUFFERS: u64 = 1024;

/// A system call returns.
///
/// proto: `struct pt_regs *regs, long ret`
#[btf_tracepoint(function = "sys_exit")]
pub fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    counted(Probe::Syscall, |control| {
        // SAFETY: the prototype says so.
        let registers = unsafe { Registers::new(ctx.arg::<*const pt_regs>(0)) };
        let result = ctx.arg::<u64>(1) as i64;
        match registers.syscall() {
            nr::READ
            | nr::PREAD64
            | nr::READV
            | nr::RECVFROM
            | nr::RECVMSG
            | nr::PREADV
            | nr::RECVMMSG
            | nr::PREADV2 => returned(control, registers, result),
            nr::WAIT4 if result > 0 => reaped(result as u32),
            nr::WAITID if result == 0 && registers.fourth() & WNOWAIT == 0 => waited_id(registers),
            _ => Outcome::FILTERED,
        }
    })
}

/// A read of a traced thread returns.
#[inline(always)]
fn returned(control: &Control, registers: Registers, result: i64) -> Outcome {
    let task = Task::current();
    let Some(target) = task.target() else { return Outcome::FILTERED };
    let call = Call::new(registers, result);
    let Some(scratch) = scratch::of_probe(Probe::Syscall) else { return Outcome::MAP_BUSY };
    find_row(control, task, target, registers, &mut scratch.read);
    if target.python.gil != 0 {
        remember(task, &scratch.read);
    }
    let (row, fresh) = match row(&READS, &scratch.read, &scratch.no_reads) {
        Ok(row) => row,
        Err(refused) => return refused,
    };
    // SAFETY: this CPU's row; the program does not interrupt itself.
    let row = unsafe { &mut *row };
    if fresh || row.calls == 0 {
        row.stack = walk(Probe::Syscall, task, target).id;
    }
    if let Err(refused) = call.add_sizes(row, &scratch.read) {
        return refused;
    }
    row.calls += 1;
    row.bytes += call.bytes;
    row.eof += u64::from(result == 0 && call.asked > 0);
    Outcome::AGGREGATED
}

/// The thread may have to wait for the GIL now: then it is known what for.
#[inline(always)]
fn remember(task: Task, read: &ReadKey) {
    if let Some(thread) = THREADS.get_ptr_mut(task.tid()) {
        // SAFETY: a preallocated entry; its thread is the current one.
        unsafe {
            (*thread).last_read =
                LastRead { site: read.site, file: read.file, syscall: read.syscall, fresh: 1 }
        };
    }
}

/// What the row of a read is keyed by. Sends the file's name at its first sight.
#[inline(always)]
fn find_row(control: &Control, task: Task, target: &Target, registers: Registers, key: &mut ReadKey) {
    *key = ReadKey {
        space: target.space,
        pid: task.pid(),
        epoch: control.epoch,
        syscall: registers.syscall() as u32,
        ..Default::default()
    };
    match file::opened(task, registers.first() as u32) {
        Some(opened) => {
            file::send_once(Probe::Syscall, task, &opened);
            key.file = opened.id;
            if opened.flags & O_DIRECT != 0 {
                raise(&mut key.flags, flag::DIRECT);
            }
            if opened.flags & O_NONBLOCK != 0 {
                raise(&mut key.flags, flag::NONBLOCKING);
            }
        }
        None => raise(&mut key.flags, flag::NO_FILE),
    }
    match site(control, task, target) {
        Ok(site) => key.site = site,
        Err(status) => raise(&mut key.flags, status << flag::STATUS_SHIFT),
    }
}

#[inline(always)]
fn site(control: &Control, task: Task, target: &Target) -> Result<Frame, u32> {
    if control.shed & SHED_READ_SITES != 0 {
        return Err(tracer_common::python::status::UNRESOLVED);
    }
    leaf(Probe::Syscall, task, target)
}

/// What a call asked for and got.
struct Call {
    asked: u64,
    bytes: u64,
    result: i64,
}

impl Call {
    #[inline(always)]
    fn new(registers: Registers, result: i64) -> Self {
        let syscall = registers.syscall();
        let asked = asked(registers, syscall);
        let bytes = match syscall {
            _ if result <= 0 => 0,
            nr::RECVMMSG => messages(registers.second(), result as u64),
            _ => result as u64,
        };
        Self { asked, bytes, result }
    }

    /// Counts its sizes in the row, or, where that has no slot left, by power of two beside it.
    #[inline(always)]
    fn add_sizes(&self, row: &mut ReadValue, key: &ReadKey) -> Result<(), Outcome> {
        if !tally(&mut row.requested, self.asked as u32) {
            overflow(key, 0, floor_power_of_two(self.asked as u32))?;
        }
        if self.result < 0 {
            let error = -self.result as u32;
            return if tally(&mut row.errors, error) { Ok(()) } else { overflow(key, 2, error) };
        }
        if !tally(&mut row.returned, self.bytes as u32) {
            overflow(key, 1, floor_power_of_two(self.bytes as u32))?;
        }
        Ok(())
    }
}

#[inline(always)]
fn tally<const N: usize>(slots: &mut [Tally; N], what: u32) -> bool {
    for slot in slots {
        if slot.count == 0 || slot.what == what {
            slot.what = what;
            slot.count += 1;
            return true;
        }
    }
    false
}

#[inline(always)]
fn overflow(key: &ReadKey, which: u32, what: u32) -> Result<(), Outcome> {
    let sizes: &PerCpuHashMap<SizeKey, u64> = &READ_SIZES;
    let (count, _) = row(sizes, &SizeKey { row: *key, which, what }, &0)?;
    // SAFETY: this CPU's row; the program does not interrupt itself.
    unsafe { *count += 1 };
    Ok(())
}

/// Without branches, which would cost the verifier.
#[inline(always)]
fn floor_power_of_two(size: u32) -> u32 {
    let mut ones = size | size >> 1;
    ones |= ones >> 2;
    ones |= ones >> 4;
    ones |= ones >> 8;
    ones |= ones >> 16;
    ones ^ ones >> 1
}

/// Bytes that a call asked for.
#[inline(always)]
fn asked(registers: Registers, syscall: i64) -> u64 {
    match syscall {
        nr::READ | nr::PREAD64 | nr::RECVFROM => registers.third(),
        nr::RECVMSG => message_room(registers.second()),
        // Of several messages the first, since they are alike as a rule.
        nr::RECVMMSG => message_room(registers.second()) * registers.third(),
        _ => vector(registers.second(), registers.third()),
    }
}

/// Room in the buffers of a `struct msghdr`: `msg_iov` is at 16, `msg_iovlen` at 24.
#[inline(always)]
fn message_room(message: u64) -> u64 {
    let [vectors, count] = user::read::<[u64; 2]>(message + 16).unwrap_or_default();
    vector(vectors, count)
}

/// Adds up a word of each element of an array.
#[repr(C)]
struct Sum {
    at: u64,
    stride: u64,
    mask: u64,
    total: u64,
}

/// Lengths of a `struct iovec` array: `iov_len` is at 8.
#[inline(always)]
fn vector(vectors: u64, count: u64) -> u64 {
    sum(Sum { at: vectors + 8, stride: 16, mask: u64::MAX, total: 0 }, count)
}

/// Bytes received in a `struct mmsghdr` array: `msg_len` is at 56.
#[inline(always)]
fn messages(array: u64, count: u64) -> u64 {
    sum(Sum { at: array + 56, stride: 64, mask: 0xffff_ffff, total: 0 }, count)
}

#[inline(always)]
fn sum(mut sum: Sum, count: u64) -> u64 {
    let count = if count > MAX_BUFFERS { MAX_BUFFERS } else { count };
    // SAFETY: `sum_step` has the signature that the helper wants, and `sum` outlives the loop.
    unsafe { bpf_loop(count as u32, sum_step as *mut c_void, (&raw mut sum).cast(), 0) };
    sum.total
}

#[inline(never)]
unsafe extern "C" fn sum_step(_index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` hands on what it was given.
    let sum = unsafe { &mut *context.cast::<Sum>() };
    sum.total += user::read::<u64>(sum.at).unwrap_or(0) & sum.mask;
    sum.at += sum.stride;
    0
}

/// `waitid` tells the child in the siginfo that its third argument points at: `si_pid` is at 16.
#[inline(always)]
fn waited_id(registers: Registers) -> Outcome {
    match user::read::<u32>(registers.third() + 16) {
        Some(child) if child != 0 => reaped(child),
        _ => Outcome::FILTERED,
    }
}

#[inline(always)]
fn reaped(child: u32) -> Outcome {
    let task = Task::current();
    if task.target().is_none() {
        return Outcome::FILTERED;
    }
    send::<Reaped>(|event| {
        let header = header(kind::REAPED, size_of::<Reaped>(), now(), task);
        // SAFETY: the entry has room for one event.
        unsafe { event.write(Reaped { header, child, pad: 0 }) };
    })
}
