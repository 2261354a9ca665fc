//! What the stacks of a report weigh: samples, time off the CPU, time waited for the GIL, bytes read.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::report::{Frame, HotStack, Name, Read, Report, Sentence, SwitchCause};

/// What a flame graph is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// On-CPU samples.
    #[default]
    Cpu,
    /// Time off the CPU, by what was waited for.
    OffCpu,
    /// Time waited for the GIL: a part of the time off the CPU.
    Gil,
    /// Bytes read, by file.
    Reads,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cpu, Self::OffCpu, Self::Gil, Self::Reads];

    /// The word for it on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::OffCpu => "off-cpu",
            Self::Gil => "gil",
            Self::Reads => "reads",
        }
    }

    /// What it is, for a title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Cpu => "on-CPU samples",
            Self::OffCpu => "off-CPU time",
            Self::Gil => "time waited for the GIL",
            Self::Reads => "bytes read",
        }
    }

    /// What it counts in.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Cpu => "samples",
            Self::OffCpu | Self::Gil => "ns",
            Self::Reads => "bytes",
        }
    }
}

impl FromStr for Measure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|measure| measure.name() == text);
        known.ok_or_else(|| format!("there are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// One stack, and what it weighs.
#[derive(Clone, Debug)]
pub struct Weight<'a> {
    /// Its process; none where that is not reported.
    pub process: Option<NamedProcess<'a>>,
    /// Its thread, where stacks are listed by thread.
    pub thread: Option<NamedThread<'a>>,
    /// Innermost first.
    pub stack: &'a [Frame],
    /// What was inside of the innermost frame: a wait, a file; or why there is no frame.
    pub inside: Option<String>,
    /// Why the thread was off its CPU.
    pub cause: Option<&'static str>,
    /// How much, in the measure's unit.
    pub value: u64,
}

/// A process.
#[derive(Clone, Copy, Debug)]
pub struct NamedProcess<'a> {
    /// Its number.
    pub pid: u32,
    /// The kernel's name for it, if it is known.
    pub comm: Option<&'a Name>,
}

/// A thread.
#[derive(Clone, Copy, Debug)]
pub struct NamedThread<'a> {
    /// Its number.
    pub tid: u32,
    /// Its name.
    pub name: Option<&'a Name>,
}

/// A frame as other tools show it: safe to print, and never ending in a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// The function, or what is there instead of one.
    pub name: String,
    /// Its file.
    pub file: Option<String>,
    /// The line executing.
    pub line: Option<u32>,
}

/// Every stack that weighs something, and what has no stack. Together they are what the report has in total.
pub fn weights(report: &Report, measure: Measure) -> Vec<Weight<'_>> {
    let processes = ProcessNames::new(report);
    let mut weights = match measure {
        Measure::Cpu => cpu(report, &processes),
        Measure::OffCpu => off_cpu(report, &processes, |_| true),
        Measure::Gil => off_cpu(report, &processes, |row| row.cause == crate::report::Cause::Gil),
        Measure::Reads => report.reads.rows.iter().map(|row| read(row, &processes)).collect(),
    };
    let listed = weights.iter().map(|weight| weight.value).sum::<u64>();
    weights.push(apart("[omitted]", total(report, measure).saturating_sub(listed)));
    weights.retain(|weight| weight.value > 0);
    weights
}

/// What the report says of a measure as a whole.
pub fn total(report: &Report, measure: Measure) -> u64 {
    match measure {
        Measure::Cpu => report.quality.samples.taken,
        Measure::OffCpu => report.switches.causes.sum().totals.off_cpu_ns,
        Measure::Gil => report.gil.as_ref().map_or(0, |gil| gil.wait_ns),
        Measure::Reads => report.reads.sum().totals.bytes,
    }
}

fn cpu<'a>(report: &'a Report, processes: &ProcessNames<'a>) -> Vec<Weight<'a>> {
    let samples = &report.quality.samples;
    let without = [
        ("[no Python frame]", samples.no_python_frame),
        ("[stack not readable]", samples.faulted),
        ("[stack without names]", samples.unresolved),
    ];
    let stacks = report.frames.stacks.rows.iter().map(|row| sampled(row, processes));
    stacks.chain(without.map(|(why, samples)| apart(why, samples))).collect()
}

