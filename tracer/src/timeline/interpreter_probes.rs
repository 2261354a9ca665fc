//! Processes that run another program now and must be probed until their interpreter is known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::Pid;
use crate::process::{self, Process};
use crate::python::{Interpreter, discover_briefly};

/// First pause between two probes; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
/// Pause while an interpreter starts: within some ten milliseconds it runs the program's own lines.
const STARTING_PAUSE: Duration = Duration::from_millis(2);
/// An interpreter that has not started by then waits for something.
const STARTING: Duration = Duration::from_millis(500);
/// A program that has not become a Python by then is none: the dynamic linker has long mapped all it needs.
const GIVE_UP: Duration = Duration::from_secs(2);

/// Others want their turn after so long.
const PASS: Duration = Duration::from_millis(20);

/// A process that is being probed.
struct InterpreterProbe {
    pid: Pid,
    since: Instant,
    next: Instant,
    pause: Duration,
    /// Its interpreter has been reported, without its handlers.
    reported: bool,
}

/// All processes that are being probed.
#[derive(Default)]
pub struct InterpreterProbes {
    pending: Vec<InterpreterProbe>,
}

/// What a probe found out.
pub enum FoundProgram {
    /// An interpreter that runs; reported again once its handlers are found.
    Python(Process, Arc<Interpreter>),
    /// Another program, or a Python that is not known.
    Other,
}

impl InterpreterProbes {
    /// Probes a process from now on. One that is being probed starts over.
    pub fn begin(&mut self, pid: Pid, now: Instant) {
        self.end(pid);
        self.pending.push(InterpreterProbe {
            pid,
            since: now,
            next: now,
            pause: FIRST_PAUSE,
            reported: false,
        });
    }

    /// The process has ended.
    pub fn end(&mut self, pid: Pid) {
        self.pending.retain(|probe| probe.pid != pid);
    }

    /// When to probe next, `None` while there is nothing to probe.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.pending.iter().map(|probe| probe.next).min()
    }

    /// Those whose time has come.
    pub fn due(&self, now: Instant) -> impl Iterator<Item = Pid> {
        self.pending.iter().filter(move |probe| probe.next <= now).map(|probe| probe.pid)
    }

    /// Probes those whose time has come, as many as one pass has time for.
    pub fn probe(&mut self, now: Instant) -> Vec<(Pid, FoundProgram)> {
        let (mut found, began) = (Vec::new(), Instant::now());
        self.pending.retain_mut(|probe| {
            if probe.next > now || began.elapsed() > PASS {
                return true;
            }
            match probe.at(now) {
                ProbeResult::Found(result) => found.push((probe.pid, result)),
                ProbeResult::Partly(result) => {
                    if !std::mem::replace(&mut probe.reported, true) {
                        found.push((probe.pid, result));
                    }
                    probe.next = now + STARTING_PAUSE;
                }
                ProbeResult::Starting => probe.next = now + STARTING_PAUSE,
                ProbeResult::Nothing => {
                    probe.next = now + probe.pause;
                    probe.pause *= 2;
                }
            }
            probe.next > now
        });
        found
    }
}

/// What one probe showed.
enum ProbeResult {
    Found(FoundProgram),
    /// An interpreter that runs and has not made its table of handlers yet: its stacks have names already.
    Partly(FoundProgram),
    /// An interpreter, which does not run Python code yet.
    Starting,
    /// Nothing that is one; at an exec only the program and the dynamic linker are mapped.
    Nothing,
}

impl InterpreterProbe {
    fn at(&self, now: Instant) -> ProbeResult {
        let found = Process::open(self.pid).and_then(|process| {
            let interpreter = discover_briefly(&process)?;
            Ok((process, interpreter))
        });
        match found {
            // Up to 3.10 the whole version is there only once the interpreter has put it together.
            Ok((_, interpreter)) if interpreter.version.micro.is_none() && now < self.since + STARTING => {
                ProbeResult::Starting
            }
            Ok((process, interpreter)) => {
                let to_come = interpreter.handlers_to_come && now < self.since + STARTING;
                let found = FoundProgram::Python(process, Arc::new(interpreter));
                if to_come { ProbeResult::Partly(found) } else { ProbeResult::Found(found) }
            }
            Err(process::Error::NoSuchProcess { .. } | process::Error::Zombie { .. }) => {
                ProbeResult::Found(FoundProgram::Other)
            }
            Err(_) if now >= self.since + GIVE_UP => ProbeResult::Found(FoundProgram::Other),
            Err(process::Error::NotInitialised { .. }) if now < self.since + STARTING => {
                ProbeResult::Starting
            }
            Err(_) => ProbeResult::Nothing,
        }
    }
}
