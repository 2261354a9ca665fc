//! What keeps a process, or one of its loops, from its work: garbage collections, long turns.

use serde::{Deserialize, Serialize};

use super::{FileId, Nanos, Pid, StackId, Task};

/// How the garbage collections of a process are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GcSeen {
    /// Each one, by a probe.
    Probed,
    /// Those that a sample falls into.
    Sampled,
    /// None: where the collector keeps its state is not known.
    No,
}

/// A garbage collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcPause {
    /// When it ended.
    pub at: Nanos,
    /// Where it ran.
    pub task: Task,
    /// How long.
    pub lasted: Nanos,
    /// Where it was set off; of a short one the innermost frame alone.
    pub stack: StackId,
    /// Which generation of objects.
    pub generation: Option<u32>,
    /// Objects that it freed.
    pub collected: Option<u64>,
    /// Threads of the process that waited for the GIL when it ended.
    pub waiters: Option<u32>,
}

/// What the collector of a process has counted of one generation, in the window or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcCounted {
    /// Whose.
    pub pid: Pid,
    /// Which generation of objects.
    pub generation: u32,
    /// Collections.
    pub collections: u64,
    /// Objects that they freed.
    pub collected: u64,
    /// The process came or went meanwhile: there may have been more.
    pub at_least: bool,
}

/// What a piece of a long turn of an event loop was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopPiece {
    /// The loop's thread.
    pub task: Task,
    /// When the turn began.
    pub began: Nanos,
    /// How long the piece is.
    pub lasted: Nanos,
    /// Of that without a CPU, while others had it.
    pub queued: Nanos,
    /// Where.
    pub stack: StackId,
    /// As in [`super::SwitchRow`].
    pub object: FileId,
    /// As there.
    pub syscall: Option<u32>,
    /// As there; [`tracer_common::switch::flag::RUNNING`] on a CPU.
    pub flags: u32,
}
