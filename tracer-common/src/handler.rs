//! Python's signal handlers: when one begins.

use crate::event::Header;
use crate::{pod, sized};

/// Signals that CPython has room for, numbered from 1: `Py_NSIG` on Linux less the unused first.
pub const SIGNALS: u32 = 64;
/// Bytes of an entry of CPython's table of handlers: `int tripped`, padding, `PyObject *func`.
pub const ENTRY_BYTES: u64 = 16;
/// Where `func` lies in an entry.
pub const FUNCTION: u64 = 8;

/// What shows that a process calls a handler, and which.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HandlerAddresses {
    /// `is_tripped`: 1 from the arrival of any signal until Python looks for them.
    pub is_tripped: u64,
    /// `Handlers`: an entry for each signal, from number 0 on.
    pub handlers: u64,
    /// `None`, which handlers get where there is no frame.
    pub none: u64,
    /// `PyFrame_Type`, what frames point at.
    pub frame_type: u64,
    /// `PyFunction_Type`, what functions point at.
    pub function_type: u64,
    /// `PyMethod_Type`, what bound methods point at.
    pub method_type: u64,
    /// Function: pointer to its code object.
    pub function_code: u32,
    /// Bound method: pointer to its function.
    pub method_function: u32,
    /// Any object: pointer to its type.
    pub object_type: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

/// How deep a main thread is in the functions that look for signals: a handler that runs makes it check again.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// Calls that have not returned.
    pub depth: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
    /// Bit N is set if a signal had arrived at the entry of call N, from 0 on.
    pub tripped: u64,
}

/// One of the functions that look for signals has returned, after it had found some. The header names the main thread.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandlerEnd {
    /// Its kind is [`crate::event::kind::HANDLER_END`].
    pub header: Header,
    /// Calls that had not returned, this one included: as in the [`Start`]s of the handlers that it called.
    pub level: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

/// What the main thread of a process has waited for so far, in nanoseconds since its first switch in the window.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// Off its CPU.
    pub off_cpu_ns: u64,
    /// Of these, for the GIL.
    pub gil_ns: u64,
    /// Of the others, for a CPU.
    pub run_queue_ns: u64,
    /// 1 where its switches are seen.
    pub known: u32,
    /// 1 while it sleeps.
    pub asleep: u32,
}

/// Python is about to call a signal's handler. The header names the main thread.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Its kind is [`crate::event::kind::HANDLER_START`].
    pub header: Header,
    /// Where the main thread was, 0 where that was not walked.
    pub stack: u64,
    /// The address space that `code` belongs to.
    pub space: u64,
    /// Code object of the handler; 0 where it is not a Python function.
    pub code: u64,
    /// As in [`crate::python::Frame`].
    pub identity: u32,
    /// Which signal.
    pub signal: u32,
    /// [`Check::depth`], 0 where that is not counted.
    pub level: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
    /// What the main thread has waited for.
    pub waited: Waited,
}

sized!(HandlerAddresses = 64, Check = 16, Waited = 32, Start = 24 + 40 + 32, HandlerEnd = 32);
pod!(HandlerAddresses, Check);
