//! Figures of a report that rules may name.

use crate::report::{Bounded, Frame, Gc, Loop, ReadTotals, Report, Row};

/// A figure that rules may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Children that were not waited for, or are not.
    Zombies,
    /// Children that outlived their parent.
    Orphans,
    /// Signals.
    Signals,
    /// Processes that were forked.
    Forks,
    /// What the worst section lost of its own hits: a share.
    Loss,
    /// Pauses for garbage collection.
    GcCount,
    /// Their time, in nanoseconds.
    GcTotal,
    /// The longest one, in nanoseconds.
    GcMax,
    /// The longest turn of an event loop, in nanoseconds.
    Loop,
    /// Calls that read.
    Reads,
    /// Of these, what larger buffers would save.
    ReadsAvoidable,
    /// Bytes that they returned.
    ReadsBytes,
    /// Context switches: the thread waited.
    Voluntary,
    /// Context switches: another had the CPU.
    Involuntary,
    /// Time waited for the GIL, all threads together, in nanoseconds.
    GilWait,
    /// Time runnable and without a CPU, all threads together, in nanoseconds.
    RunQueue,
    /// The share of the samples that a file, line or function has.
    Frame(FrameShare, String),
}

/// Which frames of a stack count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameShare {
    /// The innermost one.
    Own,
    /// Any of them.
    Total,
}

/// What they are called. Of those without a dot one may also be named in the singular.
pub const FIGURES: [(&str, Figure); 16] = [
    ("zombies", Figure::Zombies),
    ("orphans", Figure::Orphans),
    ("signals", Figure::Signals),
    ("forks", Figure::Forks),
    ("loss", Figure::Loss),
    ("loop", Figure::Loop),
    ("gc.count", Figure::GcCount),
    ("gc.total", Figure::GcTotal),
    ("gc.max", Figure::GcMax),
    ("reads", Figure::Reads),
    ("reads.avoidable", Figure::ReadsAvoidable),
    ("reads.bytes", Figure::ReadsBytes),
    ("switches.voluntary", Figure::Voluntary),
    ("switches.involuntary", Figure::Involuntary),
    ("gil.wait", Figure::GilWait),
    ("run_queue", Figure::RunQueue),
];

/// Those that are about a place in the code: `frame.self("json/encoder.py")`.
pub const PARTS: [(&str, FrameShare); 2] =
    [("frame.self", FrameShare::Own), ("frame.total", FrameShare::Total)];

impl Figure {
    /// What the report says of it.
    pub fn value(&self, report: &Report) -> Option<f64> {
        let (switches, quality) = (&report.switches, &report.quality);
        Some(match self {
            Self::Zombies => count(&report.processes.zombies),
            Self::Orphans => count(&report.processes.orphans),
            Self::Signals => report.signals.sum().totals.count as f64,
            Self::Forks => report.processes.forked as f64,
            Self::Loss => quality.worst_loss(),
            Self::GcCount => pauses(report)?.count as f64,
            Self::GcTotal => pauses(report)?.total_ns as f64,
            Self::GcMax => pauses(report)?.max_ns as f64,
            Self::Loop => longest_turn(report.loops.as_ref()?)? as f64,
            Self::Reads => reads(report).syscalls as f64,
            Self::ReadsAvoidable => reads(report).avoidable? as f64,
            Self::ReadsBytes => reads(report).bytes as f64,
            Self::Voluntary => switches.voluntary as f64,
            Self::Involuntary => switches.involuntary as f64,
            Self::GilWait => report.gil.as_ref()?.wait_ns as f64,
            Self::RunQueue => switches.run_queue_ns as f64,
            Self::Frame(part, place) => share(*part, place, report)?,
        })
    }
}

fn count<R: Row>(rows: &Bounded<R>) -> f64 {
    rows.sum().omitted as f64
}

fn reads(report: &Report) -> ReadTotals {
    report.reads.sum().totals
}

fn pauses(report: &Report) -> Option<crate::report::GcTotals> {
    let of = |gc: &Gc| gc.pauses.sum().totals;
    report.gc.as_ref().map(of)
}

fn longest_turn(loops: &Bounded<Loop>) -> Option<u64> {
    (!loops.is_empty()).then(|| loops.sum().totals.max_busy_ns)
}

/// Of all samples, also those whose stack is not known.
fn share(part: FrameShare, place: &str, report: &Report) -> Option<f64> {
    let samples = match part {
        FrameShare::Own => {
            let lines = report.frames.hot.rows.iter().filter(|row| is_at(&row.frame, place));
            lines.map(|row| row.self_samples).sum::<u64>()
        }
        FrameShare::Total => {
            let is_through = |stack: &[Frame]| stack.iter().any(|frame| is_at(frame, place));
            let stacks = report.frames.stacks.rows.iter().filter(|row| is_through(&row.stack));
            stacks.map(|row| row.samples).sum::<u64>()
        }
    };
    let taken = report.quality.samples.taken;
    (taken > 0).then(|| samples as f64 / taken as f64)
}

/// By the end of the file's path, with a line or without, or by the function's name.
fn is_at(frame: &Frame, place: &str) -> bool {
    let file = String::from_utf8_lossy(frame.file.as_bytes());
    let at = |path: &str| path.strip_suffix(place).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    let line = frame.line.map(|line| format!("{file}:{line}"));
    at(&file) || line.is_some_and(|line| at(&line)) || frame.function.as_bytes() == place.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{HotLine, HotStack};

    fn frame(function: &str, file: &str, line: u32) -> Frame {
        Frame { function: function.into(), file: file.into(), line: Some(line) }
    }

    #[test]
    fn a_place_is_a_files_end_a_line_or_a_function() {
        let frame = frame("JSONEncoder.encode", "/usr/lib/json/encoder.py", 200);
        for (place, expected) in [
            ("json/encoder.py", true),
            ("/usr/lib/json/encoder.py", true),
            ("encoder.py:200", true),
            ("JSONEncoder.encode", true),
            ("encoder.py:20", false),
            ("coder.py", false),
            ("encode", false),
            ("json", false),
        ] {
            assert_eq!(is_at(&frame, place), expected, "{place}");
        }
    }

    /// A stack counts once, however often the place is in it.
    #[test]
    fn shares_are_of_all_samples() {
        let (inner, outer) = (frame("f", "a.py", 1), frame("g", "b.py", 2));
        let mut report = Report::default();
        let line = |frame: &Frame, self_samples| HotLine {
            frame: frame.clone(),
            self_samples,
            total_samples: 70,
            ..HotLine::default()
        };
        report.frames.hot = [line(&inner, 60), line(&outer, 10)].into_iter().collect();
        let stack = |stack, samples| HotStack { stack, samples, ..HotStack::default() };
        report.frames.stacks =
            [stack(vec![inner.clone(), outer.clone(), outer.clone()], 60), stack(vec![outer], 10)]
                .into_iter()
                .collect();
        let of = |part, place: &str, report: &Report| Figure::Frame(part, place.to_owned()).value(report);
        assert_eq!(of(FrameShare::Own, "a.py", &report), None, "no samples, no share");
        report.quality.samples.taken = 100;
        for (part, place, expected) in [
            (FrameShare::Own, "a.py", 0.6),
            (FrameShare::Own, "b.py", 0.1),
            (FrameShare::Total, "b.py", 0.7),
            (FrameShare::Total, "c.py", 0.0),
        ] {
            assert_eq!(of(part, place, &report), Some(expected), "{part:?} {place}");
        }
    }
}
