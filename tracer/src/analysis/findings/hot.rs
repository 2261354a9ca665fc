//! Lines that took much of the CPU time.

use super::{Found, own, place};
use crate::report::{FindingKind, Frame, HotLine, Report, Severity};
use crate::units::{counted, percent};

/// Fewer samples prove nothing.
const ENOUGH: u64 = 50;

/// Lines that at least three of ten samples ended at.
pub fn hot_lines(report: &Report) -> Vec<Found> {
    let all = report.quality.samples.python;
    let is_hot = |line: &&HotLine| all >= ENOUGH && line.self_samples * 10 >= all * 3;
    report.frames.hot.rows.iter().filter(is_hot).map(|line| hot_line(report, line)).collect()
}

fn hot_line(report: &Report, line: &HotLine) -> Found {
    let all = report.quality.samples.python;
    let own = called_from(report, line);
    let via = if *own == line.frame { String::new() } else { format!(", called from {}", place(own)) };
    let text = format!(
        "{} of the CPU time is spent at {}{via} ({})",
        percent(line.self_samples, all),
        place(&line.frame),
        counted(line.self_samples, "sample"),
    );
    Found::new(FindingKind::HotLine, Severity::Info, line.pid, text)
        .costs(line.self_samples * 1_000_000_000 / report.frames.rate_hz.max(1))
        .at(Some(own))
        .with("self_samples", line.self_samples)
        .with("total_samples", line.total_samples)
}

/// The line of one's own that the hot line was reached by most often.
fn called_from<'a>(report: &'a Report, line: &'a HotLine) -> &'a Frame {
    let stacks = report.frames.stacks.rows.iter();
    let ending_here = stacks.filter(|row| row.pid == line.pid && row.stack.first() == Some(&line.frame));
    let most = ending_here.max_by_key(|row| row.samples);
    most.and_then(|row| own(Some(&row.stack))).unwrap_or(&line.frame)
}
