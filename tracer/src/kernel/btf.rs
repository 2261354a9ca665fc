//! Where the fields of the kernel's structs lie, read from its BTF.
//!
//! Format: <https://github.com/torvalds/linux/blob/v6.12/Documentation/bpf/btf.rst>

use std::cell::Cell;
use std::io;

use crate::sys::vmlinux::Blob;
pub use crate::sys::vmlinux::PATH as VMLINUX;

const MAGIC: u16 = 0xeb9f;
/// `struct btf_type` before what its kind appends.
const TYPE_BYTES: usize = 12;
const MEMBER_BYTES: usize = 12;
/// Most members that are examined for one path: the longest structs of a kernel have a few hundred.
const MEMBERS: u32 = 1 << 14;
const SECTION_VARIABLE_BYTES: usize = 12;

/// Kinds of types that matter here.
mod kind {
    pub const INTEGER: u32 = 1;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const DATASEC: u32 = 15;
    pub const TYPE_TAG: u32 = 18;
}

/// Why a BTF blob cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel does not describe its types.
    #[error("cannot read {VMLINUX}: {0}")]
    Unreadable(#[source] io::Error),
    /// It does not begin as BTF does.
    #[error("{what} is not BTF")]
    NotBtf {
        /// Where it came from.
        what: &'static str,
    },
    /// It ends too early.
    #[error("the BTF ends inside the type at offset {offset}")]
    Truncated {
        /// From the start of the blob.
        offset: usize,
    },
    /// A struct or one of its members is not there.
    #[error("this kernel has no {path} in struct {container}")]
    NoField {
        /// The struct.
        container: &'static str,
        /// Its member, and so on inwards.
        path: &'static str,
    },
}

/// An indexed BTF blob.
pub struct Btf {
    blob: Blob,
    strings: usize,
    /// Offset of each type, by its id.
    types: Vec<u32>,
    /// Ids of the types that are looked for by name. There are tens of thousands, of which a few dozen are wanted:
    /// to compare them as they lie costs less than an index by name would.
    composites: Vec<u32>,
    functions: Vec<u32>,
    typedefs: Vec<u32>,
    sections: Vec<u32>,
}

impl Btf {
    /// Indexes the running kernel's.
    ///
    /// # Errors
    /// When it cannot be read, or is no BTF.
    pub fn of_kernel() -> Result<Self, Error> {
        Self::parse(Blob::open().map_err(Error::Unreadable)?)
    }

    /// Indexes a blob.
    ///
    /// # Errors
    /// When it is not BTF, or ends too early.
    pub fn parse(blob: Blob) -> Result<Self, Error> {
        let not_btf = Error::NotBtf { what: VMLINUX };
        if blob.len() < 24 || u16::from_ne_bytes([blob[0], blob[1]]) != MAGIC {
            return Err(not_btf);
        }
        let header = word(&blob, 4)? as usize;
        let (types, length) = (header + word(&blob, 8)? as usize, word(&blob, 12)? as usize);
        let strings = header + word(&blob, 16)? as usize;
        if strings + word(&blob, 20)? as usize > blob.len() || types + length > blob.len() {
            return Err(Error::Truncated { offset: blob.len() });
        }
        let mut btf = Self {
            blob,
            strings,
            types: vec![0],
            composites: Vec::new(),
            functions: Vec::new(),
            typedefs: Vec::new(),
            sections: Vec::new(),
        };
        btf.index(types, types + length)?;
        Ok(btf)
    }

