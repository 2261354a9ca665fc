//! `_Py_DebugOffsets`: from 3.13 on an interpreter carries its own layout, at the start of `_PyRuntime`.
//!
//! <https://github.com/python/cpython/blob/v3.13.0/Include/internal/pycore_runtime.h>. It is the target's word: every
//! value is checked against what a struct could hold before it is believed.

use std::io;

use crate::cpython::layout::{
    Code, Frame, Gil, Head, Instruction, Interpreter, Layout, Names, Strings, ThreadLayout, Top,
};
use crate::cpython::memory::Memory;

/// The first eight bytes.
const COOKIE: [u8; 8] = *b"xdebugpy";
/// Structs that are read whole are smaller.
const STRUCT_LIMIT: u64 = 4096;
/// `PyInterpreterState` and `_PyRuntime` are smaller.
const STATE_LIMIT: u64 = 1 << 20;

/// What the start of `_PyRuntime` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugOffsets {
    /// `PY_VERSION_HEX`
    pub version: u32,
    /// A build without GIL.
    pub free_threaded: bool,
    words: Vec<u64>,
}

/// A value that no build of the release has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its _Py_DebugOffsets say {value} for {field}")]
pub struct Implausible {
    /// Which field.
    pub field: &'static str,
    /// What it says.
    pub value: u64,
}

/// Where each value lies: a byte position in `_Py_DebugOffsets`.
struct Positions {
    release: (u8, u8),
    size: usize,
    interpreter: [usize; 4],
    thread: [usize; 4],
    frame: [usize; 4],
    code: [usize; 5],
    object_size: usize,
    strings: StringPositions,
    /// `tlbc_index` of a frame and `co_tlbc` of a code object, which only builds without GIL have.
    copies: Option<[usize; 2]>,
    collector: [usize; 2],
}

/// Likewise, of `str` and `bytes`.
struct StringPositions {
    bytes: usize,
    ascii: usize,
    compact: Option<usize>,
}

#[rustfmt::skip] // one block per release, aligned: a review sees what moved
const POSITIONS: &[Positions] = &[
    // https://github.com/python/cpython/blob/v3.13.0/Include/internal/pycore_runtime.h
    Positions { release: (3, 13), size: 584,
        //           interpreters_head, next, threads_head, ceval_gil
        interpreter: [ 40,  64,  72, 112],
        //           next, current_frame, thread_id, native_thread_id
        thread:      [168, 184, 192, 200],
        //           previous, executable, instr_ptr, owner
        frame:       [232, 240, 248, 264],
        //           filename, qualname, linetable, firstlineno, co_code_adaptive
        code:        [280, 296, 304, 312, 344],
        object_size: 352, copies: None,
        strings:     StringPositions { bytes: 528, ascii: 560, compact: None },
        //           interpreter_state.gc, gc.collecting
        collector:   [ 80, 576] },
    // https://github.com/python/cpython/blob/v3.14.0/Include/internal/pycore_debug_offsets.h
    Positions { release: (3, 14), size: 760,
        interpreter: [ 40,  64,  72, 120],
        thread:      [192, 208, 216, 224],
        frame:       [256, 264, 272, 288],
        code:        [320, 336, 344, 352, 384],
        object_size: 400, copies: Some([304, 392]),
        strings:     StringPositions { bytes: 608, ascii: 640, compact: None },
        collector:   [ 88, 656] },
    // https://github.com/python/cpython/blob/v3.15.0/Include/internal/pycore_debug_offsets.h
    Positions { release: (3, 15), size: 888,
        interpreter: [ 40,  64,  72, 120],
        thread:      [192, 208, 240, 248],
        frame:       [320, 328, 336, 352],
        code:        [384, 400, 408, 416, 448],
        object_size: 464, copies: Some([368, 456]),
        strings:     StringPositions { bytes: 704, ascii: 736, compact: Some(744) },
        collector:   [ 88, 760] },
];

impl DebugOffsets {
    /// Reads them, `None` where the interpreter has none.
    ///
    /// # Errors
    /// When memory cannot be read.
    pub fn read(memory: &dyn Memory, runtime: u64) -> io::Result<Option<Self>> {
        let mut head = [0; 24];
        memory.read(runtime, &mut head)?;
        if head[..8] != COOKIE {
            return Ok(None);
        }
        let version = word(&head, 8) as u32;
        let size = Positions::for_release(release(version)).map_or(head.len(), |positions| positions.size);
        let bytes = memory.bytes(runtime, size)?;
        let words = (0..size / 8).map(|index| word(&bytes, index * 8)).collect();
        Ok(Some(Self { version, free_threaded: word(&head, 16) != 0, words }))
    }

