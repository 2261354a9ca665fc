//! What a person should change, in sentences. They are made from the finished rows, and claim what these prove.

mod children;
mod cpus;
#[cfg(test)]
mod end_tests;
mod ends;
mod gc;
mod gil;
mod groups;
mod hot;
mod kills;
mod loops;
mod polls;
#[cfg(test)]
mod process_tests;
mod quality;
mod senders;
mod signal_delays;
#[cfg(test)]
mod small_read_tests;
mod small_reads;
mod stays;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wait_tests;
mod waits;
mod whose;
#[cfg(test)]
mod worker_tests;

use std::cmp::Reverse;

use super::lines::{is_standard_library, own_line};
use crate::report::{
    Bounded, Evidence, Fact, Finding, FindingKind, Frame, Programs, Report, Severity, Stack,
};
use crate::units::duration;

/// More than that are not read.
const MOST: usize = 10;

/// The findings of a report whose other sections are complete, gravest first.
#[must_use]
pub fn findings(report: &Report) -> Bounded<Finding> {
    let programs = &Programs::new(report);
    let all = [
        children::zombies(report, programs),
        children::orphans(report),
        groups::groups(report),
        kills::kills(report),
        ends::ends(report, programs),
        stays::stays(report),
        signal_delays::signal_delays(report, programs),
        waits::stuck(report, programs),
        gil::waits(report, programs),
        gil::sleeps(report, programs),
        waits::locks(report, programs),
        loops::loops_blocked(report, programs),
        gc::gc_pauses(report, programs),
        small_reads::small_reads(report, programs),
        polls::polls(report, programs),
        hot::hot_lines(report, programs),
        quality::quality(report),
        cpus::cpus(report).into_iter().collect(),
    ];
    let mut all = all.concat();
    all.sort_by_key(|found| (Reverse(found.finding.severity), Reverse(found.cost_ns)));
    all.into_iter().take(MOST).map(|found| found.finding).collect()
}

/// A finding, and what it costs: to compare with others that are as grave.
#[derive(Clone, Debug)]
struct RankedFinding {
    finding: Finding,
    cost_ns: u64,
}

impl RankedFinding {
    fn new(kind: FindingKind, severity: Severity, pid: u32, text: String) -> Self {
        let (text, frame, evidence) = (text.into(), None, Evidence::new());
        Self { finding: Finding { kind, severity, text, pid, frame, evidence }, cost_ns: 0 }
    }

    fn costs(self, cost_ns: u64) -> Self {
        Self { cost_ns, ..self }
    }

    /// What ended a process comes before all else that is as grave, the first end first.
    fn leads_by(self, at_ns: u64) -> Self {
        self.costs(u64::MAX - at_ns)
    }

    fn at(mut self, frame: Option<&Frame>) -> Self {
        self.finding.frame = frame.cloned();
        self
    }

    fn with(mut self, name: &str, fact: impl Into<Fact>) -> Self {
        self.finding.evidence.insert(name.into(), fact.into());
        self
    }
}

/// `metrics.py:41 in small_reads`
pub(super) fn place(frame: &Frame) -> String {
    let line = frame.line.map_or_else(String::new, |line| format!(":{line}"));
    format!("{}{line} in {}", frame.file, frame.function)
}

/// Where a stack is, in the past tense: ` at metrics.py:41 in small_reads`; nothing where it is not known.
fn at(stack: Option<&Stack>) -> String {
    own(stack).map_or_else(String::new, |frame| format!(" at {}", place(frame)))
}

/// The same, and the line that called it: ` at pool.py:5 in kill, called from pool.py:9 in murder_workers`.
fn at_called(stack: Option<&Stack>) -> String {
    let Some(frame) = own(stack) else { return String::new() };
    let callers = stack.into_iter().flatten().skip_while(|caller| *caller != frame).skip(1);
    let mut callers = callers.filter(|caller| !is_standard_library(caller.file.as_bytes()));
    let caller = callers.next().filter(|caller| caller.function.as_bytes() != b"<module>");
    let called = caller.map_or_else(String::new, |caller| format!(", called from {}", place(caller)));
    format!(" at {}{called}", place(frame))
}

/// `1.00 s after the start`, or of several `from 1.00 s to 3.00 s after the start`.
fn when([first, last]: [u64; 2]) -> String {
    match [first, last].map(duration) {
        [first, last] if first == last => format!("{first} after the start"),
        [first, last] => format!("from {first} to {last} after the start"),
    }
}

/// The line of a stack that a person can change.
fn own(stack: Option<&Stack>) -> Option<&Frame> {
    own_line(stack?)
}

/// `pid 4257 (convert)`
fn process(report: &Report, pid: u32) -> String {
    let known = report.target.processes.rows.iter().find(|process| process.pid == pid);
    known.map_or_else(|| format!("pid {pid}"), |process| format!("pid {pid} ({})", process.comm))
}

/// Groups rows by a key, in the order of their first rows.
fn grouped<R, K: PartialEq>(rows: impl IntoIterator<Item = R>, key: impl Fn(&R) -> K) -> Vec<Vec<R>> {
    let mut groups: Vec<(K, Vec<R>)> = Vec::new();
    for row in rows {
        let of = key(&row);
        match groups.iter_mut().find(|(key, _)| *key == of) {
            Some((_, group)) => group.push(row),
            None => groups.push((of, vec![row])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}