    /// Bytes of the blob.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.blob.len()
    }

    fn index(&mut self, mut at: usize, end: usize) -> Result<(), Error> {
        let truncated = |at| move |_| Error::Truncated { offset: at };
        while at < end {
            let id = u32::try_from(self.types.len()).map_err(truncated(at))?;
            let info = word(&self.blob, at + 4)?;
            let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
            match kind {
                kind::STRUCT | kind::UNION => self.composites.push(id),
                kind::FUNC => self.functions.push(id),
                kind::TYPEDEF => self.typedefs.push(id),
                kind::DATASEC => self.sections.push(id),
                _ => {}
            }
            self.types.push(u32::try_from(at).map_err(truncated(at))?);
            at += TYPE_BYTES + appended(kind, count);
        }
        Ok(())
    }

    /// Byte offset of a field: `path` goes inwards by dots, through anonymous members as C does.
    ///
    /// # Errors
    /// When this kernel has no such field.
    pub fn offset(&self, container: &'static str, path: &'static str) -> Result<u32, Error> {
        Ok(self.bit_offset(container, path)? / 8)
    }

    /// The same in bits, for bit fields.
    ///
    /// # Errors
    /// When this kernel has no such field.
    pub fn bit_offset(&self, container: &'static str, path: &'static str) -> Result<u32, Error> {
        let named = self.composites.iter().filter(|&&id| self.is_named(id, container));
        named.copied().find_map(|id| self.walk(id, path)).ok_or(Error::NoField { container, path })
    }

    fn walk(&self, mut id: u32, path: &str) -> Option<u32> {
        let (mut total, left) = (0_u32, Cell::new(MEMBERS));
        for name in path.split('.') {
            let (bits, member) = self.member(id, name.as_bytes(), 0, &left)?;
            total = total.checked_add(bits)?;
            id = member;
        }
        Some(total)
    }

    /// Offset in bits, and type, of a member, looked for inside anonymous ones too.
    fn member(&self, id: u32, name: &[u8], nesting: u32, left: &Cell<u32>) -> Option<(u32, u32)> {
        let at = self.at(id)?;
        let info = word(&self.blob, at + 4).ok()?;
        let packed = info >> 31 == 1; // the upper byte of an offset is then a bit field's width
        (0..(info & 0xffff) as usize).find_map(|index| {
            left.set(left.get().checked_sub(1)?);
            let member = at + TYPE_BYTES + MEMBER_BYTES * index;
            let kind = self.resolve(word(&self.blob, member + 4).ok()?)?;
            let offset = word(&self.blob, member + 8).ok()? & if packed { 0xff_ffff } else { u32::MAX };
            match self.string(word(&self.blob, member).ok()?) {
                found if found == name => Some((offset, kind)),
                b"" if nesting < 8 => {
                    let (bits, inner) = self.member(kind, name, nesting + 1, left)?;
                    Some((offset.checked_add(bits)?, inner))
                }
                _ => None,
            }
        })
    }

    /// Behind typedefs and qualifiers.
    fn resolve(&self, mut id: u32) -> Option<u32> {
        for _ in 0..32 {
            match self.kind(id) {
                Some(kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG) => {
                    id = word(&self.blob, self.at(id)? + 8).ok()?;
                }
                _ => return Some(id),
            }
        }
        None
    }

    fn kind(&self, id: u32) -> Option<u32> {
        if id == 0 { None } else { Some(word(&self.blob, self.at(id)? + 4).ok()? >> 24 & 0x1f) }
    }

    fn at(&self, id: u32) -> Option<usize> {
        self.types.get(id as usize).map(|&at| at as usize)
    }

    fn is_named(&self, id: u32, name: &str) -> bool {
        let offset = self.at(id).and_then(|at| word(&self.blob, at).ok());
        let start = offset.and_then(|offset| self.strings.checked_add(offset as usize));
        let rest = start.and_then(|start| self.blob.get(start..)).unwrap_or(&[]);
        rest.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
    }

    /// Id of a struct.
    #[must_use]
    pub fn struct_id(&self, name: &str) -> Option<u32> {
        let is_struct = |id: &u32| self.kind(*id) == Some(kind::STRUCT) && self.is_named(*id, name);
        self.composites.iter().copied().find(is_struct)
    }

    /// Id of a function: kernel functions that programs may call are among them.
    #[must_use]
    pub fn function_id(&self, name: &str) -> Option<u32> {
        self.functions.iter().copied().find(|&id| self.is_named(id, name))
    }

    /// Where a variable lies among those that each CPU has of its own, which the kernel keeps in one section.
    #[must_use]
    pub fn per_cpu_offset(&self, name: &str) -> Option<u32> {
        let section = self.sections.iter().copied().find(|&id| self.is_named(id, ".data..percpu"))?;
        let at = self.at(section)?;
        let count = (word(&self.blob, at + 4).ok()? & 0xffff) as usize;
        let mut variables = (0..count).map(|index| at + TYPE_BYTES + SECTION_VARIABLE_BYTES * index);
        let is_it = |at: &usize| word(&self.blob, *at).is_ok_and(|id| self.is_named(id, name));
        word(&self.blob, variables.find(is_it)? + 4).ok()
    }

    /// Id of the typedef that a program is attached to a tracepoint by.
    #[must_use]
    pub fn tracepoint_id(&self, name: &str) -> Option<u32> {
        let typedef = format!("btf_trace_{name}");
        self.typedefs.iter().copied().find(|&id| self.is_named(id, &typedef))
    }

    /// Which parameters of a tracepoint, the context aside, are plain integers and not pointers: from its
    /// `btf_trace_NAME` typedef.
    #[must_use]
    pub fn tracepoint_integers(&self, name: &str) -> Option<Vec<bool>> {
        let pointer = word(&self.blob, self.at(self.tracepoint_id(name)?)? + 8).ok()?;
        let prototype = word(&self.blob, self.at(pointer)? + 8).ok()?;
        let at = self.at(prototype)?;
        let info = word(&self.blob, at + 4).ok()?;
        if info >> 24 & 0x1f != kind::FUNC_PROTO {
            return None;
        }
        let types = (0..(info & 0xffff) as usize)
            .filter_map(|index| word(&self.blob, at + TYPE_BYTES + 8 * index + 4).ok());
        Some(
            types
                .skip(1)
                .map(|id| self.resolve(id).and_then(|id| self.kind(id)) == Some(kind::INTEGER))
                .collect(),
        )
    }

    fn string(&self, offset: u32) -> &[u8] {
        let start = self.strings.saturating_add(offset as usize);
        let rest = self.blob.get(start..).unwrap_or(&[]);
        rest.split(|&byte| byte == 0).next().unwrap_or(&[])
    }
}

