//! What the rows of a drain are about: their keys in the kernel, without the epoch and the CPU.

use serde::{Deserialize, Serialize};
use tracer_common::python::Frame;
use tracer_common::syscall::size_of_code;
use tracer_common::{gil, sample, switch, syscall, wakeup};

use super::{FileId, Pid, SpaceId, StackId, StackStatus, Task};

/// Switch-outs of a thread for one reason, at one stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SwitchRow {
    /// The thread.
    pub task: Task,
    /// Where it was.
    pub stack: StackId,
    /// Why the stack is as it is.
    pub status: StackStatus,
    /// The file that the system call names.
    pub object: FileId,
    /// The system call that it was in.
    pub syscall: Option<u32>,
    /// See [`switch::flag`].
    pub flags: u32,
    /// With [`switch::flag::GIL`]: the read after which the GIL is taken back, whose file is `object`.
    pub after_call: Option<u32>,
}

impl From<switch::SwitchKey> for SwitchRow {
    fn from(key: switch::SwitchKey) -> Self {
        Self {
            task: Task { pid: key.pid, tid: key.tid },
            stack: StackId(key.stack),
            status: StackStatus::from_wire(key.status).0,
            object: FileId(key.object),
            syscall: syscall_from_wire(key.syscall),
            flags: key.flags,
            after_call: syscall_from_wire(key.after_call),
        }
    }
}

/// A system call's number; `None` for -1, which on the wire means that there was none.
#[must_use]
pub fn syscall_from_wire(number: i32) -> Option<u32> {
    (number != -1).then_some(number.cast_unsigned())
}

/// A thread that has ended the sleep of another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WakerRow {
    /// The thread; 0 where nobody is known to have done it.
    pub task: Task,
    /// Its name.
    pub comm: [u8; 16],
    /// Its innermost Python frame; the code is 0 where there is none, or it is not traced.
    pub site: Frame,
    /// Address space of `site`.
    pub space: SpaceId,
    /// System call that it was in.
    pub syscall: Option<u32>,
    /// The kernel handled received packets and the like on its back: its own, when it sends to itself.
    pub in_softirq: bool,
}

/// Sleeps of one row that one thread has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WakeupRow {
    /// The row of the switch-outs that began the sleeps.
    pub row: SwitchRow,
    /// Who ended them.
    pub waker: WakerRow,
}

impl From<wakeup::WakeKey> for WakeupRow {
    fn from(wakeup::WakeKey { row, waker }: wakeup::WakeKey) -> Self {
        let waker = WakerRow {
            task: Task { pid: waker.pid, tid: waker.tid },
            comm: waker.comm,
            site: waker.site,
            space: SpaceId(waker.space),
            syscall: syscall_from_wire(waker.syscall),
            in_softirq: waker.in_softirq != 0,
        };
        Self { row: row.into(), waker }
    }
}

/// A thread that held the GIL while others waited for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HoldRow {
    /// The thread; 0 where it is not known.
    pub task: Task,
    /// Its innermost Python frame while it was off its CPU. While it ran, the code is 0: samples show where.
    pub site: Frame,
    /// Address space of `site`.
    pub space: SpaceId,
}

impl From<gil::HoldKey> for HoldRow {
    fn from(key: gil::HoldKey) -> Self {
        let task = Task { pid: key.pid, tid: key.holder.tid };
        Self { task, site: key.holder.site, space: SpaceId(key.space) }
    }
}

/// Reads of a file by one system call at one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReadRow {
    /// Process.
    pub pid: Pid,
    /// The innermost Python frame; its code is 0 where there is none.
    pub site: Frame,
    /// Address space of `site`.
    pub space: SpaceId,
    /// What was read.
    pub file: FileId,
    /// Which system call.
    pub syscall: u32,
    /// See [`syscall::flag`].
    pub flags: u32,
}

impl From<syscall::ReadKey> for ReadRow {
    fn from(key: syscall::ReadKey) -> Self {
        Self {
            pid: key.pid,
            site: key.site,
            space: SpaceId(key.space),
            file: FileId(key.file),
            syscall: key.syscall,
            flags: key.flags,
        }
    }
}

/// A size or an error of reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReadFigure {
    /// Bytes asked for: a power of two.
    Requested(u64),
    /// Bytes returned, likewise.
    Returned(u64),
    /// An error number.
    Error(u32),
}

impl From<&syscall::SizeKey> for ReadFigure {
    fn from(key: &syscall::SizeKey) -> Self {
        match key.which {
            0 => Self::Requested(size_of_code(key.what)),
            1 => Self::Returned(size_of_code(key.what)),
            _ => Self::Error(key.what),
        }
    }
}

/// On-CPU samples of a thread at one stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SampleRow {
    /// The thread.
    pub task: Task,
    /// Where it was.
    pub stack: StackId,
    /// Why the stack is as it is.
    pub status: StackStatus,
    /// There were more frames than the limit.
    pub truncated: bool,
}

impl From<sample::SampleKey> for SampleRow {
    fn from(key: sample::SampleKey) -> Self {
        let (status, truncated) = StackStatus::from_wire(key.status);
        let task = Task { pid: key.pid, tid: key.tid };
        Self { task, stack: StackId(key.stack), status, truncated }
    }
}

/// A function that the evaluation function was entered for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EntryRow {
    /// Process.
    pub pid: Pid,
    /// Address space of `code`.
    pub space: SpaceId,
    /// The code object, 0 when it could not be read.
    pub code: u64,
    /// As in [`Frame`].
    pub identity: u32,
}

impl From<sample::EntryKey> for EntryRow {
    fn from(key: sample::EntryKey) -> Self {
        Self { pid: key.pid, space: SpaceId(key.space), code: key.code, identity: key.identity }
    }
}
