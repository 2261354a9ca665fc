//! Loads from the memory of the process that runs now. A page that is not resident cannot be waited for: the load
//! fails, and the caller says so.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::bpf_probe_read_user;

use crate::direct::Memory;
use crate::kernel::load_cast;

/// Copies a value; `None` where the page is not resident.
#[expect(clippy::cast_possible_truncation, reason = "it fits on the stack")]
#[inline(always)]
pub fn read<T: Copy>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper checks the address, and fills `value` whole or fails.
    let failed =
        unsafe { bpf_probe_read_user(value.as_mut_ptr().cast(), size_of::<T>() as u32, address as *const _) };
    // SAFETY: filled, since the helper did not fail.
    (failed == 0).then(|| unsafe { value.assume_init() })
}

/// In place of a word that is not resident: no address, no thread's and no count is this.
const NOT_RESIDENT: u64 = 1 << 63 | 1;

/// A word; `None` where its page is not resident.
#[inline(always)]
pub fn word(memory: Memory, address: u64) -> Option<u64> {
    let word = word_at(memory.base, memory.tables, address);
    (word != NOT_RESIDENT).then_some(word)
}

/// A global function, see [`crate::python::walk`]: the probes ask for three dozen words, and the verifier would follow both
/// ways to each.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn word_at(base: u64, tables: u64, address: u64) -> u64 {
    match (Memory { base, tables }).found(address, 8) {
        0 => read(address).unwrap_or(NOT_RESIDENT),
        // SAFETY: found there.
        at => unsafe { load_cast(at) },
    }
}

/// Copies `bytes` bytes; false where a page is not resident.
///
/// # Safety
/// `into` must have room for `bytes`, in a way that the verifier can follow.
#[inline(always)]
pub unsafe fn read_into(into: *mut u8, bytes: u32, address: u64) -> bool {
    // SAFETY: the caller's.
    unsafe { bpf_probe_read_user(into.cast(), bytes, address as *const _) == 0 }
}
