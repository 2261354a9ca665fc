//! Memory that is read by the page, for readers of many things that lie close together: frames, code objects.
//!
//! What has been read is kept as it was: a value of this type lasts no longer than the walk of a thread that sleeps.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;

use crate::cpython::memory::Memory;

/// Memory is mapped, or is not, in pieces of this size.
const PAGE: usize = 4096;

/// The pages that have been read.
pub struct Pages<'a> {
    memory: &'a dyn Memory,
    kept: RefCell<HashMap<u64, Box<[u8; PAGE]>>>,
}

impl<'a> Pages<'a> {
    /// None of this memory yet.
    pub fn new(memory: &'a dyn Memory) -> Self {
        Self { memory, kept: RefCell::default() }
    }

    /// A part of one page; `None` where that cannot be read as a whole.
    fn read_within(&self, page: u64, offset: usize, into: &mut [u8]) -> Option<()> {
        let mut kept = self.kept.borrow_mut();
        let bytes = match kept.entry(page) {
            Entry::Occupied(kept) => kept.into_mut(),
            Entry::Vacant(place) => {
                let mut bytes = Box::new([0; PAGE]);
                self.memory.read(page, &mut *bytes).ok()?;
                place.insert(bytes)
            }
        };
        into.copy_from_slice(bytes.get(offset..offset + into.len())?);
        Some(())
    }
}

impl Memory for Pages<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> io::Result<()> {
        let offset = address as usize % PAGE;
        // What lies in two pages is rare, and read as it is.
        let kept = self.read_within(address - offset as u64, offset, into);
        kept.map_or_else(|| self.memory.read(address, into), Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::memory::fake::Fake;

    fn memory() -> Fake {
        let mut memory = Fake::default();
        memory.map(0x1000, (0..0x2000_u32).map(|at| at as u8).collect());
        memory.map(0x5800, vec![7; 16]);
        memory
    }

    #[test]
    fn reads_what_the_memory_holds() {
        let memory = memory();
        let pages = Pages::new(&memory);
        for address in [0x1000, 0x1ff8, 0x1ffc, 0x2000, 0x2ff8, 0x2ffc, 0x3000, 0x5800, 0x5808, 0x580c, 0] {
            assert_eq!(pages.u64(address).ok(), memory.u64(address).ok(), "{address:#x}");
        }
    }

    #[test]
    fn a_page_stays_as_it_was() {
        let counted = Counted { memory: memory(), reads: RefCell::default() };
        let pages = Pages::new(&counted);
        (0x1000..0x1100).for_each(|address| _ = pages.u64(address).expect("mapped"));
        assert_eq!(*counted.reads.borrow(), [0x1000]);
    }

    struct Counted {
        memory: Fake,
        reads: RefCell<Vec<u64>>,
    }

    impl Memory for Counted {
        fn read(&self, address: u64, into: &mut [u8]) -> io::Result<()> {
            self.reads.borrow_mut().push(address);
            self.memory.read(address, into)
        }
    }
}
