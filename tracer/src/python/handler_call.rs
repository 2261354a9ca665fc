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
use crate::python::signals::offset_of;

mod places;

/// The function: exported by all releases.
const FUNCTION: &str = "Py_BuildValue";
/// How it is told to make a tuple of a signal and a frame.
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
        let jump = jump(&elf.bytes::<CODE>(start)?);
        let offset = match jump {
            Some(at) => elf.file_offset(start.wrapping_add(at as u64)),
            None => offset_of(elf, FUNCTION),
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

/// Where the first jump is, if only instructions come before that are known for what they are: a breakpoint in the middle
/// of one would harm the process.
pub(crate) fn jump(code: &[u8]) -> Option<usize> {
    let mut at = 0;
    while !matches!(code.get(at..at + 2)?, [0x74, _]) {
        at += length(&code[at..])?;
    }
    Some(at)
}

/// The length of an instruction that a function may begin with, and that leaves the registers of arguments as they are.
fn length(code: &[u8]) -> Option<usize> {
    match *code {
        // endbr64
        [0xf3, 0x0f, 0x1e, 0xfa, ..] => Some(4),
        // push, also of r8 to r15
        [0x50..=0x57, ..] => Some(1),
        [0x41, 0x50..=0x57, ..] => Some(2),
        // mov %rsp,%rbp; and, sub with %rsp of a byte, sub of a word; test %al,%al
        [0x48, 0x89, 0xe5, ..] => Some(3),
        [0x48, 0x83, 0xe4 | 0xec, _, ..] => Some(4),
        [0x48, 0x81, 0xec, _, _, _, _, ..] => Some(7),
        [0x84, 0xc0, ..] => Some(2),
        // mov of a register to the stack: the mode tells whether a byte or a word says where, and %rsp takes one more.
        [0x48 | 0x4c, 0x89, operands, ..] => match (operands >> 6, operands & 7) {
            (1, 4) => Some(5),
            (1, 5) => Some(4),
            (2, 4) => Some(8),
            (2, 5) => Some(7),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jump_is_found_behind_instructions_that_are_known() {
        let saved = [0x48, 0x89, 0x74, 0x24, 0x28, 0x4c, 0x89, 0x85, 0x70, 0xff, 0xff, 0xff];
        let jump_over = [0x84, 0xc0, 0x74, 0x37];
        for (name, code, expected) in [
            ("at once", jump_over.to_vec(), Some(2)),
            ("behind a mark", [&[0xf3, 0x0f, 0x1e, 0xfa][..], &jump_over].concat(), Some(6)),
            (
                "in a frame by %rsp",
                [&[0x48, 0x81, 0xec, 0xd8, 0, 0, 0][..], &saved, &jump_over].concat(),
                Some(21),
            ),
            (
                "in a frame by %rbp",
                [&[0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x50][..], &saved, &jump_over].concat(),
                Some(22),
            ),
            (
                "what looks like one is part of another",
                [&[0x48, 0x89, 0xb5, 0x74, 0x37, 0xff, 0xff][..], &jump_over].concat(),
                Some(9),
            ),
            ("lea", [&[0x48, 0x8d, 0x44, 0x24, 0x20][..], &jump_over].concat(), None),
            ("mov to a register", [&[0x48, 0x89, 0xf0][..], &jump_over].concat(), None),
            ("cut", saved.to_vec(), None),
        ] {
            assert_eq!(jump(&code), expected, "{name}");
        }
    }
}
