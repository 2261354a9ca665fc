//! A layout as the probes get it: the numbers that the walk in the kernel needs.

use tracer_common::python;
use tracer_common::python::flag;

use crate::cpython::layout::{Frame, Instruction, Layout, Names, Top};

/// Frame owners from this one up are C's: `FRAME_OWNED_BY_CSTACK`, from 3.14 on `FRAME_OWNED_BY_INTERPRETER`.
/// <https://github.com/python/cpython/blob/v3.14.0/Include/internal/pycore_interpframe_structs.h>
const FIRST_C_OWNER: u16 = 3;

impl Layout {
    /// What the walk in the kernel needs of it.
    #[must_use]
    pub fn wire(&self) -> python::Layout {
        let (top_frame, cframe_frame) = self.thread.top.offsets();
        let (ascii_data, compact_data) = self.strings.names.offsets();
        python::Layout {
            flags: self.flags(),
            interpreter_next: self.interpreter.next,
            threads_head: self.interpreter.threads,
            thread_next: self.thread.next,
            thread_id: self.thread.id,
            top_frame,
            cframe_frame,
            frame_bytes: self.frame.bytes(),
            frame_previous: self.frame.previous,
            frame_code: self.frame.code,
            frame_instruction: self.frame.instruction.offset(),
            frame_owner: self.frame.owner.unwrap_or_default(),
            first_c_owner: FIRST_C_OWNER,
            frame_copy: self.frame.copy.unwrap_or_default(),
            code_copies: self.code.copies.unwrap_or_default(),
            code_filename: self.code.file,
            code_name: self.code.name,
            code_line_table: self.code.lines,
            code_first_line: self.code.first_line,
            code_bytecode: self.code.bytecode.unwrap_or_default(),
            ascii_data,
            compact_data,
            bytes_data: self.strings.bytes,
        }
    }

    fn flags(&self) -> u32 {
        let when = |holds: bool, flag: u32| if holds { flag } else { 0 };
        when(matches!(self.thread.top, Top::ViaCFrame { .. }), flag::VIA_CFRAME)
            | when(!matches!(self.frame.instruction, Instruction::Pointer(_)), flag::INDEX)
            | when(self.frame.owner.is_some(), flag::OWNER)
            | when(self.strings.names == Names::Bytes, flag::BYTE_NAMES)
            | when(self.free_threaded, flag::FREE_THREADED)
            | when(self.has_interned_byte(), flag::INTERNED_BYTE)
            | when(self.frame.copy.is_some() && self.code.copies.is_some(), flag::COPIES)
    }
}

impl Top {
    fn offsets(self) -> (u16, u16) {
        match self {
            Self::Direct(frame) => (frame, 0),
            Self::ViaCFrame { cframe, current_frame } => (cframe, current_frame),
        }
    }
}

impl Names {
    fn offsets(self) -> (u16, u16) {
        match self {
            Self::Bytes => (0, 0),
            Self::Unicode { ascii, compact } => (ascii, compact),
        }
    }
}

impl Instruction {
    fn offset(self) -> u16 {
        match self {
            Self::Bytes(offset) | Self::Units(offset) | Self::Pointer(offset) => offset,
        }
    }

    /// An index is an `int`.
    fn end(self) -> u16 {
        match self {
            Self::Bytes(offset) | Self::Units(offset) => offset + 4,
            Self::Pointer(offset) => offset + 8,
        }
    }
}

impl Frame {
    /// Bytes from its start up to the end of the last field that is read.
    fn bytes(&self) -> u16 {
        let owner = self.owner.map_or(0, |offset| offset + 1);
        let copy = self.copy.map_or(0, |offset| offset + 4);
        (self.previous + 8).max(self.code + 8).max(self.instruction.end()).max(owner).max(copy)
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::python::FRAME_BYTES;

    use super::*;
    use crate::cpython::releases::LAYOUTS;

    #[test]
    fn every_frame_field_lies_in_what_the_kernel_reads() {
        for layout in LAYOUTS {
            let wire = layout.wire();
            // The kernel masks it: a whole buffer would be none.
            assert!(usize::from(wire.frame_bytes) < FRAME_BYTES, "{:?}", layout.release);
            assert!(wire.frame_previous + 8 <= wire.frame_bytes, "{:?}", layout.release);
            assert!(wire.frame_code + 8 <= wire.frame_bytes, "{:?}", layout.release);
            assert!(wire.frame_instruction + 4 <= wire.frame_bytes, "{:?}", layout.release);
            assert!(wire.frame_owner < wire.frame_bytes, "{:?}", layout.release);
            assert!(wire.frame_copy + 4 <= wire.frame_bytes, "{:?}", layout.release);
        }
    }

    #[test]
    fn flags_follow_the_release() {
        let flags = |release| Layout::for_release(release, false).expect("a known release").wire().flags;
        for (release, expected) in [
            ((2, 7), flag::INDEX | flag::BYTE_NAMES),
            ((3, 10), flag::INDEX),
            ((3, 11), flag::VIA_CFRAME),
            ((3, 12), flag::VIA_CFRAME | flag::OWNER),
            ((3, 13), flag::OWNER),
        ] {
            assert_eq!(flags(release), expected, "{release:?}");
        }
    }
}
