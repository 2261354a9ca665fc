//! ELF files of the target: segments, symbols, one section.
//!
//! The target may have written the file, and may write it while we read. So it is read piece by piece into memory,
//! never mapped; each piece has a cap, and each number in it is checked before it is used. Names are compared where they
//! begin: none is searched for its end, which may be as far away as the file is long. None of it takes any capability.

use std::cell::{Cell, OnceCell};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, ProgramHeader64, SectionHeader64, Sym64};
use object::pod::{self, Pod};

use crate::process::allowance::Allowance;
use crate::process::maps::Mapping;
use crate::sys::aside;
use crate::sys::rights::Unprivileged;

mod text;

pub use text::Segment;

/// Largest table that is read: the symbols of the largest interpreters take a few MiB.
const TABLE_LIMIT: u64 = 16 << 20;
/// Most that all tables of a file may take: they are held until it has been searched for the last time.
const TABLES_LIMIT: u64 = 2 * TABLE_LIMIT;
/// Longest end of a clone's name that is examined: `.constprop.0.isra.0.lto_priv.0`.
const SUFFIX_LIMIT: usize = 64;
/// Most clones of a function: compilers make two or three.
const CLONES: usize = 16;
/// Most segments that are loaded: linkers make some four.
const SEGMENTS: usize = 64;
const PAGE: u64 = 4096;

/// An ELF file for this machine.
#[derive(Debug)]
pub struct Elf {
    file: ElfFile,
    is_fixed: bool,
    segments: Vec<ProgramHeader64<LE>>,
    sections: Vec<SectionHeader64<LE>>,
    section_names: Vec<u8>,
    dynamic: ElfSymbols,
    all: OnceCell<ElfSymbols>,
}

/// A symbol that the file defines; its address is the file's, see [`Elf::load_bias`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// A file that is read within an allowance.
#[derive(Debug)]
struct ElfFile {
    file: File,
    length: u64,
    allowance: Allowance,
    /// What its tables may still take.
    room: Cell<u64>,
}

/// A symbol table and its strings.
#[derive(Debug, Default)]
struct ElfSymbols {
    table: Vec<Sym64<LE>>,
    strings: Vec<u8>,
}

impl Elf {
    /// Reads the headers and the dynamic symbols, `None` for what is no ELF file for this machine.
    #[must_use]
    pub fn read(file: File, allowance: &Allowance) -> Option<Self> {
        let _parsing = Unprivileged::begin();
        let (length, room) = (file.metadata().ok()?.len(), Cell::new(TABLES_LIMIT));
        let file = ElfFile { length, file, allowance: allowance.clone(), room };
        let header = header(&file)?;
        let segments = file.kept_table(header.e_phoff.get(LE), header.e_phnum.get(LE).into())?;
        let sections: Vec<SectionHeader64<LE>> =
            file.kept_table(header.e_shoff.get(LE), header.e_shnum.get(LE).into()).unwrap_or_default();
        let names = sections.get(usize::from(header.e_shstrndx.get(LE).0));
        let section_names = names.and_then(|section| file.kept_contents(section)).unwrap_or_default();
        let dynamic = ElfSymbols::read(&file, &sections, elf::SHT_DYNSYM).unwrap_or_default();
        let is_fixed = header.e_type.get(LE) == elf::ET_EXEC;
        Some(Self { file, is_fixed, segments, sections, section_names, dynamic, all: OnceCell::new() })
    }

    /// A symbol of the dynamic table.
    #[must_use]
    pub fn exported(&self, name: &str) -> Option<Symbol> {
        let _parsing = Unprivileged::begin();
        self.dynamic.find(name, &self.file.allowance)
    }

    /// A symbol of either table; a stripped file has only the dynamic one.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        let _parsing = Unprivileged::begin();
        self.exported(name).or_else(|| self.all_symbols().find(name, &self.file.allowance))
    }

    /// A function by its name, and the clones that the compiler has made of it; not the cold parts that it has moved
    /// away. Functions without external linkage are known to a file that is not stripped only.
    #[must_use]
    pub fn clones(&self, name: &str) -> Vec<Symbol> {
        let _parsing = Unprivileged::begin();
        let mut found = self.all_symbols().clones(name, &self.file.allowance).unwrap_or_default();
        found.sort_by_key(|symbol| symbol.address);
        found.dedup();
        found
    }

    /// Whether it needs a function of Python's from another file.
    #[must_use]
    pub fn imports_python(&self) -> bool {
        let _parsing = Unprivileged::begin();
        self.dynamic.needs_any(&["Py_", "_Py_"], &self.file.allowance)
    }

    /// Address of a section, if it is loaded.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<u64> {
        let _parsing = Unprivileged::begin();
        let is_it = |section: &&SectionHeader64<LE>| is(&self.section_names, section.sh_name.get(LE), name);
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
        self.file.piece(self.file_offset(address)?, bytes)
    }

    /// The first bytes at an address, from the file: no breakpoints are in there.
    #[must_use]
    pub fn bytes<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.file.file.read_exact_at(&mut bytes, self.file_offset(address)?).ok()?;
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
        self.segments.iter().filter(|segment| segment.p_type.get(LE) == elf::PT_LOAD).take(SEGMENTS)
    }

    fn all_symbols(&self) -> &ElfSymbols {
        self.all
            .get_or_init(|| ElfSymbols::read(&self.file, &self.sections, elf::SHT_SYMTAB).unwrap_or_default())
    }
}

