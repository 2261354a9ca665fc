//! The report object, `tracer.report/1`: every figure that `tracer` reports, in the order and under the names of its JSON.
//!
//! Durations and offsets are nanoseconds and end in `_ns`; `at_ns` counts from the start of the window. Pids are those
//! of the caller's pid namespace. What is not known is `None` and written as `null`, never as 0.

mod finding;
mod frame;
mod frames;
mod gc;
mod gil;
mod kills;
mod loops;
mod over_time;
mod processes;
mod quality;
mod reads;
mod schema;
mod signals;
mod switches;
mod target;
mod vocabulary;

pub use finding::{Evidence, Fact, Finding, FindingKind, Severity};
pub use frame::{Frame, Stack};
pub use frames::{
    Entries, EntriesTotals, EntryCount, EntryMetric, Frames, HotLine, HotStack, HotStackTotals, HotTotals,
};
pub use gc::{Gc, GcCollections, GcCollectionsTotals, GcMethod, GcPauses, GcTotals};
pub use gil::{BlockedHolder, BlockedHolderTotals, Gil, GilHolder, GilHolderTotals};
pub use kills::{Kill, KillAim, KillEnd, KillLeft, KillReached};
pub use loops::{Loop, LoopBlock, LoopBlockTotals, LoopTotals};
pub use over_time::{OverTime, ThreadOverTime, ThreadState, ThreadsOverTimeTotals};
pub use processes::{Notice, Orphan, ParentEnd, Processes, Zombie, ZombieTotals};
pub use quality::{Overhead, ProgramTime, Quality, Records, Samples, SectionLoss, Shed};
pub use reads::{Advice, FileKind, Read, ReadTotals, Through};
pub use schema::Schema;
pub use signals::{
    Disposition, Handler, HandlerState, HandlerWait, Interrupted, Origin, Outcome, Sender, Signal,
    SignalTarget, SignalTotals,
};
pub use switches::{
    AfterCall, Callers, Cause, CauseTotals, LockKind, SwitchCause, Switches, Waker, WakerTotals,
};
pub use target::{Ended, EndedIn, Host, StartedHow, Target, TargetProcess, TracerInfo, Window};

use serde::{Deserialize, Serialize};

use super::bounded::Bounded;

/// What one run saw: the one value that text, JSON and every export are made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Which object this is.
    pub schema: Schema,
    /// Which program wrote it.
    pub tracer: TracerInfo,
    /// Where it ran.
    pub host: Host,
    /// What was traced.
    pub target: Target,
    /// When it was traced.
    pub window: Window,
    /// What became of every hit of every probe.
    pub quality: Quality,
    /// What tracing cost.
    pub overhead: Overhead,
    /// What to change, gravest first.
    pub findings: Bounded<Finding>,
    /// How often and why threads left their CPU.
    pub switches: Switches,
    /// Waits for the GIL; none on a free-threaded build.
    pub gil: Option<Gil>,
    /// Reads by process, file and call site, most calls first.
    pub reads: Bounded<Read>,
    /// Children: how many came and went, and which were left behind.
    pub processes: Processes,
    /// Signals that were generated for a traced process, in the order of time.
    pub signals: Bounded<Signal>,
    /// Where the time went, by line and by stack.
    pub frames: Frames,
    /// Pauses of the garbage collector; none if they were not looked for.
    pub gc: Option<Gc>,
    /// Event loops, the longest turn first; none if they were not looked for.
    pub loops: Option<Bounded<Loop>>,
    /// What threads did over time, if their switches were watched.
    #[serde(default)]
    pub over_time: OverTime,
}
