//! Stacks of which the innermost frame is always read, and its callers one time in some, by chance.
//!
//! To read a code object for each caller is what a switch costs most. What calls a line is known after a few reads; what
//! happens there is counted each time. User space shares out what was seen of a line alone among the callers that were
//! seen by chance (`analysis::callers`).

use aya_ebpf::helpers::generated::bpf_get_prandom_u32;
use tracer_common::counters::Probe;
use tracer_common::hash::{SEED, mix};
use tracer_common::python::{Frame, status};
use tracer_common::switch::flag;
use tracer_common::target::Target;

use super::{Walked, finish, innermost, top_frame, walk_current, walked};
use crate::config::DEPTH;
use crate::maps::{CALLERS_READ, SEEN};
use crate::narrow::low;
use crate::scratch;

/// In the hash of a stack whose callers were left out: it is another than a stack of one frame.
const ALONE: u64 = 1;

/// No stack has this id: see [`leaf_alone`].
const NOT_KNOWN: u64 = u64::MAX;

/// [`super::walk`], one time in 2 to the power of `thinning`, and where this thread has not been walked at this line
/// before; else the innermost frame alone.
#[inline(always)]
pub fn walk_some(probe: Probe, target: &Target, tid: u32, thinning: u32) -> Walked {
    let Some(scratch) = scratch::of_probe(probe) else { return Walked::NO_ROOM };
    scratch.walk_in(target);
    let mut flags = 0;
    if thinning != 0 {
        if is_chosen(thinning) {
            flags = thinning << flag::THINNING_SHIFT & flag::THINNING;
        } else {
            let id = leaf_alone(probe as u32, tid);
            if id != NOT_KNOWN {
                return walked(probe, id, flag::LEAF_ONLY);
            }
        }
    }
    walked(probe, walk_current(probe as u32, DEPTH.load()), flags)
}

/// Whether the callers of a line are to be read: by chance, or because they have not been for this thread.
#[inline(always)]
pub fn is_to_be_walked(space: u64, tid: u32, leaf: &Frame, thinning: u32) -> bool {
    thinning == 0 || is_chosen(thinning) || leaf.code == 0 || !is_known(space, tid, leaf)
}

/// A frame in one word.
#[inline(always)]
pub fn place(frame: &Frame) -> u64 {
    mix(mix(SEED, frame.code), u64::from(frame.instruction.cast_unsigned()) << 32 | u64::from(frame.identity))
        .max(1)
}

#[inline(always)]
fn is_chosen(thinning: u32) -> bool {
    // SAFETY: it has no arguments.
    let random = unsafe { bpf_get_prandom_u32() };
    random & ((1 << (thinning & 15)) - 1) == 0
}

/// Whether this thread's callers at this line have been read; from now on they have.
#[inline(always)]
fn is_known(space: u64, tid: u32, leaf: &Frame) -> bool {
    let thread = mix(mix(place(leaf), space), tid.into());
    let Some(slot) = CALLERS_READ.get_ptr_mut(low(thread) & (SEEN - 1)) else { return false };
    // SAFETY: one word; the one that writes last only makes the other's stack be walked again.
    unsafe {
        let known = *slot == thread;
        *slot = thread;
        known
    }
}

/// The innermost frame as a stack of its own, sent at its first sight; its id, 0 where there is none, and [`NOT_KNOWN`] where
/// its callers are to be read. By the target in the scratch buffer, where it leaves the frame: a global function, see
/// [`super::walk_current`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn leaf_alone(probe: u32, tid: u32) -> u64 {
    let Some(scratch) = scratch::get(probe) else { return 0 };
    let status = match top_frame(&scratch.target, scratch.memory) {
        Ok(frame) => innermost(scratch, frame),
        Err(status) => status,
    };
    if status != status::OK {
        scratch.walk.status = status;
        return 0;
    }
    if !is_known(scratch.target.space, tid, &scratch.leaf) {
        return NOT_KNOWN;
    }
    scratch.stack.frames[0] = scratch.leaf;
    let walk = &mut scratch.walk;
    walk.hash = mix(mix(mix(SEED, scratch.target.space), ALONE), place(&scratch.leaf));
    (walk.depth, walk.faulted) = (1, 0);
    walk.frame = ALONE; // there is, or may be, a caller
    finish(probe)
}
