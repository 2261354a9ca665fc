//! What travels through the ring buffer: a header, then the body of its kind.

use crate::sized;

/// How every event and record begins.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// One of the constants of [`kind`].
    pub kind: u32,
    /// Bytes of the whole event, header included.
    pub bytes: u32,
    /// Nanoseconds of `CLOCK_MONOTONIC`, from `bpf_ktime_get_ns`.
    pub at_ns: u64,
    /// Process (`tgid`) that was running, as the initial pid namespace numbers it.
    pub pid: u32,
    /// Thread (`pid` in the kernel) that was running, likewise.
    pub tid: u32,
}

/// Kinds of events. Numbers are never reused.
pub mod kind {
    /// [`crate::python::Stack`]: a stack at its first sight.
    pub const STACK: u32 = 1;
    /// [`crate::python::Code`]: a code object's names at its first sight.
    pub const CODE: u32 = 2;
    /// [`crate::file::File`]: a file's identity and path at its first sight.
    pub const FILE: u32 = 3;
    /// [`crate::process::Fork`]
    pub const FORK: u32 = 16;
    /// [`crate::process::Exec`]
    pub const EXEC: u32 = 17;
    /// [`crate::process::Exit`]
    pub const EXIT: u32 = 18;
    /// [`crate::process::Free`]
    pub const FREE: u32 = 19;
    /// [`crate::process::Rename`]
    pub const RENAME: u32 = 20;
    /// [`crate::process::Reaped`]
    pub const REAPED: u32 = 21;
    /// [`crate::switch::Counted`]: a record, beside a thread's last switch.
    pub const COUNTED: u32 = 22;
    /// [`crate::signal::Generate`]
    pub const SIGNAL_GENERATE: u32 = 32;
    /// [`crate::signal::Deliver`]
    pub const SIGNAL_DELIVER: u32 = 33;
    /// [`crate::handler::Start`]
    pub const HANDLER_START: u32 = 34;
    /// [`crate::turn::Turn`]
    pub const LOOP_TURN: u32 = 56;
    /// [`crate::turn::Piece`]: a record, beside a switch or a sample.
    pub const LOOP_PIECE: u32 = 57;
    /// [`crate::turn::Turned`]: a record, beside the end of a process.
    pub const LOOP_END: u32 = 58;
    /// [`crate::gc::Pause`]
    pub const GC_PAUSE: u32 = 48;
    /// [`crate::gc::Sampled`]: a record, beside a sample.
    pub const GC_SAMPLE: u32 = 49;
    /// [`crate::handler::HandlerEnd`]
    pub const HANDLER_END: u32 = 35;
}

sized!(Header = 24);
