//! The memory of the process that runs now, through the kernel's own mapping of all memory.
//!
//! `bpf_probe_read_user` takes a hundred nanoseconds for a word. The page tables, and through the kernel's mapping also
//! the pages, are loads: an unmapped one reads as 0. A page that moves at this very moment may be read where it was, as
//! it was. Whatever is not found here, the helper is asked for.

use crate::config::HAS_RDONLY_CAST;
use crate::kernel::{self, load_cast, word};
use crate::maps::CONTROL;
use crate::task::Task;

/// Bytes of a page.
const PAGE: u64 = 4096;
/// Bits of an entry of a page table.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/include/asm/pgtable_types.h#L10>
const PRESENT: u64 = 1;
const HUGE: u64 = 1 << 7;
/// The page's number: no machine has more than 64 TiB, and where memory is encrypted, a bit above tells so.
const ADDRESS: u64 = 0x3fff_ffff_f000;
/// User addresses with page tables of four levels, and of five, lie below.
const USER_END: [u64; 2] = [1 << 47, 1 << 56];
/// With four levels the kernel's mapping lies above.
/// <https://github.com/torvalds/linux/blob/v6.12/Documentation/arch/x86/x86_64/mm.rst>
pub const FOUR_LEVELS: u64 = 0xffff_8000_0000_0000;

/// The memory of the process that runs now, by its page tables.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Memory {
    /// Where the kernel's mapping begins; 0 where that is not known.
    base: u64,
    /// Address of the topmost table.
    tables: u64,
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
        if HAS_RDONLY_CAST.load() == 0 || self.base == 0 || (address & (PAGE - 1)) + bytes > PAGE {
            return 0;
        }
        translate(self.base, self.tables, address)
    }
}

/// Where a mapping of all memory that begins at `base` has a byte of the process with these page tables; 0 where it is
/// not resident. A global function, see [`crate::python::walk`]: inlined, the verifier would follow four times as many
/// instructions.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn translate(base: u64, tables: u64, address: u64) -> u64 {
    if HAS_RDONLY_CAST.load() == 0 {
        return 0;
    }
    let four_levels = base >= FOUR_LEVELS;
    if address >= USER_END[usize::from(!four_levels)] {
        return 0;
    }
    // Level by level, since the compiler makes a loop over them one that looks the shifts up.
    let mut table = tables;
    if !four_levels {
        let upper = entry(table, address >> 48);
        if upper & PRESENT == 0 {
            return 0;
        }
        table = base + (upper & ADDRESS);
    }
    let upper = entry(table, address >> 39);
    if upper & PRESENT == 0 {
        return 0;
    }
    let gigabyte = entry(base + (upper & ADDRESS), address >> 30);
    if gigabyte & PRESENT == 0 {
        return 0;
    }
    if gigabyte & HUGE != 0 {
        return base + byte(gigabyte, address, 30);
    }
    let large = entry(base + (gigabyte & ADDRESS), address >> 21);
    if large & PRESENT == 0 {
        return 0;
    }
    if large & HUGE != 0 {
        return base + byte(large, address, 21);
    }
    let page = entry(base + (large & ADDRESS), address >> 12);
    if page & PRESENT == 0 { 0 } else { base + byte(page, address, 12) }
}

/// An entry of a page table.
#[inline(always)]
fn entry(table: u64, index: u64) -> u64 {
    // SAFETY: who calls this has looked at `HAS_RDONLY_CAST`.
    unsafe { load_cast(table + (index & 511) * 8) }
}

/// Physical address of a byte in the page of so many bits that an entry names.
#[inline(always)]
fn byte(entry: u64, address: u64, bits: u32) -> u64 {
    let inside = (1 << bits) - 1;
    (entry & ADDRESS & !inside) + (address & inside)
}

/// Address of a task's topmost page table.
#[inline(always)]
pub fn tables(task: Task) -> u64 {
    // By a plain load, the pointer is a number to the verifier.
    word(task.memory() as u64, &kernel::MM_PGD)
}