fn sampled<'a>(row: &'a HotStack, processes: &ProcessNames<'a>) -> Weight<'a> {
    Weight {
        process: Some(processes.get(row.pid)),
        thread: Some(NamedThread { tid: row.tid, name: row.thread_name.as_ref() }),
        stack: &row.stack,
        inside: None,
        cause: None,
        value: row.samples,
    }
}

fn off_cpu<'a>(
    report: &'a Report,
    processes: &ProcessNames<'a>,
    wanted: impl Fn(&SwitchCause) -> bool,
) -> Vec<Weight<'a>> {
    let rows = report.switches.causes.rows.iter().filter(|row| wanted(row));
    let weight = |row: &'a SwitchCause| Weight {
        process: Some(processes.get(row.pid)),
        thread: None,
        stack: row.stack.as_deref().unwrap_or_default(),
        inside: Some(waited(row)),
        cause: Some(row.cause.as_str()),
        value: row.off_cpu_ns,
    };
    rows.map(weight).collect()
}

/// `[read: pread64 /proc/self/stat]`
fn waited(row: &SwitchCause) -> String {
    let object = row.object.as_ref().map(Name::to_string);
    let words: Vec<_> = [row.syscall.clone(), object].into_iter().flatten().collect();
    let of = if words.is_empty() { "" } else { ": " };
    format!("[{}{of}{}]", row.cause, words.join(" "))
}

fn read<'a>(row: &'a Read, processes: &ProcessNames<'a>) -> Weight<'a> {
    Weight {
        process: Some(processes.get(row.pid)),
        thread: None,
        stack: row.stack.as_deref().unwrap_or_default(),
        inside: Some(format!("[{}: {}]", row.syscall, row.path)),
        cause: None,
        value: row.bytes,
    }
}

/// What belongs to no process that is listed.
fn apart<'a>(why: &str, value: u64) -> Weight<'a> {
    Weight { process: None, thread: None, stack: &[], inside: Some(why.to_owned()), cause: None, value }
}

impl Weight<'_> {
    /// The process first, then its frames, outermost first.
    pub fn labels(&self) -> Vec<Label> {
        let process = self.process.map(|process| Label::word(&process.to_string()));
        process.into_iter().chain(self.frames().into_iter().rev()).collect()
    }

    /// Innermost first, without the process.
    pub fn frames(&self) -> Vec<Label> {
        let inside = self.inside.as_deref().map(Label::word);
        inside.into_iter().chain(self.stack.iter().map(Label::from_frame)).collect()
    }
}

/// `gunicorn (4242)`
impl fmt::Display for NamedProcess<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comm = self.comm.map_or_else(|| "process".to_owned(), Name::to_string);
        write!(f, "{comm} ({})", self.pid)
    }
}

impl Label {
    fn from_frame(frame: &Frame) -> Self {
        Self { name: frame.function.to_string(), file: Some(frame.file.to_string()), line: frame.line }
    }

    /// A saved report may have been changed by anybody: also our own words are made safe.
    fn word(text: &str) -> Self {
        Self { name: Sentence::new(text).to_string(), file: None, line: None }
    }
}

/// `encode (json/encoder.py:200)`
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (None, _) => f.write_str(&self.name),
            (Some(file), None) => write!(f, "{} ({file})", self.name),
            (Some(file), Some(line)) => write!(f, "{} ({file}:{line})", self.name),
        }
    }
}

/// The names of processes.
struct ProcessNames<'a>(HashMap<u32, &'a Name>);

impl<'a> ProcessNames<'a> {
    fn new(report: &'a Report) -> Self {
        Self(report.target.processes.rows.iter().map(|process| (process.pid, &process.comm)).collect())
    }

    fn get(&self, pid: u32) -> NamedProcess<'a> {
        NamedProcess { pid, comm: self.0.get(&pid).copied() }
    }
}
