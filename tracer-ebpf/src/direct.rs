//! The memory of the process that runs now, through the kernel's own mapping of all memory.
//!
//! `bpf_probe_read_user` takes a hundred nanoseconds for a word. The page tables, and through the kernel's mapping also
//! the pages, are loads: an unmapped one reads as 0. A page that moves at this very moment may be read where it was, as
//! it was. Whatever is not found here, the helper is asked for.

use crate::config::{HAS_RDONLY_CAST, WORD_TYPE};
use crate::kernel::{self, cast};
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

/// Where the kernel has `bytes` of the current process's memory, if they are in one resident page; else 0.
#[inline(always)]
pub fn resident(address: u64, bytes: u64) -> u64 {
    if HAS_RDONLY_CAST.load() == 0 || (address & (PAGE - 1)) + bytes > PAGE {
        return 0;
    }
    let base = CONTROL.get(0).map_or(0, |control| control.direct_map);
    if base == 0 { 0 } else { translate(base, address) }
}

/// Where a mapping of all memory that begins at `base` has a byte of the current process; 0 where it is not resident. A
/// global function, see [`crate::python::walk`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn translate(base: u64, address: u64) -> u64 {
    if HAS_RDONLY_CAST.load() == 0 {
        return 0;
    }
    let four_levels = base >= FOUR_LEVELS;
    if address >= USER_END[usize::from(!four_levels)] {
        return 0;
    }
    let mut table = tables(Task::current());
    for shift in [48, 39, 30, 21, 12] {
        if shift == 48 && four_levels {
            continue;
        }
        // SAFETY: `HAS_RDONLY_CAST`.
        let entry = unsafe { load(table + (address >> shift & 511) * 8) };
        if entry & PRESENT == 0 {
            return 0;
        }
        if shift == 12 || (shift <= 30 && entry & HUGE != 0) {
            let inside = (1 << shift) - 1;
            return base + (entry & ADDRESS & !inside) + (address & inside);
        }
        table = base + (entry & ADDRESS);
    }
    0
}

/// Address of a task's topmost page table.
#[inline(always)]
pub fn tables(task: Task) -> u64 {
    // SAFETY: `mm` is typed; the pointer, seen as a word, is a number to the verifier.
    unsafe { load(task.memory() as u64 + u64::from(kernel::MM_PGD.load())) }
}

/// A word at an address of the kernel; 0 where nothing is mapped.
///
/// # Safety
/// Only with `HAS_RDONLY_CAST`.
#[inline(always)]
pub unsafe fn load(address: u64) -> u64 {
    // SAFETY: the caller's; the loader has checked that the type begins with a word.
    unsafe { core::ptr::read_volatile(cast(address, &WORD_TYPE).cast()) }
}
