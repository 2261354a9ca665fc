//! What the trace could not see, and what it cost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::report::{Bounded, NoTotals, Row, Sentence};

/// The ledger of the probes. Each hit ends in one place: `hits == filtered + emitted + aggregated + Σ lost`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// Runs of all probes while the run switch was on.
    pub hits: u64,
    /// Nothing of ours.
    pub filtered: u64,
    /// Sent as one event.
    pub emitted: u64,
    /// Added to a row of a map.
    pub aggregated: u64,
    /// Lost, by reason: `ring_full`, `map_full`, `map_busy`; `unread` was sent, and the end came before it was read.
    pub lost: BTreeMap<String, u64>,
    /// The same by section: `reads`, and `loops` apart. Those that had no hits are left out.
    #[serde(default)]
    pub sections: BTreeMap<String, SectionLoss>,
    /// Names and stacks.
    pub records: Records,
    /// Runs that the kernel itself skipped, from `recursion_misses`; in neither sum.
    pub kernel_missed: u64,
    /// On-CPU samples.
    pub samples: Samples,
}

/// What a section lost of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionLoss {
    /// Hits that concern traced processes.
    pub hits: u64,
    /// Of these lost, by reason.
    pub lost: BTreeMap<String, u64>,
    /// What that means and what to do, in one sentence; none where nothing was lost.
    pub text: Option<Sentence>,
}

impl SectionLoss {
    /// Hits that were lost, for whatever reason.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.values().sum()
    }
}

impl Quality {
    /// The largest share that a section has lost of its own, 0 to 1.
    #[must_use]
    pub fn worst_loss(&self) -> f64 {
        let share = |section: &SectionLoss| section.lost() as f64 / section.hits.max(1) as f64;
        self.sections.values().map(share).fold(0.0, f64::max)
    }
}

/// Names and stacks have a law of their own: `tried == decoded + corrupt + lost`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// Taken by a probe.
    pub tried: u64,
    /// Read back in user space.
    pub decoded: u64,
    /// Arrived, but made no sense.
    pub corrupt: u64,
    /// Never arrived.
    pub lost: u64,
}

/// On-CPU samples: `taken == python + no_python_frame + faulted + unresolved`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples {
    /// On-CPU time × rate.
    pub expected: u64,
    /// Taken of traced threads.
    pub taken: u64,
    /// With a Python stack.
    pub python: u64,
    /// Of threads without a Python frame.
    pub no_python_frame: u64,
    /// The interpreter's memory was not to be read.
    pub faulted: u64,
    /// The stack was taken, its names were not found.
    pub unresolved: u64,
    /// Of those in `python`, deeper than `--depth`.
    pub truncated: u64,
}

/// What tracing cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overhead {
    /// Run time of all probes, for whatever process: estimated from one run in 16.
    pub bpf_ns: u64,
    /// Time in the traps of breakpoints, their programs aside: hits, by what a trap of that kind takes on this machine.
    pub trap_ns: u64,
    /// Run time of each, the costliest first.
    pub programs: Vec<ProgramTime>,
    /// CPU time of `tracer` itself.
    pub tracer_cpu_ns: u64,
    /// Most memory that `tracer` held at a time.
    pub tracer_peak_rss_bytes: u64,
    /// Memory of the BPF maps.
    pub map_bytes: u64,
    /// From the start of attaching to its end.
    pub attach_ns: u64,
    /// Detail that was given up to stay within `--budget`.
    pub shed: Bounded<Shed>,
    /// How long reads were watched: less than the window where the budget did not suffice; `null` when they were not
    /// asked for.
    pub reads_covered_ns: Option<u64>,
}

/// Run time of one probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramTime {
    /// Its name.
    pub name: String,
    /// How often it ran, for whatever process.
    pub runs: u64,
    /// For how long in all.
    pub run_ns: u64,
    /// The traps by which a breakpoint's program is reached; 0 of other probes.
    pub trap_ns: u64,
}

/// One piece of detail that was given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shed {
    /// When.
    pub at_ns: u64,
    /// What is not seen from then on.
    pub what: String,
    /// The limit that was passed.
    pub why: String,
}

impl Row for Shed {
    type Totals = NoTotals;

    fn add_to(&self, _: &mut NoTotals) {}
}