    /// The release's layout, with whatever the target says itself in place of the table's.
    ///
    /// # Errors
    /// When a value is out of bounds; a debug build is one of the causes.
    pub fn apply(&self, table: &Layout) -> Result<Layout, Implausible> {
        let Some(positions) = Positions::for_release(table.release) else { return Ok(*table) };
        self.check_object_size(positions, table)?;
        Ok(Layout {
            interpreter: self.interpreter(positions.interpreter)?,
            gil: self.gil(positions.interpreter[3], table.gil)?,
            thread: self.thread(positions.thread, table.thread)?,
            frame: self.frame(positions.frame, self.copies(positions, table, 0)?)?,
            code: self.code(positions.code, table.code, self.copies(positions, table, 1)?)?,
            strings: self.strings(&positions.strings, table.strings.names)?,
            ..*table
        })
    }

    /// Offset of the collector's `collecting` in an interpreter state, if it is plausible.
    #[must_use]
    pub fn collecting(&self) -> Option<u32> {
        let [state, collecting] = Positions::for_release(release(self.version))?.collector;
        self.state("gc", state).ok()?.checked_add(self.state("gc.collecting", collecting).ok()?)
    }

    fn check_object_size(&self, positions: &Positions, table: &Layout) -> Result<(), Implausible> {
        match self.word(positions.object_size) {
            value if value == table.object_bytes() => Ok(()),
            value => Err(Implausible { field: "pyobject.size", value }),
        }
    }

    fn gil(&self, at: usize, table: Gil) -> Result<Gil, Implausible> {
        let at = self.state("ceval_gil", at)?;
        Ok(if matches!(table, Gil::Switched(_)) { Gil::Switched(at) } else { Gil::Interpreter(at) })
    }

    /// One of the fields that lead to a thread's own copy of the bytecode, where builds like this one have copies.
    fn copies(
        &self,
        positions: &Positions,
        table: &Layout,
        which: usize,
    ) -> Result<Option<u16>, Implausible> {
        let (name, limit) =
            [("tlbc_index", tracer_common::python::FRAME_BYTES as u64), ("co_tlbc", STRUCT_LIMIT)][which];
        let at = positions.copies.filter(|_| table.free_threaded);
        at.map(|at| self.bounded(name, at[which], limit)).transpose()
    }

    fn interpreter(&self, at: [usize; 4]) -> Result<Interpreter, Implausible> {
        Ok(Interpreter {
            head: Head::Runtime(self.state("interpreters_head", at[0])?),
            next: self.state("next", at[1])?,
            threads: self.state("threads_head", at[2])?,
        })
    }

    fn thread(&self, at: [usize; 4], table: ThreadLayout) -> Result<ThreadLayout, Implausible> {
        Ok(ThreadLayout {
            next: self.field("thread_state.next", at[0])?,
            top: Top::Direct(self.field("current_frame", at[1])?),
            id: self.field("thread_id", at[2])?,
            native_id: Some(self.field("native_thread_id", at[3])?),
            ..table
        })
    }

    fn frame(&self, at: [usize; 4], copy: Option<u16>) -> Result<Frame, Implausible> {
        let field = |name, at| self.bounded(name, at, tracer_common::python::FRAME_BYTES as u64);
        Ok(Frame {
            previous: field("previous", at[0])?,
            code: field("executable", at[1])?,
            instruction: Instruction::Pointer(field("instr_ptr", at[2])?),
            owner: Some(field("owner", at[3])?),
            copy,
        })
    }

    fn code(&self, at: [usize; 5], table: Code, copies: Option<u16>) -> Result<Code, Implausible> {
        Ok(Code {
            file: self.field("filename", at[0])?,
            name: self.field("qualname", at[1])?,
            lines: self.field("linetable", at[2])?,
            first_line: self.field("firstlineno", at[3])?,
            bytecode: Some(self.field("co_code_adaptive", at[4])?),
            copies,
            ..table
        })
    }

    fn strings(&self, positions: &StringPositions, table: Names) -> Result<Strings, Implausible> {
        let bytes = self.field("ob_sval", positions.bytes)?;
        Ok(Strings { names: self.names(positions, table)?, bytes })
    }

    fn names(&self, positions: &StringPositions, table: Names) -> Result<Names, Implausible> {
        let Names::Unicode { compact, .. } = table else { return Ok(table) };
        let compact = match positions.compact {
            Some(at) => self.field("compactunicodeobject_size", at)?,
            None => compact,
        };
        Ok(Names::Unicode { ascii: self.field("asciiobject_size", positions.ascii)?, compact })
    }

    fn field(&self, name: &'static str, at: usize) -> Result<u16, Implausible> {
        self.bounded(name, at, STRUCT_LIMIT)
    }

    fn state(&self, name: &'static str, at: usize) -> Result<u32, Implausible> {
        self.bounded(name, at, STATE_LIMIT)
    }

    /// A value whose field, of at most eight bytes, ends below the limit.
    fn bounded<T: TryFrom<u64>>(&self, field: &'static str, at: usize, limit: u64) -> Result<T, Implausible> {
        let value = self.word(at);
        let implausible = Implausible { field, value };
        if value > limit - 8 {
            return Err(implausible);
        }
        T::try_from(value).map_err(|_| implausible)
    }

