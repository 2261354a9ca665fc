//! Memory of another process, by `process_vm_readv`: no ptrace, the process does not notice. It need not answer, see
//! [`aside`].

use std::io;

use crate::cpython::memory::Memory;
use crate::sys::aside::{self, BRIEFLY, aside};

/// Pieces that one call reads at most: `IOV_MAX`.
const PIECES: usize = 1024;

/// Memory of the process that a thread belongs to.
#[derive(Clone, Copy, Debug)]
pub struct ProcessMemory {
    tid: libc::pid_t,
}

impl ProcessMemory {
    /// Memory of the process of this thread.
    #[must_use]
    pub fn new(tid: u32) -> Self {
        Self { tid: tid.cast_signed() }
    }
}

impl Memory for ProcessMemory {
    fn read(&self, address: u64, into: &mut [u8]) -> io::Result<()> {
        if aside::is_aside() {
            return self.read_here(address, into);
        }
        let (memory, mut bytes) = (*self, vec![0; into.len()]);
        let read = move || memory.read_here(address, &mut bytes).map(|()| bytes);
        into.copy_from_slice(&aside(self.thread(), BRIEFLY, read)??);
        Ok(())
    }

    fn u32s(&self, addresses: &[u64]) -> Vec<Option<u32>> {
        if aside::is_aside() {
            return self.u32s_here(addresses);
        }
        let (memory, addresses) = (*self, addresses.to_vec());
        let words = addresses.len();
        let read = aside(self.thread(), BRIEFLY, move || memory.u32s_here(&addresses));
        read.unwrap_or_else(|_| vec![None; words])
    }
}

impl ProcessMemory {
    /// The thread whose process's memory this is.
    fn thread(&self) -> u32 {
        self.tid.cast_unsigned()
    }

    fn read_here(&self, address: u64, into: &mut [u8]) -> io::Result<()> {
        let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
        let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: into.len() };
        // SAFETY: `local` is `into`, which we borrow mutably; `remote` is only ever an address for the kernel.
        let read = unsafe { libc::process_vm_readv(self.tid, &raw const local, 1, &raw const remote, 1, 0) };
        aside::beat();
        match usize::try_from(read) {
            Ok(length) if length == into.len() => Ok(()),
            Ok(_) => Err(io::Error::from_raw_os_error(libc::EFAULT)),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }

    fn u32s_here(&self, addresses: &[u64]) -> Vec<Option<u32>> {
        let mut words = Vec::with_capacity(addresses.len());
        while let Some(rest) = addresses.get(words.len()..).filter(|rest| !rest.is_empty()) {
            let read = self.words(&rest[..rest.len().min(PIECES)]);
            let failed = read.is_empty();
            words.extend(read.into_iter().map(Some));
            if failed {
                words.push(None);
            }
        }
        words
    }

    /// As many of these words as come before the first that cannot be read.
    fn words(&self, addresses: &[u64]) -> Vec<u32> {
        let mut words = vec![0_u32; addresses.len()];
        let local = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: size_of_val(&words[..]) };
        let piece = |&address: &u64| libc::iovec { iov_base: address as *mut libc::c_void, iov_len: 4 };
        let remote: Vec<_> = addresses.iter().map(piece).collect();
        let pieces = remote.len() as libc::c_ulong;
        // SAFETY: `local` is `words`, which nobody else has; `remote` is only ever addresses for the kernel.
        let read =
            unsafe { libc::process_vm_readv(self.tid, &raw const local, 1, remote.as_ptr(), pieces, 0) };
        aside::beat();
        words.truncate(usize::try_from(read).unwrap_or(0) / 4);
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_mapped_and_nothing_else() {
        let memory = ProcessMemory::new(std::process::id());
        let here = [1_u64, 2, 3];
        assert_eq!(memory.u64(&raw const here[1] as u64).expect("our own memory"), 2);
        for address in [0, 8, u64::MAX - 3, 1 << 63] {
            assert!(memory.u64(address).is_err(), "{address:#x}");
        }
    }

    #[test]
    fn many_words_are_read_at_once_but_for_those_that_are_not_mapped() {
        let memory = ProcessMemory::new(std::process::id());
        let here: Vec<u32> = (0..3000).collect();
        let mut addresses: Vec<_> = here.iter().map(|word| &raw const *word as u64).collect();
        let mut expected: Vec<_> = here.iter().copied().map(Some).collect();
        for unmapped in [0, 1023, 1024, 1025, 2999] {
            (addresses[unmapped], expected[unmapped]) = (8, None);
        }
        assert_eq!(memory.u32s(&addresses), expected);
        assert_eq!(memory.u32s(&[]), []);
    }

    #[test]
    fn a_process_that_is_gone_is_distinguished() {
        let error = ProcessMemory::new(i32::MAX.cast_unsigned()).u64(0x1000).expect_err("no such process");
        assert_eq!(error.raw_os_error(), Some(libc::ESRCH));
    }
}
