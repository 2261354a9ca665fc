//! What has been read of an open file, and where: whether a read is the first of its call site, and whether a larger one
//! before it would have brought its bytes along.
//!
//! A `struct file` is used again once it is closed, so that every open that is seen begins anew.

use tracer_common::counters::Probe;
use tracer_common::python::Frame;

use crate::file::{Opened, pipe};
use crate::maps::{OPENS, OPENS_SLOTS};
use crate::narrow::{low, low_quarter};
use crate::scratch::{self, zero};

/// Call sites that are remembered of one open.
const SITES: usize = 5;

/// An open file.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Open {
    /// Address of the `struct file`; its lowest bit is set once another file had to make room for it.
    file: u64,
    /// Where the last read ended: a position in the file, or how far the pipe was written then.
    mark: u64,
    /// The call site of that read.
    last: u64,
    /// Where it was opened; 0 where that is not known.
    opener: u64,
    sites: [u64; SITES],
}

/// The bit of [`Open::file`] for what was known and is lost.
const EVICTS: u64 = 1;
/// A call may be at either of two instructions, which lie close together, once CPython has specialised it.
const SAME_CALL: u64 = 4;

/// What a read showed of its open file.
pub mod seen {
    /// The first read of this open at this site.
    pub const FIRST: u64 = 1;
    /// It may be the first, or not.
    pub const UNKNOWN: u64 = 2;
    /// A larger read at this site just before would have brought its bytes along.
    pub const CONTINUED: u64 = 4;
    /// It left its pipe full.
    pub const FULL: u64 = 8;
    /// The function that reads has opened it, by a call of its own. What one call opens and reads is read by what it calls.
    pub const OWN: u64 = 16;
}

/// A file has been opened, at a call site as [`site`] has it.
#[inline(always)]
pub fn opened(file: u64, opener: u64) {
    if let Some(open) = slot(file) {
        *open = Open { file, mark: zero(), last: zero(), opener, sites: [zero(); SITES] };
    }
}

/// A call site in one word. User addresses have 47 bits. A forked child has its parent's addresses, and its own pid.
#[inline(always)]
pub fn site(frame: &Frame, pid: u32) -> u64 {
    let code = frame.code << 16 | u64::from(low_quarter(u64::from(frame.instruction.cast_unsigned())));
    (code ^ u64::from(pid) << 42) | 1 << 63
}

#[inline(always)]
fn slot(file: u64) -> Option<&'static mut Open> {
    // 64-byte aligned objects, a few to a page.
    let index = low(file >> 6 ^ file >> 18) & (OPENS_SLOTS - 1);
    // SAFETY: plain words. Threads that race for a slot may only make a read count as what it is not.
    OPENS.get_ptr_mut(index).map(|open| unsafe { &mut *open })
}

/// The read in the scratch buffer has returned `bytes`, from `offset` in the file, or from its own position if that is
/// `u64::MAX`; the bits of [`mod@seen`]. A global function, see [`crate::python::walk`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn read(offset: u64, bytes: u64) -> u64 {
    let Some(scratch) = scratch::of_probe(Probe::Syscall) else { return seen::UNKNOWN };
    let (opened, key) = (&scratch.file.opened, &scratch.read.key);
    let Some(open) = slot(opened.file) else { return seen::UNKNOWN };
    if open.file & !EVICTS != opened.file {
        let evicts = u64::from(open.file != 0) * EVICTS;
        let file = opened.file | evicts;
        *open = Open { file, mark: zero(), last: zero(), opener: zero(), sites: [zero(); SITES] };
    }
    let here = site(&key.site, key.pid);
    let goes_on = if bytes == 0 { 0 } else { follow(open, opened, here, offset, bytes) };
    let is_own = open.opener >> 16 == here >> 16 && open.opener != here;
    goes_on | visit(open, here) | (u64::from(is_own) * seen::OWN)
}

/// Remembers the site; whether it is new.
#[inline(always)]
fn visit(open: &mut Open, here: u64) -> u64 {
    for known in &mut open.sites {
        if *known == 0 {
            *known = here;
            return if open.file & EVICTS == 0 { seen::FIRST } else { seen::UNKNOWN };
        }
        if is_same_call(*known, here) {
            return 0;
        }
    }
    seen::UNKNOWN
}

/// Remembers where the read ended; whether it went on where the last one did.
#[inline(always)]
fn follow(open: &mut Open, opened: &Opened, here: u64, offset: u64, bytes: u64) -> u64 {
    let (began, ended, full) = if opened.is_pipe() {
        let written = pipe::written(opened.file);
        (written & !pipe::FULL, written & !pipe::FULL, written & pipe::FULL)
    } else {
        let ended = if offset == u64::MAX { opened.position } else { offset + bytes };
        (ended.wrapping_sub(bytes), ended, 0)
    };
    let goes_on = open.mark != 0 && open.mark == began && is_same_call(open.last, here);
    (open.mark, open.last) = (ended, here);
    (u64::from(goes_on) * seen::CONTINUED) | (u64::from(full != 0) * seen::FULL)
}

#[inline(always)]
fn is_same_call(one: u64, other: u64) -> bool {
    one >> 16 == other >> 16 && (one & 0xffff).abs_diff(other & 0xffff) <= SAME_CALL
}
