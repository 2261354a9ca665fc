//! Which processes' signal handlers are watched, and since when.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::breakpoint_cost::{self, BreakpointCost};
use crate::attach::{Error, HandlerCalls, Probes, Refused, WATCHED_PROCESSES};
use crate::event::{Event, Nanos, Pid};
use crate::process::Process;
use crate::process::open::FileId;
use crate::python::Interpreter;
use crate::python::handler_call::HandlerCall;
use crate::python::signals::Handlers;
use crate::report::Shed;
use crate::sys::aside::BRIEFLY;
use crate::sys::memory::ProcessMemory;
use crate::timeline::{Home, Spaces};

/// What is watched.
pub struct HandlerWatcher {
    calls: HandlerCalls,
    /// What a breakpoint costs, its program aside.
    trap_ns: Nanos,
    is_stepped: bool,
    processes: HashMap<Pid, Watched>,
    /// Where handlers are called, by the interpreter's file: to look for it takes some milliseconds.
    places: HashMap<FileId, Option<Arc<HandlerCall>>>,
    shed: Vec<Shed>,
    /// They cost too much: nothing is attached any more.
    given_up: bool,
    /// That there are too many processes has been told.
    told: bool,
    /// Likewise that some have ended before they were watched.
    told_missed: bool,
}

/// A process that is watched, or will be if it lives on.
struct Watched {
    interpreter: Arc<Interpreter>,
    home: Home,
    /// When it was seen first.
    seen: Instant,
    state: State,
    /// Others' breakpoints were being removed when it was its turn.
    postponed: bool,
}

/// What has become of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not watched yet.
    New,
    /// There was no room; others may make some.
    Waiting,
    /// Watched.
    Watched,
    /// It cannot be.
    Refused,
}

impl HandlerWatcher {
    /// Takes the breakpoints over.
    ///
    /// # Errors
    /// When they have been taken already.
    pub fn new(probes: &mut Probes) -> Result<Self, Error> {
        let calls = HandlerCalls::new(probes)?;
        let (processes, shed) = (HashMap::new(), Vec::new());
        Ok(Self {
            calls,
            trap_ns: 0,
            is_stepped: false,
            processes,
            places: HashMap::new(),
            shed,
            given_up: false,
            told: false,
            told_missed: false,
        })
    }

    /// Forgets processes that have gone or run another program, and takes note of new ones.
    pub fn follow(&mut self, probes: &mut Probes, spaces: &Spaces, now: impl Fn() -> Nanos) -> Vec<Event> {
        let stays = |pid: Pid, watched: &Watched| spaces.home_of(pid) == Some(watched.home);
        let mut events = Vec::new();
        let gone: Vec<_> = self.processes.extract_if(|&pid, watched| !stays(pid, watched)).collect();
        for (pid, watched) in gone {
            if watched.state == State::New && watched.postponed {
                self.tell_missed(now());
            }
            self.calls.clear(probes, pid);
            events.push(Event::HandlersWatched { at: now(), pid, starts: false, ends: false });
        }
        for (pid, home, interpreter) in spaces.processes() {
            let known = self.processes.entry(pid).or_insert_with(|| Watched::new(interpreter.clone(), home));
            if known.interpreter.handlers.is_none() && interpreter.handlers.is_some() {
                known.interpreter = interpreter.clone(); // it has made its table of handlers since
            }
        }
        events
    }

    /// Watches the processes that are no longer young, or all, as far as there is room; tells from when on.
    pub fn look(&mut self, probes: &mut Probes, all: bool, now: impl Fn() -> Nanos) -> Vec<Event> {
        let has_room = !self.calls.is_full(probes);
        let is_new = |watched: &Watched| match watched.state {
            State::New => watched.interpreter.handlers.is_some(),
            State::Waiting => has_room,
            State::Watched | State::Refused => false,
        };
        let mut new: Vec<_> = self.processes.iter_mut().filter(|(_, watched)| is_new(watched)).collect();
        if probes.is_removing() {
            let old_enough =
                new.iter_mut().filter(|(_, watched)| watched.seen.elapsed() >= breakpoint_cost::YOUNG);
            old_enough.for_each(|(_, watched)| watched.postponed = true);
        }
        let new = new.into_iter().map(|(pid, watched)| (*pid, watched.seen));
        let due = if all {
            new.map(|(pid, _)| pid).collect()
        } else {
            breakpoint_cost::due(new, probes.is_removing())
        };
        breakpoint_cost::in_time(due).filter_map(|pid| self.begin(probes, pid, &now)).collect()
    }

