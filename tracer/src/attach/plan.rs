//! Which probes a run needs, and how large its maps are.

use serde::{Deserialize, Serialize};

use crate::attach::direct_map::DIRECT_MAP;
use crate::attach::tasks::TASKS;
use crate::process::namespace;
use crate::sections::{Section, Sections};

/// What to attach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What the report will show.
    pub sections: Sections,
    /// Frames kept of a stack.
    pub depth: u32,
    /// Samples a second and CPU.
    pub rate_hz: u32,
    /// Bytes of the ring buffer: a power of two, at least a page.
    pub ring_bytes: u32,
    /// How many times as much room there is for rows as there would be.
    pub room: u32,
    /// Rows that each table of what is added up has room for, if not as many as usual.
    pub table_rows: Option<u32>,
    /// Count entries of the evaluation function.
    pub calls: bool,
    /// See signal handlers end, too.
    pub handler_ends: bool,
    /// Attach the clock alone: enough to see what runs, and soon attached.
    pub only_samples: bool,
}

impl Plan {
    /// Frames kept of a stack, if nothing is said of it.
    pub const DEPTH: u32 = 128;
    /// Samples a second and CPU, likewise.
    pub const RATE_HZ: u32 = 99;

    /// The ring buffer's size for stacks of this depth. Every page of it counts twice as ours, since it is mapped twice.
    #[must_use]
    pub fn ring_bytes(depth: u32) -> u32 {
        if depth > Self::DEPTH { 8 << 20 } else { 4 << 20 }
    }

    /// The tracepoints that this run needs.
    pub fn tracepoints(&self) -> impl Iterator<Item = &'static Tracepoint> {
        let (sections, none) = (self.sections, self.only_samples);
        TRACEPOINTS.iter().filter(move |point| !none && point.is_needed(sections))
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            sections: Sections::ALL,
            depth: Self::DEPTH,
            rate_hz: Self::RATE_HZ,
            ring_bytes: Self::ring_bytes(Self::DEPTH),
            room: 1,
            table_rows: None,
            calls: false,
            handler_ends: false,
            only_samples: false,
        }
    }
}

/// The clock's program.
pub(in crate::attach) const SAMPLE: &str = "sample";
/// The hook of reads.
pub(in crate::attach) const READS: &str = "sys_exit";
/// The program where handlers of signals are called.
pub(in crate::attach) const HANDLER: &str = "handler";
/// The program at the evaluation function's entry.
pub(in crate::attach) const ENTRY: &str = "evaluation_entry";

/// A probe that is a BTF tracepoint: its program's name is the tracepoint's.
pub struct Tracepoint {
    /// Name of both.
    pub name: &'static str,
    /// Attached when one of these is asked for; always when empty.
    pub serves: &'static [Section],
}

/// Processes come and go under every run: they decide what is traced at all. Attached last to first, so that births
/// are seen before anything of the newborn is.
pub const TRACEPOINTS: &[Tracepoint] = &[
    Tracepoint { name: "sched_process_free", serves: &[] },
    Tracepoint { name: "sched_process_exit", serves: &[] },
    Tracepoint { name: "sched_process_exec", serves: &[] },
    Tracepoint { name: "sched_process_fork", serves: &[] },
    Tracepoint { name: "task_rename", serves: &[] },
    Tracepoint { name: "sched_switch", serves: SWITCHES },
    Tracepoint { name: "sched_waking", serves: &[Section::Switches] },
    Tracepoint { name: "sched_wakeup", serves: SWITCHES },
    Tracepoint { name: "sched_wakeup_new", serves: SWITCHES },
    Tracepoint { name: "signal_generate", serves: &[Section::Signals, Section::Processes] },
    Tracepoint { name: "signal_deliver", serves: &[Section::Signals] },
    Tracepoint { name: READS, serves: &[Section::Reads] },
];

/// Samples are compared with on-CPU time, reads with the switches inside, pauses with the threads that wait meanwhile,
/// and what a handler waited for is what its thread did, so that all need the scheduler too.
const SWITCHES: &[Section] =
    &[Section::Switches, Section::Reads, Section::Signals, Section::Frames, Section::Gc];
/// A sample may fall into a garbage collection.
const CLOCK: &[Section] = &[Section::Frames, Section::Gc];

impl Plan {
    /// Whether the hook of reads is among them.
    #[must_use]
    pub fn watches_reads(&self) -> bool {
        self.tracepoints().any(|point| point.name == READS)
    }

    /// Whether the program of this name is needed.
    pub(in crate::attach) fn needs(&self, program: &str) -> bool {
        match program {
            SAMPLE => self.samples(),
            HANDLER => self.sections.has(Section::Signals),
            ENTRY => self.calls,
            DIRECT_MAP => true,
            TASKS => !namespace::is_initial(),
            name => self.tracepoints().any(|point| point.name == name),
        }
    }

    /// Whether there may be breakpoints.
    pub(in crate::attach) fn has_breakpoints(&self) -> bool {
        self.calls || self.sections.has_any(&[Section::Signals, Section::Gc])
    }

    /// Whether what runs is sampled.
    #[must_use]
    pub fn samples(&self) -> bool {
        self.sections.has_any(CLOCK)
    }

    /// Whether the scheduler is watched at all.
    #[must_use]
    pub fn counts_switches(&self) -> bool {
        self.sections.has_any(SWITCHES)
    }
}

impl Tracepoint {
    /// Whether this run needs it.
    #[must_use]
    pub fn is_needed(&self, sections: Sections) -> bool {
        self.serves.is_empty() || sections.has_any(self.serves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_cost_other_processes_nothing_unless_asked_for() {
        let attached = |sections: Sections| -> Vec<_> {
            TRACEPOINTS.iter().filter(|point| point.is_needed(sections)).map(|point| point.name).collect()
        };
        assert!(attached(Sections::ALL).contains(&"sys_exit"));
        assert!(!attached(Sections::ALL.without(&[Section::Reads])).contains(&"sys_exit"));
        assert!(!attached(Sections::only(&[Section::Processes])).contains(&"sched_switch"));
        assert!(attached(Sections::only(&[Section::Signals])).contains(&"sched_switch"));
        assert!(attached(Sections::only(&[Section::Signals])).contains(&"sched_process_fork"));
    }
}
