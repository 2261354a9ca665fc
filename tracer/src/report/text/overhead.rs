//! What tracing cost.

use super::page::{Ink, Page};
use crate::report::{Overhead, Report};
use crate::units::{bytes, duration, percent};

pub fn write(page: &mut Page, report: &Report) {
    let overhead = &report.overhead;
    page.section("OVERHEAD", Ink::Plain, &times(overhead, report.window.duration_ns + overhead.attach_ns));
    page.prose(Ink::Plain, 2, &memory(overhead));
    for shed in &overhead.shed.rows {
        page.prose(
            Ink::Warn,
            2,
            &format!("from {} on without {}: {}", duration(shed.at_ns), shed.what, shed.why),
        );
    }
}

pub(in crate::report) fn times(overhead: &Overhead, run_ns: u64) -> String {
    let share = |ns| format!("{} ({} of one CPU)", duration(ns), percent(ns, run_ns));
    let probes = share(overhead.bpf_ns);
    let traps = match overhead.trap_ns {
        0 => String::new(),
        ns => format!(", breakpoints {}", share(ns)),
    };
    format!("probes {probes}{traps}, tracer {}", share(overhead.tracer_cpu_ns))
}

pub(in crate::report) fn memory(overhead: &Overhead) -> String {
    let (maps, resident) = (bytes(overhead.map_bytes), bytes(overhead.tracer_peak_rss_bytes));
    format!("{resident} memory, {maps} maps, attached in {}", duration(overhead.attach_ns))
}