impl ElfSymbols {
    fn read(file: &ElfFile, sections: &[SectionHeader64<LE>], kind: elf::SectionType) -> Option<Self> {
        let section = sections.iter().find(|section| section.sh_type.get(LE) == kind)?;
        let strings = sections.get(section.sh_link.get(LE) as usize)?;
        let count = section.sh_size.get(LE) / size_of::<Sym64<LE>>() as u64;
        let table = file.kept_table(section.sh_offset.get(LE), count)?;
        Some(Self { table, strings: file.kept_contents(strings)? })
    }

    /// All symbols, for a search that pays for them.
    fn searched(&self, allowance: &Allowance) -> Option<&[Sym64<LE>]> {
        allowance.take(size_of_val(&self.table[..]) as u64)?;
        Some(&self.table)
    }

    /// Whether another file is to define a name that begins so.
    fn needs_any(&self, beginnings: &[&str], allowance: &Allowance) -> bool {
        let begins_so = |symbol: &Sym64<LE>| {
            let name = at(&self.strings, symbol.st_name.get(LE));
            beginnings.iter().any(|beginning| name.starts_with(beginning.as_bytes()))
        };
        let symbols = self.searched(allowance).unwrap_or_default();
        symbols.iter().any(|symbol| symbol.st_shndx.get(LE) == elf::SHN_UNDEF && begins_so(symbol))
    }

    fn clones(&self, name: &str, allowance: &Allowance) -> Option<Vec<Symbol>> {
        let is_it = |symbol: &&Sym64<LE>| {
            symbol.st_type() == elf::STT_FUNC
                && symbol.st_shndx.get(LE) != elf::SHN_UNDEF
                && is_clone(at(&self.strings, symbol.st_name.get(LE)), name)
        };
        let clones = self.searched(allowance)?.iter().filter(is_it).take(CLONES);
        Some(clones.map(Symbol::from_elf).collect())
    }

    fn find(&self, name: &str, allowance: &Allowance) -> Option<Symbol> {
        let is_it = |symbol: &&Sym64<LE>| {
            symbol.st_shndx.get(LE) != elf::SHN_UNDEF && is(&self.strings, symbol.st_name.get(LE), name)
        };
        self.searched(allowance)?.iter().find(is_it).map(Symbol::from_elf)
    }
}

impl Symbol {
    fn from_elf(symbol: &Sym64<LE>) -> Self {
        Self { address: symbol.st_value.get(LE), size: symbol.st_size.get(LE) }
    }
}

/// `collect`, `collect.constprop.0`, `collect.isra.0.lto_priv.0`; not `collect.cold`. What follows the name's NUL does not
/// matter.
fn is_clone(symbol: &[u8], name: &str) -> bool {
    let Some(rest) = symbol.strip_prefix(name.as_bytes()) else { return false };
    let rest = &rest[..rest.len().min(SUFFIX_LIMIT)];
    let Some(end) = rest.iter().position(|&byte| byte == 0) else { return false };
    let mut parts = rest[..end].split(|&byte| byte == b'.');
    parts.next() == Some(b"") && parts.all(|part| part != b"cold")
}

fn header(file: &ElfFile) -> Option<FileHeader64<LE>> {
    let header: FileHeader64<LE> = *file.table(0, 1)?.first()?;
    let ident = &header.e_ident;
    let is_ours = ident.magic == elf::ELFMAG
        && ident.class == elf::ELFCLASS64
        && ident.data == elf::ELFDATA2LSB
        && header.e_machine.get(LE) == elf::EM_X86_64;
    is_ours.then_some(header)
}

impl ElfFile {
    fn kept_contents(&self, section: &SectionHeader64<LE>) -> Option<Vec<u8>> {
        self.kept_table(section.sh_offset.get(LE), section.sh_size.get(LE))
    }

    /// A table that is held as long as the file.
    fn kept_table<T: Pod>(&self, offset: u64, count: u64) -> Option<Vec<T>> {
        let room = self.room.get().checked_sub(count.checked_mul(size_of::<T>() as u64)?)?;
        let table = self.table(offset, count)?;
        self.room.set(room);
        Some(table)
    }

    /// A piece of the file, if the file is as long and the piece not too large.
    fn piece(&self, offset: u64, length: u64) -> Option<Vec<u8>> {
        self.table(offset, length)
    }

    /// So many records from an offset of the file.
    fn table<T: Pod>(&self, offset: u64, count: u64) -> Option<Vec<T>> {
        let length = count.checked_mul(size_of::<T>() as u64)?;
        if length > TABLE_LIMIT || offset.checked_add(length)? > self.length {
            return None;
        }
        self.allowance.take(length)?;
        let zeros = [0_u64; 8]; // no record is longer
        let (&empty, _) = pod::from_bytes::<T>(pod::bytes_of(&zeros)).ok()?;
        let mut table = vec![empty; count as usize];
        self.file.read_exact_at(pod::bytes_of_slice_mut(&mut table), offset).ok()?;
        aside::beat();
        Some(table)
    }
}

/// What a string table holds from there on: a name, its NUL, and whatever follows.
fn at(strings: &[u8], offset: u32) -> &[u8] {
    strings.get(offset as usize..).unwrap_or_default()
}

/// Whether a string of a string table is this one.
fn is(strings: &[u8], offset: u32, name: &str) -> bool {
    at(strings, offset).strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
}

#[cfg(test)]
mod tests;
