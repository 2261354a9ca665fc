//! Files that are read in pieces which are too small.

use super::whose::Whose;
use super::{RankedFinding, at, own};
use crate::report::{FileKind, FindingKind, Programs, Read, Report, Severity, Through, alike, joined};
use crate::units::{bytes, count, counted, duration};

/// Pieces up to this size are small.
const SMALL: u64 = 1_024;
/// In hundredths: headers that alternate with what they announce are not small reads.
const NEARLY_ALL: u64 = 90;
/// Fewer calls are not worth a sentence.
const MANY: u64 = 20;
/// Pieces that are not small have to be many more.
const VERY_MANY: u64 = 1_000;
/// So many that could be saved, or this share of the window spent on getting the GIL back, cost something.
const TOO_MANY: u64 = 10_000;
const TOO_LONG: u64 = 100;

/// One sentence for each line that reads a file in small pieces although more was there.
pub fn small_reads(report: &Report, programs: &Programs) -> Vec<RankedFinding> {
    let small = report.reads.rows.iter().filter(|read| is_small(read) && is_dear(report, read));
    alike(small, programs).iter().map(|reads| small_read(report, reads)).collect()
}

/// 100 calls a second, or a hundredth of the window or of its CPU time.
fn is_dear(report: &Report, read: &Read) -> bool {
    const A_SECOND: u128 = 100;
    let window = report.window.duration_ns;
    let busy = if report.switches.on_cpu_ns == 0 { window } else { report.switches.on_cpu_ns.min(window) };
    u128::from(read.syscalls) * 1_000_000_000 >= A_SECOND * u128::from(window)
        || read.cost_ns() * TOO_LONG >= busy
}

/// What would gain from a larger buffer; and what is read in small pieces that were full, which only fewer reads help.
fn is_small(read: &Read) -> bool {
    let asked: u64 = read.requested.iter().map(|(size, calls)| size * calls).sum();
    let in_full_pieces = has_a_length(read.kind)
        && read.syscalls >= MANY
        && read.asked(NEARLY_ALL) <= Some(SMALL)
        && read.bytes * 2 >= asked;
    let worth_a_sentence = if read.asked(50) <= Some(SMALL) { MANY } else { VERY_MANY };
    let can_be_saved = read.advice.is_some() && read.avoidable >= Some(worth_a_sentence);
    // Where nothing is known, a larger buffer is not the line's to choose, or would take the next message's bytes.
    can_be_saved || (in_full_pieces && read.avoidable == Some(0))
}

/// Messages have the size that their sender gave them.
fn has_a_length(kind: FileKind) -> bool {
    matches!(kind, FileKind::Procfs | FileKind::Sysfs | FileKind::File | FileKind::Pipe | FileKind::Memfd)
}

fn small_read(report: &Report, reads: &[&Read]) -> RankedFinding {
    let read = &joined(reads);
    let whose = Whose::new(reads.iter().map(|read| (read.pid, read.syscalls)));
    let asked = read.asked(50).unwrap_or(0);
    let text = format!(
        "{} {} {} {} at a time{}: {} for {}{}{}{}",
        whose.text(report),
        whose.verb("reads", "read"),
        read.path,
        bytes(asked),
        if read.through == Some(Through::Buffered) { ", the size of its buffer" } else { "" },
        counted(read.syscalls, "call"),
        bytes(read.bytes),
        price(read),
        whose.outliers(report, |calls| counted(calls, "call")),
        remedy(read, &whose),
    );
    let mut found = RankedFinding::new(FindingKind::SmallReads, severity(report, read), whose.pid(), text)
        .costs(read.cost_ns())
        .at(own(read.stack.as_ref()))
        .whose(&whose)
        .with("path", read.path.clone())
        .with("syscalls", read.syscalls)
        .with("bytes", read.bytes)
        .with("requested", asked);
    if let Some(avoidable) = read.avoidable {
        found = found.with("avoidable", avoidable);
    }
    found
}

fn severity(report: &Report, read: &Read) -> Severity {
    let waited_ns = read.gil_wait_ns.unwrap_or(0);
    let is_dear =
        read.avoidable.unwrap_or(0) >= TOO_MANY || waited_ns * TOO_LONG >= report.window.duration_ns;
    if read.advice.is_some() && is_dear { Severity::Warn } else { Severity::Info }
}

/// A read releases the GIL: beside other threads, getting it back is what a call costs most.
fn price(read: &Read) -> String {
    match (read.gil_waits, read.gil_wait_ns) {
        (Some(waits @ 1..), Some(wait_ns)) => {
            format!(", and {} for the GIL after them, {} in all", counted(waits, "wait"), duration(wait_ns))
        }
        _ => String::new(),
    }
}

/// The advice's figures are those of the process that would save most.
fn remedy(read: &Read, whose: &Whose) -> String {
    if let Some(advice) = &read.advice {
        let each = if whose.several() { "in the one that reads most, " } else { "" };
        return format!("; {each}{}", advice.text);
    }
    let at = at(read.stack.as_ref());
    match (read.avoidable, read.opens) {
        (Some(0), Some(opens)) if opens == read.syscalls => {
            format!("{at}, one each time it is opened; a larger buffer would save none: read it less often")
        }
        (Some(0), _) => format!("{at}; a larger buffer would save none: read it less often"),
        (Some(avoidable), _) => format!("{at}; a larger buffer would save {}", count(avoidable)),
        (None, _) => at,
    }
}
