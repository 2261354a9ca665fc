//! What instructions of a file lead to: constants, and functions by way of the linker's stubs.

use object::LittleEndian as LE;
use object::elf::{self, ProgramHeader64, Rela64};

use super::{Elf, is};
use crate::process::machine_code::jumps_through;
use crate::process::open::DeviceInode;

/// Most that is held of a file's segments at a time: the instructions of the largest interpreters take some 10 MiB.
const PARTS_LIMIT: u64 = 16 << 20;

/// A loaded piece of a file.
#[derive(Debug)]
pub struct Segment {
    /// Where it is loaded, before the bias is added.
    pub address: u64,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Elf {
    /// Which file it was read from.
    #[must_use]
    pub fn id(&self) -> Option<DeviceInode> {
        DeviceInode::from_file(&self.file.file).ok()
    }

    /// What is executed; `None` where that is too large.
    #[must_use]
    pub fn instructions(&self) -> Option<Vec<Segment>> {
        self.parts(|segment| segment.p_flags.get(LE).contains(elf::PF_X))
    }

    /// Likewise what is neither changed nor, with linkers of today, executed.
    #[must_use]
    pub fn constants(&self) -> Option<Vec<Segment>> {
        self.parts(|segment| !segment.p_flags.get(LE).contains(elf::PF_W))
    }

    fn parts(&self, is_wanted: impl Fn(&ProgramHeader64<LE>) -> bool) -> Option<Vec<Segment>> {
        let sizes =
            self.loaded().filter(|segment| is_wanted(segment)).map(|segment| segment.p_filesz.get(LE));
        if sizes.fold(0, u64::saturating_add) > PARTS_LIMIT {
            return None;
        }
        let part = |segment: &ProgramHeader64<LE>| {
            let address = segment.p_vaddr.get(LE);
            Some(Segment {
                address,
                bytes: self.file.piece(segment.p_offset.get(LE), segment.p_filesz.get(LE))?,
            })
        };
        self.loaded().filter(|segment| is_wanted(segment)).map(part).collect()
    }

    /// Whether a call of this address calls a function of this name that the file exports: the function itself, or a stub that
    /// jumps to wherever the linker has found one of the name.
    #[must_use]
    pub fn is_function(&self, address: u64, name: &str) -> bool {
        if self.exported(name).is_some_and(|function| function.address == address) {
            return true;
        }
        let stub: Option<[u8; 12]> = self.bytes(address);
        let word = stub.and_then(|stub| jumps_through(&stub, address));
        word.is_some_and(|word| self.is_bound_to(word, name))
    }

    /// Whether the linker puts the address of this function into a word.
    #[must_use]
    pub fn is_bound_to(&self, word: u64, name: &str) -> bool {
        let named = |symbol: u32| {
            let symbol = self.dynamic.table.get(symbol as usize);
            symbol.is_some_and(|symbol| is(&self.dynamic.strings, symbol.st_name.get(LE), name))
        };
        let relocations = self.sections.iter().filter(|section| section.sh_type.get(LE) == elf::SHT_RELA);
        relocations.into_iter().any(|section| {
            let count = section.sh_size.get(LE) / size_of::<Rela64<LE>>() as u64;
            let table: Vec<Rela64<LE>> =
                self.file.table(section.sh_offset.get(LE), count).unwrap_or_default();
            table.iter().any(|entry| entry.r_offset.get(LE) == word && named(entry.r_sym(LE, false)))
        })
    }
}
