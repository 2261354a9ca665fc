//! ELF files of the target: segments, symbols, one section.
//!
//! The target may have written the file, and may write it while we read. So it is read piece by piece into memory,
//! never mapped; each piece has a cap, and each number in it is checked before it is used.

use std::cell::OnceCell;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, ProgramHeader64, SectionHeader64, Sym64};
use object::pod::{self, Pod};

use crate::target::maps::Mapping;

/// Largest table that is read: the symbols of the largest interpreters take a few MiB.
const TABLE_LIMIT: u64 = 64 << 20;
const PAGE: u64 = 4096;

/// An ELF file for this machine.
#[derive(Debug)]
pub struct Elf {
    file: File,
    is_fixed: bool,
    segments: Vec<ProgramHeader64<LE>>,
    sections: Vec<SectionHeader64<LE>>,
    section_names: Vec<u8>,
    dynamic: Symbols,
    all: OnceCell<Symbols>,
}

/// A symbol that the file defines; its address is the file's, see [`Elf::load_bias`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// A symbol table and its strings.
#[derive(Debug, Default)]
struct Symbols {
    table: Vec<Sym64<LE>>,
    strings: Vec<u8>,
}

impl Elf {
    /// Reads the headers and the dynamic symbols, `None` for what is no ELF file for this machine.
    #[must_use]
    pub fn read(file: File) -> Option<Self> {
        let header = header(&file)?;
        let segments = table(&file, header.e_phoff.get(LE), header.e_phnum.get(LE).into())?;
        let sections: Vec<SectionHeader64<LE>> =
            table(&file, header.e_shoff.get(LE), header.e_shnum.get(LE).into()).unwrap_or_default();
        let names = sections.get(usize::from(header.e_shstrndx.get(LE).0));
        let section_names = names.and_then(|section| contents(&file, section)).unwrap_or_default();
        let dynamic = Symbols::read(&file, &sections, elf::SHT_DYNSYM).unwrap_or_default();
        let is_fixed = header.e_type.get(LE) == elf::ET_EXEC;
        Some(Self { file, is_fixed, segments, sections, section_names, dynamic, all: OnceCell::new() })
    }

    /// A symbol of the dynamic table.
    #[must_use]
    pub fn exported(&self, name: &str) -> Option<Symbol> {
        self.dynamic.find(name)
    }

