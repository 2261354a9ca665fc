//! The figures that two reports have, side by side.

use std::collections::BTreeMap;

use super::model::{Difference, Kind};
use super::significance;
use crate::report::{Cause, Frame, Name, Report};
use crate::sections::Section;

/// A function; code that was changed between the runs has its lines elsewhere.
type FunctionInFile = Option<(Name, Name)>;

/// One figure of two runs.
#[derive(Clone, Debug, Default)]
pub struct ComparedRow {
    key: Option<ComparedKey>,
    /// The first run and the second.
    pub sides: [Amount; 2],
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ComparedKey {
    kind: Kind,
    what: Option<Name>,
    place: FunctionInFile,
}

/// How much of it one run has.
#[derive(Clone, Debug, Default)]
pub struct Amount {
    /// Events.
    pub count: u64,
    /// Their sum, in the unit of the kind: nanoseconds, or the events.
    pub sum: f64,
    /// How long it was watched, in seconds; of samples, how many there could be.
    exposure: f64,
    /// Seconds of the window.
    seconds: f64,
    /// The same by line.
    lines: BTreeMap<u32, f64>,
}

/// Everything that is in either report, of the sections that both have.
pub fn rows(before: &Report, after: &Report) -> Vec<ComparedRow> {
    let mut rows = BTreeMap::<ComparedKey, ComparedRow>::new();
    for (side, report) in [before, after].into_iter().enumerate() {
        collect(report, &mut |key, frame, count, sum| {
            rows.entry(key).or_default().sides[side].add(frame, count, sum);
        });
    }
    rows.retain(|key, _| [before, after].iter().all(|report| has(report, key.kind)));
    let exposed = |(key, mut row): (ComparedKey, ComparedRow)| {
        for (amount, report) in row.sides.iter_mut().zip([before, after]) {
            amount.seconds = watched_ns(report, key.kind).max(1) as f64 / 1e9;
            let rate = if key.kind == Kind::Cpu { report.frames.rate_hz.max(1) as f64 } else { 1.0 };
            amount.exposure = amount.seconds * rate;
        }
        row.key = Some(key);
        row
    };
    rows.into_iter().map(exposed).collect()
}

fn has(report: &Report, kind: Kind) -> bool {
    report.window.sections.contains(&match kind {
        Kind::Cpu => Section::Frames,
        Kind::Wait => Section::Switches,
        Kind::Reads => Section::Reads,
        Kind::Gc => Section::Gc,
        Kind::Signals => Section::Signals,
        Kind::Zombies | Kind::Orphans => Section::Processes,
    })
}

/// Where the budget did not suffice, reads were watched for less than the window.
fn watched_ns(report: &Report, kind: Kind) -> u64 {
    let covered = report.overhead.reads_covered_ns.filter(|_| kind == Kind::Reads);
    covered.unwrap_or(report.window.duration_ns)
}

type Add<'a> = dyn FnMut(ComparedKey, Option<&Frame>, u64, f64) + 'a;

fn collect(report: &Report, add: &mut Add<'_>) {
    let sample_ns = 1e9 / report.frames.rate_hz.max(1) as f64;
    let mut add = |kind, what: Option<Name>, frame: Option<&Frame>, count: u64, sum: f64| {
        let place = frame.map(|frame| (frame.file.clone(), frame.function.clone()));
        add(ComparedKey { kind, what, place }, frame, count, sum);
    };
    for row in &report.frames.hot.rows {
        add(Kind::Cpu, None, Some(&row.frame), row.self_samples, row.self_samples as f64 * sample_ns);
    }
    let waits = report.switches.causes.rows.iter().filter(|row| is_of_the_program(row.cause));
    for row in waits {
        let frame = row.stack.as_deref().and_then(<[_]>::first);
        add(Kind::Wait, Some(row.cause.as_str().into()), frame, row.count, row.off_cpu_ns as f64);
    }
    for row in &report.reads.rows {
        let frame = row.stack.as_deref().and_then(<[_]>::first);
        add(Kind::Reads, Some(general(&row.path)), frame, row.syscalls, row.syscalls as f64);
    }
    for row in report.gc.iter().flat_map(|gc| &gc.pauses.rows) {
        add(Kind::Gc, None, row.started_by.as_ref(), row.count, row.total_ns as f64);
    }
    for row in &report.signals.rows {
        add(Kind::Signals, Some(row.signal.as_str().into()), None, row.count, row.count as f64);
    }
    let (zombies, orphans) = (report.processes.zombies.sum(), report.processes.orphans.sum());
    add(Kind::Zombies, None, None, zombies.omitted, zombies.omitted as f64);
    add(Kind::Orphans, None, None, orphans.omitted, orphans.omitted as f64);
}

/// Others take the CPU away, and there is nothing to do: neither is what the program does.
fn is_of_the_program(cause: Cause) -> bool {
    !matches!(cause, Cause::Preempted | Cause::Poll | Cause::Exit | Cause::Stopped)
}

/// `/proc/7/stat` of one run is `/proc/9/stat` of another; and so are ports and numbers of pipes.
fn general(path: &Name) -> Name {
    let mut general: Vec<u8> =
        path.as_bytes().iter().map(|byte| if byte.is_ascii_digit() { b'#' } else { *byte }).collect();
    general.dedup_by(|next, before| (*next, *before) == (b'#', b'#'));
    Name::new(general)
}

impl Amount {
    fn add(&mut self, frame: Option<&Frame>, count: u64, sum: f64) {
        self.count += count;
        self.sum += sum;
        if let Some(line) = frame.and_then(|frame| frame.line) {
            *self.lines.entry(line).or_default() += sum;
        }
    }

