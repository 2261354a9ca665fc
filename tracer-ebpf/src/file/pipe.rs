//! The only reader of `struct pipe_inode_info`: what has been written to a pipe so far.

use crate::kernel::{self, load_half, word};
use crate::narrow::low;

/// `sizeof(struct pipe_buffer)`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/pipe_fs_i.h#L26>
const BUFFER_BYTES: u64 = 40;

/// The bit of [`written`] that says that the pipe is full.
pub const FULL: u64 = 1 << 63;

/// How far a pipe has been written: it changes with each write, and with nothing else; 0 where that could not be read.
///
/// A write adds a slot, or appends to the last one; reads leave the end of the last slot where it is. A global function,
/// see [`crate::python::walk`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn written(file: u64) -> u64 {
    let pipe = word(file, &kernel::FILE_PRIVATE);
    let (head, tail) = (low(word(pipe, &kernel::PIPE_HEAD)), low(word(pipe, &kernel::PIPE_TAIL)));
    let slots = low(word(pipe, &kernel::PIPE_SLOTS));
    let last = u64::from(head.wrapping_sub(1) & slots.wrapping_sub(1));
    let buffer = word(pipe, &kernel::PIPE_BUFFERS) + BUFFER_BYTES * last;
    let length = |offset: u32| load_half(buffer + u64::from(offset));
    let end = length(kernel::PIPE_BUFFER_OFFSET.load()) + length(kernel::PIPE_BUFFER_LENGTH.load());
    // A writer that waits for room goes on once a slot is free.
    let full = if head.wrapping_sub(tail) + 1 >= slots { FULL } else { 0 };
    full | u64::from(head & 0x7fff_ffff) << 32 | u64::from(end)
}
