//! What the analysis folds: one enum for everything that can happen.
//!
//! Times are nanoseconds since the start of the window; what happened before it has time 0. Stacks and files are
//! ids that [`crate::symbols::Symbols`] turns into names at the end.

mod figures;
mod ids;
mod pauses;
mod processes;
mod reads;
mod rows;
mod signals;
mod stack;

/// A name as it was captured: not yet fit for a screen.
pub use bytes::Bytes;

use serde::{Deserialize, Serialize};
use tracer_common::python;
use tracer_common::switch::SwitchValue;

pub use self::ids::{FileId, Pid, SpaceId, StackId, Task, Tid};
pub use self::pauses::{GcCounted, GcPause, GcSeen, LoopPiece};
pub use self::processes::{Exec, Exit, Fork, Groups, Making, ProcessDescription};
pub use self::reads::Reads;
pub use self::rows::{
    EntryRow, HoldRow, ReadFigure, ReadRow, SampleRow, SwitchRow, WakerRow, WakeupRow, syscall_from_wire,
};
pub use self::signals::{
    Aim, Handler, HandlerStart, SignalDeliver, SignalGenerate, SignalInfo, SignalResult, SignalsPending,
    Waited, is_in,
};

/// Nanoseconds.
pub type Nanos = u64;
/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum Event {
    /// A process is traced, or is known better: at the attach, and again after each fork and exec.
    Process(ProcessDescription),
    /// A thread has this name.
    ThreadName { task: Task, comm: Bytes },
    /// A task was born.
    Fork(Fork),
    /// A process runs another program now.
    Exec(Exec),
    /// A thread ended.
    Exit(Exit),
    /// A parent took the exit status of its child: of the one that had this pid before, if it has been given away since.
    Reaped { at: Nanos, by: Task, child: Pid, of_earlier: bool },
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
    /// What the collector of a process has counted itself.
    GcCounted(GcCounted),
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
    Switches { key: SwitchRow, value: SwitchValue, still_blocked: u64 },
    /// Sleeps that one thread has ended since the last drain.
    Wakeups { key: WakeupRow, count: u64 },
    /// Time in which others slept for a GIL while one thread held it, at one line if it was off its CPU, since the last drain.
    GilHeld { key: HoldRow, waited_ns: Nanos },
    /// Reads of one row since the last drain.
    Reads { key: ReadRow, value: Reads },
    /// Reads whose sizes found no slot in their row; counted by power of two.
    ReadSizes { key: ReadRow, figure: ReadFigure, count: u64 },
    /// On-CPU samples of one row since the last drain.
    Samples {
        /// Thread and stack.
        key: SampleRow,
        /// How many.
        count: u64,
        /// The thread held the GIL while others waited for it.
        keeps_others_waiting: bool,
    },
    /// Entries of the evaluation function since the last drain.
    Entries { key: EntryRow, count: u64 },
    /// The kernel's own switch counters of a thread, at its end or at that of the window.
    KernelSwitches { task: Task, voluntary: u64, involuntary: u64 },
    /// The same of one that lived before the window, at its start.
    KernelSwitchesBefore { task: Task, voluntary: u64, involuntary: u64 },
    /// All rows that were drained by then have been sent.
    Drained { at: Nanos },
}

/// Why a stack is as it is: see [`python::status`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StackStatus {
    /// Complete up to the limit.
    #[default]
    Ok,
    /// The thread runs no Python code.
    NoPythonFrame,
    /// Memory was not resident.
    Faulted,
    /// The interpreter was not known.
    Unresolved,
}

impl StackStatus {
    /// From a wire status; whether the stack was cut is a value of its own.
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