/// Bytes that a type of this kind appends to its `struct btf_type`.
fn appended(kind: u32, count: usize) -> usize {
    match kind {
        kind::INTEGER | 14 | 17 => 4,      // integer, variable, declaration tag
        3 => 12,                           // array
        4 | 5 | 15 | 19 => 12 * count,     // struct, union, data section, 64-bit enum
        6 | kind::FUNC_PROTO => 8 * count, // enum, prototype
        _ => 0,
    }
}

fn word(blob: &[u8], at: usize) -> Result<u32, Error> {
    let bytes = blob.get(at..at + 4).ok_or(Error::Truncated { offset: at })?;
    Ok(u32::from_ne_bytes(bytes.try_into().expect("four bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Btf {
        Btf::of_kernel().expect("a kernel with BTF")
    }

    #[test]
    fn finds_the_fields_that_every_kernel_has() {
        let btf = running();
        assert!(btf.offset("task_struct", "tgid").unwrap() > btf.offset("task_struct", "pid").unwrap());
        assert!(btf.offset("task_struct", "thread.fsbase").unwrap() > 0);
        assert_eq!(btf.offset("kiocb", "ki_filp").ok(), Some(0));
        assert!(btf.struct_id("kiocb").is_some() && btf.function_id("schedule").is_some());
    }

    #[test]
    fn names_what_is_missing() {
        let error = running().offset("task_struct", "no_such_field").unwrap_err();
        assert_eq!(error.to_string(), "this kernel has no no_such_field in struct task_struct");
    }

    #[test]
    fn knows_a_tracepoint_by_its_parameters() {
        let integers = running().tracepoint_integers("sched_switch").unwrap();
        assert_eq!(integers[..3], [true, false, false], "preempt, prev, next");
    }

    #[test]
    fn refuses_what_is_not_btf() {
        for blob in [vec![0; 64], Vec::new()] {
            assert!(matches!(Btf::parse(Blob::Copied(blob)), Err(Error::NotBtf { .. })));
        }
    }

    #[test]
    fn a_blob_that_is_cut_anywhere_is_refused() {
        let blob = std::fs::read(VMLINUX).unwrap();
        for length in [0, 24, 100, 1000, blob.len() / 3, blob.len() - 1] {
            let cut = Btf::parse(Blob::Copied(blob[..length].to_vec()));
            assert!(cut.is_err(), "{length} of {} bytes", blob.len());
        }
        assert!(Btf::parse(Blob::Copied(blob)).unwrap().offset("task_struct", "pid").is_ok());
    }
}