    /// A symbol of either table; a stripped file has only the dynamic one.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        self.exported(name).or_else(|| self.all_symbols().find(name))
    }

    /// A function by its name, and the clones that the compiler has made of it; not the cold parts that it has moved
    /// away. Functions without external linkage are known to a file that is not stripped only.
    #[must_use]
    pub fn clones(&self, name: &str) -> Vec<Symbol> {
        let mut found: Vec<_> = self.all_symbols().functions(|symbol| is_clone(symbol, name)).collect();
        found.sort_by_key(|symbol| symbol.address);
        found.dedup();
        found
    }

    /// Whether it needs a function of Python's from another file.
    #[must_use]
    pub fn imports_python(&self) -> bool {
        self.dynamic.undefined().any(|name| name.starts_with(b"Py_") || name.starts_with(b"_Py_"))
    }

    /// Address of a section, if it is loaded.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<u64> {
        let is_it = |section: &&SectionHeader64<LE>| {
            string(&self.section_names, section.sh_name.get(LE)) == Some(name.as_bytes())
        };
        self.sections
            .iter()
            .find(is_it)
            .map(|section| section.sh_addr.get(LE))
            .filter(|&address| address != 0)
    }

    /// What to add to the file's addresses for those in memory, from the mappings of this file.
    #[must_use]
    pub fn load_bias<'a>(&self, mut mappings: impl Iterator<Item = &'a Mapping>) -> Option<u64> {
        if self.is_fixed {
            return Some(0);
        }
        let text = self.loaded().find(|segment| segment.p_flags.get(LE).contains(elf::PF_X))?;
        let (offset, address) = (text.p_offset.get(LE), text.p_vaddr.get(LE));
        let mapping =
            mappings.find(|mapping| mapping.executable && mapping.offset == offset / PAGE * PAGE)?;
        Some(mapping.range.start.wrapping_sub(address / PAGE * PAGE))
    }

    /// Where an address lies in the file.
    #[must_use]
    pub fn file_offset(&self, address: u64) -> Option<u64> {
        self.loaded().find_map(|segment| {
            let into = address.checked_sub(segment.p_vaddr.get(LE))?;
            (into < segment.p_filesz.get(LE)).then(|| segment.p_offset.get(LE).checked_add(into)).flatten()
        })
    }

    /// So many bytes at an address, from the file; `None` where it is shorter.
    #[must_use]
    pub fn code(&self, address: u64, bytes: u64) -> Option<Vec<u8>> {
        piece(&self.file, self.file_offset(address)?, bytes)
    }

    /// The first bytes at an address, from the file: no breakpoints are in there.
    #[must_use]
    pub fn bytes<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact_at(&mut bytes, self.file_offset(address)?).ok()?;
        Some(bytes)
    }

    /// Addresses of the variables.
    pub fn writable(&self) -> impl Iterator<Item = Range<u64>> {
        let writable = self.loaded().filter(|segment| segment.p_flags.get(LE).contains(elf::PF_W));
        writable.map(|segment| {
            let start = segment.p_vaddr.get(LE);
            start..start.saturating_add(segment.p_memsz.get(LE))
        })
    }

    fn loaded(&self) -> impl Iterator<Item = &ProgramHeader64<LE>> {
        self.segments.iter().filter(|segment| segment.p_type.get(LE) == elf::PT_LOAD)
    }

    fn all_symbols(&self) -> &Symbols {
        self.all
            .get_or_init(|| Symbols::read(&self.file, &self.sections, elf::SHT_SYMTAB).unwrap_or_default())
    }
}

impl Symbols {
    fn read(file: &File, sections: &[SectionHeader64<LE>], kind: elf::SectionType) -> Option<Self> {
        let section = sections.iter().find(|section| section.sh_type.get(LE) == kind)?;
        let strings = sections.get(section.sh_link.get(LE) as usize)?;
        let count = section.sh_size.get(LE) / size_of::<Sym64<LE>>() as u64;
        Some(Self {
            table: table(file, section.sh_offset.get(LE), count)?,
            strings: contents(file, strings)?,
        })
    }

    fn undefined(&self) -> impl Iterator<Item = &[u8]> {
        let undefined = self.table.iter().filter(|symbol| symbol.st_shndx.get(LE) == elf::SHN_UNDEF);
        undefined.filter_map(|symbol| string(&self.strings, symbol.st_name.get(LE)))
    }

    fn functions<'a>(&'a self, is_it: impl Fn(&[u8]) -> bool + 'a) -> impl Iterator<Item = Symbol> + 'a {
        let functions = self
            .table
            .iter()
            .filter(|symbol| symbol.st_type() == elf::STT_FUNC && symbol.st_shndx.get(LE) != elf::SHN_UNDEF);
        let named =
            functions.filter(move |symbol| string(&self.strings, symbol.st_name.get(LE)).is_some_and(&is_it));
        named.map(|symbol| Symbol { address: symbol.st_value.get(LE), size: symbol.st_size.get(LE) })
    }

    fn find(&self, name: &str) -> Option<Symbol> {
        let is_it = |symbol: &&Sym64<LE>| {
            symbol.st_shndx.get(LE) != elf::SHN_UNDEF
                && string(&self.strings, symbol.st_name.get(LE)) == Some(name.as_bytes())
        };
        let symbol = self.table.iter().find(is_it)?;
        Some(Symbol { address: symbol.st_value.get(LE), size: symbol.st_size.get(LE) })
    }
}

/// `collect`, `collect.constprop.0`, `collect.isra.0.lto_priv.0`; not `collect.cold`.
fn is_clone(symbol: &[u8], name: &str) -> bool {
    let Some(suffix) = symbol.strip_prefix(name.as_bytes()) else { return false };
    let mut parts = suffix.split(|&byte| byte == b'.');
    parts.next() == Some(b"") && parts.all(|part| part != b"cold")
}

