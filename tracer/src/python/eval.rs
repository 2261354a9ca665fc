//! The evaluation function, for a uprobe on its entry.

use std::path::PathBuf;

use crate::python::instructions;
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
        let past_mark = instructions::past_mark(&elf.bytes::<4>(symbol.address)?);
        let start = symbol.address.wrapping_add(past_mark);
        Some(Self {
            path: runtime.path.clone(),
            file_offset: elf.file_offset(start)?,
            first_bytes: elf.bytes(start)?,
        })
    }

    /// Whether the kernel emulates the first instruction.
    #[must_use]
    pub fn is_emulated(&self) -> bool {
        instructions::is_emulated(&self.first_bytes)
    }
}
