//! Children that are asked again and again whether they have ended.

use super::whose::Whose;
use super::{RankedFinding, grouped, own, place};
use crate::report::{FindingKind, Frame, HotStack, Programs, Report, Severity};
use crate::units::percent;

/// Fewer samples prove nothing.
const SAMPLES: u64 = 20;
/// From so many of all samples on, as a percentage.
const SHARE: u64 = 5;

/// One sentence for each line that polls without a pause: a loop that sleeps in between costs nothing, and is no finding.
pub fn polls(report: &Report, programs: &Programs) -> Vec<RankedFinding> {
    let polling = report.frames.stacks.rows.iter().filter(|row| row.stack.iter().any(is_poll));
    let groups = grouped(polling, |row| (programs.first(row.pid), own(Some(&row.stack)).cloned()));
    groups.iter().filter_map(|group| poll(report, group)).collect()
}

fn poll(report: &Report, group: &[&HotStack]) -> Option<RankedFinding> {
    let (first, all) = (group[0], report.quality.samples.taken);
    let whose = Whose::new(group.iter().map(|row| (row.pid, row.samples)));
    let samples = whose.cost();
    let line = own(Some(&first.stack)).filter(|frame| !is_poll(frame))?;
    if samples < SAMPLES || samples * 100 < all * SHARE {
        return None;
    }
    let text = format!(
        "{} {} again and again, without a pause, whether a child has ended: {} of the CPU time is spent in poll() at \
         {}{}; use wait(timeout=...), which sleeps",
        whose.text(report),
        whose.verb("asks", "ask"),
        percent(samples, all),
        place(line),
        whose.outliers_by_samples(report, |samples| percent(samples, all)),
    );
    let found = RankedFinding::new(FindingKind::ChildPoll, Severity::Warn, whose.pid(), text).at(Some(line));
    let cost_ns = samples * 1_000_000_000 / report.frames.rate_hz.max(1);
    Some(found.costs(cost_ns).with("samples", samples).whose(&whose))
}

/// `subprocess.Popen.poll`, `multiprocessing.Process.is_alive` and its `exitcode`: the functions below them that ask.
/// <https://github.com/python/cpython/blob/v3.12.1/Lib/subprocess.py#L1966>
/// <https://github.com/python/cpython/blob/v3.12.1/Lib/multiprocessing/popen_fork.py#L24>
fn is_poll(frame: &Frame) -> bool {
    let (file, function) = (frame.file.as_bytes(), frame.function.as_bytes());
    let name = function.rsplit(|&byte| byte == b'.').next().unwrap_or(function);
    (file.ends_with(b"/subprocess.py") && matches!(name, b"poll" | b"_internal_poll"))
        || (file.ends_with(b"/multiprocessing/popen_fork.py") && name == b"poll")
}
