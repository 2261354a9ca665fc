//! Whether tracing will work, found out by trying; and what to do where it will not.

mod check;
mod kernel;
mod process;
mod rights;
mod text;
mod trial;

use serde::Serialize;

pub use check::Check;
pub use text::render;

use crate::error::ErrorKind;
use crate::event::Pid;

/// What was checked, in the order in which tracing would fail on it: `tracer.doctor/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checkup {
    /// Which object this is.
    pub schema: &'static str,
    /// One thing each.
    pub checks: Vec<Check>,
}

/// Checks this machine, and a process if one is named.
#[must_use]
pub fn examine(pid: Option<Pid>) -> Checkup {
    let mut checks = kernel::checks();
    checks.extend(rights::checks());
    checks.extend(trial::checks());
    let works_here = checks.iter().all(|check| check.stops().is_none());
    checks.extend(pid.into_iter().flat_map(|pid| process::checks(pid, works_here)));
    Checkup { schema: "tracer.doctor/1", checks }
}

impl Checkup {
    /// Why tracing would not work, if something stands in the way.
    #[must_use]
    pub fn stops(&self) -> Option<ErrorKind> {
        self.checks.iter().find_map(Check::stops)
    }
}
