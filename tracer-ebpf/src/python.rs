//! The only reader of interpreter memory: thread states, frames, code objects and their names.
//!
//! One walk for all versions: it is driven by the process's [`Layout`], of which every offset is clamped before use.
//! It runs on the thread that it walks, so that no frame changes under it.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use tracer_common::control::{MAX_DEPTH, STEPS_PER_FRAME};
use tracer_common::counters::Probe;
use tracer_common::event::kind;
use tracer_common::hash::{SEED, mix};
use tracer_common::python::{FRAME_BYTES, Frame, Layout, Stack, flag, status};
use tracer_common::target::{self, Target};

use crate::config::DEPTH;
use crate::direct::Memory;
use crate::emit::{header, now, send_record};
use crate::kernel::load_cast;
use crate::maps::{SEEN, SEEN_STACKS};
use crate::narrow::{count, index, int, low, low_quarter, lowest_byte};
use crate::scratch::{self, BUFFER_BYTES, Scratch, zero};
use crate::task::Task;
use crate::user;

mod code;
pub mod function;
mod gc;
mod identity;
mod leaf;
mod memo;
mod parked;
mod state;
mod thinned;
mod top_frame;
pub use code::send_site;
pub use gc::{counts, has_stopped_others, holds_gil};
use identity::{first_line, identity, identity_word};
use leaf::innermost;
pub use leaf::leaf;
pub use memo::Memo;
pub use parked::parked;
pub use state::{gil_with, own_gil};
use state::{listed_thread_state, may_have_others, slot_thread_state};
pub use thinned::{is_to_be_walked, place, walk_some};
use top_frame::TopFrame;

/// Tag bits of a frame's code pointer (3.14 and later); objects are 16-byte aligned in every version.
const TAG_BITS: u64 = 7;

/// A stack that has been walked, and sent if it was new.
#[derive(Clone, Copy, Default)]
pub struct Walked {
    /// 0 when there is none.
    pub id: u64,
    /// One of [`status`].
    pub status: u32,
    /// [`tracer_common::switch::flag`]: whether its callers were left out, or read by chance.
    pub flags: u32,
}

impl Walked {
    const NO_ROOM: Self = Self { id: 0, status: status::FAULTED, flags: 0 };
}

/// Walks the current thread's stack, and sends it at its first sight.
#[inline(always)]
pub fn walk(probe: Probe, target: &Target) -> Walked {
    walk_to(probe, target, DEPTH.load())
}

/// [`walk`], down to `depth` frames.
#[inline(always)]
pub fn walk_to(probe: Probe, target: &Target, depth: u32) -> Walked {
    let Some(scratch) = scratch::of_probe(probe) else { return Walked::NO_ROOM };
    scratch.walk_in(target);
    walked(probe, walk_current(probe as u32, depth), 0)
}

/// What came of a walk of this probe.
#[inline(always)]
fn walked(probe: Probe, id: u64, flags: u32) -> Walked {
    // Looked up anew: the walk wrote to it behind the compiler's back.
    let Some(scratch) = scratch::of_probe(probe) else { return Walked::NO_ROOM };
    Walked { id, status: scratch.walk.status, flags }
}

/// Walks by the target in the scratch buffer; the stack's id, 0 when there is none. Leaves its status there.
///
/// A global function, as are all that are not mangled and take and return numbers alone: the verifier follows it once
/// for a program, and not once for every state in which the program gets here.
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/verifier.c#L9873>
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn walk_current(probe: u32, depth: u32) -> u64 {
    let Some(scratch) = scratch::get(probe) else { return 0 };
    let top = match top_frame(&scratch.target, scratch.memory) {
        Ok(frame) => frame,
        Err(status) => {
            scratch.walk.status = status;
            return 0;
        }
    };
    let hash = mix(SEED, scratch.target.space);
    let number = scratch.walk.number.wrapping_add(1);
    scratch.walk = Walk {
        frame: top,
        hash,
        depth: zero(),
        held_from: zero(),
        held_bytes: zero(),
        limit: depth,
        faulted: 0,
        status: 0,
        number,
    };
    let mut context = probe;
    // SAFETY: `step` has the signature that the helper wants, and `context` outlives the loop.
    unsafe { bpf_loop(STEPS_PER_FRAME * depth, step as *mut c_void, (&raw mut context).cast(), 0) };
    finish(probe)
}

/// The state of a walk between two frames. Kept in the scratch buffer: what the verifier reads back from there is
/// unknown to it, so that one pass through a step stands for all.
#[repr(C)]
pub struct Walk {
    frame: u64,
    hash: u64,
    depth: u64,
    /// Address of the first byte that the frame buffer holds.
    held_from: u64,
    /// From there to the last frame that it holds.
    held_bytes: u64,
    /// Frames that are kept.
    limit: u32,
    faulted: u32,
    /// What came of it: one of [`status`].
    status: u32,
    /// Distinguishes this walk from those before it.
    pub number: u32,
}

