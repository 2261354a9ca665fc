//! What the analysis folds: one enum for everything that can happen.
//!
//! Times are nanoseconds since the start of the window; what happened before it has time 0. Stacks and files are
//! ids that [`crate::symbols::Symbols`] turns into names at the end.

use std::sync::Arc;

use tracer_common::python;
use tracer_common::sample::{EntryKey, SampleKey};
use tracer_common::switch::{SwitchKey, SwitchValue};
use tracer_common::syscall::{ReadKey, SizeKey};

/// Nanoseconds.
pub type Nanos = u64;
/// Process id (`tgid`), as the initial pid namespace numbers it.
pub type Pid = u32;
/// Thread id.
pub type Tid = u32;
/// Identity of a stack; 0 where there was none.
pub type StackId = u64;
/// A name as captured: not yet fit for a screen.
pub type Bytes = Arc<[u8]>;

/// A thread of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Task {
    /// Process.
    pub pid: Pid,
    /// Thread.
    pub tid: Tid,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum Event {
    /// A process is traced, or is known better: at the attach, and again after each fork and exec.
    Process(Process),
    /// A thread has this name.
    ThreadName { task: Task, comm: Bytes },
    /// A task was born.
    Fork(Fork),
    /// A process runs another program now.
    Exec { at: Nanos, task: Task, comm: Bytes, path: Bytes, arguments: Vec<Bytes> },
    /// A thread ended.
    Exit(Exit),
    /// A parent took the exit status of its child.
    Reaped { at: Nanos, by: Task, child: Pid },
    /// The kernel let go of a process that had been reaped, up to 25 ms ago.
    Free { at: Nanos, pid: Pid },
    /// A child of a traced process was a zombie when the window began.
    ZombieAtStart { pid: Pid, ppid: Pid, comm: Bytes, wait_status: Option<u32> },
    /// A process is a zombie at the end of the window.
    ZombieAtEnd { pid: Pid },
    /// A process has another parent now.
    Reparented { at: Nanos, pid: Pid, comm: Bytes, old_ppid: Pid, new_ppid: Pid },
    /// What a process did at the end of the window: the stack of its main thread.
    Doing { pid: Pid, stack: StackId },
    /// A signal was generated.
    SignalGenerate(SignalGenerate),
    /// A signal was delivered.
    SignalDeliver(SignalDeliver),
    /// From now on it is seen when the handlers of these signals begin, and of no others in this process. Bit N - 1 is
    /// set for signal N.
    HandlersWatched { at: Nanos, pid: Pid, signals: u64 },
    /// Python is about to call signal handlers.
    HandlerStart(HandlerStart),
    /// Switches of one row since the last drain.
    Switches { key: SwitchKey, value: SwitchValue, still_blocked: u64 },
    /// Reads of one row since the last drain.
    Reads { key: ReadKey, value: Reads },
    /// Reads whose sizes found no slot in their row; counted by power of two.
    ReadSizes { key: SizeKey, count: u64 },
    /// On-CPU samples of one row since the last drain.
    Samples { key: SampleKey, count: u64 },
    /// Entries of the evaluation function since the last drain.
    Entries { key: EntryKey, count: u64 },
    /// The kernel's own switch counters of a thread that was alive throughout, start and end.
    KernelSwitches { task: Task, voluntary: u64, involuntary: u64 },
}

/// What is known of a traced process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// Process.
    pub pid: Pid,
    /// Its parent.
    pub ppid: Pid,
    /// Name of its main thread.
    pub comm: Bytes,
    /// Its command line, arguments joined by spaces, as it stands in its memory now.
    pub title: Bytes,
    /// What it executes.
    pub exe: Option<Bytes>,
    /// CPython's version, where it is one.
    pub python: Option<String>,
    /// A build without GIL.
    pub free_threaded: Option<bool>,
    /// Waits for its GIL are told from others.
    pub gil: bool,
    /// It was asked for.
    pub root: bool,
}

/// A task was born.
#[derive(Clone, Debug, PartialEq)]
pub struct Fork {
    /// When.
    pub at: Nanos,
    /// Who made it.
    pub parent: Task,
    /// The parent thread's name.
    pub comm: Bytes,
    /// The new task: a thread when its process is the parent's.
    pub child: Task,
    /// Where the parent was.
    pub stack: StackId,
    /// The child is traced.
    pub followed: bool,
}

/// A thread ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Exit {
    /// When.
    pub at: Nanos,
    /// Which.
    pub task: Task,
    /// As wait(2) has it.
    pub wait_status: u32,
    /// The whole process ended.
    pub last_thread: bool,
    /// Its parent at this time.
    pub parent: Pid,
    /// Its name.
    pub comm: Bytes,
}

/// A signal was generated.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalGenerate {
    /// When.
    pub at: Nanos,
    /// Who was running: the sender, unless the kernel was.
    pub current: Task,
    /// Name of whoever was running.
    pub comm: Bytes,
    /// Real user id of whoever was running.
    pub uid: u32,
    /// Where the sender was, if traced.
    pub stack: StackId,
    /// signal(7)
    pub signal: u32,
    /// Who says that it comes from whom.
    pub info: SignalInfo,
    /// Aimed at.
    pub target: Task,
    /// To the process rather than to the thread.
    pub group: bool,
    /// What the kernel did with it.
    pub result: SignalResult,
    /// The target thread's mask blocks it.
    pub blocked: bool,
}

/// What a signal says of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq)]
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

/// Python is about to call the handlers of some signals, one after another, in its main thread.
#[derive(Clone, Debug, PartialEq)]
pub struct HandlerStart {
    /// When.
    pub at: Nanos,
    /// The main thread.
    pub task: Task,
    /// Bit N - 1 is set for signal N; the lowest is called first, when the others are is not known.
    pub signals: u64,
    /// Where the main thread was.
    pub stack: StackId,
    /// The address space of `code`.
    pub space: u64,
    /// The first handler as a whole; a code object of 0 where it is not a Python function.
    pub code: python::Frame,
    /// What the main thread has waited for, where its switches are seen.
    pub waited: Option<Waited>,
}

/// What a thread has waited for so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    /// Off its CPU.
    pub off_cpu: Nanos,
    /// Of these, for the GIL.
    pub gil: Nanos,
    /// It sleeps.
    pub asleep: bool,
}

/// A signal's disposition at its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Sums of one row of reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reads {
    /// Calls.
    pub calls: u64,
    /// Bytes returned.
    pub bytes: u64,
    /// Calls that asked for something and got 0.
    pub eof: u64,
    /// The whole stack of one of the calls.
    pub stack: StackId,
    /// Calls by size asked.
    pub requested: Vec<(u32, u64)>,
    /// Calls by size returned.
    pub returned: Vec<(u32, u64)>,
    /// Calls by error number.
    pub errors: Vec<(u32, u64)>,
}

/// Why a stack is as it is: see [`python::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StackStatus {
    /// Complete up to the limit.
    Ok,
    /// The thread runs no Python code.
    NoPythonFrame,
    /// Memory was not resident.
    Faulted,
    /// The interpreter was not known.
    Unresolved,
}

impl StackStatus {
    /// From a wire status; whether the stack was cut is told apart.
    #[must_use]
    pub fn from_wire(status: u32) -> (Self, bool) {
        let truncated = status & python::status::TRUNCATED != 0;
        let kind = match status & !python::status::TRUNCATED {
            python::status::OK => Self::Ok,
            python::status::NO_PYTHON_FRAME => Self::NoPythonFrame,
            python::status::FAULTED => Self::Faulted,
            _ => Self::Unresolved,
        };
        (kind, truncated)
    }
}
