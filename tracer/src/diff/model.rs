//! The diff object, `tracer.diff/1`.

use serde::{Serialize, Serializer};

use crate::report::{Name, Report};

/// Stands for `"tracer.diff/1"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema;

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("tracer.diff/1")
    }
}

/// What two runs differ in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// Which object this is.
    pub schema: Schema,
    /// The first run.
    pub before: Side,
    /// The second run.
    pub after: Side,
    /// How fast the second run did what the first did: 0.5 is half as often by the second.
    pub pace: f64,
    /// Figures that were compared.
    pub compared: u64,
    /// Those that differ, dearest first.
    pub differences: Vec<Difference>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// When it began.
    pub start: String,
    /// Length of its window.
    pub duration_ns: u64,
    /// Samples a second on each CPU.
    pub rate_hz: u64,
    /// Samples taken.
    pub samples: u64,
}

impl Side {
    /// Of a report.
    pub fn from_report(report: &Report) -> Self {
        Self {
            start: report.window.start.clone(),
            duration_ns: report.window.duration_ns,
            rate_hz: report.frames.rate_hz,
            samples: report.quality.samples.taken,
        }
    }
}

/// What a figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// CPU time of a function, from samples: nanoseconds by the second.
    Cpu,
    /// Time off the CPU for one cause: nanoseconds by the second.
    Wait,
    /// Calls that read a file: calls by the second.
    Reads,
    /// Time of garbage collections that a function set off: nanoseconds by the second.
    Gc,
    /// Signals of one name: by the second.
    Signals,
    /// Children that were not waited for: by the second.
    Zombies,
    /// Children that outlived their parent: by the second.
    Orphans,
}

impl Kind {
    /// Whether its figures are times; else they are counts.
    #[must_use]
    pub fn is_time(self) -> bool {
        matches!(self, Self::Cpu | Self::Wait | Self::Gc)
    }
}

/// A figure that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// What it is of.
    pub kind: Kind,
    /// The cause of a wait, the path of a file, the name of a signal.
    pub what: Option<Name>,
    /// The function, where there is one.
    pub function: Option<Name>,
    /// Its file.
    pub file: Option<Name>,
    /// The line of it that differs most, in the second run if it has one.
    pub line: Option<u32>,
    /// In the first run, by the second.
    pub before: f64,
    /// In the second run, by the second.
    pub after: f64,
    /// How probable it is to see such a difference, or a greater one, where there is none.
    pub p: f64,
    /// Whether the second run has more of it than the pace of its work explains.
    pub more: bool,
}

impl Difference {
    /// To put the dearest first: a nanosecond each for times, a microsecond a call for what is counted.
    pub(super) fn weight(&self) -> f64 {
        let scale = if self.kind.is_time() { 1.0 } else { 1_000.0 };
        (self.after - self.before).abs() * scale
    }
}

impl Diff {
    /// As one object, and a line break.
    #[must_use]
    pub fn to_json(&self, pretty: bool) -> String {
        let json = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
        json(self).expect("every key is a string") + "\n"
    }

    /// Whether the second run has more of anything.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        self.differences.iter().any(|difference| difference.more)
    }
}
