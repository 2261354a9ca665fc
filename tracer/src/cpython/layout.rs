//! Where things lie in CPython's objects, release by release.
//!
//! The numbers are in [`crate::cpython::releases`]: a release that has no block there is refused, never guessed. From
//! 3.13 on the target describes itself and is believed first, see [`crate::cpython::debug_offsets`].

use crate::cpython::gc::CollectorLayout;
use crate::cpython::signals::SignalLayout;

/// One release's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Major and minor version.
    pub release: (u8, u8),
    /// A build without GIL has a layout of its own.
    pub free_threaded: bool,
    /// `PyInterpreterState`, and where the list of them begins.
    pub interpreter: Interpreter,
    /// `PyThreadState`
    pub thread: ThreadLayout,
    /// How a thread finds its own thread state.
    pub slot: Slot,
    /// Where the GIL is.
    pub gil: Gil,
    /// `PyFrameObject`, or `_PyInterpreterFrame` from 3.11 on.
    pub frame: Frame,
    /// `PyCodeObject`
    pub code: Code,
    /// `str` and `bytes`
    pub strings: Strings,
    /// Which argument of the evaluation function is the frame.
    pub entry_frame_argument: u32,
    /// The garbage collector's state.
    pub collector: CollectorLayout,
    /// Signals that have arrived, and the functions to call for them.
    pub signals: SignalLayout,
}

/// Where the pointer to the newest interpreter state lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// `interp_head`, a variable without external linkage.
    Variable(&'static str),
    /// At this offset in `_PyRuntime`.
    Runtime(u32),
}

/// `PyInterpreterState`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Pointer to the newest interpreter state.
    pub head: Head,
    /// Pointer to the next older interpreter state.
    pub next: u32,
    /// Pointer to the newest thread state.
    pub threads: u32,
}

/// `PyThreadState`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadLayout {
    /// Pointer to the next older thread state.
    pub next: u16,
    /// Pointer to its interpreter state.
    pub interpreter: u16,
    /// `pthread_self()` of its thread.
    pub id: u16,
    /// Thread id in the target's own pid namespace.
    pub native_id: Option<u16>,
    /// Whether it is attached, in builds without GIL.
    pub status: Option<u16>,
    /// Pointer to the innermost frame.
    pub top: Top,
}

impl ThreadLayout {
    /// The last of the words that make the list of threads: the next one, and whose this one is.
    #[must_use]
    pub fn last_of_list(&self) -> u16 {
        self.next.max(self.id).max(self.native_id.unwrap_or(0))
    }
}

/// How a thread state leads to the innermost frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// It points at the frame.
    Direct(u16),
    /// It points at a `_PyCFrame`, which points at the frame.
    ViaCFrame {
        /// Pointer to the `_PyCFrame`.
        cframe: u16,
        /// In it, pointer to the frame.
        current_frame: u16,
    },
}

/// How a thread finds its own thread state, also while it does not hold the GIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Python's own table of thread-local values: no fixed place.
    None,
    /// A `pthread_key_t` in this variable without external linkage.
    KeyVariable(&'static str),
    /// A `pthread_key_t` at this offset in `_PyRuntime`; the `int` before it is 1 once the key is made.
    RuntimeKey(u32),
    /// A thread-local variable.
    ThreadLocal(&'static str),
}

/// Where the GIL's state lies: the futexes of its waiters are inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gil {
    /// A lock that a variable points at.
    Lock {
        /// The variable, without external linkage.
        variable: &'static str,
        /// Bytes of the lock.
        bytes: u32,
    },
    /// These variables lie together.
    Variables(&'static [&'static str]),
    /// A `_gil_runtime_state` at this offset in `_PyRuntime`.
    Runtime(u32),
    /// The main interpreter state points at a `_gil_runtime_state` from this offset.
    Interpreter(u32),
    /// A build without GIL, which has one nevertheless if an option says so, or imports what needs one: the main interpreter
    /// state points, from this offset, at whether it is switched on, and a `_gil_runtime_state` follows that.
    Switched(u32),
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Pointer to the caller's frame.
    pub previous: u16,
    /// Pointer to the code object, perhaps with tag bits.
    pub code: u16,
    /// Where it executes.
    pub instruction: Instruction,
    /// Who owns it.
    pub owner: Option<u16>,
    /// Which copy of the bytecode it executes: in free-threaded builds from 3.14 on each thread has its own.
    pub copy: Option<u16>,
}

/// How a frame says where it executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// `f_lasti`, in bytes.
    Bytes(u16),
    /// `f_lasti`, in code units of two bytes.
    Units(u16),
    /// Pointer into the bytecode.
    Pointer(u16),
}

/// `PyCodeObject`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// `co_filename`
    pub file: u16,
    /// `co_qualname`, or `co_name` where there is none.
    pub name: u16,
    /// `co_linetable` or `co_lnotab`
    pub lines: u16,
    /// How that is written.
    pub line_format: LineFormat,
    /// `co_firstlineno`
    pub first_line: u16,
    /// `co_flags`
    pub flags: u16,
    /// `co_code_adaptive`, where the bytecode lies in the code object itself.
    pub bytecode: Option<u16>,
    /// `co_tlbc`: pointer to the number of copies of the bytecode and their addresses; the first is `bytecode`.
    pub copies: Option<u16>,
}

