//! Processes and threads: born, renamed, replaced, ended, reaped.

use crate::event::Header;
use crate::sized;
use crate::task::TaskId;

/// Bytes of an executable's path that are kept.
pub const EXEC_PATH_BYTES: usize = 128;
/// Bytes of a command line that are kept.
pub const EXEC_ARGUMENT_BYTES: usize = 384;

/// A traced process made a thread or a process; the header names the parent.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fork {
    /// Its kind is [`crate::event::kind::FORK`].
    pub header: Header,
    /// The parent's stack, 0 when there was none.
    pub stack: u64,
    /// Process of the new task: the parent's own for a thread.
    pub child_pid: u32,
    /// The new task.
    pub child_tid: u32,
    /// Both, as the tracer's pid namespace numbers them.
    pub shown_child: TaskId,
    /// The parent's name (15 bytes and a NUL).
    pub comm: [u8; 16],
    /// 1 when the new process is traced too.
    pub followed: u32,
    /// System call that makes it.
    pub syscall: i32,
    /// `CLONE_*`, of `clone` and `clone3`.
    pub clone_flags: u64,
    /// Process group, which the child inherits, as the tracer's pid namespace numbers it; 0 for one outside.
    pub group: u32,
    /// Session, which the child inherits, likewise.
    pub session: u32,
    /// The child's process, as its own pid namespace numbers it.
    pub own_pid: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

/// A traced process runs another program now.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exec {
    /// Its kind is [`crate::event::kind::EXEC`].
    pub header: Header,
    /// The address space from here on.
    pub space: u64,
    /// The thread that called `execve` and became the process's leader.
    pub old_tid: u32,
    /// Bytes of `arguments` that are valid.
    pub arguments_bytes: u32,
    /// Bytes that the command line has.
    pub arguments_whole: u32,
    /// Its process group, as in [`Fork`].
    pub group: u32,
    /// Its session, likewise.
    pub session: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
    /// The new name (15 bytes and a NUL).
    pub comm: [u8; 16],
    /// `bprm->filename`, up to its NUL.
    pub path: [u8; EXEC_PATH_BYTES],
    /// The command line, its arguments separated by NULs.
    pub arguments: [u8; EXEC_ARGUMENT_BYTES],
}

/// A thread of a traced process ends, or the last one of a process that lived before the window.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// Its kind is [`crate::event::kind::EXIT`].
    pub header: Header,
    /// As `wait(2)` has it: exit code << 8, or the signal's number in the low 7 bits.
    pub wait_status: u32,
    /// 1 when it was the last thread of its process.
    pub last_thread: u32,
    /// The process's parent at this time, as the tracer's pid namespace numbers it: 0 for one that is not in there.
    pub parent: u32,
    /// 1 when the kernel chose it because memory ran out.
    pub out_of_memory: u32,
    /// Its process group, as in [`Fork`].
    pub group: u32,
    /// Its session, likewise.
    pub session: u32,
    /// Its name (15 bytes and a NUL).
    pub comm: [u8; 16],
    /// CPU time of the thread, in nanoseconds, up to the last tick or so.
    pub cpu_ns: u64,
    /// Signals that still wait for the thread, never to be delivered: bit N - 1 is set for signal N.
    pub pending: u64,
    /// Those that wait for any thread of the process.
    pub pending_shared: u64,
    /// Where the thread was, if it is the main thread or called `exit_group`; 0 where that is not known, as before Linux
    /// 6.16, where its memory is gone by now.
    pub stack: u64,
    /// The file that `syscall` is about, 0 for none.
    pub object: u64,
    /// The system call that it was asleep in, or `exit_group`; -1 for none, and where `stack` is not known.
    pub syscall: i32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

/// The kernel let go of a traced process: it has been reaped, up to 25 ms ago. The header names the process.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Free {
    /// Its kind is [`crate::event::kind::FREE`].
    pub header: Header,
}

/// A thread has another name now.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rename {
    /// Its kind is [`crate::event::kind::RENAME`]; the header names the renamed thread.
    pub header: Header,
    /// 15 bytes and a NUL.
    pub comm: [u8; 16],
}

/// `wait4` or `waitid` gave a traced process one of its children. The header names the parent.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Its kind is [`crate::event::kind::REAPED`].
    pub header: Header,
    /// The child, as the parent's pid namespace numbers it.
    pub child: u32,
    /// Fills the struct up to its alignment.
    pub pad: u32,
}

sized!(
    Fork = 96,
    Exec = 72 + EXEC_PATH_BYTES + EXEC_ARGUMENT_BYTES,
    Exit = 112,
    Free = 24,
    Rename = 40,
    Reaped = 32
);
