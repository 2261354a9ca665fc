//! Signals: their generation, their delivery, the handlers in Python.

use serde::{Deserialize, Serialize};
use tracer_common::python;

use super::{Bytes, Nanos, Pid, SpaceId, StackId, Task, Tid};

/// A signal was generated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalGenerate {
    /// When.
    pub at: Nanos,
    /// Who was running: the sender, unless the kernel was.
    pub current: Task,
    /// Name of the thread that was running.
    pub comm: Bytes,
    /// Real user id of the thread that was running.
    pub uid: u32,
    /// Where the sender was, if traced.
    pub stack: StackId,
    /// signal(7)
    pub signal: u32,
    /// What says where it comes from.
    pub info: SignalInfo,
    /// Aimed at.
    pub target: Task,
    /// To the process rather than to the thread.
    pub group: bool,
    /// What the kernel did with it.
    pub result: SignalResult,
    /// The target thread's mask blocks it.
    pub blocked: bool,
    /// Which processes `kill(2)` was to reach.
    pub aim: Aim,
    /// Process group of the target.
    pub target_pgid: Pid,
    /// What the main thread of the target has waited for, where its switches are seen.
    pub main: Option<Waited>,
}

/// Which process a signal was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Aim {
    /// A process or a thread.
    One,
    /// A process group.
    Group,
    /// Every process that the sender may signal.
    All,
}

/// What a signal says of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignalInfo {
    /// A user's, nothing more known (`SEND_SIG_NOINFO`).
    None,
    /// The kernel's (`SEND_SIG_PRIV`).
    Kernel,
    /// A siginfo: sigaction(2).
    Code {
        /// `si_code`
        code: i32,
        /// `si_pid`
        pid: Pid,
    },
}

/// What the kernel did with a generated signal (`TRACE_SIGNAL_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignalResult {
    /// Queued.
    Delivered,
    /// Ignored by its receiver.
    Ignored,
    /// One like it was pending already.
    AlreadyPending,
    /// No room in the queue: dropped.
    OverflowFail,
    /// Queued, but its siginfo is lost.
    LoseInfo,
}

/// A signal was delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalDeliver {
    /// When.
    pub at: Nanos,
    /// The receiver.
    pub task: Task,
    /// signal(7)
    pub signal: u32,
    /// `si_code`
    pub code: i32,
    /// What is done with it.
    pub handler: Handler,
    /// What it interrupted.
    pub stack: StackId,
    /// The system call that it interrupted.
    pub syscall: Option<u32>,
    /// What the main thread has waited for, where its switches are seen.
    pub main: Option<Waited>,
}

/// The kernel's own sets of signals of a process: bit N - 1 is set for signal N.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalsPending {
    /// Process.
    pub pid: Pid,
    /// For any of its threads.
    pub shared: u64,
    /// For one of them.
    pub threads: Vec<(Tid, u64)>,
    /// Ignored.
    pub ignored: u64,
}

impl SignalsPending {
    /// Whether a signal waits for a thread, or for any of them.
    #[must_use]
    pub fn contains(&self, signal: u32, tid: Option<Tid>) -> bool {
        let set = match tid {
            None => self.shared,
            Some(tid) => self.threads.iter().find(|thread| thread.0 == tid).map_or(0, |thread| thread.1),
        };
        is_in(set, signal)
    }

    /// Whether the process ignores a signal.
    #[must_use]
    pub fn ignores(&self, signal: u32) -> bool {
        is_in(self.ignored, signal)
    }
}

/// Whether a set has this signal: bit N - 1 is set for signal N.
#[must_use]
pub fn is_in(set: u64, signal: u32) -> bool {
    set >> (signal.wrapping_sub(1) & 63) & 1 == 1
}

/// Python is about to call a signal's handler, in its main thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HandlerStart {
    /// When.
    pub at: Nanos,
    /// The main thread.
    pub task: Task,
    /// Which.
    pub signal: u32,
    /// How deep the main thread is in the functions that look for signals, 0 where that is not known.
    pub level: u32,
    /// Where the main thread was.
    pub stack: StackId,
    /// The address space of `code`.
    pub space: SpaceId,
    /// The handler as a whole; a code object of 0 where it is not a Python function.
    pub code: python::Frame,
    /// What the main thread has waited for, where its switches are seen.
    pub waited: Option<Waited>,
}

/// What a thread has waited for so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// Off its CPU.
    pub off_cpu: Nanos,
    /// Of these, for the GIL.
    pub gil: Nanos,
    /// Of the others, for a CPU.
    pub run_queue: Nanos,
    /// It sleeps.
    pub asleep: bool,
}

/// A signal's disposition at its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handler {
    /// `SIG_DFL`
    Default,
    /// `SIG_IGN`
    Ignore,
    /// CPython's own handler, which runs the Python function later.
    Python,
    /// Another C function.
    C,
}
