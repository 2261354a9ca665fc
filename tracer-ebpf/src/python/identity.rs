//! What distinguishes a code object from one that was at its address before.

use tracer_common::hash::{SEED, mix};
use tracer_common::python::Layout;

use crate::kernel::load_cast;
use crate::narrow::{count, int, low};
use crate::scratch::{IDENTITY_WORDS, Scratch};
use crate::user;
/// Reads what distinguishes a code object from one that was at its address before; 0 where it is not resident.
#[inline(always)]
pub fn identity(scratch: &mut Scratch, code: u64) -> u32 {
    let layout = scratch.target.python.layout;
    let start = identity_start(&layout);
    let bytes = u32::from(layout.code_line_table + 8 - start) & (8 * count(IDENTITY_WORDS) - 1);
    if !fetch_identity(scratch, code + u64::from(start), bytes) {
        // SAFETY: the buffer has 128 bytes.
        let read = unsafe {
            user::read_into(scratch.copies.identity.as_mut_ptr().cast(), bytes, code + u64::from(start))
        };
        if !read {
            return 0;
        }
    }
    let hash = mix(SEED, identity_word(scratch, layout.code_filename));
    let hash = mix(hash, identity_word(scratch, layout.code_name));
    let hash = mix(hash, identity_word(scratch, layout.code_line_table));
    let hash = mix(hash, u64::from(first_line(scratch).cast_unsigned()));
    low(hash ^ (hash >> 32)).max(1)
}

/// Fetches the words of an identity; false where that takes a copy.
#[inline(always)]
fn fetch_identity(scratch: &mut Scratch, address: u64, bytes: u32) -> bool {
    let at = scratch.memory.resident(address, bytes.into());
    if at == 0 {
        return false;
    }
    let Scratch { target, copies, .. } = scratch;
    let layout = &target.python.layout;
    let start = identity_start(layout);
    let mut fetch = |offset: u16| {
        let word = (offset.wrapping_sub(start) >> 3) as usize & (IDENTITY_WORDS - 1);
        // SAFETY: found there.
        copies.identity[word] = unsafe { load_cast(at + 8 * word as u64) };
    };
    fetch(layout.code_filename);
    fetch(layout.code_name);
    fetch(layout.code_line_table);
    fetch(layout.code_first_line);
    true
}

/// Where the bytes that are read for an identity start.
#[inline(always)]
fn identity_start(layout: &Layout) -> u16 {
    (if layout.code_first_line < layout.code_filename {
        layout.code_first_line
    } else {
        layout.code_filename
    }) & !7
}

/// A word of the code object that was read last for its identity.
#[inline(always)]
pub fn identity_word(scratch: &Scratch, offset: u16) -> u64 {
    let index = (offset.wrapping_sub(identity_start(&scratch.target.python.layout)) >> 3) as usize;
    scratch.copies.identity[index & (IDENTITY_WORDS - 1)]
}

/// `co_firstlineno` of the code object that was read last for its identity.
#[inline(always)]
pub fn first_line(scratch: &Scratch) -> i32 {
    let offset = scratch.target.python.layout.code_first_line;
    int(identity_word(scratch, offset) >> (8 * u32::from(offset & 4)))
}
