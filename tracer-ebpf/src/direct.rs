//! The memory of the process that runs now, through the kernel's own mapping of all memory.
//!
//! `bpf_probe_read_user` takes a hundred nanoseconds for a word. The page tables, and through the kernel's mapping also
//! the pages, are loads: an unmapped one reads as 0. A page that moves at this very moment may be read where it was, as
//! it was. Whatever is not found here, the helper is asked for.

use tracer_common::pages::{self, PAGE};

use crate::config::HAS_RDONLY_CAST;
use crate::kernel::{self, load_cast, word};
use crate::maps::CONTROL;
use crate::task::Task;

/// The memory of the process that runs now, by its page tables.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Memory {
    /// Where the kernel's mapping begins; 0 where that is not known.
    pub(crate) base: u64,
    /// Address of the topmost table.
    pub(crate) tables: u64,
}

impl Memory {
    /// Of the current process.
    #[inline(always)]
    pub fn current() -> Self {
        if HAS_RDONLY_CAST.load() == 0 {
            return Self { base: 0, tables: 0 };
        }
        Self::mapped_from(CONTROL.get(0).map_or(0, |control| control.direct_map))
    }

    /// Likewise, if the kernel's mapping begins there.
    #[inline(always)]
    pub fn mapped_from(base: u64) -> Self {
        Self { base, tables: if base == 0 { 0 } else { tables(Task::current()) } }
    }

    /// Where the kernel has `bytes` of it, if they are in one resident page; else 0.
    #[inline(always)]
    pub fn resident(self, address: u64, bytes: u64) -> u64 {
        // Asked here too: the verifier does not know what a global function returns, and would follow the way to a cast,
        // which kernels before 6.2 do not have.
        if HAS_RDONLY_CAST.load() == 0 {
            return 0;
        }
        found_at(self.base, self.tables, address, bytes)
    }

    /// The same, in a function that is global already.
    #[inline(always)]
    pub fn found(self, address: u64, bytes: u64) -> u64 {
        if HAS_RDONLY_CAST.load() == 0 || self.base == 0 || (address & (PAGE - 1)) + bytes > PAGE {
            return 0;
        }
        // SAFETY: as just checked.
        pages::translate(self.base, self.tables, address, |at| unsafe { load_cast(at) })
    }
}

/// A global function, see [`crate::python::walk`]: inlined, the verifier would follow four times as many instructions.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn found_at(base: u64, tables: u64, address: u64, bytes: u64) -> u64 {
    Memory { base, tables }.found(address, bytes)
}

/// Address of a task's topmost page table.
#[inline(always)]
pub fn tables(task: Task) -> u64 {
    // By a plain load, the pointer is a number to the verifier.
    word(task.memory() as u64, &kernel::MM_PGD)
}