/// Keeps one frame and moves on to its caller. A boundary to C is passed over.
#[inline(never)]
unsafe extern "C" fn step(_index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` hands on what it was given.
    let probe = unsafe { *context.cast::<u32>() };
    let Some(scratch) = scratch::get(probe) else { return 1 };
    let at = scratch.walk.frame;
    if at == 0 {
        return 1;
    }
    let Some((frame, previous)) = walk_frame(scratch, at) else {
        scratch.walk.faulted = 1;
        return 1;
    };
    if frame.code == 0 {
        scratch.walk.frame = previous;
        return 0;
    }
    let depth = scratch.walk.depth;
    if depth >= u64::from(scratch.walk.limit) {
        return 1;
    }
    scratch.stack.frames[index(depth) & (MAX_DEPTH - 1)] = frame;
    let walk = &mut scratch.walk;
    walk.hash = mix(
        mix(walk.hash, frame.code),
        u64::from(frame.instruction.cast_unsigned()) << 32 | u64::from(frame.identity),
    );
    walk.depth = depth + 1;
    walk.frame = previous;
    0
}

#[inline(always)]
fn finish(probe: u32) -> u64 {
    // Looked up anew: the steps wrote to it behind the compiler's back.
    let Some(scratch) = scratch::get(probe) else { return 0 };
    let walk = &mut scratch.walk;
    walk.status = match (walk.faulted, walk.depth) {
        (1, _) => status::FAULTED,
        (_, 0) => status::NO_PYTHON_FRAME,
        _ if walk.frame != 0 => status::OK | status::TRUNCATED,
        _ => status::OK,
    };
    if walk.depth == 0 {
        return 0;
    }
    let id = walk.hash.max(1);
    if !seen_stack(id) {
        scratch.stack.id = id;
        scratch.stack.space = scratch.target.space;
        scratch.stack.status = scratch.walk.status;
        scratch.stack.depth = low(scratch.walk.depth);
        send_stack(probe, scratch.walk.depth);
    }
    id
}

#[inline(always)]
fn seen_stack(id: u64) -> bool {
    SEEN_STACKS.get(low(id) & (SEEN - 1)).is_some_and(|&seen| seen == id)
}

/// Sends the stack in the scratch buffer, after the names that it needs.
#[inline(always)]
fn send_stack(probe: u32, depth: u64) {
    code::send_all(probe, depth);
    let Some(scratch) = scratch::get(probe) else { return };
    let frames = (depth & (2 * MAX_DEPTH as u64 - 1)).min(MAX_DEPTH as u64);
    let bytes = Stack::FIXED as u64 + frames * size_of::<Frame>() as u64;
    scratch.stack.header = header(kind::STACK, index(bytes), now(), Task::current());
    // SAFETY: the stack is as long as its deepest.
    let sent = unsafe { send_record(probe, (&raw const scratch.stack).cast(), bytes) };
    if sent && let Some(slot) = SEEN_STACKS.get_ptr_mut(low(scratch.stack.id) & (SEEN - 1)) {
        // SAFETY: one word; the one that writes last only makes the other's stack be sent again.
        unsafe { *slot = scratch.stack.id };
    }
}

/// The frame that a pointer in the evaluation function's arguments means.
#[inline(always)]
pub fn frame_at(probe: Probe, target: &Target, address: u64) -> Option<Frame> {
    let scratch = scratch::of_probe(probe)?;
    scratch.walk_in(target);
    read_frame(scratch, address).map(|(frame, _)| frame)
}

/// Address of the innermost frame of the current thread, 0 when it has none; or why it is not known.
#[inline(always)]
fn top_frame(target: &Target, memory: Memory) -> Result<u64, u32> {
    if target.flags & target::flag::PYTHON == 0 {
        let no_python = target.flags & target::flag::NOT_PYTHON != 0;
        return Err(if no_python { status::NO_PYTHON_FRAME } else { status::UNRESOLVED });
    }
    let task = Task::current();
    if task.is_leaving() {
        return Err(status::NO_PYTHON_FRAME);
    }
    let python = &target.python;
    let fsbase = task.fsbase();
    if python.has_slot() {
        let top = TopFrame::of(&python.layout).address(memory, slot_thread_state(python, memory, fsbase)?)?;
        if top != 0 || !may_have_others(python, memory) {
            return Ok(top);
        }
    }
    // One call for both: a search takes a quarter of the stack that there is for all functions together.
    // And what leads to the frame is read once more after it, since it would lie on the stack meanwhile.
    let state = listed_thread_state(python, memory, fsbase, python.has_slot())?;
    TopFrame::of(&python.layout).address(memory, state)
}

/// A frame and the address of its caller's; `None` where its memory is not resident.
#[inline(always)]
fn read_frame(scratch: &mut Scratch, address: u64) -> Option<(Frame, u64)> {
    if !fetch_frame(scratch, address) && !copy_frame(scratch, 0, address) {
        return None;
    }
    Some(frame_in_buffer(scratch, 0, identity))
}

/// Fetches what the layout wants of one frame; false where that takes a copy.
#[inline(always)]
fn fetch_frame(scratch: &mut Scratch, address: u64) -> bool {
    let Scratch { target, memory, copies, .. } = scratch;
    let layout = &target.python.layout;
    let at = memory.resident(address, u64::from(layout.frame_bytes).min(FRAME_BYTES as u64));
    if at == 0 {
        return false;
    }
    let mut fetch = |offset: u16| {
        let offset = offset & const { low_quarter(FRAME_BYTES as u64 - 8) };
        // SAFETY: found there.
        copies.frames[usize::from(offset >> 3)] = unsafe { load_cast(at + u64::from(offset)) };
    };
    fetch(layout.frame_previous);
    fetch(layout.frame_code);
    fetch(layout.frame_instruction);
    if layout.flags & flag::OWNER != 0 {
        fetch(layout.frame_owner);
    }
    if layout.flags & flag::COPIES != 0 {
        fetch(layout.frame_copy);
    }
    true
}

/// [`read_frame`] in a walk. From 3.11 on most callers' frames lie just below, in the same piece of memory: what of it
/// the frame's page has is copied at once, since a copy of many bytes costs as much as one of a few.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/internal/pycore_frame.h#L265>
#[inline(always)]
fn walk_frame(scratch: &mut Scratch, address: u64) -> Option<(Frame, u64)> {
    const PAGE: u64 = 4096;
    let mut offset = address.wrapping_sub(scratch.walk.held_from);
    if offset > scratch.walk.held_bytes {
        offset = 0;
        if scratch.target.python.layout.flags & flag::INDEX == 0 {
            offset = (address & (PAGE - 1)).min((BUFFER_BYTES - FRAME_BYTES) as u64);
        }
        if !copy_frame(scratch, offset, address) {
            return None;
        }
        scratch.walk.held_from = address - offset;
        scratch.walk.held_bytes = offset;
    }
    Some(frame_in_buffer(scratch, offset, memo::identity))
}

/// Copies a frame, and so many bytes before it.
#[inline(always)]
fn copy_frame(scratch: &mut Scratch, before: u64, address: u64) -> bool {
    let bytes = u32::from(scratch.target.python.layout.frame_bytes).min(count(FRAME_BYTES));
    // SAFETY: the buffer has room for a frame and as many bytes as any caller wants before it.
    unsafe {
        user::read_into(scratch.copies.frames.as_mut_ptr().cast(), low(before) + bytes, address - before)
    }
}

/// The frame so many bytes from the start of the frame buffer, and the address of its caller's.
#[inline(always)]
fn frame_in_buffer(
    scratch: &mut Scratch,
    start: u64,
    identity: impl FnOnce(&mut Scratch, u64) -> u32,
) -> (Frame, u64) {
    let layout = &scratch.target.python.layout;
    let word = |offset: u16| frame_word(&scratch.copies.frames, start, offset);
    let previous = word(layout.frame_previous);
    if layout.flags & flag::OWNER != 0 {
        let owner = lowest_byte(word(layout.frame_owner) >> (8 * (u32::from(layout.frame_owner) & 7)));
        if owner >= lowest_byte(layout.first_c_owner.into()) {
            return (Frame::default(), previous);
        }
    }
    let code = word(layout.frame_code) & !TAG_BITS;
    if code == 0 {
        return (Frame::default(), previous);
    }
    let at = word(layout.frame_instruction & !7);
    let instruction = if layout.flags & flag::COPIES != 0 {
        in_copy(layout, scratch.memory, code, at, low(word(layout.frame_copy)))
    } else if layout.flags & flag::INDEX == 0 {
        int(at.wrapping_sub(code))
    } else {
        int(at >> (8 * u32::from(layout.frame_instruction & 4)))
    };
    (Frame { code, instruction, identity: identity(scratch, code) }, previous)
}

/// Bytes from a code object to an instruction of a thread's own copy of the bytecode, as if it were the first, which lies
/// in the code object; -1 where the copy is not resident.
/// <https://github.com/python/cpython/blob/v3.14.0/Include/cpython/code.h> (`_PyCodeArray`)
#[inline(always)]
fn in_copy(layout: &Layout, memory: Memory, code: u64, instruction: u64, copy: u32) -> i32 {
    if copy == 0 {
        return int(instruction.wrapping_sub(code));
    }
    let copies = user::word(memory, code + u64::from(layout.code_copies)).unwrap_or(0);
    match user::word(memory, copies + 8 + 8 * u64::from(copy)) {
        Some(bytecode) => int(instruction.wrapping_sub(bytecode).wrapping_add(layout.code_bytecode.into())),
        None => -1,
    }
}

#[inline(always)]
fn frame_word(frames: &[u64; BUFFER_BYTES / 8], start: u64, offset: u16) -> u64 {
    frames[((index(start) >> 3) + (offset as usize >> 3 & (FRAME_BYTES / 8 - 1))) & (BUFFER_BYTES / 8 - 1)]
}