    fn word(&self, at: usize) -> u64 {
        self.words.get(at / 8).copied().unwrap_or(u64::MAX)
    }
}

impl Positions {
    fn for_release(release: (u8, u8)) -> Option<&'static Self> {
        POSITIONS.iter().find(|positions| positions.release == release)
    }
}

/// Major and minor version in a `PY_VERSION_HEX`.
fn release(version: u32) -> (u8, u8) {
    ((version >> 24) as u8, (version >> 16) as u8)
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::memory::fake::Fake;

    const RUNTIME: u64 = 0x1000;

    /// A runtime that says what the table says, in one release's shape.
    fn truthful(layout: &Layout) -> Vec<u8> {
        let positions = Positions::for_release(layout.release).expect("a release that describes itself");
        let mut bytes = vec![0; positions.size];
        let mut put = |at: usize, value: u64| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        let wire = layout.wire();
        let Head::Runtime(head) = layout.interpreter.head else { unreachable!() };
        let (Gil::Interpreter(gil) | Gil::Switched(gil)) = layout.gil else { unreachable!() };
        put(0, u64::from_le_bytes(COOKIE));
        put(8, u64::from(layout.release.0) << 24 | u64::from(layout.release.1) << 16);
        let interpreter = [head, layout.interpreter.next, layout.interpreter.threads, gil];
        positions.interpreter.iter().zip(interpreter).for_each(|(&at, value)| put(at, value.into()));
        let thread =
            [wire.thread_next, wire.top_frame, wire.thread_id, layout.thread.native_id.expect("since 3.11")];
        positions.thread.iter().zip(thread).for_each(|(&at, value)| put(at, value.into()));
        let frame = [wire.frame_previous, wire.frame_code, wire.frame_instruction, wire.frame_owner];
        positions.frame.iter().zip(frame).for_each(|(&at, value)| put(at, value.into()));
        let code = [
            wire.code_filename,
            wire.code_name,
            wire.code_line_table,
            wire.code_first_line,
            wire.code_bytecode,
        ];
        positions.code.iter().zip(code).for_each(|(&at, value)| put(at, value.into()));
        put(16, layout.free_threaded.into());
        let copies = [wire.frame_copy, wire.code_copies];
        let copies = positions.copies.into_iter().flat_map(|at| at.into_iter().zip(copies));
        copies.for_each(|(at, value)| put(at, value.into()));
        put(positions.object_size, layout.object_bytes());
        put(positions.strings.bytes, layout.strings.bytes.into());
        put(positions.strings.ascii, wire.ascii_data.into());
        positions.strings.compact.into_iter().for_each(|at| put(at, wire.compact_data.into()));
        bytes
    }

    fn read(bytes: Vec<u8>) -> Option<DebugOffsets> {
        let mut memory = Fake::default();
        memory.map(RUNTIME, bytes);
        DebugOffsets::read(&memory, RUNTIME).expect("readable memory")
    }

    #[test]
    fn what_agrees_with_the_table_gives_the_table() {
        for positions in POSITIONS {
            for free_threaded in [false, true] {
                let layout = Layout::for_release(positions.release, free_threaded).expect("a known release");
                let offsets = read(truthful(layout)).expect("a cookie");
                assert_eq!((offsets.apply(layout), offsets.free_threaded), (Ok(*layout), free_threaded));
            }
        }
    }

    #[test]
    fn the_target_is_believed_before_the_table() {
        let layout = Layout::for_release((3, 13), false).expect("known");
        let mut bytes = truthful(layout);
        bytes[192..200].copy_from_slice(&160_u64.to_le_bytes());
        let read = read(bytes).expect("a cookie").apply(layout).expect("plausible");
        assert_eq!((read.thread.id, layout.thread.id), (160, 152));
    }

    #[test]
    fn values_out_of_bounds_are_refused_by_name() {
        let layout = Layout::for_release((3, 13), false).expect("known");
        for (name, at, value) in [
            ("interpreters_head", 40, 1 << 40),
            ("threads_head", 72, (1 << 20) - 4),
            ("thread_id", 192, 4096),
            ("owner", 264, 128),
            ("qualname", 296, u64::MAX),
            ("pyobject.size", 352, 32),
        ] {
            let mut bytes = truthful(layout);
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            let refused = read(bytes).expect("a cookie").apply(layout).expect_err(name);
            assert_eq!(refused, Implausible { field: name, value });
        }
    }

    #[test]
    fn no_cookie_and_unknown_releases_are_distinguished() {
        assert_eq!(read(vec![0; 64]), None);
        let mut bytes = truthful(Layout::for_release((3, 13), false).expect("known"));
        bytes[8..16].copy_from_slice(&0x0310_00f0_u64.to_le_bytes());
        assert_eq!(read(bytes).expect("a cookie").version >> 16, 0x0310);
    }
}
