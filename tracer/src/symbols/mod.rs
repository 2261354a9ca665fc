//! What ids stand for: stacks, code objects and files, interned at their first sight.

use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;
use serde::{Deserialize, Serialize};
use tracer_common::python;

pub use self::calls::Calls;
pub use self::entry::{Entry, FrameIds};
pub use self::stacks::{Stack, Stacks};
use crate::event::{Bytes, FileId, SpaceId, StackId};
use entry::Journal;

mod calls;
mod entry;
mod stacks;

/// A Python function at a line, interned: equal ids mean the same file, function and line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FrameId(pub u32);

/// A frame as the report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// `co_qualname` where the version has it, else `co_name`.
    pub function: Bytes,
    /// `co_filename`
    pub file: Bytes,
    /// The line executing, `None` for an instruction without one.
    pub line: Option<u32>,
}

impl Frame {
    /// One whose code object could not be read, or that is one too many.
    #[must_use]
    pub fn unknown() -> Self {
        const UNKNOWN: &[u8] = b"?";
        Self { function: UNKNOWN.into(), file: UNKNOWN.into(), line: None }
    }

    /// What CPython 3.13 and later put between the call of a class and its `__init__`, to check what that returns: no line
    /// of anybody's.
    /// <https://github.com/python/cpython/blob/v3.13.0/Python/specialize.c> (`_Py_InitCleanup`)
    #[must_use]
    pub fn checks_init(&self) -> bool {
        const INIT: &[u8] = b"__init__";
        self.line.is_none() && *self.function == *INIT && *self.file == *INIT
    }
}

/// What a descriptor meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// As `/proc/PID/fd` would show it: a path, `pipe:[4711]`, `memfd:name`; a socket by its address.
    pub path: Bytes,
    /// What sort of file.
    pub kind: FileKind,
}

/// Sorts of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FileKind {
    Procfs,
    Sysfs,
    Regular,
    Pipe,
    Fifo,
    Unix,
    Inet,
    Tty,
    Device,
    Memfd,
    Other,
}

/// What `/proc/PID/fd` adds to the path of a file without a link.
pub const DELETED: &[u8] = b" (deleted)";

/// `/tmp/* (deleted)` for `/tmp/#4711 (deleted)`, where there were many.
#[must_use]
pub fn any_deleted(path: &[u8]) -> Bytes {
    let slash = path.iter().rposition(|&byte| byte == b'/');
    [&path[..slash.map_or(0, |at| at + 1)], b"*", DELETED].concat().into()
}

/// What a hash table of 65,536 buckets holds. One entry more would make it twice as large.
const TABLE: usize = 57_344;
/// Files that are distinguished, ever new sockets for one: more than the rows of a report are keyed by.
const FILES: usize = TABLE;
/// Bytes of their paths.
const PATH_BYTES: usize = 8 << 20;

/// Lines that are distinguished: more than a large program has, but one that makes code without end has as many soon.
pub const LINES: usize = TABLE - 1; // and one that stands for all others
/// Bytes of their names, each function and each file counted for each of its lines: a tenth is usual.
const NAME_BYTES: usize = 16 << 20;
/// Call sites that have names, likewise.
const SITES: usize = TABLE;

/// Everything that ids stand for.
#[derive(Debug, Default)]
pub struct Symbols {
    frames: IndexSet<Frame>,
    /// One copy of the name of each file, for all of its lines.
    file_names: HashSet<Bytes>,
    name_bytes: usize,
    /// Stacks.
    pub stacks: Stacks,
    files: HashMap<FileId, File>,
    path_bytes: usize,
    sites: HashMap<(SpaceId, python::Frame), FrameId>,
    calls: HashMap<CodeKey, Calls>,
    /// `None` where nobody wants to know what is learnt.
    journal: Option<Journal>,
}

/// A code object: its address space, its address, and what distinguishes it from others that were there.
pub type CodeKey = (SpaceId, u64, u32);

impl Symbols {
    /// The id of a frame. Once there are too many, further ones are unknown.
    pub fn intern(&mut self, frame: Frame) -> FrameId {
        if let Some(index) = self.frames.get_index_of(&frame) {
            return frame_id(index);
        }
        let bytes = self.name_bytes + frame.function.len() + frame.file.len();
        let frame = if self.has_all_lines() && bytes <= NAME_BYTES { frame } else { self.left_out() };
        let file = self.file_name(frame.file);
        let (index, is_new) = self.frames.insert_full(Frame { file, ..frame });
        if is_new {
            let frame = &self.frames[index];
            self.name_bytes += frame.function.len() + frame.file.len();
        }
        frame_id(index)
    }

    fn file_name(&mut self, name: Bytes) -> Bytes {
        if let Some(known) = self.file_names.get(&name) {
            return known.clone();
        }
        self.file_names.insert(name.clone());
        name
    }

    /// Whether no line has been left out so far.
    #[must_use]
    pub fn has_all_lines(&self) -> bool {
        self.frames.len() < LINES && self.name_bytes <= NAME_BYTES
    }

    /// Once there is no room for one, there is none for others: which are known would depend on their lengths.
    fn left_out(&mut self) -> Frame {
        self.name_bytes = NAME_BYTES + 1;
        Frame::unknown()
    }

