//! Lines that took much of the CPU time.

use super::whose::Whose;
use super::{RankedFinding, own, place};
use crate::analysis::lines::is_own;
use crate::report::{FindingKind, Frame, HotLine, Programs, Report, Severity, alike, joined};
use crate::units::{counted, percent};

/// Fewer samples prove nothing.
const ENOUGH: u64 = 50;

/// Lines that at least three of ten samples ended at, of all that were taken, as in FRAMES; in all workers of a program
/// together.
pub fn hot_lines(report: &Report, programs: &Programs) -> Vec<RankedFinding> {
    let all = report.quality.samples.taken;
    let is_hot = |lines: &Vec<&HotLine>| all >= ENOUGH && joined(lines).self_samples * 10 >= all * 3;
    let lines = alike(&report.frames.hot.rows, programs).into_iter().filter(is_hot);
    lines.map(|lines| hot_line(report, &lines)).collect()
}

fn hot_line(report: &Report, lines: &[&HotLine]) -> RankedFinding {
    let all = report.quality.samples.taken;
    let whose = Whose::new(lines.iter().map(|line| (line.pid, line.self_samples)));
    let line = &joined(lines);
    let own = called_from(report, line);
    let via = if *own == line.frame { String::new() } else { format!(", called from {}", place(own)) };
    let text = format!(
        "{} {} {} of the CPU time at {}{via} ({}){}; {}",
        whose.text(report),
        whose.verb("spends", "spend"),
        percent(line.self_samples, all),
        place(&line.frame),
        counted(line.self_samples, "sample"),
        whose.outliers_by_samples(report, |samples| percent(samples, all)),
        remedy(own),
    );
    RankedFinding::new(FindingKind::HotLine, Severity::Info, whose.pid(), text)
        .costs(line.self_samples * 1_000_000_000 / report.frames.rate_hz.max(1))
        .at(Some(own))
        .whose(&whose)
        .with("self_samples", line.self_samples)
        .with("total_samples", line.total_samples)
}

/// A worker of a pool that runs a compiled module is nowhere but in the library's own loop.
fn remedy(own: &Frame) -> &'static str {
    if is_own(own) {
        "make it faster, or call it less often"
    } else {
        "no line outside the standard library called it: it calls compiled code, or this is the library's own work"
    }
}

/// The line of one's own that the hot line was reached by most often.
fn called_from<'a>(report: &'a Report, line: &'a HotLine) -> &'a Frame {
    let stacks = report.frames.stacks.rows.iter();
    let ending_here = stacks.filter(|row| row.pid == line.pid && row.stack.first() == Some(&line.frame));
    let most = ending_here.max_by_key(|row| row.samples);
    most.and_then(|row| own(Some(&row.stack))).unwrap_or(&line.frame)
}
