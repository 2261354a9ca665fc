//! Where the kernel's mapping of all memory begins. Read by the tracer itself, before anything is traced: its own memory,
//! found by the mapping, has to say what it says.

use core::ffi::c_void;

use aya_ebpf::bindings::seq_file;
use aya_ebpf::helpers::generated::bpf_seq_write;
use tracer_common::pages::FOUR_LEVELS;

use crate::config::{HAS_RDONLY_CAST, MEMORY_END, WITNESS};
use crate::direct::{Memory, tables};
use crate::kernel::{Typed, load};
use crate::maps::CONTROL;
use crate::task::Task;
use crate::user;

/// Where it begins in kernels that do not place it at random, with page tables of four levels and of five.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/include/asm/page_64_types.h#L40>
const FIXED: [u64; 2] = [0xffff_8880_0000_0000, 0xff11_0000_0000_0000];

/// `struct bpf_iter__task`: <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/task_iter.c>
#[repr(C)]
pub struct Context {
    meta: *const Meta,
    task: Typed,
}

/// `struct bpf_iter_meta`: <https://github.com/torvalds/linux/blob/v6.12/include/linux/bpf.h#L2295>
#[repr(C)]
struct Meta {
    file: *mut seq_file,
    session: u64,
    /// How many came before.
    number: u64,
}

/// Writes where the mapping begins, once; nothing if it is not found.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn direct_map(context: *const Context) -> i32 {
    // SAFETY: the kernel's context of an iterator over tasks; the verifier knows its types.
    let (file, number) = unsafe {
        let meta = (*context).meta;
        ((&raw const (*meta).file).read_volatile(), (&raw const (*meta).number).read_volatile())
    };
    if number != 0 || HAS_RDONLY_CAST.load() == 0 {
        return 0;
    }
    let base = begin();
    if base != 0 {
        // SAFETY: the file is that of the context, and the bytes are the word's.
        unsafe { bpf_seq_write(file, (&raw const base).cast::<c_void>(), 8) };
    }
    0
}

/// As the kernel's variable says, or else where it is fixed; 0 if that is not so. An address that lies outside of the
/// memory is not tried: it may be one that must not be read.
#[inline(always)]
fn begin() -> u64 {
    let known = tables(Task::current());
    let base = match CONTROL.get(0).map_or(0, |control| control.page_offset_base) {
        0 => FIXED[usize::from(known < FOUR_LEVELS)],
        variable => load(variable),
    };
    if known.wrapping_sub(base) >= MEMORY_END.load() {
        return 0;
    }
    let Some(words) = user::read::<[u64; 2]>(WITNESS.load()) else { return 0 };
    let at = Memory::mapped_from(base).resident(WITNESS.load(), 16);
    if at != 0 && [load(at), load(at + 8)] == words { base } else { 0 }
}
