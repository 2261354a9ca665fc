//! Who was traced, by what, where and when.

use serde::{Deserialize, Serialize};

use super::frame::{Frame, Stack};
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
    /// Roots and followed children, and what children the roots had before the window.
    pub processes: Bounded<TargetProcess>,
}

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetProcess {
    /// Process.
    pub pid: u32,
    /// As its own pid namespace numbers it, where that is another number: in a container.
    pub namespace_pid: Option<u32>,
    /// Its parent when it was first seen; 0 where that is outside of our pid namespace.
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
    /// The line of that stack that a person can change: the innermost one outside the standard library.
    pub started_at: Option<Frame>,
    /// When it was forked, if while tracing.
    pub at_ns: Option<u64>,
    /// When it ended, if while tracing.
    pub ended_at_ns: Option<u64>,
    /// By what kind of call it was made, if while tracing.
    pub how: Option<StartedHow>,
    /// The command line that it executed last, if while tracing; `title` is what it shows now.
    pub argv: Option<Vec<Name>>,
    /// The command line was longer than what is kept of it.
    pub argv_cut: bool,
    /// Process group when it was last read: at the latest of its birth, its exec, its end and the window's.
    pub pgid: Option<u32>,
    /// Session at the same time.
    pub sid: Option<u32>,
    /// Control group.
    pub cgroup: Option<Name>,
    /// Its exit code, if it exited.
    pub exit_code: Option<u32>,
    /// The signal that killed it, if one did: `SIGKILL`.
    pub exit_signal: Option<String>,
    /// Where it was when it ended, from Linux 6.16 on.
    pub ended_in: Option<EndedIn>,
    /// The kernel killed it because memory ran out.
    pub out_of_memory: bool,
    /// Which traced process waited for it.
    pub reaped_by: Option<u32>,
    /// When that process had its exit status, if that was seen.
    pub reaped_at_ns: Option<u64>,
}

impl Row for TargetProcess {
    type Totals = NoTotals;

    fn add_to(&self, _: &mut NoTotals) {}
}

/// Where a process was when it ended: the thread that called `exit_group`, or the main thread of one that was killed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedIn {
    /// Innermost first; unknown where no Python ran any more, as after `sys.exit`.
    pub stack: Option<Stack>,
    /// The system call that it was asleep in, or `exit_group`.
    pub syscall: Option<String>,
    /// The path or socket peer that this call was about.
    pub object: Option<Name>,
}

vocabulary! {
    /// By what kind of call a process was made.
    StartedHow {
        /// It has a copy of its parent's memory.
        Fork = "fork",
        /// It has its parent's memory until it executes a program.
        Vfork = "vfork",
        /// The same, by `posix_spawn`.
        PosixSpawn = "posix_spawn",
        /// `clone` with other flags.
        Clone = "clone",
    }
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
    /// Which rows of a recording were chosen; all if empty. Findings and `kernel_switches` are of all rows, and missing then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chosen: Vec<String>,
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
        /// The recording goes on; what comes later was not asked for.
        Range = "range",
        /// A flight recorder saved what it had; the run goes on.
        Saved = "saved",
    }
}
