//! Identities of code objects that a walk has read already.
//!
//! A stack holds many a function more than once: recursion, wrappers, the layers of a framework. While a frame executes
//! a code object, that is not freed, so that within one walk an address means one code object.

use super::identity as read;
use crate::narrow::index;
use crate::scratch::Scratch;

/// Code objects that are remembered, by some bits of their addresses.
const SLOTS: usize = 32;

/// What one walk has read.
pub type Memo = [KnownCode; SLOTS];

/// A code object that a walk has read.
#[repr(C)]
pub struct KnownCode {
    code: u64,
    /// The walk's number.
    walk: u32,
    identity: u32,
}

/// The identity of a code object that the current walk has come to.
#[inline(always)]
pub fn identity(scratch: &mut Scratch, code: u64) -> u32 {
    // Objects are 16-byte aligned, and their sizes differ.
    let slot = index(code >> 4 ^ code >> 9) & (SLOTS - 1);
    let known = &scratch.memo[slot];
    if known.code == code && known.walk == scratch.walk.number {
        return known.identity;
    }
    let identity = read(scratch, code);
    scratch.memo[slot] = KnownCode { code, walk: scratch.walk.number, identity };
    identity
}
