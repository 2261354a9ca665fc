//! The innermost Python frame alone: the line at which something happens.

use tracer_common::counters::Probe;
use tracer_common::python::status;
use tracer_common::target::Target;

use super::{read_frame, top_frame};
use crate::scratch::{self, Scratch};

/// Looks for the innermost Python frame alone, the call site, and leaves it in the scratch buffer: [`status::OK`], or
/// why there is none.
#[inline(always)]
pub fn leaf(probe: Probe, target: &Target) -> u32 {
    let Some(scratch) = scratch::of_probe(probe) else { return status::FAULTED };
    scratch.walk_in(target);
    leaf_of_current(probe as u32)
}

/// [`leaf`] of the target in the scratch buffer: a global function, see [`super::walk_current`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn leaf_of_current(probe: u32) -> u32 {
    let Some(scratch) = scratch::get(probe) else { return status::FAULTED };
    match top_frame(&scratch.target, scratch.memory) {
        Ok(frame) => innermost(scratch, frame),
        Err(status) => status,
    }
}

/// Leaves the first frame that is no C boundary.
#[inline(always)]
pub fn innermost(scratch: &mut Scratch, mut at: u64) -> u32 {
    /// Boundaries to C that may lie above it.
    const BOUNDARIES: usize = 2;
    for _ in 0..=BOUNDARIES {
        if at == 0 {
            break;
        }
        let Some((frame, previous)) = read_frame(scratch, at) else { return status::FAULTED };
        if frame.code != 0 {
            scratch.leaf = frame;
            return status::OK;
        }
        at = previous;
    }
    status::NO_PYTHON_FRAME
}
