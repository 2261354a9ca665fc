//! What the analysis folds: one enum for everything that can happen.
//!
//! Times are nanoseconds since the start of the window; what happened before it has time 0. Stacks and files are
//! ids that [`crate::symbols::Symbols`] turns into names at the end.

mod pauses;
mod reads;
mod stack;

/// A name as it was captured: not yet fit for a screen.
pub use bytes::Bytes;

use tracer_common::gil::HoldKey;
use tracer_common::python;
use tracer_common::sample::{EntryKey, SampleKey};
use tracer_common::switch::{SwitchKey, SwitchValue};
use tracer_common::syscall::{ReadKey, SizeKey};
use tracer_common::wakeup::WakeKey;

pub use self::pauses::{GcPause, GcSeen, LoopPiece};
pub use self::reads::Reads;

/// Nanoseconds.
pub type Nanos = u64;
/// Process id (`tgid`), as our pid namespace numbers it; 0 for a process that is not in there.
pub type Pid = u32;
/// Thread id, likewise.
pub type Tid = u32;
/// Identity of a stack; 0 where there was none.
pub type StackId = u64;

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
    Exec(Exec),
    /// A thread ended.
    Exit(Exit),
    /// A parent took the exit status of its child.
    Reaped { at: Nanos, by: Task, child: Pid },
    /// The kernel let go of a process that had been reaped, up to 25 ms ago.
    Free { at: Nanos, pid: Pid },
    /// A child of a traced process was a zombie when the window began.
    ZombieAtStart { pid: Pid, ppid: Pid, comm: Bytes, wait_status: Option<u32> },
    /// A descendant of a traced process lived already when the window began; it is not traced itself.
    ChildAtStart { pid: Pid, ppid: Pid },
    /// A child has been a zombie for a while.
    ZombieForLong { at: Nanos, pid: Pid, ppid: Pid, since: Nanos },
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
    /// What is pending in a process at the end of the window.
    SignalsPending(SignalsPending),
    /// Signals whose Python handlers had not begun at the end of the window, of those that can be watched. Bit N - 1 is
    /// set for signal N.
    HandlersPending { pid: Pid, signals: u64 },
    /// From now on it is seen when signal handlers of this process begin, or no longer; and when they end, or not.
    HandlersWatched { at: Nanos, pid: Pid, starts: bool, ends: bool },
    /// Python is about to call signal handlers.
    HandlerStart(HandlerStart),
    /// The handlers that were called at this level have returned.
    HandlerEnd { at: Nanos, pid: Pid, level: u32 },
    /// From now on the garbage collections of a process are seen like this.
    Collections { at: Nanos, pid: Pid, seen: GcSeen },
    /// A garbage collection has ended.
    GcPause(GcPause),
    /// A sample fell into a garbage collection. So many collections had ended before, where that is known.
    GcSample { at: Nanos, task: Task, stack: StackId, number: Option<u64> },
    /// Turns of event loops are seen.
    LoopsWatched,
    /// A long turn of an event loop has ended: the loop was kept from its next wait for so long.
    LoopTurn { task: Task, began: Nanos, busy: Nanos },
    /// What a piece of a long turn was spent on.
    LoopPiece(LoopPiece),
    /// A long turn runs this asyncio task.
    LoopTask { task: Task, began: Nanos, name: Bytes },
    /// All turns of a thread but for the long ones.
    Loop { task: Task, turns: u64, busy: Nanos, longest: Nanos },
    /// Switches of one row since the last drain.
    Switches { key: SwitchKey, value: SwitchValue, still_blocked: u64 },
    /// Sleeps that one thread has ended since the last drain.
    Wakeups { key: WakeKey, count: u64 },
    /// Time in which others slept for a GIL while one thread held it, at one line if it was off its CPU, since the last drain.
    GilHeld { key: HoldKey, waited_ns: Nanos },
    /// Reads of one row since the last drain.
    Reads { key: ReadKey, value: Reads },
    /// Reads whose sizes found no slot in their row; counted by power of two.
    ReadSizes { key: SizeKey, count: u64 },
    /// On-CPU samples of one row since the last drain.
    Samples {
        /// Thread and stack.
        key: SampleKey,
        /// How many.
        count: u64,
        /// The thread held the GIL while others waited for it.
        keeps_others_waiting: bool,
    },
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
    /// As its own pid namespace numbers it, where that is another number.
    pub namespace_pid: Option<Pid>,
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
    /// It is seen who holds it.
    pub gil_holder: bool,
    /// It was asked for.
    pub root: bool,
    /// Its process group and session.
    pub groups: Option<Groups>,
    /// Its control group, as `/proc/PID/cgroup` has it.
    pub cgroup: Option<Bytes>,
}

/// What a process shares with others: credentials(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Process group.
    pub pgid: Pid,
    /// Session.
    pub sid: Pid,
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
    /// Its process, as its own pid namespace numbers it.
    pub own_pid: Pid,
    /// Where the parent was.
    pub stack: StackId,
    /// The child is traced.
    pub followed: bool,
    /// By what kind of call.
    pub how: Making,
    /// What the child inherits.
    pub groups: Groups,
}

/// How a process was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Making {
    /// It has a copy of its parent's memory.
    Fork,
    /// It has its parent's memory until it executes a program; the parent's thread waits.
    Vfork,
    /// The same, by the C library's `posix_spawn`.
    PosixSpawn,
    /// Otherwise.
    Clone,
}

/// A process runs another program now.
#[derive(Clone, Debug, PartialEq)]
pub struct Exec {
    /// When.
    pub at: Nanos,
    /// Its main thread.
    pub task: Task,
    /// Its name from here on.
    pub comm: Bytes,
    /// What it executes, as it was called.
    pub path: Bytes,
    /// Its command line, as far as it was kept.
    pub arguments: Vec<Bytes>,
    /// The command line is longer.
    pub cut: bool,
    /// Where it belongs.
    pub groups: Groups,
}

impl Exec {
    /// The command line in one.
    #[must_use]
    pub fn title(&self) -> Bytes {
        self.arguments.join(&b' ').into()
    }
}

impl Fork {
    /// The child's process as its own pid namespace numbers it, where that is another number.
    #[must_use]
    pub fn namespace_pid(&self) -> Option<Pid> {
        (self.own_pid != self.child.pid).then_some(self.own_pid)
    }
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
    /// The kernel chose it because memory ran out.
    pub out_of_memory: bool,
    /// Where it belonged.
    pub groups: Groups,
    /// Signals that wait for the thread, never to be delivered. Bit N - 1 is set for signal N.
    pub pending: u64,
    /// Those that wait for any thread of the process.
    pub pending_shared: u64,
    /// Where it was, if it is the main thread or called `exit_group`; 0 where that is not known.
    pub stack: StackId,
    /// The file that `syscall` is about, 0 for none.
    pub object: u64,
    /// The system call that it was asleep in, or `exit_group`.
    pub syscall: Option<u32>,
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
    /// Whom `kill(2)` was told to reach.
    pub aim: Aim,
    /// Process group of the target.
    pub target_pgid: Pid,
    /// What the main thread of the target has waited for, where its switches are seen.
    pub main: Option<Waited>,
}

/// Whom a signal was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aim {
    /// A process or a thread.
    One,
    /// A process group.
    Group,
    /// Every process that the sender may signal.
    All,
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

/// The kernel's own sets of signals of a process: bit N - 1 is set for signal N.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq)]
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
    pub space: u64,
    /// The handler as a whole; a code object of 0 where it is not a Python function.
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
    /// Of the others, for a CPU.
    pub run_queue: Nanos,
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
