//! The only reader of interpreter memory: thread states, frames, code objects and their names.
//!
//! One walk for all versions: it is driven by the process's [`Layout`], of which every offset is clamped before use.
//! It runs on the thread that it walks, so that no frame changes under it.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use tracer_common::control::MAX_DEPTH;
use tracer_common::counters::Probe;
use tracer_common::event::kind;
use tracer_common::hash::{SEED, mix};
use tracer_common::python::{FRAME_BYTES, Frame, Layout, Python, Stack, flag, status};
use tracer_common::target::{self, Target};

use crate::config::DEPTH;
use crate::emit::{header, now, send_record};
use crate::maps::{SEEN, SEEN_STACKS};
use crate::scratch::{self, IDENTITY_WORDS, Scratch};
use crate::task::Task;
use crate::user;

mod code;
mod function;
pub use code::send_site;
pub use function::called;

/// Tag bits of a frame's code pointer (3.14 and later); objects are 16-byte aligned in every version.
const TAG_BITS: u64 = 7;
/// Thread states that are looked at where the thread's own slot is not known.
const THREAD_STATES: u32 = 1024;

/// A stack that has been walked, and sent if it was new.
#[derive(Clone, Copy, Default)]
pub struct Walked {
    /// 0 when there is none.
    pub id: u64,
    /// One of [`status`].
    pub status: u32,
}

/// Walks the current thread's stack, and sends it at its first sight.
#[inline(always)]
pub fn walk(probe: Probe, task: Task, target: &Target) -> Walked {
    walk_to(probe, task, target, DEPTH.load())
}

/// [`walk`], down to `depth` frames.
#[inline(always)]
pub fn walk_to(probe: Probe, task: Task, target: &Target, depth: u32) -> Walked {
    let Some(scratch) = scratch::of_probe(probe) else { return Walked { id: 0, status: status::FAULTED } };
    scratch.layout = target.python.layout;
    let top = match top_frame(target, task) {
        Ok(frame) => frame,
        Err(status) => return Walked { id: 0, status },
    };
    scratch.walk = Walk { frame: top, hash: mix(SEED, target.space), depth: 0, python: 0, faulted: 0 };
    let mut number = probe as u32;
    // SAFETY: `step` has the signature that the helper wants, and `number` outlives the loop.
    unsafe { bpf_loop(depth, step as *mut c_void, (&raw mut number).cast(), 0) };
    finish(probe, task, target)
}

/// The state of a walk between two frames. Kept in the scratch buffer: what the verifier reads back from there is
/// unknown to it, so that one pass through a step stands for all.
#[repr(C)]
pub struct Walk {
    frame: u64,
    hash: u64,
    depth: u64,
    /// A frame that is no C boundary was seen.
    python: u32,
    faulted: u32,
}

