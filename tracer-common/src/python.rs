//! What the in-kernel walk must know of a CPython process, and what it brings back.

use crate::control::MAX_DEPTH;
use crate::event::Header;
use crate::gc::Collector;
use crate::{pod, sized};

/// Bytes of a frame that the walk reads at once; every [`Layout`] offset into a frame lies below.
pub const FRAME_BYTES: usize = 128;
/// Bytes of a file or function name that are copied in the kernel; longer ones are read again from user space.
pub const NAME_BYTES: usize = 256;
/// Bytes of a line table that are copied in the kernel; longer ones are read again from user space.
pub const LINE_TABLE_BYTES: usize = 2048;

/// Thread states and interpreters that are read where a thread's own slot is not known.
pub const THREAD_STATES: u32 = 1 << 14;

/// Where the interpreter's state lies in one process, and how its objects are laid out.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Python {
    /// Distance from a thread's FS base to the slot that holds its thread state, see [`Python::has_slot`].
    pub thread_state_slot: i64,
    /// Address of the pointer to the newest interpreter state.
    pub interpreters_head: u64,
    /// Address of the main interpreter's state.
    pub main_interpreter: u64,
    /// Address of the GIL's struct; 0 where it is not known.
    pub gil: u64,
    /// Address of the pointer to the GIL, where it is made when the first thread is started, and anew in a forked child;
    /// else 0.
    pub gil_variable: u64,
    /// Address of the word that names the thread state which holds the GIL, or did so last; 0 where it is not known.
    pub gil_holder: u64,
    /// Address of the `int` that is 1 while the GIL is held.
    pub gil_locked: u64,
    /// Bytes of the GIL's struct.
    pub gil_bytes: u32,
    /// Which argument of the evaluation function is the frame.
    pub entry_frame_argument: u32,
    /// `PyInterpreterState`: pointer to its GIL, where each may have one of its own; else 0.
    pub interpreter_gil: u32,
    /// `PyThreadState`: pointer to its interpreter, valid with `interpreter_gil`.
    pub thread_interpreter: u32,
    /// Address of the table of signal handlers; 0 where it is not known.
    pub signal_handlers: u64,
    /// Offsets inside CPython's objects.
    pub layout: Layout,
    /// Distance from a thread's FS base to a pointer, from which `thread_state_slot` counts instead; 0 for none.
    pub thread_state_table: u16,
    /// `PyThreadState`: without GIL, the word that says whether it is attached; 0 with one.
    pub thread_status: u16,
    /// Its garbage collector.
    pub collector: Collector,
}

impl Python {
    /// Whether it has a GIL that can be found, now or once there are threads.
    #[inline(always)]
    #[must_use]
    pub const fn has_gil(&self) -> bool {
        self.gil != 0 || self.gil_variable != 0
    }

    /// Whether threads have a slot that holds their thread state.
    #[inline(always)]
    #[must_use]
    pub const fn has_slot(&self) -> bool {
        self.thread_state_slot != 0 || self.thread_state_table != 0
    }
}

/// Offsets inside CPython's objects, for the walk: one row of the layout table as the kernel wants it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Layout {
    /// See [`flag`].
    pub flags: u32,
    /// `PyInterpreterState`: pointer to the next older one.
    pub interpreter_next: u32,
    /// `PyInterpreterState`: pointer to the newest thread state.
    pub threads_head: u32,
    /// `PyThreadState`: pointer to the next one.
    pub thread_next: u16,
    /// `PyThreadState`: `pthread_self()` of its thread, which is the FS base on x86-64.
    pub thread_id: u16,
    /// `PyThreadState`: pointer to the innermost frame, or to the `_PyCFrame` that holds it.
    pub top_frame: u16,
    /// `_PyCFrame`: pointer to the innermost frame.
    pub cframe_frame: u16,
    /// Frame: bytes from its start that must be read.
    pub frame_bytes: u16,
    /// Frame: pointer to the caller's.
    pub frame_previous: u16,
    /// Frame: pointer to the code object, tag bits included.
    pub frame_code: u16,
    /// Frame: pointer to the instruction, or its index.
    pub frame_instruction: u16,
    /// Frame: who owns it.
    pub frame_owner: u16,
    /// Frame: which copy of the bytecode it executes, with [`flag::COPIES`].
    pub frame_copy: u16,
    /// Code object: pointer to the copies of its bytecode: their number, and the address of each.
    pub code_copies: u16,
    /// Frame: owners from this one up are C boundaries, not Python functions.
    pub first_c_owner: u16,
    /// Code object: `co_filename`.
    pub code_filename: u16,
    /// Code object: `co_qualname` where there is one, else `co_name`.
    pub code_name: u16,
    /// Code object: the line table.
    pub code_line_table: u16,
    /// Code object: `co_firstlineno`.
    pub code_first_line: u16,
    /// Code object: start of the bytecode that instruction pointers point into.
    pub code_bytecode: u16,
    /// `str`: start of the characters of an ASCII string.
    pub ascii_data: u16,
    /// `str`: start of the characters of any other compact string.
    pub compact_data: u16,
    /// `bytes` (`str` in 2.7): start of the bytes.
    pub bytes_data: u16,
}

