//! Which probes a run needs, and how large its maps are.

use crate::sections::{Section, Sections};

/// What to attach.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the report will show.
    pub sections: Sections,
    /// Frames kept of a stack.
    pub depth: u32,
    /// Samples a second and CPU.
    pub rate_hz: u32,
    /// Bytes of the ring buffer: a power of two, at least a page.
    pub ring_bytes: u32,
    /// Count entries of the evaluation function.
    pub calls: bool,
    /// Attach the clock alone: enough for a glance at what runs, and soon attached.
    pub only_samples: bool,
}

impl Plan {
    /// The tracepoints that this run needs.
    pub fn tracepoints(&self) -> impl Iterator<Item = &'static Tracepoint> {
        let (sections, none) = (self.sections, self.only_samples);
        TRACEPOINTS.iter().filter(move |point| !none && point.is_needed(sections))
    }
}

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
    Tracepoint { name: "sched_wakeup", serves: SWITCHES },
    Tracepoint { name: "sched_wakeup_new", serves: SWITCHES },
    Tracepoint { name: "signal_generate", serves: &[Section::Signals, Section::Processes] },
    Tracepoint { name: "signal_deliver", serves: &[Section::Signals] },
    Tracepoint { name: "sys_exit", serves: &[Section::Reads] },
];

/// Samples are compared with on-CPU time, and reads with the switches inside, so that both need the scheduler too.
const SWITCHES: &[Section] = &[Section::Switches, Section::Reads, Section::Frames];

impl Plan {
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

/// Bytes that the widest per-CPU map may take in all: rows of reads are 320 bytes a CPU.
const READS_BUDGET: usize = 24 << 20;
/// A row of reads on one CPU.
const READ_ROW: usize = size_of::<tracer_common::syscall::ReadValue>();

/// Rows of reads that the map has room for: fewer on machines with many CPUs.
#[must_use]
pub fn read_rows(cpus: usize) -> u32 {
    let rows = READS_BUDGET / (READ_ROW * cpus.max(1));
    u32::try_from(rows.clamp(1024, 8192)).expect("clamped")
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
        assert!(!attached(Sections::only(&[Section::Signals])).contains(&"sched_switch"));
        assert!(attached(Sections::only(&[Section::Signals])).contains(&"sched_process_fork"));
    }

    #[test]
    fn rows_of_reads_fit_the_budget() {
        assert_eq!(read_rows(2), 8192);
        assert_eq!(read_rows(64), 1228);
        assert_eq!(read_rows(1024), 1024);
    }
}
