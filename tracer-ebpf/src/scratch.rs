//! Room for what does not fit on a program's 512-byte stack.

use core::arch::asm;

use tracer_common::counters::Probe;
use tracer_common::file::File;
use tracer_common::python::{Code, Frame, Stack};
use tracer_common::switch::{SwitchKey, SwitchValue};
use tracer_common::syscall::{ReadKey, ReadValue};
use tracer_common::target::Target;

use crate::direct::Memory;
use crate::file::{Climb, Opened};
use crate::maps::SCRATCH;
use crate::python::{Memo, Walk};

/// Words that the identity of a code object is read from: from its first line to its line table.
pub const IDENTITY_WORDS: usize = 16;

/// Bytes of interpreter memory that the walk reads in one piece: seven frames or so.
pub const BUFFER_BYTES: usize = 1024;

/// One probe's room on one CPU.
#[repr(C)]
pub struct Scratch {
    /// The process that is walked: a copy, so that the walk and its steps need not look it up again.
    pub target: Target,
    /// Its memory.
    pub memory: Memory,
    /// What was copied of it last.
    pub copies: Copies,
    /// The call site that was looked for last.
    pub leaf: Frame,
    /// The stack being put together.
    pub stack: Stack,
    /// The code object being sent.
    pub code: Code,
    /// Of files.
    pub file: FileRoom,
    /// The stack being walked.
    pub walk: Walk,
    /// The code objects that it has read.
    pub memo: Memo,
    /// Of a switch.
    pub switch: SwitchRoom,
    /// Of a read.
    pub read: ReadRoom,
    /// 1 while a program that may be preempted uses this room.
    pub busy: u64,
}

/// Pieces of interpreter memory.
#[repr(C)]
pub struct Copies {
    /// The frame being read, and what lies before it.
    pub frames: [u64; BUFFER_BYTES / 8],
    /// The part of a code object that distinguishes it from others.
    pub identity: [u64; IDENTITY_WORDS],
}

/// What a descriptor means, and what is sent of it.
#[repr(C)]
pub struct FileRoom {
    /// The descriptor that was looked up last.
    pub opened: Opened,
    /// The file being sent.
    pub record: File,
    /// The path being followed upwards.
    pub climb: Climb,
}

/// What a switch adds, and where.
#[repr(C)]
pub struct SwitchRoom {
    /// Its row. Kept here rather than on the stack: what the verifier reads back from a map is unknown to it, so that the
    /// many ways to a value do not multiply the states that it must follow.
    pub key: SwitchKey,
    /// What is added to that row.
    pub gap: SwitchValue,
    /// Where the switch-out of a hit ended.
    pub outcome: u32,
    /// Where its switch-in ended.
    pub arrived: u32,
}

/// Where a read is added.
#[repr(C)]
pub struct ReadRoom {
    /// Its row, kept here for the same reason.
    pub key: ReadKey,
    /// The thread that `key` is of, once that is whole, if there is a GIL that it may wait for; else 0.
    pub reader: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
    /// Never written: a new row's value, too wide for the stack.
    pub no_reads: ReadValue,
}

impl Scratch {
    /// The walk is to read the current process, which is traced so.
    #[inline(always)]
    pub fn walk_in(&mut self, target: &Target) {
        self.target = *target;
        self.memory = Memory::current();
    }
}

/// The room of a probe that has one.
#[inline(always)]
pub fn get(probe: u32) -> Option<&'static mut Scratch> {
    // SAFETY: this CPU's entry of this probe, which does not interrupt itself.
    SCRATCH.get_ptr_mut(probe).map(|scratch| unsafe { &mut *scratch })
}

/// [`get`], for those that know their probe.
#[inline(always)]
pub fn of_probe(probe: Probe) -> Option<&'static mut Scratch> {
    get(probe as u32)
}

/// 0, and the compiler does not know it: for a few zeros in a row it calls a function that writes them byte by byte.
#[inline(always)]
pub fn zero() -> u64 {
    let zero;
    // SAFETY: it touches nothing else.
    unsafe { asm!("{0} = 0", out(reg) zero, options(pure, nomem, nostack)) };
    zero
}

/// Copies a value from one map's entry to another's. The compiler does not know that they lie apart, and for an assignment
/// calls a function that copies byte by byte.
#[inline(always)]
pub fn copy<T: Copy>(into: &mut T, from: &T) {
    // SAFETY: both are references, one of which no other code has.
    unsafe { core::ptr::copy_nonoverlapping(from, into, 1) };
}

/// Sets a flag in place. Volatile, so that the value makes its detour through memory: the verifier then follows one
/// state for all combinations of flags, and not one for each.
#[inline(always)]
pub fn raise(flags: &mut u32, flag: u32) {
    let flags: *mut u32 = flags;
    // SAFETY: a reference to a field of a map's value.
    unsafe { flags.write_volatile(flags.read_volatile() | flag) };
}
