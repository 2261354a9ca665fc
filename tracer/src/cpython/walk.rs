//! The walk of a thread that sleeps, from user space: what the kernel does for a thread that runs.
//!
//! Frame by frame the same raw result, so that equal stacks have equal ids, walked here or there. A thread that is not
//! stopped may change its frames meanwhile: the caller must check that it slept throughout.

use crate::event::{SpaceId, StackId};
use std::io;

use tracer_common::control::STEPS_PER_FRAME;
use tracer_common::hash::{SEED, mix};
use tracer_common::python::{self, FRAME_BYTES, Frame, flag, status};

use crate::cpython::code::Pointers;
use crate::cpython::memory::Memory;

/// Code pointers carry tags in their lowest bits from 3.14 on; before, these are 0.
/// <https://github.com/python/cpython/blob/v3.14.0/Include/internal/pycore_stackref.h>
const TAG_BITS: u64 = 7;

/// The function as a whole, where it is not known what it executes.
const NO_INSTRUCTION: u64 = u64::MAX;

/// What a walk found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Innermost first, without boundaries to C.
    pub frames: Vec<Frame>,
    /// One of [`status`], and perhaps [`status::TRUNCATED`].
    pub status: u32,
}

/// Identity of a stack in an address space, never 0.
#[must_use]
pub fn stack_id(space: SpaceId, frames: &[Frame]) -> StackId {
    let hash = frames.iter().fold(mix(SEED, space.0), |hash, frame| {
        let instruction = u64::from(frame.instruction.cast_unsigned());
        mix(mix(hash, frame.code), instruction << 32 | u64::from(frame.identity))
    });
    StackId(hash.max(1))
}

/// Walks the frames of a thread state, at most `depth` of them.
#[must_use]
pub fn walk(memory: &dyn Memory, layout: &python::Layout, thread_state: u64, depth: usize) -> Walk {
    let mut frames = Vec::new();
    let end = follow(memory, layout, thread_state, depth, &mut frames);
    let status = match end {
        Err(_) => status::FAULTED,
        Ok(_) if frames.is_empty() => status::NO_PYTHON_FRAME,
        Ok(WalkEnd::Outermost) => status::OK,
        Ok(WalkEnd::Depth) => status::OK | status::TRUNCATED,
    };
    Walk { frames, status }
}

/// Address of the innermost frame, 0 where there is none.
///
/// # Errors
/// When memory cannot be read.
pub fn top_frame(memory: &dyn Memory, layout: &python::Layout, thread_state: u64) -> io::Result<u64> {
    let top = memory.u64(thread_state.wrapping_add(layout.top_frame.into()))?;
    if layout.flags & flag::VIA_CFRAME == 0 || top == 0 {
        return Ok(top);
    }
    memory.u64(top.wrapping_add(layout.cframe_frame.into()))
}

/// Where a walk ended.
enum WalkEnd {
    Outermost,
    Depth,
}

fn follow(
    memory: &dyn Memory,
    layout: &python::Layout,
    thread_state: u64,
    depth: usize,
    frames: &mut Vec<Frame>,
) -> io::Result<WalkEnd> {
    let mut at = top_frame(memory, layout, thread_state)?;
    for _ in 0..depth * STEPS_PER_FRAME as usize {
        if at == 0 {
            break;
        }
        let raw = RawFrame::read(memory, layout, at)?;
        if let Some(frame) = raw.frame(memory, layout) {
            if frames.len() == depth {
                break;
            }
            frames.push(frame);
        }
        at = raw.pointer(layout.frame_previous);
    }
    Ok(if at == 0 { WalkEnd::Outermost } else { WalkEnd::Depth })
}

/// A frame's bytes.
struct RawFrame([u8; FRAME_BYTES]);

impl RawFrame {
    fn read(memory: &dyn Memory, layout: &python::Layout, at: u64) -> io::Result<Self> {
        let mut bytes = [0; FRAME_BYTES];
        memory.read(at, &mut bytes[..usize::from(layout.frame_bytes).min(FRAME_BYTES)])?;
        Ok(Self(bytes))
    }

    /// `None` for a boundary to C.
    fn frame(&self, memory: &dyn Memory, layout: &python::Layout) -> Option<Frame> {
        let code = self.pointer(layout.frame_code) & !TAG_BITS;
        if code == 0 || self.belongs_to_c(layout) {
            return None;
        }
        let pointers = Pointers::read(memory, layout, code);
        Some(Frame {
            code,
            instruction: self.instruction(memory, layout, code),
            identity: pointers.map_or(0, |pointers| pointers.identity()),
        })
    }

    fn belongs_to_c(&self, layout: &python::Layout) -> bool {
        let owner = u16::from(self.0[usize::from(layout.frame_owner)]);
        layout.flags & flag::OWNER != 0 && owner >= layout.first_c_owner
    }

    fn instruction(&self, memory: &dyn Memory, layout: &python::Layout, code: u64) -> i32 {
        let word = self.pointer(layout.frame_instruction);
        let copy = self.pointer(layout.frame_copy) as u32;
        let index = match layout.flags {
            flags if flags & flag::INDEX != 0 => word,
            flags if flags & flag::COPIES != 0 && copy != 0 => {
                let bytecode = copy_of_bytecode(memory, layout, code, copy);
                bytecode.map_or(NO_INSTRUCTION, |at| {
                    word.wrapping_sub(at).wrapping_add(layout.code_bytecode.into())
                })
            }
            _ => word.wrapping_sub(code),
        };
        (index as u32).cast_signed()
    }

