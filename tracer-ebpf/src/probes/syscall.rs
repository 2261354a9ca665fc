//! Reads and waits, at the return of their system call: its registers still hold the arguments.

use core::ffi::c_void;
use core::hint::black_box;

use aya_ebpf::bindings::pt_regs;
use aya_ebpf::helpers::generated::bpf_loop;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use tracer_common::control::{Control, SHED_READ_SITES};
use tracer_common::counters::Probe;
use tracer_common::event::kind;
use tracer_common::process::Reaped;
use tracer_common::python::{Frame, status};
use tracer_common::syscall::{ReadKey, ReadValue, SizeKey, Tally, flag, floor_size_code, into, size_code};
use tracer_common::target::{self, Target};

use crate::emit::{Outcome, count_loss, counted, header, now, row, send, slice};
use crate::file;
use crate::maps::{COUNTERS, READ_SIZES, READS};
use crate::narrow::low;
use crate::opens::{self, seen};
use crate::probes::opening::{opened, opened_pair, opened_without_path};
use crate::python::{is_to_be_walked, leaf, walk};
use crate::registers::Registers;
use crate::scratch::{self, raise, zero};
use crate::task::Task;
use crate::turn::turn_begins;
use crate::user;

mod nr;

const O_NONBLOCK: u32 = 0o4000;
const O_DIRECT: u32 = 0o40000;
/// `WNOWAIT`: the child stays a zombie.
const WNOWAIT: u64 = 0x0100_0000;
/// Buffers of one call, and messages of one `recvmmsg`, that are added up (`UIO_MAXIOV`).
const MAX_BUFFERS: u64 = 1024;

/// A system call returns.
///
/// Not fexit of the 17 functions that this is about, which would spare all other calls: on 6.1 and 6.12 each takes
/// 0.13 s to detach, one after the other, 2.2 s in all; and a call that goes on when we attach is not seen to return.
/// From 7.2 on there is one link for all (`BPF_TRACE_FEXIT_MULTI`, gone in 11 ms), which aya does not know.
///
/// proto: `struct pt_regs *regs, long ret`
#[btf_tracepoint(function = "sys_exit")]
pub fn sys_exit(ctx: BtfTracePointContext) -> i32 {
    counted(Probe::Syscall, |control| {
        // SAFETY: the tracepoint's prototype gives the argument this type.
        let registers = unsafe { Registers::new(ctx.arg::<*const pt_regs>(0)) };
        let result = ctx.arg::<u64>(1).cast_signed();
        match registers.syscall() {
            nr::READ
            | nr::PREAD64
            | nr::READV
            | nr::SENDFILE
            | nr::RECVFROM
            | nr::RECVMSG
            | nr::SPLICE
            | nr::PREADV
            | nr::RECVMMSG
            | nr::PREADV2 => read(control, registers, result),
            nr::OPEN | nr::CREAT | nr::OPENAT | nr::OPENAT2 => opened(control, result),
            nr::SOCKET | nr::ACCEPT | nr::ACCEPT4 | nr::MEMFD_CREATE => opened_without_path(result),
            nr::PIPE | nr::PIPE2 if result == 0 => opened_pair(registers.first()),
            nr::SOCKETPAIR if result == 0 => opened_pair(registers.fourth()),
            nr::EPOLL_WAIT | nr::EPOLL_PWAIT | nr::EPOLL_PWAIT2 => polled(),
            nr::WAIT4 if result > 0 => reaped(low(result.cast_unsigned())),
            nr::WAITID if result == 0 && registers.fourth() & WNOWAIT == 0 => waited_id(registers),
            _ => Outcome::FILTERED,
        }
    })
}

/// A wait for any of many descriptors returns.
#[inline(always)]
fn polled() -> Outcome {
    let task = Task::current();
    match task.target() {
        Some(target) if target.flags & target::flag::PYTHON != 0 => {
            // The compiler knows what a function of ours returns, and the verifier does not.
            let outcome = Outcome(black_box(turn_begins(task.pid(), task.tid())));
            if outcome != Outcome::FILTERED
                && let Some(counters) = COUNTERS.get_ptr_mut(Probe::Syscall as u32)
            {
                // SAFETY: this CPU's entry; the program does not interrupt itself.
                unsafe {
                    (*counters).turns.hits += 1;
                    count_loss(&raw mut (*counters).turns, outcome);
                }
            }
            outcome
        }
        _ => Outcome::FILTERED,
    }
}

/// A read returns. Those that are counted are not counted once more.
#[inline(always)]
fn read(control: &Control, registers: Registers, result: i64) -> Outcome {
    let outcome = returned(control, registers, result);
    if outcome != Outcome::AGGREGATED
        && outcome != Outcome::FILTERED
        && let Some(counters) = COUNTERS.get_ptr_mut(Probe::Syscall as u32)
    {
        // SAFETY: this CPU's entry; the program does not interrupt itself.
        unsafe { count_loss(&raw mut (*counters).reads, outcome) };
    }
    outcome
}

