//! Code objects: from what the kernel copied at first sight to a file, a function and lines.

use std::io;

use tracer_common::hash::{SEED, mix};
use tracer_common::python;

use crate::cpython::layout::Layout;
use crate::cpython::linetable::LineTable;
use crate::cpython::memory::Memory;
use crate::cpython::text;
use crate::event::Bytes;
use crate::sys::rights::Unprivileged;

/// Largest line table that is read: that of a function of some hundred thousand lines.
const LINE_TABLE_LIMIT: u64 = 1 << 20;

/// Most names that are read of a code object: a module has more than a function.
const NAMES_LIMIT: u64 = 512;

/// A code object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeObject {
    /// `co_filename`
    pub file: Bytes,
    /// `co_qualname` where the version has it, else `co_name`.
    pub function: Bytes,
    /// `co_firstlineno`
    pub first_line: i32,
    /// Its lines, `None` where the table could not be read.
    pub lines: Option<LineTable>,
}

/// Shows whether an address still holds the same code object; 0 is kept for one that cannot be read.
#[must_use]
pub fn identity(file: u64, name: u64, line_table: u64, first_line: i32) -> u32 {
    let words = [file, name, line_table, u64::from(first_line.cast_unsigned())];
    let hash = words.into_iter().fold(SEED, mix);
    ((hash ^ (hash >> 32)) as u32).max(1)
}

/// What a code object points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointers {
    file: u64,
    name: u64,
    line_table: u64,
    first_line: i32,
}

impl Pointers {
    /// Reads them.
    ///
    /// # Errors
    /// When memory cannot be read.
    pub fn read(memory: &dyn Memory, layout: &python::Layout, code: u64) -> io::Result<Self> {
        let pointer = |offset: u16| memory.u64(code.wrapping_add(offset.into()));
        Ok(Self {
            file: pointer(layout.code_filename)?,
            name: pointer(layout.code_name)?,
            line_table: pointer(layout.code_line_table)?,
            first_line: memory.i32(code.wrapping_add(layout.code_first_line.into()))?,
        })
    }

    /// See [`identity`].
    #[must_use]
    pub fn identity(&self) -> u32 {
        identity(self.file, self.name, self.line_table, self.first_line)
    }
}

impl CodeObject {
    /// Whether nothing is missing from a record.
    #[must_use]
    pub fn is_whole(record: &python::Code) -> bool {
        is_whole(&record.file) && is_whole(&record.function) && has_table(record)
    }

    /// Reads a code object from memory, if it still is the one that has this identity.
    ///
    /// # Errors
    /// When memory cannot be read, or holds something else by now.
    pub fn read(code: u64, identity: u32, layout: &Layout, memory: &dyn Memory) -> io::Result<Self> {
        let pointers = same(code, identity, layout, memory)?;
        let object = Self {
            file: text::read(memory, layout, pointers.file)?,
            function: text::read(memory, layout, pointers.name)?,
            first_line: pointers.first_line,
            lines: read_lines(&pointers, layout, memory).ok(),
        };
        same(code, identity, layout, memory)?;
        Ok(object)
    }

    /// The line that a frame of it executes, `None` for an instruction without one.
    #[must_use]
    pub fn line(&self, layout: &Layout, instruction: i32) -> Option<u32> {
        self.lines.as_ref()?.line(layout.address(instruction))
    }

    /// Bytes that its names and its lines take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.file.len() + self.function.len() + self.lines.as_ref().map_or(0, LineTable::bytes)
    }

    /// What a record says, and no more: a name that was cut stays cut.
    #[must_use]
    pub fn as_copied(record: &python::Code, layout: &Layout) -> Self {
        let table = record.table.get(..record.table_copied as usize).filter(|_| has_table(record));
        Self {
            file: copied_name(&record.file, layout),
            function: copied_name(&record.function, layout),
            first_line: record.first_line,
            lines: table.map(|table| lines(layout, record.first_line, table)),
        }
    }
}

