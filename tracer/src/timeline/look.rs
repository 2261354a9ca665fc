//! Processes that run another program now and must be looked at until their interpreter is known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::Pid;
use crate::target::{self, Interpreter, Process, discover};

/// First pause between two looks; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
/// A program that has not become a Python by then is none: the dynamic linker has long mapped all it needs.
const GIVE_UP: Duration = Duration::from_secs(2);

/// A process that is being looked at.
struct Look {
    pid: Pid,
    since: Instant,
    next: Instant,
    pause: Duration,
}

/// All processes that are being looked at.
#[derive(Default)]
pub struct Looks {
    pending: Vec<Look>,
}

/// What a look found out.
pub enum Found {
    /// An interpreter that runs.
    Python(Process, Arc<Interpreter>),
    /// Another program, or a Python that is not known.
    Other,
}

impl Looks {
    /// Looks at a process from now on. One that is being looked at starts over.
    pub fn begin(&mut self, pid: Pid, now: Instant) {
        self.end(pid);
        self.pending.push(Look { pid, since: now, next: now, pause: FIRST_PAUSE });
    }

    /// The process has ended.
    pub fn end(&mut self, pid: Pid) {
        self.pending.retain(|look| look.pid != pid);
    }

    /// Looks at those whose time has come.
    pub fn look(&mut self, now: Instant) -> Vec<(Pid, Found)> {
        let mut found = Vec::new();
        self.pending.retain_mut(|look| {
            if look.next > now {
                return true;
            }
            look.next = now + look.pause;
            look.pause *= 2;
            let result = at(look.pid, now >= look.since + GIVE_UP);
            let pending = result.is_none();
            found.extend(result.map(|result| (look.pid, result)));
            pending
        });
        found
    }
}

/// `None` while it may yet become a Python: at an exec only the program and the dynamic linker are mapped.
fn at(pid: Pid, last: bool) -> Option<Found> {
    let looked = Process::open(pid).and_then(|process| {
        let interpreter = discover(&process)?;
        Ok((process, interpreter))
    });
    match looked {
        Ok((process, interpreter)) => Some(Found::Python(process, Arc::new(interpreter))),
        Err(target::Error::NoSuchProcess { .. } | target::Error::Zombie { .. }) => Some(Found::Other),
        Err(_) => last.then_some(Found::Other),
    }
}
