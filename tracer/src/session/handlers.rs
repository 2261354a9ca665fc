//! Which processes' signal handlers are watched, and since when.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::attach::{Error, Probes, Refused, WATCHED_PROCESSES, Watchpoints};
use crate::event::{Event, Nanos, Pid};
use crate::report::Shed;
use crate::sys::memory::ProcessMemory;
use crate::target::Interpreter;
use crate::timeline::Spaces;

/// Most children do not live that long, and a watchpoint on each would cost more than it tells.
const YOUNG: Duration = Duration::from_millis(20);

/// What is watched.
pub struct Handlers {
    watchpoints: Watchpoints,
    processes: HashMap<Pid, Watched>,
    shed: Vec<Shed>,
    /// That there are too many processes has been told.
    told: bool,
}

/// A process that is watched, or will be if it lives on.
struct Watched {
    interpreter: Arc<Interpreter>,
    space: u64,
    /// When it was seen first.
    seen: Instant,
    /// Bit N - 1 is set for signal N; `None` before the first look.
    signals: Option<u64>,
    refused: bool,
}

impl Handlers {
    /// Takes the watchpoints over.
    ///
    /// # Errors
    /// When they have been taken already.
    pub fn of(probes: &mut Probes) -> Result<Self, Error> {
        let watchpoints = Watchpoints::of(probes)?;
        Ok(Self { watchpoints, processes: HashMap::new(), shed: Vec::new(), told: false })
    }

    /// Forgets processes that have gone or run another program, and takes note of new ones.
    pub fn follow(&mut self, probes: &mut Probes, spaces: &Spaces) {
        let stays = |pid: Pid, watched: &Watched| spaces.space_of(pid) == Some(watched.space);
        for (pid, _) in self.processes.extract_if(|&pid, watched| !stays(pid, watched)) {
            self.watchpoints.clear(probes, pid);
        }
        for (pid, space, interpreter) in spaces.processes() {
            let interpreter = || interpreter.clone();
            self.processes.entry(pid).or_insert_with(|| Watched::new(interpreter(), space));
        }
    }

    /// Looks at the processes that have not been looked at and are no longer young, or at all, since programs set
    /// handlers at any time.
    pub fn look(&mut self, probes: &mut Probes, all: bool, now: impl Fn() -> Nanos) -> Vec<Event> {
        let is_due = |watched: &Watched| watched.signals.is_none() && watched.seen.elapsed() >= YOUNG;
        let pids = self.processes.iter().filter(|(_, watched)| all || is_due(watched));
        let pids: Vec<_> = pids.map(|(pid, _)| *pid).collect();
        pids.into_iter().flat_map(|pid| self.update(probes, pid, &now)).collect()
    }

    /// Watches what a process wants called now; tells if that is something else than before.
    fn update(&mut self, probes: &mut Probes, pid: Pid, now: &impl Fn() -> Nanos) -> Option<Event> {
        let watched = self.processes.get_mut(&pid)?;
        let handlers = watched.interpreter.handlers.as_ref()?;
        let signals = handlers.callable(&ProcessMemory::new(pid)).unwrap_or(0);
        let before = watched.signals.replace(signals).unwrap_or(0);
        if signals == before || watched.refused {
            return None;
        }
        if before == 0 && self.watchpoints.is_full() {
            watched.signals = Some(0); // others may make room
            self.tell_full(now());
            return None;
        }
        match self.watchpoints.watch(probes, pid, &handlers.place, signals) {
            Ok(()) => Some(Event::HandlersWatched { at: now(), pid, signals }),
            Err(Refused::Gone) => None,
            Err(Refused::Kernel(why)) => {
                watched.refused = true;
                self.shed.push(shed(now(), &format!("process {pid}"), &why.to_string()));
                Some(Event::HandlersWatched { at: now(), pid, signals: 0 })
            }
        }
    }

    fn tell_full(&mut self, now: Nanos) {
        if !self.told {
            self.told = true;
            let why = format!("{WATCHED_PROCESSES} processes are watched already");
            self.shed.push(shed(now, "further processes", &why));
        }
    }

    /// What could not be watched.
    pub fn into_shed(self) -> Vec<Shed> {
        self.shed
    }
}

impl Watched {
    fn new(interpreter: Arc<Interpreter>, space: u64) -> Self {
        Self { interpreter, space, seen: Instant::now(), signals: None, refused: false }
    }
}

fn shed(at_ns: Nanos, whose: &str, why: &str) -> Shed {
    Shed { at_ns, what: format!("starts of the signal handlers of {whose}"), why: why.to_owned() }
}
