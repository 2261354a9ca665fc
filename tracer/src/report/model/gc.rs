//! Pauses of the garbage collector.

use serde::{Deserialize, Serialize};

use super::frame::{Frame, Stack};
use super::vocabulary::vocabulary;
use crate::report::bounded::add_known;
use crate::report::{Bounded, Row};

/// Collections of the traced processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gc {
    /// How they were seen.
    pub method: GcMethod,
    /// By process and generation, as the collectors count them themselves, those that paused nobody for long too.
    pub collections: Bounded<GcCollections>,
    /// By process, generation and line, the most time first.
    pub pauses: Bounded<GcPauses>,
}

/// What the collector of a process has counted of one generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcCollections {
    /// Process; 0 where there were too many.
    pub pid: u32,
    /// Generation.
    pub generation: u32,
    /// Collections.
    pub count: u64,
    /// Objects collected.
    pub collected: u64,
    /// The process came or went in the window: there may have been more.
    pub at_least: bool,
}

/// What `GcCollections` rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcCollectionsTotals {
    /// Collections.
    pub count: u64,
    /// Objects collected.
    pub collected: u64,
}

impl Row for GcCollections {
    type Totals = GcCollectionsTotals;

    fn add_to(&self, totals: &mut GcCollectionsTotals) {
        totals.count += self.count;
        totals.collected += self.collected;
    }
}

/// Collections of one generation that one line set off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcPauses {
    /// Process.
    pub pid: u32,
    /// Generation.
    pub generation: Option<u32>,
    /// Collections.
    pub count: u64,
    /// Their time.
    pub total_ns: u64,
    /// The longest one.
    pub max_ns: u64,
    /// Objects collected.
    pub collected: Option<u64>,
    /// The line that set them off.
    pub started_by: Option<Frame>,
    /// The whole stack of the longest one, where that was kept.
    pub stack: Option<Stack>,
    /// Threads that waited for the GIL until the end of one of them, at most.
    pub waiters: Option<u64>,
    /// Seen by samples: count and times are lower bounds.
    pub sampled: bool,
}

/// What `GcPauses` rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcTotals {
    /// Collections.
    pub count: u64,
    /// Their time.
    pub total_ns: u64,
    /// The longest one.
    pub max_ns: u64,
    /// Objects collected.
    pub collected: Option<u64>,
}

impl Row for GcPauses {
    type Totals = GcTotals;

    fn add_to(&self, totals: &mut GcTotals) {
        totals.count += self.count;
        totals.total_ns += self.total_ns;
        totals.max_ns = totals.max_ns.max(self.max_ns);
        add_known(&mut totals.collected, self.collected);
    }
}

vocabulary! {
    /// How collections were seen.
    GcMethod {
        /// Each one, by a probe.
        Probe = "probe",
        /// Those that a sample fell into.
        Sampled = "sampled",
    }
}
