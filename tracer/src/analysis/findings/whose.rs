//! Whose a finding is: that of one process, or of several that run one program.

use super::{RankedFinding, process};
use crate::report::{Fact, Report};

/// Pids that a sentence names.
const NAMED: usize = 4;
/// From so many times the median of the others on, a process is named with its own figure.
const FAR: u64 = 2;

/// Processes, and what part of the cost each has; the greatest first.
pub struct Whose {
    parts: Vec<(u32, u64)>,
}

impl Whose {
    /// Of rows: their processes, and their costs.
    pub fn new(parts: impl IntoIterator<Item = (u32, u64)>) -> Self {
        let mut sums = Vec::<(u32, u64)>::new();
        for (pid, cost) in parts {
            match sums.iter_mut().find(|(known, _)| *known == pid) {
                Some((_, sum)) => *sum += cost,
                None => sums.push((pid, cost)),
            }
        }
        sums.sort_by_key(|&(pid, cost)| (std::cmp::Reverse(cost), pid));
        Self { parts: sums }
    }

    /// The process that it costs most.
    pub fn pid(&self) -> u32 {
        self.parts.first().map_or(0, |(pid, _)| *pid)
    }

    /// The cost of the one that it costs most.
    pub fn greatest(&self) -> u64 {
        self.parts.first().map_or(0, |(_, cost)| *cost)
    }

    /// Whether a process is among them.
    pub fn has(&self, pid: u32) -> bool {
        self.parts.iter().any(|(known, _)| *known == pid)
    }

    /// Whether there are several.
    pub fn several(&self) -> bool {
        self.parts.len() > 1
    }

    /// The cost of all of them.
    pub fn cost(&self) -> u64 {
        self.parts.iter().map(|(_, cost)| cost).sum()
    }

    /// `pid 830 (gunicorn)`, `8 workers (gunicorn, pids 830, 831, 832, 833 and 4 more)`
    pub fn text(&self, report: &Report) -> String {
        let pids = self.pids();
        let [first, _, ..] = pids[..] else { return process(report, self.pid()) };
        let comm = row(report, first).map_or_else(String::new, |row| format!("{}, ", row.comm));
        let named: Vec<_> = pids.iter().take(NAMED).map(ToString::to_string).collect();
        let more = match pids.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{} {} ({comm}pids {}{more})", pids.len(), self.noun(report), named.join(", "))
    }

    /// A master that does the same as its workers is none.
    fn noun(&self, report: &Report) -> &'static str {
        let below = |(pid, _): &(u32, u64)| row(report, *pid).is_some_and(|row| self.has(row.ppid));
        if self.parts.iter().any(below) { "processes" } else { "workers" }
    }

    /// Whether it is one process, for which a verb takes an s.
    pub fn verb<'a>(&self, of_one: &'a str, of_several: &'a str) -> &'a str {
        if self.several() { of_several } else { of_one }
    }

    /// Their pids, in order.
    pub fn pids(&self) -> Vec<u32> {
        let mut pids: Vec<_> = self.parts.iter().map(|(pid, _)| *pid).collect();
        pids.sort_unstable();
        pids
    }

    /// `; much more in pid 832 (15.0 s) than in the others (median 3.00 s)`; nothing where all have about as much, or some
    /// have not lived long enough for it.
    pub fn outliers(&self, report: &Report, figure: impl Fn(u64) -> String) -> String {
        self.outliers_if(report, |_| true, figure)
    }

    /// The same of samples: as many more as chance does not make.
    pub fn outliers_by_samples(&self, report: &Report, figure: impl Fn(u64) -> String) -> String {
        self.outliers_if(report, |far| self.is_no_chance(far), figure)
    }

    fn outliers_if(
        &self,
        report: &Report,
        is_reported: impl Fn(usize) -> bool,
        figure: impl Fn(u64) -> String,
    ) -> String {
        let shortest = self.parts.iter().map(|&(pid, _)| lived_ns(report, pid)).min().unwrap_or(0);
        if FAR * shortest < report.window.duration_ns {
            return String::new();
        }
        // Half of them at most: what most have is usual.
        let most = (self.parts.len() / 2).min(NAMED);
        let is_far = |far: &usize| self.is_far(*far) && is_reported(*far);
        let Some(far) = (1..=most).rev().find(is_far) else { return String::new() };
        let named: Vec<_> =
            self.parts[..far].iter().map(|(pid, cost)| format!("pid {pid} ({})", figure(*cost))).collect();
        let others = match self.parts[far..] {
            [(pid, cost)] => format!("pid {pid} ({})", figure(cost)),
            _ => format!("the others (median {})", figure(self.median(far))),
        };
        format!("; much more in {} than in {others}", named.join(", "))
    }

    /// Whether each of the first so many is far from the others.
    fn is_far(&self, count: usize) -> bool {
        let least = self.parts[count - 1].1;
        least > 0 && least >= FAR * self.median(count)
    }

    /// Whether the first so many have more samples than the others by three standard deviations of the difference.
    fn is_no_chance(&self, count: usize) -> bool {
        const DEVIATIONS: u64 = 3;
        let (least, median) = (self.parts[count - 1].1, self.median(count));
        least.saturating_sub(median).pow(2) > DEVIATIONS.pow(2) * (least + median)
    }

    /// Of those after the first so many.
    fn median(&self, after: usize) -> u64 {
        let others = &self.parts[after..];
        u64::midpoint(others[others.len() / 2].1, others[(others.len() - 1) / 2].1)
    }
}

