//! Signals, from the call that generated them to the Python handler.

use serde::{Deserialize, Serialize};

use super::frame::{Frame, Stack};
use super::vocabulary::vocabulary;
use crate::report::{Name, Row};

/// One signal, or several that were alike in everything but the moment. Handler times count from its generation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Its name, `SIGTERM`.
    pub signal: String,
    /// Its number.
    pub number: u32,
    /// When it was generated; of the first, if several.
    pub at_ns: u64,
    /// How many were alike.
    pub count: u64,
    /// Who sent it; nobody if the kernel did.
    pub sender: Option<Sender>,
    /// How it came about.
    pub origin: Origin,
    /// Where the sender was.
    pub sender_stack: Option<Stack>,
    /// Which processes it was for.
    pub target: SignalTarget,
    /// What the target had asked for.
    pub disposition: Option<Disposition>,
    /// From generation to delivery in the kernel.
    pub delivered_after_ns: Option<u64>,
    /// What the receiving thread was doing.
    pub interrupted: Option<Interrupted>,
    /// What became of the Python handler.
    pub handler_state: HandlerState,
    /// The Python handler.
    pub handler: Option<Handler>,
    /// What became of the signal.
    pub outcome: Outcome,
}

/// What `Signal` rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalTotals {
    /// Signals.
    pub count: u64,
}

impl Row for Signal {
    type Totals = SignalTotals;

    fn add_to(&self, totals: &mut SignalTotals) {
        totals.count += self.count;
    }
}

/// The thread that sent a signal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Its process; unknown for one outside of our pid namespace, which has no number in here.
    pub pid: Option<u32>,
    /// Thread, likewise.
    pub tid: Option<u32>,
    /// The thread's name.
    pub comm: Name,
    /// Its user.
    pub uid: u32,
}

impl Sender {
    /// Which process it is in words: `pid 31`.
    #[must_use]
    pub fn process(&self) -> String {
        self.pid.map_or_else(|| "outside of this pid namespace".to_owned(), |pid| format!("pid {pid}"))
    }
}

/// Which processes a signal was for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalTarget {
    /// Process.
    pub pid: u32,
    /// The thread that received it.
    pub tid: Option<u32>,
    /// Whether any thread of the process could have.
    pub group: bool,
}

/// What a signal came upon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupted {
    /// The system call that was interrupted.
    pub syscall: Option<String>,
    /// The line that was executing.
    pub frame: Option<Frame>,
}

/// A Python handler. Times count from the generation of the signal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handler {
    /// Its first line.
    pub frame: Option<Frame>,
    /// When it began.
    pub started_after_ns: Option<u64>,
    /// When it returned.
    pub ended_after_ns: Option<u64>,
    /// What kept it from beginning at once.
    pub waited_for: Option<HandlerWait>,
    /// From the generation to its begin, how long the main thread was ready and had no CPU.
    pub run_queue_ns: Option<u64>,
}

vocabulary! {
    /// How a signal came about.
    #[derive(Default)]
    Origin {
        /// `kill`.
        Kill = "kill",
        /// `tgkill`, `tkill`, `pthread_kill`.
        Tgkill = "tgkill",
        /// `sigqueue`.
        Sigqueue = "sigqueue",
        /// A timer ran out.
        Timer = "timer",
        /// The thread's own fault.
        Fault = "fault",
        /// A child changed state.
        Child = "child",
        /// The kernel ran out of memory.
        Oom = "oom",
        /// The kernel, for another reason.
        Kernel = "kernel",
        /// It was not to be found out.
        #[default]
        Unknown = "unknown",
    }
}

vocabulary! {
    /// What a process had asked for, see signal(7).
    Disposition {
        /// A Python function runs.
        Python = "python",
        /// A C function runs.
        C = "c",
        /// What the kernel does by default.
        Default = "default",
        /// Nothing.
        Ignored = "ignored",
    }
}

vocabulary! {
    /// What became of a Python handler.
    #[derive(Default)]
    HandlerState {
        /// There is none for this signal.
        None = "none",
        /// It began.
        Started = "started",
        /// It had not begun when the window ended.
        Pending = "pending",
        /// It was not watched.
        #[default]
        Unknown = "unknown",
    }
}

vocabulary! {
    /// What kept a Python handler from beginning at once.
    HandlerWait {
        /// Nothing did.
        Nothing = "nothing",
        /// The main thread was inside a C function.
        CCall = "c_call",
        /// The main thread waited for the GIL.
        Gil = "gil",
        /// The signal went to another thread while the main thread slept.
        WrongThread = "wrong_thread",
        /// The signal was blocked.
        Blocked = "blocked",
        /// Another handler was running.
        Nested = "nested",
    }
}

vocabulary! {
    /// What became of a signal.
    #[derive(Default)]
    Outcome {
        /// A handler ran.
        Handled = "handled",
        /// It killed the process.
        Killed = "killed",
        /// It stopped the process.
        Stopped = "stopped",
        /// It let the process continue.
        Continued = "continued",
        /// Nothing.
        Ignored = "ignored",
        /// The same signal was pending already.
        Coalesced = "coalesced",
        /// The mask held it back until the window ended.
        Blocked = "blocked",
        /// It had not been delivered, or its Python handler had not begun, when the window or the process ended.
        #[default]
        Pending = "pending",
        /// It is not pending any more, and what became of it was lost.
        Unknown = "unknown",
    }
}
