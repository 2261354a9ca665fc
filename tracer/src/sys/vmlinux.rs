//! The kernel's own type information.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Where it is.
pub const PATH: &str = "/sys/kernel/btf/vmlinux";

/// Its bytes: megabytes, which do not change while the kernel runs.
pub enum Blob {
    /// As they lie in the kernel (6.16 and later): nothing is copied, and no page counts as ours.
    Mapped(MappedImage),
    /// Read page by page.
    Copied(Vec<u8>),
}

/// A read-only mapping.
pub struct MappedImage {
    start: *const u8,
    bytes: usize,
}

// SAFETY: it is read only, and nobody else unmaps it.
unsafe impl Send for MappedImage {}
// SAFETY: threads that share it only read, and it is unmapped when the last has let it go.
unsafe impl Sync for MappedImage {}

impl Blob {
    /// All of it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open() -> io::Result<Self> {
        let file = File::open(PATH)?;
        let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        match MappedImage::new(&file, bytes) {
            Ok(mapping) => Ok(Self::Mapped(mapping)),
            Err(_refused) => std::fs::read(PATH).map(Self::Copied),
        }
    }
}

impl MappedImage {
    fn new(file: &File, bytes: usize) -> io::Result<Self> {
        // SAFETY: a new mapping, wherever the kernel finds room.
        let start = unsafe { mmap(ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::PRIVATE, file, 0) }?;
        Ok(Self { start: start.cast_const().cast(), bytes })
    }
}

impl Drop for MappedImage {
    fn drop(&mut self) {
        // SAFETY: ours, and borrowed by nobody any more. It can only fail for a mapping that is none.
        let _ = unsafe { munmap(self.start.cast_mut().cast(), self.bytes) };
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            // SAFETY: mapped as long as `self` lives, and nobody can write to this file.
            Self::Mapped(mapping) => unsafe { std::slice::from_raw_parts(mapping.start, mapping.bytes) },
            Self::Copied(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_what_the_file_holds() {
        let blob = Blob::open().expect("a kernel with BTF");
        assert!(*blob == std::fs::read(PATH).expect("the same file"));
    }
}
