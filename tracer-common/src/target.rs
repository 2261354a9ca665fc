//! Which processes are traced: the map that every probe asks first.

use crate::python::Python;
use crate::{pod, sized};

/// One traced process. Its entry is the on/off switch: filled last at the start, removed first at the end.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Address space that code objects' addresses belong to: a child inherits its parent's, an exec makes a new one.
    pub space: u64,
    /// See [`flag`].
    pub flags: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
    /// 1 once its end has been reported: the kernel takes several threads that leave at once for the last.
    pub ended: u64,
    /// Which of the processes that have this pid one after the other: the address of its `signal_struct`, which lasts until
    /// the kernel has let go of it; 0 where that is not known yet.
    pub life: u64,
    /// How to walk its threads' stacks, valid with [`flag::PYTHON`].
    pub python: Python,
}

/// Flags of [`Target`].
pub mod flag {
    /// `python` is valid.
    pub const PYTHON: u32 = 1;
    /// It was probed and is no Python.
    pub const NOT_PYTHON: u32 = 2;
    /// Processes that it forks are traced too.
    pub const FOLLOW: u32 = 4;
}

/// Numbers that a process can have.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/threads.h#L34>
pub const NUMBERS: u32 = 4 << 20;

/// Word and bit of a process in the set of those that are traced.
#[inline(always)]
#[must_use]
pub const fn place(pid: u32) -> (u32, u64) {
    (pid / u64::BITS, 1 << (pid % u64::BITS))
}

sized!(Target = 200);
pod!(Target);
