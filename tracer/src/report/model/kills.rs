//! Signals that end processes, by the call that sent them.

use serde::{Deserialize, Serialize};

use super::frame::Stack;
use super::signals::{Origin, Sender};
use super::vocabulary::vocabulary;
use crate::report::{Name, NoTotals, Row};

/// One call, and all that it reached. Of `reached` and `left` the first 64 are named.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kill {
    /// Name of the signal, `SIGTERM`.
    pub signal: String,
    /// Its number.
    pub number: u32,
    /// When it was sent.
    pub at_ns: u64,
    /// Who sent it; nobody if the kernel did.
    pub sender: Option<Sender>,
    /// Where the sender was.
    pub sender_stack: Option<Stack>,
    /// How it came about.
    pub origin: Origin,
    /// Which processes it was for.
    pub aim: KillAim,
    /// The process group that it was for, or that the one process belonged to.
    pub pgid: Option<u32>,
    /// Traced processes that it reached.
    pub reached: Vec<KillReached>,
    /// How many these are.
    pub reached_count: u64,
    /// How many of these it ended.
    pub ended_count: u64,
    /// Descendants that it did not reach, and that lived on when the one above them had ended.
    pub left: Vec<KillLeft>,
    /// How many these are.
    pub left_count: u64,
}

/// A process that a signal reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillReached {
    /// Process.
    pub pid: u32,
    /// The kernel's name for it.
    pub comm: Name,
    /// What became of it.
    pub end: KillEnd,
    /// Whether this signal ended it: it was killed by it, or exited within a second after its handler began.
    pub by_it: bool,
    /// How long after the signal it ended, if it did.
    pub ended_after_ns: Option<u64>,
}

/// A process that was left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillLeft {
    /// Process.
    pub pid: u32,
    /// The kernel's name for it.
    pub comm: Name,
    /// Its process group, where it was traced.
    pub pgid: Option<u32>,
}

impl Row for Kill {
    type Totals = NoTotals;

    fn add_to(&self, _: &mut NoTotals) {}
}

vocabulary! {
    /// Which processes a signal was for.
    #[derive(Default)]
    KillAim {
        /// One process, or a thread of it.
        #[default]
        Process = "process",
        /// A process group.
        Group = "group",
        /// All that the sender may signal.
        All = "all",
    }
}

vocabulary! {
    /// What became of a process that a signal reached.
    KillEnd {
        /// The signal killed it.
        Killed = "killed",
        /// It exited after that.
        Exited = "exited",
        /// Another signal killed it after that.
        KilledOtherwise = "killed_otherwise",
        /// It was still there when the window ended.
        Lives = "lives",
    }
}
