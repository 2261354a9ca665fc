//! Threads that could run, and had no CPU.

use super::RankedFinding;
use crate::report::{FindingKind, Report, Severity};
use crate::units::duration;

/// From this share of the window on, in all threads together.
const SHARE: u64 = 10;

/// Whether threads waited for a CPU for longer than they ran: then what else took long may have this cause.
pub fn is_short(report: &Report) -> bool {
    let switches = &report.switches;
    switches.run_queue_ns > switches.on_cpu_ns && switches.run_queue_ns * SHARE >= report.window.duration_ns
}

/// One sentence where threads waited for a CPU for longer than they ran.
pub fn cpus(report: &Report) -> Option<RankedFinding> {
    let switches = &report.switches;
    let ratio = (switches.on_cpu_ns > 0).then(|| switches.run_queue_ns as f64 / switches.on_cpu_ns as f64);
    let text = format!(
        "threads that could run waited {} for a CPU{}: the CPUs are busy, or a CPU limit applies; all times in this report \
         are longer because of it",
        duration(switches.run_queue_ns),
        ratio.map_or_else(String::new, |ratio| format!(", {ratio:.1} times as long as they ran")),
    );
    let pid = report.target.pids.first().copied().unwrap_or_default();
    let found =
        RankedFinding::new(FindingKind::RunQueue, Severity::Info, pid, text).costs(switches.run_queue_ns);
    let found = found.with("run_queue_ns", switches.run_queue_ns).with("on_cpu_ns", switches.on_cpu_ns);
    is_short(report).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_busy_machine_is_reported_where_it_costs_more_than_the_work() {
        for (run_queue_ns, on_cpu_ns, expected) in [
            (
                3 * SECOND,
                2 * SECOND,
                Some("waited 3.00 s for a CPU, 1.5 times as long as they ran: the CPUs"),
            ),
            (3 * SECOND, 4 * SECOND, None),
            (SECOND / 2, SECOND / 4, None),
            (2 * SECOND, 0, Some("waited 2.00 s for a CPU: the CPUs")),
        ] {
            let mut report = Report::default();
            report.window.duration_ns = 10 * SECOND;
            (report.switches.run_queue_ns, report.switches.on_cpu_ns) = (run_queue_ns, on_cpu_ns);
            let found = cpus(&report).map(|found| found.finding.text.to_string());
            assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
            assert!(expected.is_none_or(|part| found.unwrap().contains(part)), "{part:?}", part = expected);
        }
    }
}
