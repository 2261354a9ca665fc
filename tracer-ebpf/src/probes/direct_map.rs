//! Where the kernel's mapping of all memory begins. Read by the tracer itself, before anything is traced: it is where the
//! tracer's own memory is found to say what it says.

use core::ffi::c_void;

use aya_ebpf::bindings::seq_file;
use aya_ebpf::helpers::generated::{bpf_loop, bpf_seq_write};

use crate::config::{HAS_RDONLY_CAST, WITNESS};
use crate::direct::{load, tables, translate};
use crate::kernel::Typed;
use crate::task::Task;
use crate::user;

/// The mapping begins at a multiple of it.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/mm/kaslr.c#L146>
const GIGABYTE: u64 = 1 << 30;
/// Page tables lie below so many gigabytes.
const GIGABYTES: u32 = 8192;

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

/// The search, step by step.
#[repr(C)]
struct Search {
    /// Address in the kernel's mapping.
    known: u64,
    /// The words that are to be found.
    words: [u64; 2],
    found: u64,
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
    let Some(words) = user::read::<[u64; 2]>(WITNESS.load()) else { return 0 };
    let mut search = Search { known: tables(Task::current()), words, found: 0 };
    // SAFETY: `search_step` has the signature that the helper wants, and `search` outlives the loop.
    unsafe { bpf_loop(GIGABYTES, search_step as *mut c_void, (&raw mut search).cast(), 0) };
    if search.found != 0 {
        // SAFETY: the file is that of the context, and the bytes are the word's.
        unsafe { bpf_seq_write(file, (&raw const search.found).cast::<c_void>(), 8) };
    }
    0
}

#[inline(never)]
unsafe extern "C" fn search_step(index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` hands on what it was given.
    let search = unsafe { &mut *context.cast::<Search>() };
    let base = (search.known & !(GIGABYTE - 1)).wrapping_sub(index * GIGABYTE);
    let at = translate(base, WITNESS.load());
    if at == 0 || HAS_RDONLY_CAST.load() == 0 {
        return 0;
    }
    // SAFETY: what is not mapped reads as 0.
    if unsafe { [load(at), load(at + 8)] } != search.words {
        return 0;
    }
    search.found = base;
    1
}
