//! Memory of a process, as the code that reads CPython's objects sees it.

use std::io;

/// Reads memory of one process.
pub trait Memory {
    /// Fills `into` from `address` on, wholly or not at all.
    ///
    /// # Errors
    /// What the system says: `EFAULT` where nothing is mapped, `ESRCH` when the process is gone, `EPERM`.
    fn read(&self, address: u64, into: &mut [u8]) -> io::Result<()>;

    /// A pointer or an `unsigned long`.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn u64(&self, address: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// An `unsigned int`.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn u32(&self, address: u64) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// An `int`.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn i32(&self, address: u64) -> io::Result<i32> {
        self.u32(address).map(u32::cast_signed)
    }

    /// Many `unsigned int`s, `None` for each that cannot be read.
    fn u32s(&self, addresses: &[u64]) -> Vec<Option<u32>> {
        addresses.iter().map(|&address| self.u32(address).ok()).collect()
    }

    /// As many bytes as asked for.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn bytes(&self, address: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }
}

/// Memory that tests make up.
#[cfg(test)]
pub(crate) mod fake {
    use std::collections::BTreeMap;
    use std::io;

    /// Pieces of memory by address; what lies between them is not mapped.
    #[derive(Default)]
    pub(crate) struct Fake(BTreeMap<u64, Vec<u8>>);

    impl Fake {
        /// Maps a piece.
        pub(crate) fn map(&mut self, address: u64, bytes: Vec<u8>) {
            self.0.insert(address, bytes);
        }

        /// Overwrites part of a piece.
        pub(crate) fn set(&mut self, address: u64, bytes: &[u8]) {
            let (start, piece) = self.0.range_mut(..=address).next_back().expect("a mapped address");
            let at = (address - start) as usize;
            piece[at..at + bytes.len()].copy_from_slice(bytes);
        }
    }

    impl super::Memory for Fake {
        fn read(&self, address: u64, into: &mut [u8]) -> io::Result<()> {
            let unmapped = || io::Error::from_raw_os_error(libc::EFAULT);
            let (start, piece) = self.0.range(..=address).next_back().ok_or_else(unmapped)?;
            let at = usize::try_from(address - start).map_err(|_| unmapped())?;
            let end = at.checked_add(into.len()).ok_or_else(unmapped)?;
            into.copy_from_slice(piece.get(at..end).ok_or_else(unmapped)?);
            Ok(())
        }
    }
}