    fn begin(&mut self, probes: &mut Probes, pid: Pid, now: &impl Fn() -> Nanos) -> Option<Event> {
        let interpreter = self.processes.get(&pid)?.interpreter.clone();
        let handlers = interpreter.handlers.as_ref().filter(|_| !self.given_up)?;
        // The table is not made before the interpreter is.
        handlers.functions(&ProcessMemory::new(pid))?;
        if self.calls.is_full(probes) {
            self.set(pid, State::Waiting);
            self.tell_full(now());
            return None;
        }
        let Some(call) = self.call(probes, pid, handlers) else {
            self.set(pid, State::Refused);
            let why = "no call of theirs is known".to_owned();
            self.shed("starts", &format!("process {pid}"), why, now());
            return None;
        };
        let ends = probes.plan().handler_ends && self.may_see_ends(pid, now());
        match self.calls.watch(probes, pid, handlers, &call, ends) {
            Ok(ends) => {
                self.set(pid, State::Watched);
                let ends = ends.unwrap_or_else(|error| {
                    self.shed("ends", &format!("process {pid}"), error.to_string(), now());
                    false
                });
                self.is_stepped |= !call.is_emulated;
                self.trap_ns = self.trap_ns.max(call.trap_ns());
                Some(Event::HandlersWatched { at: now(), pid, starts: true, ends })
            }
            Err(Refused::Gone) => None,
            Err(Refused::Kernel(why)) => {
                self.set(pid, State::Refused);
                self.shed("starts", &format!("process {pid}"), why.to_string(), now());
                None
            }
        }
    }

    /// Where the handlers of a process are called.
    fn call(&mut self, probes: &Probes, pid: Pid, handlers: &Handlers) -> Option<Arc<HandlerCall>> {
        if let Some(known) = self.places.get(&handlers.file) {
            return known.clone();
        }
        let (handlers, most) = (handlers.clone(), HandlerCalls::most_places(probes));
        let file = handlers.file;
        let found = Process::open(pid).ok()?.aside(BRIEFLY, move |_| handlers.call(most).map(Arc::new));
        let found = found.ok()?;
        self.places.insert(file, found.clone());
        found
    }

    /// Whether the kernel has to step over the instruction at a breakpoint, in some process.
    #[must_use]
    pub fn are_stepped(&self) -> bool {
        self.is_stepped
    }

    /// A second or so has passed: takes the breakpoints out if they cost the target more than it may spend on them.
    pub fn second(&mut self, probes: &mut Probes, second: &BreakpointCost, now: Nanos) -> Vec<Event> {
        let Some(why) = second.too_many(self.trap_ns).filter(|_| !self.given_up) else { return Vec::new() };
        self.given_up = true;
        self.shed("starts", "all processes", why, now);
        let pids: Vec<_> = self.calls.pids().collect();
        let give_up = |pid| {
            self.calls.clear(probes, pid);
            Event::HandlersWatched { at: now, pid, starts: false, ends: false }
        };
        pids.into_iter().map(give_up).collect()
    }

    /// Takes all breakpoints out; what was watched is known still.
    pub fn release(&mut self, probes: &mut Probes) {
        self.calls.release(probes);
    }

    fn set(&mut self, pid: Pid, state: State) {
        self.processes.entry(pid).and_modify(|watched| watched.state = state);
    }

    /// A filter of system calls may kill the target for a breakpoint at a return.
    fn may_see_ends(&mut self, pid: Pid, now: Nanos) -> bool {
        let Some(release) = breakpoint_cost::may_kill(pid) else { return true };
        let why = format!("it has a seccomp filter, and Linux {release} could make that kill it");
        self.shed("ends", &format!("process {pid}"), why, now);
        false
    }

    fn shed(&mut self, what: &str, whose: &str, why: String, at_ns: Nanos) {
        self.shed.push(Shed { at_ns, what: format!("{what} of the signal handlers of {whose}"), why });
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

    fn tell_missed(&mut self, now: Nanos) {
        if !self.told_missed {
            self.told_missed = true;
            let why =
                "removing breakpoints from processes that have ended is slow, and none is set meanwhile";
            self.shed("starts", "processes that ended early", why.to_owned(), now);
        }
    }

    fn tell_full(&mut self, now: Nanos) {
        if !self.told {
            self.told = true;
            let why = format!(
                "{WATCHED_PROCESSES} processes are watched already, and removing more would take too long"
            );
            self.shed("starts", "further processes", why, now);
        }
    }

    /// What could not be watched.
    pub fn shed_so_far(&self) -> &[Shed] {
        &self.shed
    }
}

impl Watched {
    fn new(interpreter: Arc<Interpreter>, home: Home) -> Self {
        Self { interpreter, home, seen: Instant::now(), state: State::New, postponed: false }
    }
}