    /// Eight bytes at an offset; what lies past the frame's end is 0.
    fn pointer(&self, offset: u16) -> u64 {
        let mut word = [0; 8];
        let rest = &self.0[usize::from(offset).min(FRAME_BYTES)..];
        let length = rest.len().min(8);
        word[..length].copy_from_slice(&rest[..length]);
        u64::from_le_bytes(word)
    }
}

/// Address of a thread's own copy of the bytecode. `_PyCodeArray` is a size and the addresses, of which the first is that
/// of the bytecode in the code object.
/// <https://github.com/python/cpython/blob/v3.14.0/Include/cpython/code.h>
fn copy_of_bytecode(memory: &dyn Memory, layout: &python::Layout, code: u64, copy: u32) -> io::Result<u64> {
    let copies = memory.u64(code.wrapping_add(layout.code_copies.into()))?;
    memory.u64(copies.wrapping_add(8 + 8 * u64::from(copy)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::layout::Layout;
    use crate::cpython::memory::fake::Fake;

    const THREAD: u64 = 0x1000;
    const FRAMES: u64 = 0x10_0000;
    const CODE: u64 = 0x20_0000;

    fn layout() -> python::Layout {
        Layout::for_release((3, 14), false).expect("known").wire()
    }

    /// A thread state and frames whose owners are given, innermost first.
    fn memory(owners: &[u8]) -> Fake {
        let mut memory = Fake::default();
        memory.map(THREAD, vec![0; 200]);
        memory.set(THREAD + 72, &FRAMES.to_le_bytes());
        memory.map(FRAMES, vec![0; owners.len() * 128]);
        memory.map(CODE, vec![0; 256]);
        for (index, &owner) in owners.iter().enumerate() {
            let at = FRAMES + index as u64 * 128;
            let previous = if index + 1 == owners.len() { 0 } else { at + 128 };
            memory.set(at, &(CODE | 1).to_le_bytes());
            memory.set(at + 8, &previous.to_le_bytes());
            memory.set(at + 56, &(CODE + 208 + 4).to_le_bytes());
            memory.set(at + 74, &[owner]);
        }
        memory
    }

    #[test]
    fn boundaries_to_c_are_passed_over() {
        let walk = walk(&memory(&[0, 3, 1, 4]), &layout(), THREAD, 2);
        let python = Frame { code: CODE, instruction: 212, identity: walk.frames[0].identity };
        assert_eq!(walk.frames, [python, python]);
        assert_eq!(walk.status, status::OK);
        assert_ne!(python.identity, 0);
    }

    #[test]
    fn a_copy_of_the_bytecode_counts_from_its_own_start() {
        let layout = Layout::for_release((3, 14), true).expect("known").wire();
        let (copies, copy) = (0x30_0000, 0x40_0000);
        for (which, at, expected) in
            [(0, CODE + 232 + 4, 236), (1, copy + 6, 238), (1, CODE + 232 + 4, 0x20_0000 - 0x40_0000 + 468)]
        {
            let mut memory = memory(&[0]);
            memory.set(FRAMES + 74, &[0]);
            memory.set(FRAMES + 72, &i32::to_le_bytes(which));
            memory.set(FRAMES + 56, &u64::to_le_bytes(at));
            memory.set(CODE + 224, &u64::to_le_bytes(copies));
            memory.map(copies, [2, CODE + 232, copy].map(u64::to_le_bytes).concat());
            let walk = walk(&memory, &layout, THREAD, 3);
            assert_eq!(walk.frames[0].instruction, expected, "copy {which}");
            memory.set(CODE + 224, &[0; 8]);
            let unknown = super::walk(&memory, &layout, THREAD, 3).frames[0].instruction;
            assert_eq!(unknown, if which == 0 { expected } else { -1 }, "no such copy");
        }
    }

    #[test]
    fn every_ending_has_its_status() {
        let mut cyclic = memory(&[0, 0]);
        cyclic.set(FRAMES + 128 + 8, &FRAMES.to_le_bytes());
        let mut wild = memory(&[0, 0]);
        wild.set(FRAMES + 128 + 8, &0xdead_0000_u64.to_le_bytes());
        let mut idle = memory(&[0]);
        idle.set(THREAD + 72, &0_u64.to_le_bytes());
        for (name, memory, frames, expected) in [
            ("two frames", memory(&[0, 0]), 2, status::OK),
            ("as many as the limit", memory(&[0; 3]), 3, status::OK),
            ("one boundary more", memory(&[0, 0, 0, 3]), 3, status::OK),
            ("one more", memory(&[0; 4]), 3, status::OK | status::TRUNCATED),
            ("a cycle", cyclic, 3, status::OK | status::TRUNCATED),
            ("a wild pointer", wild, 2, status::FAULTED),
            ("only C", memory(&[3]), 0, status::NO_PYTHON_FRAME),
            ("no frame", idle, 0, status::NO_PYTHON_FRAME),
            ("no thread state", Fake::default(), 0, status::FAULTED),
        ] {
            let walk = walk(&memory, &layout(), THREAD, 3);
            assert_eq!((walk.frames.len(), walk.status), (frames, expected), "{name}");
        }
    }

    #[test]
    fn ids_distinguish_spaces_frames_and_their_order() {
        let frame = |code, instruction| Frame { code, instruction, identity: 5 };
        let stacks = [
            stack_id(SpaceId(1), &[]),
            stack_id(SpaceId(1), &[frame(8, 2)]),
            stack_id(SpaceId(2), &[frame(8, 2)]),
            stack_id(SpaceId(1), &[frame(8, -2)]),
            stack_id(SpaceId(1), &[frame(8, 2), frame(16, 2)]),
            stack_id(SpaceId(1), &[frame(16, 2), frame(8, 2)]),
        ];
        let different: std::collections::HashSet<_> = stacks.iter().collect();
        assert_eq!(different.len(), stacks.len());
    }
}
