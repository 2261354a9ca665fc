//! Which processes' signal handlers are watched, and since when.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::attach::{Error, Probes, Refused, Seen, WATCHED_PROCESSES, Watchpoints};
use crate::event::{Event, Nanos, Pid};
use crate::report::Shed;
use crate::sys::memory::ProcessMemory;
use crate::target::{self, Interpreter, Process};
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
    state: State,
}

/// What has become of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not looked at.
    New,
    /// There was no room; others may make some.
    Waiting,
    /// Watched.
    Watched,
    /// It cannot be.
    Refused,
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
    pub fn follow(&mut self, probes: &mut Probes, spaces: &Spaces, now: impl Fn() -> Nanos) -> Vec<Event> {
        let stays = |pid: Pid, watched: &Watched| spaces.space_of(pid) == Some(watched.space);
        let mut events = Vec::new();
        for (pid, _) in self.processes.extract_if(|&pid, watched| !stays(pid, watched)) {
            self.watchpoints.clear(probes, pid);
            events.push(Event::HandlersWatched { at: now(), pid, starts: false, ends: false });
        }
        for (pid, space, interpreter) in spaces.processes() {
            let known = self.processes.entry(pid).or_insert_with(|| Watched::new(interpreter.clone(), space));
            if known.interpreter.handlers.is_none() && interpreter.handlers.is_some() {
                known.interpreter = interpreter.clone(); // it has made its table of handlers since
            }
        }
        events
    }

    /// Looks at the processes that have not been looked at and are no longer young, or at all, since programs set
    /// handlers at any time.
    pub fn look(&mut self, probes: &mut Probes, all: bool, now: impl Fn() -> Nanos) -> Vec<Event> {
        let is_due = |watched: &Watched| watched.state == State::New && watched.seen.elapsed() >= YOUNG;
        let pids = self.processes.iter().filter(|(_, watched)| all || is_due(watched));
        let pids: Vec<_> = pids.map(|(pid, _)| *pid).collect();
        pids.into_iter().filter_map(|pid| self.update(probes, pid, &now)).collect()
    }

    /// Watches a process, and what it wants called now; tells from when on.
    fn update(&mut self, probes: &mut Probes, pid: Pid, now: &impl Fn() -> Nanos) -> Option<Event> {
        let watched = self.processes.get(&pid)?;
        let (interpreter, state) = (watched.interpreter.clone(), watched.state);
        let handlers = interpreter.handlers.as_ref()?;
        // The table is not made before the interpreter is.
        let signals = handlers.callable(&ProcessMemory::new(pid))?;
        let event = if matches!(state, State::New | State::Waiting) {
            self.begin(probes, pid, handlers, now)
        } else {
            None
        };
        self.watchpoints.tell_apart(probes, pid, signals);
        event
    }

    fn begin(
        &mut self,
        probes: &mut Probes,
        pid: Pid,
        handlers: &target::signals::Handlers,
        now: &impl Fn() -> Nanos,
    ) -> Option<Event> {
        if self.watchpoints.is_full() {
            self.set(pid, State::Waiting);
            self.tell_full(now());
            return None;
        }
        let ends = probes.plan().handler_ends && self.may_see_ends(pid, now());
        match self.watchpoints.watch(probes, pid, handlers, ends) {
            Ok(seen) => {
                self.set(pid, State::Watched);
                let ends = self.tell(pid, seen, now());
                Some(Event::HandlersWatched { at: now(), pid, starts: true, ends })
            }
            Err(Refused::Gone) => None,
            Err(Refused::Kernel(why)) => {
                self.set(pid, State::Refused);
                self.give_up("starts", &format!("process {pid}"), &why.to_string(), now());
                None
            }
        }
    }

    fn set(&mut self, pid: Pid, state: State) {
        self.processes.entry(pid).and_modify(|watched| watched.state = state);
    }

    /// Breakpoints at returns take a system call of their own on these kernels, which a filter of the target may
    /// forbid: it would be killed. <https://github.com/torvalds/linux/blob/v6.12/kernel/seccomp.c>
    fn may_see_ends(&mut self, pid: Pid, now: Nanos) -> bool {
        let uname = rustix::system::uname();
        let release = uname.release().to_string_lossy().into_owned();
        let asks = ["6.11.", "6.12."].iter().any(|series| release.starts_with(series));
        let filters =
            || Process::open(pid).ok().and_then(|process| process.status_number("Seccomp")) != Some(0);
        let harms = asks && filters();
        if harms {
            let why = format!("it has a seccomp filter, and Linux {release} could make that kill it");
            self.give_up("ends", &format!("process {pid}"), &why, now);
        }
        !harms
    }

    /// What could not be had; whether ends are seen.
    fn tell(&mut self, pid: Pid, seen: Seen, now: Nanos) -> bool {
        let whose = format!("process {pid}");
        if let Some(error) = seen.without_registers {
            let why = format!("{error}; breakpoints wherever it looks for signals do instead");
            self.shed.push(Shed { at_ns: now, what: format!("watchpoints on the signals of {whose}"), why });
        }
        seen.ends.unwrap_or_else(|error| {
            self.give_up("ends", &whose, &error.to_string(), now);
            false
        })
    }

    fn give_up(&mut self, what: &str, whose: &str, why: &str, at_ns: Nanos) {
        let what = format!("{what} of the signal handlers of {whose}");
        self.shed.push(Shed { at_ns, what, why: why.to_owned() });
    }

    /// Handlers that have still to begin, of those that are watched.
    pub fn pending(&self) -> Vec<Event> {
        let watched = self.processes.iter().filter(|(_, watched)| watched.state == State::Watched);
        let pending = |(&pid, watched): (&Pid, &Watched)| {
            let signals = watched.interpreter.handlers.as_ref()?.pending(&ProcessMemory::new(pid))?;
            Some(Event::HandlersPending { pid, signals })
        };
        watched.filter_map(pending).collect()
    }

    fn tell_full(&mut self, now: Nanos) {
        if !self.told {
            self.told = true;
            let why = format!("{WATCHED_PROCESSES} processes are watched already");
            self.give_up("starts", "further processes", &why, now);
        }
    }

    /// What could not be watched.
    pub fn into_shed(self) -> Vec<Shed> {
        self.shed
    }
}

impl Watched {
    fn new(interpreter: Arc<Interpreter>, space: u64) -> Self {
        Self { interpreter, space, seen: Instant::now(), state: State::New }
    }
}
