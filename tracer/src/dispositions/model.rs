//! The object `tracer.signals/1`.

use serde::Serialize;

use crate::report::{Disposition, Frame, Name};

/// What each signal of some processes would do now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Signals {
    /// Which object this is.
    pub schema: &'static str,
    /// In the order in which they were asked for.
    pub processes: Vec<ProcessSignals>,
}

impl Signals {
    /// The shape that this build writes.
    pub const SCHEMA: &'static str = "tracer.signals/1";
}

/// One process.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProcessSignals {
    /// Its id.
    pub pid: u32,
    /// Its command line as it stands now.
    pub title: Name,
    /// CPython's version.
    pub python: Option<Name>,
    /// What `signal.set_wakeup_fd` was given, as event loops do: every signal is written to it. `null` where it was given
    /// nothing, and from 3.9 to 3.11, whose variable is not to be found.
    pub wakeup_fd: Option<i32>,
    /// Those that are caught, ignored, blocked or pending, by number. The others do what they do by default.
    pub signals: Vec<Signal>,
    /// Those that block signals, or have some that wait for them.
    pub threads: Vec<ThreadSignals>,
}

/// One signal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Signal {
    /// Its name, `SIGTERM`.
    pub signal: String,
    /// Its number.
    pub number: u32,
    /// What it does.
    pub disposition: Disposition,
    /// What Python calls for it.
    pub handler: Option<Handler>,
    /// It waits for any thread that does not block it.
    pub pending: bool,
    /// It has arrived, and Python has not called the handler yet; `null` where that is not known.
    pub handler_pending: Option<bool>,
    /// The threads that block it.
    pub blocked_by: Vec<u32>,
}

/// What Python calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Handler {
    /// Its type: `function`, `method`, `builtin_function_or_method`, `functools.partial`.
    pub kind: Option<Name>,
    /// The function that runs, at its first line.
    pub frame: Option<Frame>,
    /// Its name, where it is none of Python's.
    pub name: Option<Name>,
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ThreadSignals {
    /// Its id.
    pub tid: u32,
    /// Its name.
    pub name: Option<Name>,
    /// What its mask holds back.
    pub blocked: Vec<String>,
    /// What waits for it alone.
    pub pending: Vec<String>,
}