    /// By the second.
    pub fn rate(&self) -> f64 {
        self.sum / self.seconds
    }
}

impl ComparedRow {
    fn key(&self) -> &ComparedKey {
        self.key.as_ref().expect("every row has got its key")
    }

    /// Whether it is of CPU time.
    pub fn is_cpu(&self) -> bool {
        self.key().kind == Kind::Cpu
    }

    /// How probable the second side is, had it the rate of the first at this pace.
    pub fn chance(&self, pace: f64) -> f64 {
        let [first, second] = &self.sides;
        let exposure = second.exposure * pace;
        match self.key().kind {
            Kind::Wait | Kind::Gc => significance::of_sums(
                (first.sum, first.count),
                (second.sum, second.count),
                first.exposure,
                exposure,
            ),
            _ => significance::of_counts(first.count, second.count, first.exposure, exposure),
        }
    }

    /// What the second run has by the second beyond the first's at this pace.
    pub fn excess(&self, pace: f64) -> f64 {
        self.sides[1].rate() - self.sides[0].rate() * pace
    }

    /// Below that a difference is not worth a word: a hundredth of a CPU or of the time, ten calls a second, an event in ten
    /// seconds.
    pub fn least(&self) -> f64 {
        match self.key().kind {
            Kind::Cpu | Kind::Wait => 1e7,
            Kind::Gc => 2e6,
            Kind::Reads => 10.0,
            Kind::Signals | Kind::Zombies | Kind::Orphans => 0.1,
        }
    }

    /// As a difference.
    pub fn difference(&self, p: f64, pace: f64) -> Difference {
        let [before, after] = &self.sides;
        let key = self.key().clone();
        let (file, function) = key.place.unzip();
        Difference {
            kind: key.kind,
            what: key.what,
            function,
            file,
            line: self.line(),
            before: before.rate(),
            after: after.rate(),
            p,
            more: self.excess(pace) > 0.0,
        }
    }

    /// The line that has changed most by the second; of those that the second run has, if it has any.
    fn line(&self) -> Option<u32> {
        let [before, after] = &self.sides;
        let lines = if after.lines.is_empty() { &before.lines } else { &after.lines };
        let of = |side: &Amount, line: &u32| side.lines.get(line).unwrap_or(&0.0) / side.seconds;
        let changed = |line: &&u32| (of(after, line) - of(before, line)).abs();
        lines.keys().max_by(|a, b| changed(a).total_cmp(&changed(b))).copied()
    }
}
