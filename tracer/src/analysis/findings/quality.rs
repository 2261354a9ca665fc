//! What the trace itself lacks.

use super::RankedFinding;
use crate::report::{FindingKind, Report, Severity};
use crate::units::{count, percent};

/// Fewer samples prove nothing: threads that begin or end have no stack for a moment.
const ENOUGH: u64 = 10;

/// One sentence for each way in which figures are too low.
pub fn quality(report: &Report) -> Vec<RankedFinding> {
    let others = [skipped(report), unresolved(report), disagreement(report)];
    lost(report).chain(others.into_iter().flatten()).collect()
}

fn found(report: &Report, severity: Severity, text: String) -> RankedFinding {
    let pid = report.target.pids.first().copied().unwrap_or_default();
    RankedFinding::new(FindingKind::Quality, severity, pid, text)
}

/// One sentence a section: each has its own figures.
fn lost(report: &Report) -> impl Iterator<Item = RankedFinding> {
    report.quality.sections.iter().filter_map(|(name, section)| {
        let text = section.text.as_ref()?.to_string();
        let found = found(report, Severity::Warn, text).with("section", name.as_str());
        Some(found.with("lost", section.lost()).with("hits", section.hits))
    })
}

fn skipped(report: &Report) -> Option<RankedFinding> {
    let missed = report.quality.kernel_missed;
    let text =
        format!("the kernel skipped {} runs of probes: up to as many events are missing", count(missed));
    (missed > 0).then(|| found(report, Severity::Warn, text).with("kernel_missed", missed))
}

fn unresolved(report: &Report) -> Option<RankedFinding> {
    let samples = &report.quality.samples;
    let without = samples.faulted + samples.unresolved;
    let share = percent(without, samples.taken);
    let text = format!("{share} of the samples have no stack: their lines are missing under FRAMES");
    let severe = without * 10 > samples.taken;
    let severity = if severe { Severity::Warn } else { Severity::Info };
    (without >= ENOUGH && without * 100 > samples.taken)
        .then(|| found(report, severity, text).with("unresolved", without))
}

/// The kernel's counts are read while threads run: what fell between is known, but for a few.
fn disagreement(report: &Report) -> Option<RankedFinding> {
    let switches = &report.switches;
    let kernel = switches.kernel_voluntary + switches.kernel_involuntary;
    let ours = switches.checked_voluntary + switches.checked_involuntary;
    let text = format!(
        "the kernel counted {} context switches, tracer {} of the same threads: figures under CONTEXT SWITCHES are off",
        count(kernel),
        count(ours)
    );
    let apart = kernel.abs_diff(ours);
    let evidence = |found: RankedFinding| found.with("kernel", kernel).with("checked", ours);
    (apart > 10 + switches.in_doubt && apart * 100 > kernel)
        .then(|| evidence(found(report, Severity::Warn, text)))
}
