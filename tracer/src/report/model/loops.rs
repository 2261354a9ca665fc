//! Event loops: how long they were kept from waiting for their descriptors.

use serde::{Deserialize, Serialize};

use super::frame::{Frame, Stack};
use super::switches::Cause;
use crate::report::{Bounded, Name, Row};

/// The event loop of a thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loop {
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// Times that it came back to wait for its descriptors.
    pub turns: u64,
    /// From each return of a wait to the next wait.
    pub busy_ns: u64,
    /// The longest of these.
    pub max_busy_ns: u64,
    /// What kept it for 50 ms and longer, the most time first.
    pub by: Bounded<LoopBlock>,
}

/// What kept a loop for long: turns that went to one callback, for the same reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoopBlock {
    /// The callback, or the coroutine of the task.
    pub callback: Option<Name>,
    /// The asyncio task of the longest turn, by its name.
    pub task: Option<Name>,
    /// The line to change.
    pub frame: Option<Frame>,
    /// The whole stack, in the longest turn.
    pub stack: Option<Stack>,
    /// It ran; else it was off its CPU for `cause`.
    pub on_cpu: bool,
    /// Why it was off its CPU.
    pub cause: Option<Cause>,
    /// What it waited for.
    pub object: Option<Name>,
    /// Turns.
    pub count: u64,
    /// Their time.
    pub total_ns: u64,
    /// The longest one.
    pub max_ns: u64,
}

impl LoopBlock {
    /// What kept it, in a word.
    #[must_use]
    pub fn why(&self) -> &'static str {
        match self.cause {
            Some(cause) => cause.as_str(),
            None if self.on_cpu => "cpu",
            None => "-",
        }
    }
}

/// What loops add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopTotals {
    /// Turns.
    pub turns: u64,
    /// Their time.
    pub busy_ns: u64,
    /// The longest one.
    pub max_busy_ns: u64,
}

/// What turns add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopBlockTotals {
    /// Turns.
    pub count: u64,
    /// Their time.
    pub total_ns: u64,
    /// The longest one.
    pub max_ns: u64,
}

impl Row for Loop {
    type Totals = LoopTotals;

    fn add_to(&self, totals: &mut LoopTotals) {
        totals.turns += self.turns;
        totals.busy_ns += self.busy_ns;
        totals.max_busy_ns = totals.max_busy_ns.max(self.max_busy_ns);
    }
}

impl Row for LoopBlock {
    type Totals = LoopBlockTotals;
    const LIMIT: usize = 200;

    fn add_to(&self, totals: &mut LoopBlockTotals) {
        totals.count += self.count;
        totals.total_ns += self.total_ns;
        totals.max_ns = totals.max_ns.max(self.max_ns);
    }
}
