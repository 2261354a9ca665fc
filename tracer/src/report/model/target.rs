//! Who was traced, by what, where and when.

use serde::{Deserialize, Serialize};

use super::frame::Stack;
use super::vocabulary::vocabulary;
use crate::report::{Bounded, Name, NoTotals, Row};
use crate::sections::Section;

/// The program that wrote the report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracerInfo {
    /// Its version, `0.1.0`.
    pub version: String,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Kernel release, from `uname`.
    pub kernel: String,
    /// Machine, from `uname`: `x86_64`.
    pub arch: String,
    /// CPUs online.
    pub cpus: u64,
}

/// The processes that were traced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The roots that were asked for.
    pub pids: Vec<u32>,
    /// Roots and followed children.
    pub processes: Bounded<Process>,
}

/// One traced process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Process.
    pub pid: u32,
    /// Its parent when it was first seen.
    pub ppid: u32,
    /// The kernel's name for it, at most 15 bytes.
    pub comm: Name,
    /// Its command line, as it presents itself.
    pub title: Name,
    /// The executable's path.
    pub exe: Option<Name>,
    /// CPython's version, `3.11.2`; unknown where the process is not Python.
    pub python: Option<Name>,
    /// Whether the build has no GIL.
    pub free_threaded: Option<bool>,
    /// Whether it was asked for, not followed.
    pub root: bool,
    /// Where its parent was when it forked.
    pub started_by: Option<Stack>,
    /// When it was forked, if while tracing.
    pub at_ns: Option<u64>,
    /// When it ended, if while tracing.
    pub ended_at_ns: Option<u64>,
}

impl Row for Process {
    type Totals = NoTotals;

    fn add_to(&self, _: &mut NoTotals) {}
}

/// The time that the report is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// RFC 3339 in UTC with nine digits of a second.
    pub start: String,
    /// The same moment in nanoseconds of `CLOCK_MONOTONIC`.
    pub start_monotonic_ns: u64,
    /// Length of the window.
    pub duration_ns: u64,
    /// Why it ended.
    pub ended: Ended,
    /// What was looked for; the other sections are empty because nobody asked.
    pub sections: Vec<Section>,
}

vocabulary! {
    /// What ended the window.
    #[derive(Default)]
    Ended {
        /// `--duration` had passed.
        #[default]
        Duration = "duration",
        /// Ctrl-C or a signal.
        Interrupt = "interrupt",
        /// Every root had exited.
        TargetExited = "target_exited",
        /// The rule of `--until` held.
        Until = "until",
    }
}
