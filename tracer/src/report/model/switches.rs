//! How often and why threads left their CPU.

use serde::{Deserialize, Serialize};

use super::frame::{Frame, Stack};
use super::vocabulary::vocabulary;
use crate::report::{Bounded, Name, Row};

/// Context switches of all traced threads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Switches {
    /// By the kernel's own rule: `nvcsw` had moved at the switch.
    pub voluntary: u64,
    /// By the kernel's own rule: `nivcsw` had moved at the switch.
    pub involuntary: u64,
    /// `/proc/PID/task/*/status` over the window, of the threads alive throughout.
    pub kernel_voluntary: u64,
    /// The same of involuntary switches.
    pub kernel_involuntary: u64,
    /// Our count of those same threads.
    pub checked_voluntary: u64,
    /// The same of involuntary switches.
    pub checked_involuntary: u64,
    /// Switches of those threads while the kernel's counts were read at the two ends of the window: the two sides may differ
    /// by as many.
    #[serde(default)]
    pub in_doubt: u64,
    /// Time on a CPU, all threads together.
    pub on_cpu_ns: u64,
    /// Off-CPU time, asleep or waiting for a CPU, all threads together.
    pub off_cpu_ns: u64,
    /// Time runnable but not running, all threads together.
    pub run_queue_ns: u64,
    /// How often callers were read; `null` where they were each time.
    pub callers: Option<Callers>,
    /// Why, dearest first.
    pub causes: Bounded<SwitchCause>,
}

/// What rows of `causes` say of callers: the line of each switch is known, its callers by some of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callers {
    /// One in so many was read, when it was least often.
    pub one_in_at_most: u64,
    /// Switches that were not, and are shared out among the callers of their lines.
    pub estimated: u64,
}

/// Switches of one process that had one cause at one stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SwitchCause {
    /// Process.
    pub pid: u32,
    /// Why the thread left its CPU.
    pub cause: Cause,
    /// The system call it slept in.
    pub syscall: Option<String>,
    /// Path, socket peer or lock's line.
    pub object: Option<Name>,
    /// What sort of lock, for a futex.
    pub lock: Option<LockKind>,
    /// The call that gave the GIL away, for a wait to get it back.
    pub after_call: Option<AfterCall>,
    /// Switches.
    pub count: u64,
    /// One standard deviation of `count`, where callers were read by chance; `null` where `count` is exact.
    pub count_error: Option<u64>,
    /// Off-CPU time.
    pub off_cpu_ns: u64,
    /// Time runnable but not running.
    pub run_queue_ns: u64,
    /// Gaps that began before the window, clipped to it.
    pub began_before: u64,
    /// Gaps that outlasted the window, clipped to it.
    pub still_blocked: u64,
    /// Where.
    pub stack: Option<Stack>,
    /// Who ended the wait, most often first.
    pub wakers: Option<Bounded<Waker>>,
}

/// What `SwitchCause` rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseTotals {
    /// Switches.
    pub count: u64,
    /// Off-CPU time.
    pub off_cpu_ns: u64,
    /// Time runnable but not running.
    pub run_queue_ns: u64,
    /// Gaps that began before the window.
    pub began_before: u64,
    /// Gaps that outlasted the window.
    pub still_blocked: u64,
}

impl Row for SwitchCause {
    type Totals = CauseTotals;
    const LIMIT: usize = 200;

    fn add_to(&self, totals: &mut CauseTotals) {
        totals.count += self.count;
        totals.off_cpu_ns += self.off_cpu_ns;
        totals.run_queue_ns += self.run_queue_ns;
        totals.began_before += self.began_before;
        totals.still_blocked += self.still_blocked;
    }
}

/// The call that a wait for the GIL followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterCall {
    /// System call.
    pub syscall: String,
    /// What it was about.
    pub object: Option<Name>,
}

/// A thread that ended waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waker {
    /// Its process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// The thread's name.
    pub comm: Name,
    /// The line it was at.
    pub frame: Option<Frame>,
    /// Waits it ended.
    pub count: u64,
}

/// What `Waker` rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakerTotals {
    /// Waits ended.
    pub count: u64,
}

impl Row for Waker {
    type Totals = WakerTotals;
    const LIMIT: usize = 20;

    fn add_to(&self, totals: &mut WakerTotals) {
        totals.count += self.count;
    }
}

vocabulary! {
    /// What sort of lock a thread waited for.
    LockKind {
        /// A lock of Python's, or what sleeps alike: a condition variable or semaphore of a C library.
        Python = "python",
        /// A mutex of the C library, or any lock of a thread without Python code.
        Native = "native",
        /// One that processes share, as those of `multiprocessing`; also the end of a thread of the C library.
        Shared = "shared",
        /// The lock of an object in a build without GIL: other threads use the same list, dict or the like.
        Object = "object",
        /// None: in a build without GIL all threads stand still, for the garbage collector or a fork.
        World = "world",
    }
}

vocabulary! {
    /// Why a thread left its CPU.
    #[derive(Default)]
    Cause {
        /// It waited for the GIL.
        Gil = "gil",
        /// It waited for a lock of Python or the C library.
        Lock = "lock",
        /// It read from a pipe, terminal or file.
        Read = "read",
        /// It wrote.
        Write = "write",
        /// It sent to or received from a socket.
        Network = "network",
        /// It waited for one of several files: poll, select, epoll.
        Poll = "poll",
        /// It asked to sleep.
        Sleep = "sleep",
        /// It waited for a child.
        Wait = "wait",
        /// A page was not in memory.
        PageFault = "page_fault",
        /// It waited for a disk.
        Disk = "disk",
        /// The scheduler took the CPU away.
        Preempted = "preempted",
        /// It gave the CPU away: `sched_yield`.
        Yield = "yield",
        /// It was stopped by a signal or a debugger.
        Stopped = "stopped",
        /// It ended.
        Exit = "exit",
        /// It waited inside the kernel for something else.
        Kernel = "kernel",
        /// A system call that no other word covers.
        Other = "other",
        /// It was not to be found out.
        #[default]
        Unknown = "unknown",
    }
}
