//! Ids of tasks: each pid namespace has its own.

use crate::{pod, sized};

/// A thread of a process, as one pid namespace numbers them; 0 where it has no number there.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskId {
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
}

/// One thread of the tracer's pid namespace. What the iterator over tasks writes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// As the initial pid namespace numbers it.
    pub tid: u32,
    /// As the tracer's does.
    pub shown: u32,
    /// How deep the tracer's lies below the initial one.
    pub level: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
    /// Address of the tracer's in the kernel.
    pub namespace: u64,
}

sized!(TaskId = 8, Numbers = 24);
pod!(Numbers);
