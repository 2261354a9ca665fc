//! What each thread did over time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::vocabulary::vocabulary;
use crate::report::{Bounded, Name, Row};

/// The states of threads, in steps of the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OverTime {
    /// Length of a step, in nanoseconds; the last one may be shorter.
    pub step_ns: u64,
    /// Those first that ran, or waited for a CPU or the GIL, for the longest time.
    pub threads: Bounded<ThreadOverTime>,
}

vocabulary! {
    /// What a thread does.
    ThreadState {
        /// It runs.
        OnCpu = "on_cpu",
        /// It could run, and has no CPU.
        RunQueue = "run_queue",
        /// It waits for the GIL.
        Gil = "gil",
        /// It waits for another lock.
        Lock = "lock",
        /// It waits for a file, a disk or a socket that it reads or writes.
        Io = "io",
        /// It waits for work or data: `poll`, `sleep`, `wait`.
        Idle = "idle",
        /// It waits for anything else.
        Other = "other",
    }
}

impl ThreadState {
    /// All of them, as they are drawn: from the bottom to the top.
    pub const ALL: [Self; 7] =
        [Self::OnCpu, Self::RunQueue, Self::Gil, Self::Lock, Self::Io, Self::Other, Self::Idle];
}

/// One thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThreadOverTime {
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// What the kernel calls it.
    pub thread_name: Option<Name>,
    /// Nanoseconds of each step by state; steps after the last that has any are left out.
    pub states: BTreeMap<ThreadState, Vec<u64>>,
}

/// What threads add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadsOverTimeTotals {
    /// Nanoseconds of the whole window by state.
    pub state_ns: BTreeMap<ThreadState, u64>,
}

impl Row for ThreadOverTime {
    type Totals = ThreadsOverTimeTotals;
    const LIMIT: usize = 64;

    fn add_to(&self, totals: &mut ThreadsOverTimeTotals) {
        for (state, steps) in &self.states {
            *totals.state_ns.entry(*state).or_default() += steps.iter().sum::<u64>();
        }
    }
}
