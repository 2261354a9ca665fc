//! On-CPU samples, and entries of the evaluation function.

use crate::{pod, sized};

/// What makes two samples the same row; the value is their number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct SampleKey {
    /// The stack, 0 when there is none.
    pub stack: u64,
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// See [`crate::control::slice`].
    pub slice: u32,
    /// One of [`crate::python::status`].
    pub status: u32,
}

/// A function that the evaluation function was entered for; the value counts entries.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
pub struct EntryKey {
    /// Address space of `code`.
    pub space: u64,
    /// The code object, 0 when it could not be read.
    pub code: u64,
    /// As in [`crate::python::Frame`].
    pub identity: u32,
    /// Process.
    pub pid: u32,
    /// See [`crate::control::slice`].
    pub slice: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

sized!(SampleKey = 24, EntryKey = 32);
pod!(SampleKey, EntryKey);
