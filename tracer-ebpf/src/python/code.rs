//! Code objects at their first sight: their names go out before the process can.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use tracer_common::control::MAX_DEPTH;
use tracer_common::counters::Probe;
use tracer_common::event::kind;
use tracer_common::hash::mix;
use tracer_common::python::{Code, Frame, LINE_TABLE_BYTES, Layout, NAME_BYTES, Name, flag};
use tracer_common::target::Target;

use super::{first_line, identity, identity_word};
use crate::emit::{header, now, send_record};
use crate::maps::{SEEN, SEEN_CODES};
use crate::narrow::{self, low};
use crate::scratch::{self, Scratch};
use crate::task::Task;
use crate::user;

/// `ob_size` of `bytes` and the length of `str`, in every version.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/cpython/unicodeobject.h#L54>
const LENGTH: u64 = 16;
/// The bit field of `str` that says how its characters are kept.
const STATE: u64 = 32;

/// Sends the names of those code objects of the stack in the scratch buffer that have not been sent.
#[inline(always)]
pub fn send_all(probe: u32, depth: u64) {
    let mut number = probe;
    // SAFETY: `send_step` has the signature that the helper wants, and `number` outlives the loop.
    unsafe { bpf_loop(low(depth), send_step as *mut c_void, (&raw mut number).cast(), 0) };
}

/// Sends the names of one code object, if they have not been sent.
#[inline(always)]
pub fn send_site(probe: Probe, target: &Target, frame: Frame) {
    let Some(scratch) = scratch::of_probe(probe) else { return };
    scratch.walk_in(target);
    scratch.stack.frames[0] = frame;
    send_all(probe as u32, 1);
}

#[inline(never)]
unsafe extern "C" fn send_step(index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` hands on what it was given.
    let probe = unsafe { *context.cast::<u32>() };
    let Some(scratch) = scratch::get(probe) else { return 1 };
    let frame = scratch.stack.frames[narrow::index(index) & (MAX_DEPTH - 1)];
    if frame.identity == 0 {
        return 0;
    }
    let hash = mix(mix(scratch.target.space, frame.code), u64::from(frame.identity));
    let slot = low(hash) & (SEEN - 1);
    if SEEN_CODES.get(slot).is_some_and(|&seen| seen == hash) {
        return 0;
    }
    if send(probe, scratch, frame)
        && let Some(seen) = SEEN_CODES.get_ptr_mut(slot)
    {
        // SAFETY: one word; the one that writes last only makes the other's names be sent again.
        unsafe { *seen = hash };
    }
    0
}

#[inline(always)]
fn send(probe: u32, scratch: &mut Scratch, frame: Frame) -> bool {
    let layout = scratch.target.python.layout;
    if identity(scratch, frame.code) != frame.identity {
        return false;
    }
    let line = first_line(scratch);
    let (file, function) =
        (identity_word(scratch, layout.code_filename), identity_word(scratch, layout.code_name));
    let table = identity_word(scratch, layout.code_line_table);
    let code = &mut scratch.code;
    (code.space, code.code, code.identity, code.first_line) =
        (scratch.target.space, frame.code, frame.identity, line);
    read_name(&layout, file, &mut code.file);
    read_name(&layout, function, &mut code.function);
    let copied = read_table(&layout, table, code);
    let bytes = Code::FIXED as u64 + copied;
    code.header = header(kind::CODE, narrow::index(bytes), now(), Task::current());
    // SAFETY: the record is as long as its longest table.
    unsafe { send_record(probe, (&raw const scratch.code).cast(), bytes) }
}

/// By how much objects have a longer head than with a GIL.
#[inline(always)]
fn head(layout: &Layout) -> u64 {
    if layout.flags & flag::FREE_THREADED == 0 { 0 } else { 16 }
}

/// By how many bits of a string's `state` its kind is preceded.
#[inline(always)]
fn interned_bits(layout: &Layout) -> u32 {
    if layout.flags & flag::INTERNED_BYTE == 0 { 2 } else { 8 }
}

/// Copies as many characters as fit.
#[inline(always)]
fn read_name(layout: &Layout, string: u64, name: &mut Name) {
    name.width = 0;
    name.length = 0;
    let Some(length) = user::read::<u64>(string + LENGTH + head(layout)) else { return };
    let (width, data) = if layout.flags & flag::BYTE_NAMES == 0 {
        let Some(state) = user::read::<u32>(string + STATE + head(layout)) else { return };
        let state = state >> interned_bits(layout);
        let ascii = state >> 4 & 1 == 1;
        (state & 7, if ascii { layout.ascii_data } else { layout.compact_data })
    } else {
        (1, layout.bytes_data)
    };
    let bytes = low((length.min(NAME_BYTES as u64) * u64::from(width)).min(NAME_BYTES as u64));
    // SAFETY: `bytes` is at most the buffer's length.
    if unsafe { user::read_into(name.bytes.as_mut_ptr(), bytes & 0x1ff, string + u64::from(data)) } {
        name.length = low(length);
        name.width = width;
    }
}

/// Copies the line table, whole or not at all; returns how many bytes.
#[inline(always)]
fn read_table(layout: &Layout, table: u64, code: &mut Code) -> u64 {
    code.table_copied = 0;
    let length = user::read::<u64>(table + LENGTH + head(layout)).unwrap_or(0);
    code.table_bytes = low(length);
    if length == 0 || length > LINE_TABLE_BYTES as u64 {
        return 0;
    }
    // SAFETY: `length` is at most the buffer's.
    let copied = unsafe {
        user::read_into(code.table.as_mut_ptr(), low(length), table + u64::from(layout.bytes_data))
    };
    code.table_copied = if copied { low(length) } else { 0 };
    u64::from(code.table_copied)
}