/// Flags of [`Layout`].
pub mod flag {
    /// `top_frame` points at a `_PyCFrame` (3.11, 3.12).
    pub const VIA_CFRAME: u32 = 1;
    /// `frame_instruction` is a 32-bit index, not a pointer (up to 3.10).
    pub const INDEX: u32 = 2;
    /// `frame_owner` is there (3.12 and later).
    pub const OWNER: u32 = 4;
    /// Names are byte strings (2.7).
    pub const BYTE_NAMES: u32 = 8;
    /// A build without GIL: objects have a longer head.
    pub const FREE_THREADED: u32 = 16;
    /// Threads have copies of the bytecode (3.14 and later, without GIL).
    pub const COPIES: u32 = 32;
    /// A string says in a byte of its own whether it is interned (3.14 and later, without GIL): its kind comes after it.
    pub const INTERNED_BYTE: u32 = 64;
}

/// One frame of a stack, as the walk found it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct Frame {
    /// Address of the code object; 0 where C called into the interpreter.
    pub code: u64,
    /// Bytes from the code object to the instruction (3.11 and later), or `f_lasti` as it stands.
    pub instruction: i32,
    /// Hash of the code object's name, file, line-table pointers and first line: shows that an address was used again. 0 when they could not be read.
    pub identity: u32,
}

/// Why a stack is as it is.
pub mod status {
    /// All frames up to the limit.
    pub const OK: u32 = 0;
    /// The thread runs no Python code.
    pub const NO_PYTHON_FRAME: u32 = 1;
    /// Memory that the walk needed was not resident.
    pub const FAULTED: u32 = 2;
    /// The interpreter of the process is not known (yet).
    pub const UNRESOLVED: u32 = 3;
    /// There were more frames than the limit: a flag beside the others.
    pub const TRUNCATED: u32 = 16;
    /// The thread held the GIL while others waited for it: a flag of samples, beside the others.
    pub const KEEPS_OTHERS_WAITING: u32 = 32;
}

/// A stack at its first sight, innermost frame first. Sent with as many frames as `depth` says.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Its kind is [`crate::event::kind::STACK`].
    pub header: Header,
    /// Hash of the address space and all frames.
    pub id: u64,
    /// The address space that the code objects' addresses belong to, see [`crate::target::Target`].
    pub space: u64,
    /// One of [`status`].
    pub status: u32,
    /// Frames that follow.
    pub depth: u32,
    /// Innermost first.
    pub frames: [Frame; MAX_DEPTH],
}

impl Stack {
    /// Bytes before the first frame.
    pub const FIXED: usize = size_of::<Self>() - size_of::<[Frame; MAX_DEPTH]>();
}

/// A string of the target as it lies in its memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// Characters of the whole string.
    pub length: u32,
    /// Bytes a character: 1 (Latin-1), 2 or 4; 0 when the string could not be read.
    pub width: u32,
    /// As many characters as fit.
    pub bytes: [u8; NAME_BYTES],
}

/// A code object's names at its first sight. Sent with as many bytes of its line table as were copied.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its kind is [`crate::event::kind::CODE`].
    pub header: Header,
    /// The address space that `code` belongs to.
    pub space: u64,
    /// Address of the code object.
    pub code: u64,
    /// As in [`Frame`].
    pub identity: u32,
    /// `co_firstlineno`
    pub first_line: i32,
    /// `co_filename`
    pub file: Name,
    /// `co_qualname`, or `co_name`
    pub function: Name,
    /// Bytes of the whole line table.
    pub table_bytes: u32,
    /// Bytes that follow: all of them, or none.
    pub table_copied: u32,
    /// The line table.
    pub table: [u8; LINE_TABLE_BYTES],
}

impl Code {
    /// Bytes before the line table.
    pub const FIXED: usize = size_of::<Self>() - LINE_TABLE_BYTES;
}

sized!(
    Python = 168,
    Layout = 52,
    Frame = 16,
    Name = 264,
    Code = 584 + LINE_TABLE_BYTES,
    Stack = 48 + 16 * MAX_DEPTH
);
pod!(Python, Layout);