fn header(file: &File) -> Option<FileHeader64<LE>> {
    let header: FileHeader64<LE> = *table(file, 0, 1)?.first()?;
    let ident = &header.e_ident;
    let is_ours = ident.magic == elf::ELFMAG
        && ident.class == elf::ELFCLASS64
        && ident.data == elf::ELFDATA2LSB
        && header.e_machine.get(LE) == elf::EM_X86_64;
    is_ours.then_some(header)
}

fn contents(file: &File, section: &SectionHeader64<LE>) -> Option<Vec<u8>> {
    piece(file, section.sh_offset.get(LE), section.sh_size.get(LE))
}

/// So many records from an offset of the file.
fn table<T: Pod>(file: &File, offset: u64, count: u64) -> Option<Vec<T>> {
    let bytes = piece(file, offset, count.checked_mul(size_of::<T>() as u64)?)?;
    Some(pod::slice_from_all_bytes(&bytes).ok()?.to_vec())
}

/// A piece of the file, if the file is as long and the piece not too large.
fn piece(file: &File, offset: u64, length: u64) -> Option<Vec<u8>> {
    let end = offset.checked_add(length)?;
    if length > TABLE_LIMIT || end > file.metadata().ok()?.len() {
        return None;
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes)
}

/// A string of a string table, without its NUL.
fn string(strings: &[u8], at: u32) -> Option<&[u8]> {
    strings.get(at as usize..)?.split(|&byte| byte == 0).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn ours() -> Vec<u8> {
        std::fs::read("/proc/self/exe").expect("our own executable")
    }

    fn read(bytes: &[u8]) -> Option<Elf> {
        let memory = rustix::fs::memfd_create("elf", rustix::fs::MemfdFlags::CLOEXEC).expect("a memfd");
        let mut file = File::from(memory);
        file.write_all(bytes).expect("room");
        Elf::read(file)
    }

    #[test]
    fn finds_symbols_and_their_bytes() {
        let elf = read(&ours()[..]).expect("an ELF file");
        let main = elf.symbol("main").expect("a main function");
        let from_memory: [u8; 4] = elf.bytes(main.address).expect("text");
        let offset = elf.file_offset(main.address).expect("text") as usize;
        assert_eq!(from_memory, ours()[offset..offset + 4]);
        assert_eq!(elf.symbol("no_such_symbol"), None);
        assert!(elf.writable().next().is_some());
    }

    #[test]
    fn clones_are_functions_and_cold_parts_are_none() {
        for (symbol, expected) in [
            ("collect", true),
            ("collect.constprop.0", true),
            ("collect.isra.0.lto_priv.1", true),
            ("collect.cold", false),
            ("collect.constprop.0.cold", false),
            ("collecting", false),
            ("gc_collect", false),
        ] {
            assert_eq!(is_clone(symbol.as_bytes(), "collect"), expected, "{symbol}");
        }
    }

    #[test]
    fn hostile_files_are_refused_or_lose_a_table() {
        let good = ours();
        assert!(read(b"").is_none());
        assert!(read(b"#!/bin/sh\n").is_none());
        assert!(read(&good[..64]).is_none(), "no program headers");
        for (name, at, bytes) in [
            ("section headers past the end", 0x28, &u64::MAX.to_le_bytes()[..]),
            ("no name section", 0x3e, &[0xfe, 0xff]),
            ("more sections than there are", 0x3c, &[0xff, 0xff]),
        ] {
            let mut bad = good.clone();
            bad[at..at + bytes.len()].copy_from_slice(bytes);
            let elf = read(&bad).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(elf.section(".no_such_section"), None, "{name}");
        }
    }

    #[test]
    fn any_header_is_survived() {
        let mut bytes = ours()[..4096].to_vec();
        let mut state = 1_u32;
        for _ in 0..2000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes[16 + (state >> 8) as usize % 1000] = (state >> 24) as u8;
            if let Some(elf) = read(&bytes) {
                let _ = (elf.symbol("main"), elf.section(".text"), elf.file_offset(u64::from(state)));
            }
        }
    }
}
