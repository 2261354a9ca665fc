//! Where the time went: on-CPU from samples, off-CPU from switches, never mixed.

use serde::{Deserialize, Serialize};

use super::frame::{Frame, Stack};
use super::vocabulary::vocabulary;
use crate::report::{Bounded, Name, Row};

/// Hot lines and stacks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frames {
    /// Samples a second on each CPU, as they were asked for.
    pub rate_hz: u64,
    /// As the clocks of all CPUs came, on average; an idle CPU's may come less often.
    pub reached_hz: u64,
    /// By line, hottest first.
    pub hot: Bounded<HotLine>,
    /// By thread and stack, hottest first.
    pub stacks: Bounded<HotStack>,
    /// Entries of the evaluation function, if they were counted.
    pub entries: Option<Entries>,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotLine {
    /// Process.
    pub pid: u32,
    /// The line.
    #[serde(flatten)]
    pub frame: Frame,
    /// Samples whose innermost Python frame is this line.
    pub self_samples: u64,
    /// Samples with this line anywhere in the stack.
    pub total_samples: u64,
    /// Off-CPU time with this line innermost.
    pub off_cpu_ns: u64,
}

/// What `HotLine` rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotTotals {
    /// Samples, innermost.
    pub self_samples: u64,
    /// Samples, anywhere in the stack: one sample counts for each of its lines.
    pub total_samples: u64,
    /// Off-CPU time.
    pub off_cpu_ns: u64,
}

impl Row for HotLine {
    type Totals = HotTotals;

    fn add_to(&self, totals: &mut HotTotals) {
        totals.self_samples += self.self_samples;
        totals.total_samples += self.total_samples;
        totals.off_cpu_ns += self.off_cpu_ns;
    }
}

/// One stack of one thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HotStack {
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// The thread's name.
    pub thread_name: Option<Name>,
    /// The stack.
    pub stack: Stack,
    /// On-CPU samples.
    pub samples: u64,
    /// Off-CPU time.
    pub off_cpu_ns: u64,
}

/// What `HotStack` rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotStackTotals {
    /// On-CPU samples.
    pub samples: u64,
    /// Off-CPU time.
    pub off_cpu_ns: u64,
}

impl Row for HotStack {
    type Totals = HotStackTotals;
    const LIMIT: usize = 200;

    fn add_to(&self, totals: &mut HotStackTotals) {
        totals.samples += self.samples;
        totals.off_cpu_ns += self.off_cpu_ns;
    }
}

/// How often the evaluation function was entered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entries {
    /// What an entry is.
    pub metric: EntryMetric,
    /// How long they were counted; nothing is extrapolated beyond it.
    pub covered_ns: u64,
    /// By function, most first.
    pub rows: Bounded<EntryCount>,
}

/// Entries into one function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryCount {
    /// Process.
    pub pid: u32,
    /// The function.
    #[serde(flatten)]
    pub frame: Frame,
    /// Entries.
    pub count: u64,
}

/// What `EntryCount` rows add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntriesTotals {
    /// Entries.
    pub count: u64,
}

impl Row for EntryCount {
    type Totals = EntriesTotals;

    fn add_to(&self, totals: &mut EntriesTotals) {
        totals.count += self.count;
    }
}

vocabulary! {
    /// What an entry of the evaluation function is.
    EntryMetric {
        /// Each Python call, up to 3.10.
        PythonCalls = "python_calls",
        /// A call from C into Python, from 3.11: calls from Python to Python stay within one evaluation.
        CToPythonEntries = "c_to_python_entries",
    }
}