/// Keeps one frame and moves on to its caller.
#[inline(never)]
unsafe extern "C" fn step(index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` hands on what it was given.
    let probe = unsafe { *context.cast::<u32>() };
    let Some(scratch) = scratch::of(probe) else { return 1 };
    let at = scratch.walk.frame;
    if at == 0 {
        return 1;
    }
    let Some((frame, previous)) = read_frame(scratch, at) else {
        scratch.walk.faulted = 1;
        return 1;
    };
    scratch.stack.frames[index as usize & (MAX_DEPTH - 1)] = frame;
    let walk = &mut scratch.walk;
    walk.python |= u32::from(frame.code != 0);
    walk.hash = mix(
        mix(walk.hash, frame.code),
        u64::from(frame.instruction as u32) << 32 | u64::from(frame.identity),
    );
    walk.depth = index + 1;
    walk.frame = previous;
    0
}

#[inline(always)]
fn finish(probe: Probe, task: Task, target: &Target) -> Walked {
    // Looked up anew: the steps wrote to it behind the compiler's back.
    let Some(scratch) = scratch::of_probe(probe) else { return Walked { id: 0, status: status::FAULTED } };
    let walk = &scratch.walk;
    let status = match (walk.faulted, walk.python) {
        (1, _) => status::FAULTED,
        (_, 0) => status::NO_PYTHON_FRAME,
        _ if walk.frame != 0 => status::OK | status::TRUNCATED,
        _ => status::OK,
    };
    if walk.python == 0 {
        return Walked { id: 0, status };
    }
    let id = walk.hash.max(1);
    if !seen_stack(id) {
        scratch.stack.id = id;
        scratch.stack.space = target.space;
        scratch.stack.status = status;
        scratch.stack.depth = walk.depth as u32;
        send_stack(probe, task, target, walk.depth);
    }
    Walked { id, status }
}

#[inline(always)]
fn seen_stack(id: u64) -> bool {
    SEEN_STACKS.get(id as u32 & (SEEN - 1)).is_some_and(|&seen| seen == id)
}

/// Sends the stack in the scratch buffer, after the names that it needs.
#[inline(always)]
fn send_stack(probe: Probe, task: Task, target: &Target, depth: u64) {
    code::send_all(probe, task, target, depth);
    let Some(scratch) = scratch::of_probe(probe) else { return };
    let frames = (depth & (2 * MAX_DEPTH as u64 - 1)).min(MAX_DEPTH as u64);
    let bytes = Stack::FIXED as u64 + frames * size_of::<Frame>() as u64;
    scratch.stack.header = header(kind::STACK, bytes as usize, now(), task);
    // SAFETY: the stack is as long as its deepest.
    let sent = unsafe { send_record(probe as u32, (&raw const scratch.stack).cast(), bytes) };
    if sent && let Some(slot) = SEEN_STACKS.get_ptr_mut(scratch.stack.id as u32 & (SEEN - 1)) {
        // SAFETY: one word; whoever writes last only makes the other's stack be sent again.
        unsafe { *slot = scratch.stack.id };
    }
}

/// The innermost Python frame alone: the call site. The reason, where there is none.
#[inline(always)]
pub fn leaf(probe: Probe, task: Task, target: &Target) -> Result<Frame, u32> {
    let Some(scratch) = scratch::of_probe(probe) else { return Err(status::FAULTED) };
    scratch.layout = target.python.layout;
    let mut at = top_frame(target, task)?;
    for _ in 0..3 {
        if at == 0 {
            return Err(status::NO_PYTHON_FRAME);
        }
        let (frame, previous) = read_frame(scratch, at).ok_or(status::FAULTED)?;
        if frame.code != 0 {
            return Ok(frame);
        }
        at = previous;
    }
    Err(status::NO_PYTHON_FRAME)
}

/// The frame that a pointer in the evaluation function's arguments means.
#[inline(always)]
pub fn frame_at(probe: Probe, target: &Target, address: u64) -> Option<Frame> {
    let scratch = scratch::of_probe(probe)?;
    scratch.layout = target.python.layout;
    read_frame(scratch, address).map(|(frame, _)| frame)
}

/// Address of the innermost frame of the current thread, 0 when it has none; or why it is not known.
#[inline(always)]
fn top_frame(target: &Target, task: Task) -> Result<u64, u32> {
    if target.flags & target::flag::PYTHON == 0 {
        let no_python = target.flags & target::flag::NOT_PYTHON != 0;
        return Err(if no_python { status::NO_PYTHON_FRAME } else { status::UNRESOLVED });
    }
    if task.is_leaving() {
        return Err(status::NO_PYTHON_FRAME);
    }
    let python = &target.python;
    let state = thread_state(python, task.fsbase())?;
    let layout = &python.layout;
    let top = user::read::<u64>(state + u64::from(layout.top_frame)).ok_or(status::FAULTED)?;
    if layout.flags & flag::VIA_CFRAME == 0 || top == 0 {
        return Ok(top);
    }
    user::read(top + u64::from(layout.cframe_frame)).ok_or(status::FAULTED)
}

/// Address of the current thread's `PyThreadState`, also while another thread holds the GIL.
#[inline(always)]
fn thread_state(python: &Python, fsbase: u64) -> Result<u64, u32> {
    if python.thread_state_slot == 0 {
        return listed_thread_state(python, fsbase);
    }
    match user::read::<u64>(fsbase.wrapping_add_signed(python.thread_state_slot)) {
        Some(0) => Err(status::NO_PYTHON_FRAME),
        Some(state) => Ok(state),
        None => Err(status::FAULTED),
    }
}

/// The search for a thread state whose thread is the current one.
#[repr(C)]
struct Search {
    state: u64,
    wanted: u64,
    thread_id: u64,
    next: u64,
    found: u32,
    faulted: u32,
}

#[inline(always)]
fn listed_thread_state(python: &Python, fsbase: u64) -> Result<u64, u32> {
    let layout = &python.layout;
    let interpreter = user::read::<u64>(python.interpreters_head).ok_or(status::FAULTED)?;
    if interpreter == 0 {
        return Err(status::NO_PYTHON_FRAME);
    }
    let state = user::read(interpreter + u64::from(layout.threads_head)).ok_or(status::FAULTED)?;
    let mut search = Search {
        state,
        wanted: fsbase,
        thread_id: u64::from(layout.thread_id),
        next: u64::from(layout.thread_next),
        found: 0,
        faulted: 0,
    };
    // SAFETY: as in `walk_to`.
    unsafe { bpf_loop(THREAD_STATES, search_step as *mut c_void, (&raw mut search).cast(), 0) };
    match (search.found, search.faulted) {
        (1, _) => Ok(search.state),
        (_, 1) => Err(status::FAULTED),
        _ => Err(status::NO_PYTHON_FRAME),
    }
}

#[inline(never)]
unsafe extern "C" fn search_step(_index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` hands on what it was given.
    let search = unsafe { &mut *context.cast::<Search>() };
    if search.state == 0 {
        return 1;
    }
    let (thread, next) =
        (user::read::<u64>(search.state + search.thread_id), user::read::<u64>(search.state + search.next));
    let (Some(thread), Some(next)) = (thread, next) else {
        search.faulted = 1;
        return 1;
    };
    if thread == search.wanted {
        search.found = 1;
        return 1;
    }
    search.state = next;
    0
}

