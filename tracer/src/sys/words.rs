//! The words of a map that user space and probes change at the same time.

use std::io;
use std::os::fd::AsFd;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// An array map of 64-bit words that was made with `BPF_F_MMAPABLE`.
pub struct Words {
    start: *const AtomicU64,
    len: usize,
}

// SAFETY: what it points to is atomic, and unmapped by its owner alone.
unsafe impl Send for Words {}

impl Words {
    /// Maps the first `len` words of it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn map(array: impl AsFd, len: usize) -> io::Result<Self> {
        let (access, bytes) = (ProtFlags::READ | ProtFlags::WRITE, len * size_of::<u64>());
        // SAFETY: a new mapping, wherever the kernel finds room.
        let start = unsafe { mmap(ptr::null_mut(), bytes, access, MapFlags::SHARED, array, 0) }?;
        Ok(Self { start: start.cast_const().cast(), len })
    }

    /// Sets bits of one word; none of a word that is not there.
    pub fn set(&self, word: usize, bits: u64) {
        // SAFETY: mapped as long as `self` lives, page by page, so aligned; the kernel's side is atomic too.
        let words = unsafe { slice::from_raw_parts(self.start, self.len) };
        if let Some(word) = words.get(word) {
            word.fetch_or(bits, Ordering::Release);
        }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: ours, and borrowed by nobody any more. It can only fail for a mapping that is none.
        let _ = unsafe { munmap(self.start.cast_mut().cast(), self.len * size_of::<u64>()) };
    }
}
