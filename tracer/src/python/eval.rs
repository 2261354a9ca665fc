//! The evaluation function, for a uprobe on its entry.

use std::path::PathBuf;

use crate::process::elf::ENDBR64;
use crate::python::runtime::Runtime;

/// Where the evaluation function is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalFrame {
    /// Leads to the file.
    pub path: PathBuf,
    /// Where it begins in the file, past an `endbr64`: the kernel would have to single-step that.
    pub file_offset: u64,
    /// The first bytes from there.
    pub first_bytes: [u8; 16],
}

impl EvalFrame {
    /// `_PyEval_EvalFrameDefault`, or what 2.7 had instead.
    #[must_use]
    pub fn find(runtime: &Runtime) -> Option<Self> {
        let elf = &runtime.elf;
        let symbol =
            elf.exported("_PyEval_EvalFrameDefault").or_else(|| elf.exported("PyEval_EvalFrameEx"))?;
        let begins_with_endbr64 = elf.bytes(symbol.address)? == ENDBR64;
        let past = if begins_with_endbr64 { ENDBR64.len() as u64 } else { 0 };
        let start = symbol.address.wrapping_add(past);
        Some(Self {
            path: runtime.path.clone(),
            file_offset: elf.file_offset(start)?,
            first_bytes: elf.bytes(start)?,
        })
    }

    /// Whether the kernel emulates the first instruction: a probe on any other costs ten times as much, for it is
    /// copied and single-stepped.
    /// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/kernel/uprobes.c>
    #[must_use]
    pub fn is_emulated(&self) -> bool {
        matches!(
            self.first_bytes,
            // push, with and without a prefix for r8 to r15; nop; call; jmp
            [0x50..=0x57, ..] | [0x41, 0x50..=0x57, ..] | [0x90, ..] | [0xe8 | 0xe9 | 0xeb, ..]
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_the_kernel_emulates() {
        for (name, bytes, expected) in [
            ("push %rbp", &[0x55, 0x48, 0x89, 0xe5][..], true),
            ("push %r15", &[0x41, 0x57], true),
            ("nop", &[0x90], true),
            ("jmp", &[0xe9, 1, 2, 3, 4], true),
            ("endbr64", &ENDBR64, false),
            ("mov", &[0x48, 0x89, 0xe5], false),
            ("pop %r15", &[0x41, 0x5f], false),
        ] {
            let mut first_bytes = [0; 16];
            first_bytes[..bytes.len()].copy_from_slice(bytes);
            let eval = EvalFrame { path: PathBuf::new(), file_offset: 0, first_bytes };
            assert_eq!(eval.is_emulated(), expected, "{name}");
        }
    }
}
