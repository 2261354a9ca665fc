//! Waits for the GIL.

use serde::{Deserialize, Serialize};

use super::frame::Frame;
use super::switches::Cause;
use crate::report::{Bounded, Name, Row};

/// What waiting for the GIL cost. One acquisition can sleep several times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gil {
    /// Time waited, all threads together.
    pub wait_ns: u64,
    /// Acquisitions that slept.
    pub waits: u64,
    /// Switches they took.
    pub switches: u64,
    /// Who held it while others waited, longest first.
    pub holders: Bounded<GilHolder>,
    /// Who slept with the GIL in hand, longest first.
    pub blocked_while_held: Bounded<BlockedHolder>,
    /// Why holders are not known, where they are not.
    pub holders_unknown: Option<String>,
}

/// A thread that held the GIL while others waited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GilHolder {
    /// Process.
    pub pid: u32,
    /// Thread; of several, the one that held it for longest.
    pub tid: u32,
    /// How many threads were seen at the line: those with too few samples each are taken together.
    pub threads: u64,
    /// The line it was at.
    pub frame: Option<Frame>,
    /// For how long: each moment counts once, however many waited.
    pub held_while_others_waited_ns: u64,
}

/// What `GilHolder` rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GilHolderTotals {
    /// For how long.
    pub held_while_others_waited_ns: u64,
}

impl Row for GilHolder {
    type Totals = GilHolderTotals;

    fn add_to(&self, totals: &mut GilHolderTotals) {
        totals.held_while_others_waited_ns += self.held_while_others_waited_ns;
    }
}

/// A line at which a thread slept without giving the GIL away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlockedHolder {
    /// Process.
    pub pid: u32,
    /// What it waited for.
    pub cause: Cause,
    /// The system call it slept in.
    pub syscall: Option<String>,
    /// Path, socket peer or lock's line.
    pub object: Option<Name>,
    /// The innermost line.
    pub frame: Option<Frame>,
    /// How often.
    pub count: u64,
    /// For how long.
    pub off_cpu_ns: u64,
    /// In how much of it other threads waited for the GIL, at most: rows of one line may report the same time.
    pub others_waited_ns: u64,
}

/// What `BlockedHolder` rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedHolderTotals {
    /// How often.
    pub count: u64,
    /// For how long.
    pub off_cpu_ns: u64,
}

impl Row for BlockedHolder {
    type Totals = BlockedHolderTotals;
    const LIMIT: usize = 200;

    fn add_to(&self, totals: &mut BlockedHolderTotals) {
        totals.count += self.count;
        totals.off_cpu_ns += self.off_cpu_ns;
    }
}