/// A read of a traced thread returns.
#[inline(always)]
fn returned(control: &Control, registers: Registers, result: i64) -> Outcome {
    let task = Task::current();
    let Some(target) = task.target() else { return Outcome::FILTERED };
    let call = ReadCall::new(registers, result);
    if find_row(control, task, target, registers).is_none() {
        return Outcome::MAP_BUSY;
    }
    let Some(scratch) = scratch::of_probe(Probe::Syscall) else { return Outcome::MAP_BUSY };
    // The thread may have to wait for the GIL now: then it is known what for.
    scratch.read.reader = if target.python.has_gil() { task.tid() } else { 0 };
    let (row, fresh) = match row(&READS, &scratch.read.key, &scratch.read.no_reads) {
        Ok(row) => row,
        Err(refused) => return refused,
    };
    // SAFETY: this CPU's row; the program does not interrupt itself.
    let row = unsafe { &mut *row };
    if fresh || row.calls == 0 {
        if is_to_be_walked(target.space, task.tid(), &scratch.read.key.site, control.thinning) {
            row.stack = walk(Probe::Syscall, target).id;
        }
        row.into = destination(registers, call.asked);
    }
    row.calls += 1;
    row.bytes += call.bytes;
    if scratch.read.key.file != 0 {
        let seen = opens::read(call.offset(registers), call.bytes);
        row.opens += seen & seen::FIRST;
        row.opens_unknown += (seen / seen::UNKNOWN) & 1;
        row.own += (seen / seen::OWN) & 1;
        row.continued += (seen / seen::CONTINUED) & 1;
        row.full += (seen / seen::FULL) & 1;
    }
    row.eof += u64::from(result == 0 && call.asked > 0);
    call.add_sizes(row, &scratch.read.key);
    Outcome::AGGREGATED
}

/// Whether a read goes into a `bytes` object, which has its size just before its bytes; up to 256 bytes, 3.15 has
/// them in a `PyBytesWriter` first, which has its size just behind them.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/cpython/bytesobject.h#L5>
/// <https://github.com/python/cpython/blob/v2.7.18/Include/stringobject.h#L35>
#[inline(always)]
fn destination(registers: Registers, asked: u64) -> u32 {
    const NO_HASH_YET: u64 = u64::MAX;
    let buffer = registers.second();
    if !matches!(registers.syscall(), nr::READ | nr::PREAD64) {
        return into::UNKNOWN;
    }
    // 2.7 has a state of 4 bytes between the hash and the bytes.
    let before = user::read::<[u64; 2]>(buffer - 16 - (buffer & 4));
    let behind = user::read::<[u64; 2]>(buffer + 256);
    if before == Some([asked, NO_HASH_YET]) || (asked <= 256 && behind == Some([0, asked])) {
        return into::BYTES;
    }
    if before.is_some() { into::BUFFER } else { into::UNKNOWN }
}

/// What the row of a read is keyed by. Sends the file's name at its first sight.
#[inline(always)]
fn find_row(control: &Control, task: Task, target: &Target, registers: Registers) -> Option<()> {
    let scratch = scratch::of_probe(Probe::Syscall)?;
    scratch.read.reader = 0; // until the row is whole
    scratch.read.key = ReadKey {
        site: Frame { code: zero(), instruction: 0, identity: 0 },
        space: target.space,
        file: 0,
        pid: task.pid(),
        slice: slice(control),
        syscall: low(registers.syscall().cast_unsigned()),
        flags: 0,
    };
    let from = if registers.syscall() == nr::SENDFILE { registers.second() } else { registers.first() };
    scratch.read.key.file = file::opened(Probe::Syscall as u32, low(from));
    let site = site(control, target);
    // Looked up anew: both wrote to it behind the compiler's back.
    let scratch = scratch::of_probe(Probe::Syscall)?;
    let key = &mut scratch.read.key;
    key.flags = if key.file == 0 { flag::NO_FILE } else { opened_flags(scratch.file.opened.flags) };
    match site {
        status::OK => key.site = scratch.leaf,
        status => raise(&mut key.flags, status << flag::STATUS_SHIFT),
    }
    Some(())
}

/// Without branches, which would cost the verifier.
#[inline(always)]
fn opened_flags(flags: u32) -> u32 {
    (((flags / O_DIRECT) & 1) * flag::DIRECT) | (((flags / O_NONBLOCK) & 1) * flag::NONBLOCKING)
}

/// Looks for the call site; [`status::OK`] when it is in the scratch buffer.
#[inline(always)]
pub fn site(control: &Control, target: &Target) -> u32 {
    if control.shed & SHED_READ_SITES != 0 {
        return status::UNRESOLVED;
    }
    leaf(Probe::Syscall, target)
}

