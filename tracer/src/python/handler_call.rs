//! Where CPython calls a signal's handler, for breakpoints that nobody else runs into.
//!
//! Just before it calls a handler, CPython has `Py_BuildValue` put the arguments together, by a format that it uses for
//! nothing else. The breakpoints go onto the calls, which the kernel emulates; most builds have two, those in which the optimiser
//! has copied the caller have twenty. Where they are not found, the breakpoint goes into the function itself, which others
//! call, too.
//! <https://github.com/python/cpython/blob/v3.12.0/Modules/signalmodule.c> (`_PyErr_CheckSignalsTstate`)
//!
//! Like every C function with `...`, `Py_BuildValue` first saves the registers of its arguments, and jumps over those of
//! the vector unit where none was passed. The kernel emulates a jump; any other instruction of these it would have to
//! copy and single-step, which costs several times as much.
//! <https://gitlab.com/x86-psABIs/x86-64-ABI> (3.5.7, variable argument lists),
//! <https://github.com/torvalds/linux/blob/v6.12/arch/x86/kernel/uprobes.c> (`branch_setup_xol_ops`)

use crate::event::Nanos;
use crate::process::elf::Elf;
use crate::python::instructions::{jump_over_vectors, offset_past_mark};

mod places;

/// The function: exported by all releases.
const FUNCTION: &str = "Py_BuildValue";
/// How it is asked to make a tuple of a signal and a frame.
const FORMAT: &[u8] = b"(iO)\0";
/// Bytes of it in which the jump must lie.
const CODE: usize = 96;

/// Where breakpoints go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerCall {
    /// In the interpreter's file.
    pub offsets: Vec<u64>,
    /// Whether the kernel emulates the instructions there.
    pub is_emulated: bool,
}

impl HandlerCall {
    /// In an interpreter's file, at so many places at most.
    #[must_use]
    pub fn find(elf: &Elf, most: usize) -> Option<Self> {
        let calls = places::find(elf, FORMAT, FUNCTION).filter(|(calls, _)| calls.len() <= most);
        let calls = calls.map(|(offsets, is_emulated)| Self { offsets, is_emulated });
        calls.or_else(|| Self::in_function(elf))
    }

    fn in_function(elf: &Elf) -> Option<Self> {
        let start = elf.exported(FUNCTION)?.address;
        let jump = jump_over_vectors(&elf.bytes::<CODE>(start)?);
        let offset = match jump {
            Some(at) => elf.file_offset(start.wrapping_add(at)),
            None => offset_past_mark(elf, FUNCTION),
        };
        Some(Self { offsets: vec![offset?], is_emulated: jump.is_some() })
    }

    /// What a hit costs that calls no handler, by far most of it for the trap. Measured on a virtual machine, where a trap is
    /// several times as dear as elsewhere.
    #[must_use]
    pub fn trap_ns(&self) -> Nanos {
        if self.is_emulated { 1_000 } else { 4_000 }
    }
}