/// `co_names` of a code object, if it still is the one that has this identity: what its lines call, among others.
///
/// # Errors
/// When memory cannot be read, or holds something else by now.
pub fn names(code: u64, identity: u32, layout: &Layout, memory: &dyn Memory) -> io::Result<Vec<Bytes>> {
    same(code, identity, layout, memory)?;
    let tuple = memory.u64(code.wrapping_add(layout.code_names()))?;
    let length = memory.u64(tuple.wrapping_add(layout.ob_size()))?.min(NAMES_LIMIT);
    let name = |index: u64| {
        let string = memory.u64(tuple.wrapping_add(layout.tuple_items() + 8 * index))?;
        text::read(memory, layout, string)
    };
    let names = (0..length).map(name).collect::<io::Result<_>>()?;
    same(code, identity, layout, memory)?;
    Ok(names)
}

fn same(code: u64, identity: u32, layout: &Layout, memory: &dyn Memory) -> io::Result<Pointers> {
    let pointers = Pointers::read(memory, &layout.wire(), code)?;
    if pointers.identity() == identity {
        Ok(pointers)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "another code object"))
    }
}

fn read_lines(pointers: &Pointers, layout: &Layout, memory: &dyn Memory) -> io::Result<LineTable> {
    let length = memory.u64(pointers.line_table.wrapping_add(layout.ob_size()))?;
    if length > LINE_TABLE_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "line table too large"));
    }
    let table =
        memory.bytes(pointers.line_table.wrapping_add(layout.strings.bytes.into()), length as usize)?;
    Ok(lines(layout, pointers.first_line, &table))
}

fn lines(layout: &Layout, first_line: i32, table: &[u8]) -> LineTable {
    let _parsing = Unprivileged::begin();
    LineTable::decode(layout.code.line_format, first_line, table)
}

/// Characters that the record holds of a name.
fn kept(name: &python::Name) -> u32 {
    match name.width {
        1 | 2 | 4 => name.length.min(python::NAME_BYTES as u32 / name.width),
        _ => 0,
    }
}

fn is_whole(name: &python::Name) -> bool {
    matches!(name.width, 1 | 2 | 4) && kept(name) == name.length
}

/// The table was copied. One of no bytes counts as unread: it costs one more read of memory, and a code object without
/// lines is rare.
fn has_table(record: &python::Code) -> bool {
    record.table_bytes != 0 && record.table_copied == record.table_bytes
}

