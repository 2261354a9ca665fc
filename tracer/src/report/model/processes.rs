//! Children that came and went, and those that were left behind.

use serde::{Deserialize, Serialize};

use super::frame::Stack;
use super::kills::Kill;
use super::vocabulary::vocabulary;
use crate::report::{Bounded, Name, NoTotals, Row};

/// Children of the traced processes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Processes {
    /// Processes forked or spawned.
    pub forked: u64,
    /// Programs executed.
    pub execed: u64,
    /// Processes that ended.
    pub exited: u64,
    /// Of these, waited for.
    pub reaped: u64,
    /// Children that ended and were not waited for at once, longest first.
    pub zombies: Bounded<Zombie>,
    /// Children that outlived their parent.
    pub orphans: Bounded<Orphan>,
    /// Signals to end processes that were for a group, or that left children behind, in the order of time.
    pub kills: Bounded<Kill>,
}

/// A child that has ended, and whose parent did not wait for it at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Zombie {
    /// Process.
    pub pid: u32,
    /// Who should wait for it.
    pub ppid: u32,
    /// The kernel's name for it.
    pub comm: Name,
    /// Its exit code, if it exited.
    pub exit_code: Option<i32>,
    /// The signal that killed it, if one did: `SIGKILL`.
    pub signal: Option<String>,
    /// When it ended, if while tracing.
    pub exited_at_ns: Option<u64>,
    /// How long it was a zombie within the window.
    pub zombie_ns: u64,
    /// It was waited for at some moment within `zombie_ns`: the figure is an upper bound.
    pub end_is_upper_bound: bool,
    /// Whether it was waited for in the end.
    pub reaped: bool,
    /// Nobody waited for it until its parent ended; from then on another has to.
    pub parent_ended: bool,
    /// Where its parent forked it.
    pub spawned_at: Option<Stack>,
    /// Where its parent was while it should have waited.
    pub parent_doing: Option<Stack>,
    /// What became of the SIGCHLD that notified the parent.
    pub sigchld: Option<Notice>,
}

/// What `Zombie` rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZombieTotals {
    /// Time as zombies.
    pub zombie_ns: u64,
}

impl Row for Zombie {
    type Totals = ZombieTotals;

    fn add_to(&self, totals: &mut ZombieTotals) {
        totals.zombie_ns += self.zombie_ns;
    }
}

/// A child that outlived its parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// Process.
    pub pid: u32,
    /// The kernel's name for it.
    pub comm: Name,
    /// The parent that ended.
    pub old_ppid: u32,
    /// The parent it has now.
    pub new_ppid: u32,
    /// How the parent ended.
    pub old_parent_ended: ParentEnd,
    /// The signal that killed the parent, if one did.
    pub old_parent_signal: Option<String>,
}

impl Row for Orphan {
    type Totals = NoTotals;

    fn add_to(&self, _: &mut NoTotals) {}
}

vocabulary! {
    /// What became of a SIGCHLD.
    Notice {
        /// The parent has no handler for it.
        Ignored = "ignored",
        /// A Python handler was called for.
        Python = "python",
        /// A C handler ran.
        C = "c",
        /// The parent's mask holds it back.
        Blocked = "blocked",
        /// Another child's was pending, so that this one was dropped.
        Coalesced = "coalesced",
        /// It was not delivered, or that was not seen.
        Pending = "pending",
    }
}

vocabulary! {
    /// How a parent ended.
    ParentEnd {
        /// It exited.
        Exit = "exit",
        /// A signal killed it.
        Signal = "signal",
    }
}