/// `str` and `bytes`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strings {
    /// Strings in code objects.
    pub names: Names,
    /// `bytes` (`str` in 2.7): start of the bytes; their number is at [`OB_SIZE`].
    pub bytes: u16,
}

/// Strings in code objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// As `bytes`.
    Bytes,
    /// As `str`.
    Unicode {
        /// Size of `PyASCIIObject`: start of the characters of an ASCII string.
        ascii: u16,
        /// Size of `PyCompactUnicodeObject`: start of the characters of any other compact string.
        compact: u16,
    },
}

/// How a line table is written, see [`crate::cpython::linetable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// `co_lnotab`
    Lnotab {
        /// Lines may step back: from 3.6 on.
        signed: bool,
    },
    /// `co_linetable` of 3.10
    Ranges,
    /// `co_linetable` of 3.11 and later.
    Locations,
}

/// `ob_size` of a variable-size object, `length` of a `str`.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/object.h>
pub const OB_SIZE: u64 = 16;
/// `state` of a `str`: after 2 bits, or 8, for `interned`: 3 of kind, one of compact, one of ASCII.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/cpython/unicodeobject.h>
pub const STR_STATE: u64 = 32;
/// By how much an object's head is longer in a build without GIL: its fields follow so much later.
/// <https://github.com/python/cpython/blob/v3.13.0/Include/object.h>
const LONGER_HEAD: u64 = 16;
/// Bytes of `_gil_runtime_state` with glibc's mutexes and condition variables.
/// <https://github.com/python/cpython/blob/v3.12.0/Include/internal/pycore_gil.h>
pub const GIL_BYTES: u32 = 208;
impl Layout {
    /// Where an interpreter state points at its own GIL; 0 where there is one for all.
    #[must_use]
    pub fn interpreter_gil(&self) -> u32 {
        match self.gil {
            Gil::Interpreter(offset) => offset,
            Gil::Lock { .. } | Gil::Variables(_) | Gil::Runtime(_) | Gil::Switched(_) => 0,
        }
    }

    /// `ob_size` of a variable-size object, `length` of a `str`.
    #[must_use]
    pub fn ob_size(&self) -> u64 {
        OB_SIZE + self.longer_head()
    }

    /// `state` of a `str`, see [`STR_STATE`].
    #[must_use]
    pub fn str_state(&self) -> u64 {
        STR_STATE + self.longer_head()
    }

    /// Whether a `str`'s `state` begins with a byte for `interned`, which threads may change at once.
    /// <https://github.com/python/cpython/blob/v3.14.0/Include/cpython/unicodeobject.h>
    #[must_use]
    pub fn has_interned_byte(&self) -> bool {
        self.free_threaded && self.release >= (3, 14)
    }

    /// Bytes of `PyObject`.
    #[must_use]
    pub fn object_bytes(&self) -> u64 {
        OB_SIZE + self.longer_head()
    }

    /// `co_names` of a code object.
    /// <https://github.com/python/cpython/blob/v3.10.13/Include/cpython/code.h#L18>
    /// <https://github.com/python/cpython/blob/v3.13.0/Include/cpython/code.h#L75>
    #[must_use]
    pub fn code_names(&self) -> u64 {
        match self.release {
            (2, _) => 48,
            (3, 6 | 7) => 56,
            (3, 8..=10) => 64,
            _ => 32 + self.longer_head(),
        }
    }

    /// `ob_item` of a tuple, which has its hash before that since 3.14.
    /// <https://github.com/python/cpython/blob/v3.14.0/Include/cpython/tupleobject.h#L5>
    #[must_use]
    pub fn tuple_items(&self) -> u64 {
        let hash = if self.release >= (3, 14) { 8 } else { 0 };
        self.ob_size() + 8 + hash
    }

    /// By how much an object's fields come later than with a GIL.
    #[must_use]
    pub fn longer_head(&self) -> u64 {
        if self.free_threaded { LONGER_HEAD } else { 0 }
    }

    /// Bytes from the start of the bytecode to what a frame of the wire executes; negative before it began.
    #[must_use]
    pub fn address(&self, instruction: i32) -> i64 {
        match self.frame.instruction {
            Instruction::Bytes(_) => i64::from(instruction),
            Instruction::Units(_) => i64::from(instruction) * 2,
            Instruction::Pointer(_) => {
                i64::from(instruction) - i64::from(self.code.bytecode.unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::releases::LAYOUTS;

    #[test]
    fn every_release_is_there_once_and_in_order() {
        let builds: Vec<_> = LAYOUTS.iter().map(|layout| (layout.release, layout.free_threaded)).collect();
        let with_gil =
            [(2, 7)].into_iter().chain((6..=15).map(|minor| (3, minor))).map(|build| (build, false));
        let without = (13..=15).map(|minor| ((3, minor), true));
        assert_eq!(builds, with_gil.chain(without).collect::<Vec<_>>());
        assert_eq!((Layout::for_release((3, 16), false), Layout::for_release((3, 12), true)), (None, None));
    }

    #[test]
    fn an_instruction_becomes_an_address_in_the_bytecode() {
        let address =
            |release, instruction| Layout::for_release(release, false).expect("known").address(instruction);
        for (release, instruction, expected) in [
            ((3, 9), 24, 24),
            ((3, 9), -1, -1),
            ((3, 10), 12, 24),
            ((3, 11), 184 + 24, 24),
            ((3, 12), 190, -2),
        ] {
            assert_eq!(address(release, instruction), expected, "{release:?} {instruction}");
        }
    }
}