/// What a call asked for and got.
struct ReadCall {
    asked: u64,
    bytes: u64,
    result: i64,
}

impl ReadCall {
    #[inline(always)]
    fn new(registers: Registers, result: i64) -> Self {
        let syscall = registers.syscall();
        let asked = asked(registers, syscall);
        let bytes = match syscall {
            _ if result <= 0 => 0,
            nr::RECVMMSG => messages(registers.second(), result.cast_unsigned()),
            _ => result.cast_unsigned(),
        };
        Self { asked, bytes, result }
    }

    /// Where in the file it read; `u64::MAX` for the file's own position.
    #[inline(always)]
    fn offset(&self, registers: Registers) -> u64 {
        match registers.syscall() {
            // preadv2 too means the file's own position by -1.
            nr::PREAD64 | nr::PREADV | nr::PREADV2 => registers.fourth(),
            nr::SENDFILE => self.began_at(registers.third()),
            nr::SPLICE => self.began_at(registers.second()),
            _ => u64::MAX,
        }
    }

    /// Where a call began: what its argument points at has gone on with it; NULL is the file's own position.
    #[inline(always)]
    fn began_at(&self, position: u64) -> u64 {
        let next = if position == 0 { None } else { user::read::<u64>(position) };
        next.map_or(u64::MAX, |next| next.wrapping_sub(self.bytes))
    }

    /// Counts its sizes in the row, or, where that has no slot left, by power of two beside it. The row counts the call
    /// also where there is no room for its sizes: what these add up to then says how many are missing.
    #[inline(always)]
    fn add_sizes(&self, row: &mut ReadValue, key: &ReadKey) {
        let asked = code_of_size(self.asked);
        if !tally(&mut row.requested, asked) {
            overflow(key, 0, floor_of_code(asked));
        }
        if self.result < 0 {
            let error = low((-self.result).cast_unsigned());
            if !tally(&mut row.errors, error) {
                overflow(key, 2, error);
            }
            return;
        }
        let returned = code_of_size(self.bytes);
        if !tally(&mut row.returned, returned) {
            overflow(key, 1, floor_of_code(returned));
        }
    }
}

/// [`size_code`], as a global function, see [`crate::python::walk`]: the verifier shall not follow what it may be.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn code_of_size(bytes: u64) -> u32 {
    size_code(bytes)
}

/// [`floor_size_code`], likewise.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn floor_of_code(code: u32) -> u32 {
    floor_size_code(code)
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
fn overflow(key: &ReadKey, which: u32, what: u32) {
    if let Ok((count, _)) = row(&READ_SIZES, &SizeKey { row: *key, which, what }, &0) {
        // SAFETY: this CPU's row; the program does not interrupt itself.
        unsafe { *count += 1 };
    }
}

/// Bytes that a call asked for.
#[inline(always)]
fn asked(registers: Registers, syscall: i64) -> u64 {
    match syscall {
        nr::READ | nr::PREAD64 | nr::RECVFROM => registers.third(),
        nr::SENDFILE => registers.fourth(),
        nr::SPLICE => registers.fifth(),
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
struct ArraySum {
    at: u64,
    stride: u64,
    mask: u64,
    total: u64,
}

/// Lengths of a `struct iovec` array: `iov_len` is at 8.
#[inline(always)]
fn vector(vectors: u64, count: u64) -> u64 {
    sum(ArraySum { at: vectors + 8, stride: 16, mask: u64::MAX, total: 0 }, count)
}

/// Bytes received in a `struct mmsghdr` array: `msg_len` is at 56.
#[inline(always)]
fn messages(array: u64, count: u64) -> u64 {
    sum(ArraySum { at: array + 56, stride: 64, mask: 0xffff_ffff, total: 0 }, count)
}

#[inline(always)]
fn sum(mut sum: ArraySum, count: u64) -> u64 {
    let count = if count > MAX_BUFFERS { MAX_BUFFERS } else { count };
    // SAFETY: `sum_step` has the signature that the helper wants, and `sum` outlives the loop.
    unsafe { bpf_loop(low(count), sum_step as *mut c_void, (&raw mut sum).cast(), 0) };
    sum.total
}

#[inline(never)]
unsafe extern "C" fn sum_step(_index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` hands on what it was given.
    let sum = unsafe { &mut *context.cast::<ArraySum>() };
    sum.total += user::read::<u64>(sum.at).unwrap_or(0) & sum.mask;
    sum.at += sum.stride;
    0
}

/// `waitid` names the child in the siginfo that its third argument points at: `si_pid` is at 16.
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
    let header = header(kind::REAPED, size_of::<Reaped>(), now(), task);
    // SAFETY: the entry has room for one event.
    send::<Reaped>(|event| unsafe { event.write(Reaped { header, child, pad: 0 }) })
}