fn copied_name(name: &python::Name, layout: &Layout) -> Bytes {
    let bytes = &name.bytes[..(kept(name) * name.width) as usize];
    text::decode(layout.strings.names, text::Raw { width: name.width, bytes, cut: !is_whole(name) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::layout::OB_SIZE;
    use crate::cpython::memory::fake::Fake;
    use tracer_common::event::Header;

    const CODE: u64 = 0x10_0000;
    const FILE: u64 = 0x20_0000;
    const NAME: u64 = 0x30_0000;
    const TABLE: u64 = 0x40_0000;
    const LONG: &str = "a_name_that_is_longer_than_what_the_kernel_copies_";

    fn layout() -> &'static Layout {
        Layout::for_release((3, 12), false).expect("known")
    }

    fn ascii(text: &str) -> Vec<u8> {
        let mut bytes = vec![0; 40];
        bytes[16..24].copy_from_slice(&(text.len() as u64).to_le_bytes());
        bytes[32] = 1 << 2 | 1 << 5 | 1 << 6;
        [&bytes, text.as_bytes()].concat()
    }

    /// A code object at line 7, whose only entry is two units long, one line below.
    fn memory() -> Fake {
        let mut memory = Fake::default();
        memory.map(CODE, vec![0; 200]);
        for (offset, pointer) in [(112, FILE), (128, NAME), (136, TABLE)] {
            memory.set(CODE + offset, &pointer.to_le_bytes());
        }
        memory.set(CODE + 68, &7_i32.to_le_bytes());
        memory.map(FILE, ascii("app.py"));
        memory.map(NAME, ascii(&LONG.repeat(10)));
        let table = [0x80 | 11 << 3 | 1, 0, 0];
        let head = [&[0; 16][..], &3_u64.to_le_bytes(), &[0; 8]].concat();
        memory.map(TABLE, [&head[..], &table].concat());
        memory
    }

    /// As names are read: from the record if it is whole, else from memory as long as that has the same code object.
    fn decode(record: &python::Code, layout: &Layout, memory: &dyn Memory) -> CodeObject {
        let copied = || CodeObject::as_copied(record, layout);
        if CodeObject::is_whole(record) {
            return copied();
        }
        CodeObject::read(record.code, record.identity, layout, memory).unwrap_or_else(|_| copied())
    }

    #[test]
    fn names_are_those_of_the_same_code_object() {
        const NAMES: u64 = 0x50_0000;
        let mut memory = memory();
        memory.set(CODE + 32, &NAMES.to_le_bytes());
        let words = [0, 0, 2, FILE, NAME];
        memory.map(NAMES, words.iter().flat_map(|word: &u64| word.to_le_bytes()).collect());
        let identity = identity(FILE, NAME, TABLE, 7);
        let found = names(CODE, identity, layout(), &memory).unwrap();
        assert_eq!(found, [Bytes::from_static(b"app.py"), Bytes::from(LONG.repeat(10).into_bytes())]);
        assert!(names(CODE, identity + 1, layout(), &memory).is_err());
    }

    fn name(text: &str, length: u32) -> python::Name {
        let mut name = python::Name { length, width: 1, bytes: [0; python::NAME_BYTES] };
        name.bytes[..text.len()].copy_from_slice(text.as_bytes());
        name
    }

    /// What the kernel would have sent of it.
    fn record() -> python::Code {
        python::Code {
            header: Header::default(),
            space: 1,
            code: CODE,
            identity: identity(FILE, NAME, TABLE, 7),
            first_line: 7,
            file: name("app.py", 6),
            function: name(&LONG.repeat(6)[..256], 500),
            table_bytes: 3,
            table_copied: 0,
            table: [0; python::LINE_TABLE_BYTES],
        }
    }

    #[test]
    fn a_cut_record_is_completed_from_memory() {
        let object = decode(&record(), layout(), &memory());
        assert_eq!((&*object.file, &*object.function), (&b"app.py"[..], LONG.repeat(10).as_bytes()));
        assert_eq!(object.line(layout(), 192), Some(8));
        assert_eq!(object.line(layout(), 190), Some(7));
    }

    #[test]
    fn another_code_object_at_the_address_is_not_believed() {
        let mut memory = memory();
        memory.set(CODE + 68, &8_i32.to_le_bytes());
        let object = decode(&record(), layout(), &memory);
        assert_eq!(&*object.function, [&LONG.as_bytes().repeat(6)[..256], "…".as_bytes()].concat());
        assert_eq!((object.line(layout(), 192), object.first_line), (None, 7));
    }

    #[test]
    fn a_whole_record_needs_no_memory() {
        let mut record = record();
        record.function = name("run", 3);
        record.table_copied = 3;
        record.table[..3].copy_from_slice(&[0x80 | 11 << 3 | 1, 0, 0]);
        let object = decode(&record, layout(), &Fake::default());
        assert_eq!((&*object.function, object.line(layout(), 194)), (&b"run"[..], Some(8)));
    }

    #[test]
    fn lies_in_memory_are_bounded() {
        let mut memory = memory();
        memory.set(NAME + OB_SIZE, &u64::MAX.to_le_bytes());
        let object = decode(&record(), layout(), &memory);
        assert!(object.function.ends_with("…".as_bytes()));
        memory = self::memory();
        memory.set(TABLE + OB_SIZE, &(1_u64 << 40).to_le_bytes());
        assert_eq!(decode(&record(), layout(), &memory).lines, None);
    }

    #[test]
    fn an_unreadable_name_says_so() {
        let mut record = record();
        record.file.width = 0;
        record.function.width = 77;
        let object = decode(&record, layout(), &Fake::default());
        assert_eq!((&*object.file, &*object.function), ("…".as_bytes(), "…".as_bytes()));
    }
}
