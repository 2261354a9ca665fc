//! Processes that are selected, and come while others of the selection are watched.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Selection, ids, processes};
use crate::event::Pid;
use crate::process::{self, Process};
use crate::python::{Interpreter, discover_briefly};

/// The list of all processes is read this often: 0.3 ms for a thousand of them.
const PERIOD: Duration = Duration::from_millis(200);
/// A process that is no Python by then is none: also a shell that executes one after some preparation.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longer than it takes to attach, and to become a Python.
const LATELY: Duration = Duration::from_secs(5);

/// Those that have come lately, and are not known to be Python or not.
pub struct Newcomers {
    selection: Selection,
    /// Every process that was there at the last scan.
    seen: HashSet<Pid>,
    candidates: Vec<(Pid, Instant)>,
    next: Instant,
}

impl Newcomers {
    /// Those that come from now on, and those that have come while others were attached to.
    #[must_use]
    pub fn new(selection: Selection, now: Instant) -> Self {
        let is_old = |process: &Process| process.age().is_ok_and(|age| age > LATELY);
        let seen = processes().filter(is_old).map(|process| process.pid).collect();
        Self { selection, seen, candidates: Vec::new(), next: now + PERIOD }
    }

    /// The Python processes that are selected and have come since.
    pub fn scan(&mut self, now: Instant) -> Vec<(Process, Arc<Interpreter>)> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now + PERIOD;
        let there: HashSet<_> = ids().into_iter().collect();
        self.candidates.extend(there.difference(&self.seen).map(|&pid| (pid, now)));
        self.seen = there;
        let mut found = Vec::new();
        let selection = &self.selection;
        self.candidates.retain(|&(pid, since)| match Candidate::probe(pid, selection) {
            Candidate::Selected(process, interpreter) => {
                found.push((process, interpreter));
                false
            }
            Candidate::Gone => false,
            Candidate::NotYet => now < since + PATIENCE,
        });
        found
    }
}

/// What a process that has just come turns out to be.
enum Candidate {
    Selected(Process, Arc<Interpreter>),
    Gone,
    /// It may execute another program, or its interpreter has not started.
    NotYet,
}

impl Candidate {
    fn probe(pid: Pid, selection: &Selection) -> Self {
        let Ok(process) = Process::open(pid) else { return Self::Gone };
        if !selection.matches(&process) {
            return Self::NotYet;
        }
        match discover_briefly(&process) {
            Ok(interpreter) => Self::Selected(process, Arc::new(interpreter)),
            Err(process::Error::NotInitialised { .. } | process::Error::NotPython { .. }) => Self::NotYet,
            Err(_) => Self::Gone,
        }
    }
}