/// How long a process lived within the window.
fn lived_ns(report: &Report, pid: u32) -> u64 {
    let whole = report.window.duration_ns;
    let lived = |row: &crate::report::TargetProcess| {
        row.ended_at_ns.unwrap_or(whole).saturating_sub(row.at_ns.unwrap_or(0))
    };
    row(report, pid).map_or(whole, lived)
}

fn row(report: &Report, pid: u32) -> Option<&crate::report::TargetProcess> {
    report.target.processes.rows.iter().rfind(|process| process.pid == pid)
}

impl RankedFinding {
    /// Keeps the pids of several.
    pub fn whose(self, whose: &Whose) -> Self {
        if whose.several() { self.with("pids", Fact::Pids(whose.pids())) } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;
    use crate::report::TargetProcess;
    use crate::units::duration;

    const MS: u64 = 1_000_000;

    #[test]
    fn several_are_named_with_who_has_far_more() {
        let mut report = report();
        let worker = |pid| TargetProcess { pid, ppid: 7, comm: "serve".into(), ..TargetProcess::default() };
        report.target.processes.rows.extend((20..28).map(worker));
        for (parts, who, outliers) in [
            (vec![(20, 5 * MS)], "pid 20 (serve)", ""),
            (vec![(20, 2 * MS), (20, 3 * MS)], "pid 20 (serve)", ""),
            (vec![(20, 5 * MS), (21, 4 * MS)], "2 workers (serve, pids 20, 21)", ""),
            (
                vec![(20, 2 * MS), (21, 4 * MS)],
                "2 workers (serve, pids 20, 21)",
                "; much more in pid 21 (4.00 ms) than in pid 20 (2.00 ms)",
            ),
            (vec![(7, MS), (20, MS)], "2 processes (app, pids 7, 20)", ""),
            (
                (20..28).map(|pid| (pid, if pid == 23 { 40 * MS } else { 9 * MS })).collect(),
                "8 workers (serve, pids 20, 21, 22, 23 and 4 more)",
                "; much more in pid 23 (40.0 ms) than in the others (median 9.00 ms)",
            ),
            (
                vec![(20, 90 * MS), (21, 8 * MS), (22, 80 * MS), (23, 9 * MS)],
                "4 workers (serve, pids 20, 21, 22, 23)",
                "; much more in pid 20 (90.0 ms), pid 22 (80.0 ms) than in the others (median 8.50 ms)",
            ),
        ] {
            let whose = Whose::new(parts);
            assert_eq!(
                (whose.text(&report).as_str(), whose.outliers(&report, duration).as_str()),
                (who, outliers)
            );
        }
    }

    #[test]
    fn a_few_samples_more_are_chance() {
        for (samples, is_reported) in [([10, 4, 4], false), ([75, 31, 30], true)] {
            let (whose, report) = (Whose::new((20..).zip(samples)), report());
            assert!(
                whose.outliers(&report, |samples| samples.to_string()).starts_with("; much more in pid 20")
            );
            assert_eq!(
                !whose.outliers_by_samples(&report, |samples| samples.to_string()).is_empty(),
                is_reported
            );
        }
    }

    #[test]
    fn short_lives_make_no_outlier() {
        let whose = Whose::new([(20, 60), (21, 6), (22, 6)]);
        for (quarters, is_reported) in [(1, false), (2, true), (4, true)] {
            let mut report = report();
            let ended_at_ns = Some(report.window.duration_ns / 4 * quarters);
            report.target.processes.rows.push(TargetProcess {
                pid: 22,
                ended_at_ns,
                ..TargetProcess::default()
            });
            assert_eq!(
                !whose.outliers(&report, |cost| cost.to_string()).is_empty(),
                is_reported,
                "{quarters}"
            );
        }
    }
}