    /// What an id stands for.
    #[must_use]
    pub fn frame(&self, id: FrameId) -> &Frame {
        &self.frames[id.0 as usize]
    }

    /// The innermost frame of a stack.
    #[must_use]
    pub fn leaf(&self, id: StackId) -> Option<FrameId> {
        self.stacks.get(id)?.frames.first().copied()
    }

    /// Remembers what a file is, unless there are too many.
    pub fn insert_file(&mut self, id: FileId, file: File) {
        let known = self.files.get(&id).map(|file| file.path.len());
        let bytes = self.path_bytes - known.unwrap_or_default() + file.path.len();
        if (self.files.len() < FILES || known.is_some()) && bytes <= PATH_BYTES {
            self.path_bytes = bytes;
            if self.files.get(&id) != Some(&file) {
                self.record(|| Entry::File { id, file: file.clone() });
            }
            self.files.insert(id, file);
        }
    }

    /// A file, if its record arrived.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&File> {
        self.files.get(&id)
    }

    /// Whether it is known what a code object calls.
    #[must_use]
    pub fn has_calls(&self, code: CodeKey) -> bool {
        self.calls.contains_key(&code)
    }

    /// Remembers what a code object calls, unless there are too many.
    pub fn insert_calls(&mut self, code: CodeKey, calls: Calls) {
        if self.calls.len() < SITES {
            self.record(|| Entry::Calls { code, calls });
            self.calls.insert(code, calls);
        }
    }

    /// What the code of a call site calls, if that could be read.
    #[must_use]
    pub fn calls(&self, space: SpaceId, site: &python::Frame) -> Option<Calls> {
        self.calls.get(&(space, site.code, site.identity)).copied()
    }

    /// Remembers which line a call site (address space and raw frame) is, unless there are too many.
    pub fn insert_site(&mut self, space: SpaceId, site: python::Frame, frame: FrameId) {
        if self.sites.len() < SITES && self.sites.insert((space, site), frame) != Some(frame) {
            self.record(|| Entry::Site { space, site, frame });
        }
    }

    /// The line of a call site, if its code object is known.
    #[must_use]
    pub fn site(&self, space: SpaceId, site: &python::Frame) -> Option<FrameId> {
        self.sites.get(&(space, *site)).copied()
    }
}

fn frame_id(index: usize) -> FrameId {
    FrameId(u32::try_from(index).expect("fewer than 2^32 different frames"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_checks_an_init_is_distinguished_from_one() {
        let frame = |function: &'static str, file: &'static str, line| Frame {
            function: function.as_bytes().into(),
            file: file.as_bytes().into(),
            line,
        };
        assert!(frame("__init__", "__init__", None).checks_init());
        for own in [frame("__init__", "/srv/a.py", None), frame("__init__", "__init__", Some(3))] {
            assert!(!own.checks_init(), "{own:?}");
        }
    }

    #[test]
    fn ever_new_lines_take_no_more_room() {
        let mut symbols = Symbols::default();
        let line = |line| Frame { function: "f".into(), file: "f.py".into(), line: Some(line) };
        let ids: Vec<_> = (0..LINES as u32).map(|n| symbols.intern(line(n))).collect();
        assert!(!symbols.has_all_lines());
        let further = symbols.intern(line(LINES as u32));
        assert_eq!(symbols.intern(line(u32::MAX)), further);
        assert_eq!(symbols.frame(further), &Frame::unknown());
        assert_eq!(symbols.intern(line(7)), ids[7]);
        assert_eq!(symbols.frames.len(), LINES + 1);
        assert!(symbols.frames.capacity() < LINES * 5 / 4, "room for {}", symbols.frames.capacity());
    }

    #[test]
    fn long_names_take_no_more_room_than_short_ones() {
        let mut symbols = Symbols::default();
        let long = Bytes::from(vec![b'n'; 16 << 10]);
        let line = |line| Frame { function: long.clone(), file: long.clone(), line: Some(line) };
        (0..1_000).for_each(|n| _ = symbols.intern(line(n)));
        assert!(!symbols.has_all_lines());
        assert_eq!(symbols.frames.len(), NAME_BYTES / (32 << 10) + 1, "and one that stands for the others");
        for id in 0..10_000 {
            symbols.insert_file(
                FileId(id),
                File { path: Bytes::from(vec![b'p'; 4096]), kind: FileKind::Regular },
            );
        }
        assert_eq!(symbols.files.len(), PATH_BYTES / 4096);
    }

    #[test]
    fn ever_new_files_take_no_more_room() {
        let mut symbols = Symbols::default();
        let socket = || File { path: Bytes::from_static(b"socket"), kind: FileKind::Inet };
        (0..FILES as u64 + 10).for_each(|id| symbols.insert_file(FileId(id), socket()));
        assert_eq!(symbols.files.len(), FILES);
        assert!(symbols.files.capacity() < FILES * 5 / 4, "room for {}", symbols.files.capacity());
        assert_eq!((symbols.file(FileId(1)), symbols.file(FileId(FILES as u64))), (Some(&socket()), None));
    }
}