/// A frame and the address of its caller's; `None` where its memory is not resident.
#[inline(always)]
fn read_frame(scratch: &mut Scratch, address: u64) -> Option<(Frame, u64)> {
    let layout = scratch.layout;
    let bytes = u32::from(layout.frame_bytes).min(FRAME_BYTES as u32);
    // SAFETY: the buffer has 128 bytes.
    if !unsafe { user::read_into(scratch.frame.as_mut_ptr().cast(), bytes, address) } {
        return None;
    }
    let previous = frame_word(scratch, layout.frame_previous);
    if layout.flags & flag::OWNER != 0
        && frame_byte(scratch, layout.frame_owner) >= layout.first_c_owner as u8
    {
        return Some((Frame::default(), previous));
    }
    let code = frame_word(scratch, layout.frame_code) & !TAG_BITS;
    if code == 0 {
        return Some((Frame::default(), previous));
    }
    let word = frame_word(scratch, layout.frame_instruction & !7);
    let instruction = if layout.flags & flag::INDEX == 0 {
        word.wrapping_sub(code) as i32
    } else {
        (word >> (8 * u32::from(layout.frame_instruction & 4))) as i32
    };
    Some((Frame { code, instruction, identity: identity(scratch, code) }, previous))
}

#[inline(always)]
fn frame_word(scratch: &Scratch, offset: u16) -> u64 {
    scratch.frame[(offset as usize >> 3) & 15]
}

#[inline(always)]
fn frame_byte(scratch: &Scratch, offset: u16) -> u8 {
    (frame_word(scratch, offset) >> (8 * (u32::from(offset) & 7))) as u8
}

/// Reads what tells a code object from one that was at its address before; 0 where it is not resident.
#[inline(always)]
fn identity(scratch: &mut Scratch, code: u64) -> u32 {
    let layout = scratch.layout;
    let start = identity_start(&layout);
    let bytes = u32::from(layout.code_line_table + 8 - start) & (8 * IDENTITY_WORDS as u32 - 1);
    // SAFETY: the buffer has 128 bytes.
    if !unsafe { user::read_into(scratch.identity.as_mut_ptr().cast(), bytes, code + u64::from(start)) } {
        return 0;
    }
    let hash = mix(SEED, identity_word(scratch, layout.code_filename));
    let hash = mix(hash, identity_word(scratch, layout.code_name));
    let hash = mix(hash, identity_word(scratch, layout.code_line_table));
    let hash = mix(hash, u64::from(first_line(scratch) as u32));
    ((hash ^ (hash >> 32)) as u32).max(1)
}

/// Where the bytes that are read for an identity start.
#[inline(always)]
fn identity_start(layout: &Layout) -> u16 {
    (if layout.code_first_line < layout.code_filename {
        layout.code_first_line
    } else {
        layout.code_filename
    }) & !7
}

/// A word of the code object that was read last for its identity.
#[inline(always)]
fn identity_word(scratch: &Scratch, offset: u16) -> u64 {
    let index = (offset.wrapping_sub(identity_start(&scratch.layout)) >> 3) as usize;
    scratch.identity[index & (IDENTITY_WORDS - 1)]
}

/// `co_firstlineno` of the code object that was read last for its identity.
#[inline(always)]
fn first_line(scratch: &Scratch) -> i32 {
    let offset = scratch.layout.code_first_line;
    (identity_word(scratch, offset) >> (8 * u32::from(offset & 4))) as i32
}
