//! Which processes' garbage collections are seen one by one, and since when.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tracer_common::collector::{Collection, UNKNOWN, flag};

use super::traps::{self, Traps};
use crate::attach::{COLLECTION_PROBES, Collections, End, Error, Probes, Refused};
use crate::event::{Event, GcPause, GcSeen, Nanos, Pid, Task};
use crate::report::Shed;
use crate::target::Interpreter;
use crate::timeline::Spaces;

/// What is seen.
pub struct Collectors {
    collections: Collections,
    /// What the breakpoints cost a collection.
    traps_ns: Nanos,
    processes: HashMap<Pid, Seen>,
    shed: Vec<Shed>,
    /// They cost too much: nothing is attached any more.
    given_up: bool,
    /// That there are too many processes has been told.
    told: bool,
}

/// A process whose collections are seen somehow.
struct Seen {
    interpreter: Arc<Interpreter>,
    space: u64,
    since: Instant,
    how: GcSeen,
    settled: bool,
}

impl Collectors {
    /// Takes the probes over.
    ///
    /// # Errors
    /// When they have been taken already.
    pub fn of(probes: &mut Probes) -> Result<Self, Error> {
        let collections = Collections::of(probes)?;
        let (processes, shed) = (HashMap::new(), Vec::new());
        Ok(Self { collections, traps_ns: 0, processes, shed, given_up: false, told: false })
    }

    /// Forgets processes that have gone or run another program, and takes note of new ones; tells how their collections
    /// are seen until somebody has had a look.
    pub fn follow(&mut self, probes: &mut Probes, spaces: &Spaces, now: Nanos) -> Vec<Event> {
        let stays = |pid: Pid, seen: &Seen| spaces.space_of(pid) == Some(seen.space);
        for (pid, _) in self.processes.extract_if(|&pid, seen| !stays(pid, seen)) {
            self.collections.clear(probes, pid);
        }
        let mut events = Vec::new();
        for (pid, space, interpreter) in spaces.processes() {
            self.processes.entry(pid).or_insert_with(|| {
                let seen = Seen::new(interpreter.clone(), space);
                events.push(seen.event(now, pid));
                seen
            });
        }
        events
    }

    /// Attaches to the processes that are no longer young, or to all.
    pub fn look(&mut self, probes: &mut Probes, all: bool, now: impl Fn() -> Nanos) -> Vec<Event> {
        let new = self.processes.iter().filter(|(_, seen)| !seen.settled);
        let due = if all {
            new.map(|(pid, _)| *pid).collect()
        } else {
            traps::due(new.map(|(pid, seen)| (*pid, seen.since)), probes.is_removing())
        };
        due.into_iter().filter_map(|pid| self.settle(probes, pid, &now)).collect()
    }

    fn settle(&mut self, probes: &mut Probes, pid: Pid, now: &impl Fn() -> Nanos) -> Option<Event> {
        let is_full = self.collections.is_full(probes);
        let seen = self.processes.get_mut(&pid)?;
        seen.settled = true;
        let place = seen.interpreter.collecting.as_ref().filter(|_| !self.given_up)?;
        if is_full {
            if !std::mem::replace(&mut self.told, true) {
                let why = format!(
                    "there are {COLLECTION_PROBES} probes already, and to remove more takes too long"
                );
                self.shed.push(shed(now(), "further processes", why));
            }
            return None;
        }
        let end = end(pid, &seen.interpreter);
        match self.collections.watch(probes, pid, place, end) {
            Ok(()) => seen.how = GcSeen::Probed,
            // There is nothing more to be seen of it.
            Err(Refused::Gone) => return None,
            Err(Refused::Kernel(why)) => {
                self.shed.push(shed(now(), &format!("process {pid}"), why.to_string()));
                return None;
            }
        }
        self.traps_ns = self.traps_ns.max(end.traps_ns());
        Some(seen.event(now(), pid))
    }

    /// Whether the kernel has to step over where a collection ends, in some process.
    #[must_use]
    pub fn are_stepped(&self) -> bool {
        self.traps_ns >= End::Ret.traps_ns()
    }

    /// A second or so has passed: takes the probes out if they cost the target more than it may spend on them.
    pub fn second(&mut self, probes: &mut Probes, second: &Traps, now: Nanos) -> Vec<Event> {
        let Some(why) = second.too_many(self.traps_ns).filter(|_| !self.given_up) else { return Vec::new() };
        self.given_up = true;
        self.shed.push(shed(now, "all processes", why));
        let pids: Vec<_> = self.collections.pids().collect();
        pids.into_iter().filter_map(|pid| self.give_up(probes, pid, now)).collect()
    }

    fn give_up(&mut self, probes: &mut Probes, pid: Pid, now: Nanos) -> Option<Event> {
        self.collections.clear(probes, pid);
        let seen = self.processes.get_mut(&pid)?;
        seen.how = unprobed(&seen.interpreter);
        Some(seen.event(now, pid))
    }

    /// Takes all probes out.
    pub fn release(&mut self, probes: &mut Probes) {
        self.collections.release(probes);
    }

    /// Collections that go on at the end of the window, and what could not be seen.
    pub fn finish(self, probes: &Probes, start_ns: Nanos, end_ns: Nanos) -> (Vec<Event>, Vec<Shed>) {
        let clipped = |(task, collection): (Task, Collection)| {
            Event::GcPause(clipped(task, &collection, start_ns, end_ns))
        };
        (self.collections.unfinished(probes).map(clipped).collect(), self.shed)
    }
}

impl Seen {
    fn new(interpreter: Arc<Interpreter>, space: u64) -> Self {
        let how = unprobed(&interpreter);
        Self { interpreter, space, since: Instant::now(), how, settled: false }
    }

    fn event(&self, at: Nanos, pid: Pid) -> Event {
        Event::Collections { at, pid, seen: self.how }
    }
}

/// A uretprobe is safe where no second call begins before the first returns, and where no filter of system calls kills
/// the process for it.
fn end(pid: Pid, interpreter: &Interpreter) -> End {
    let nests = interpreter.python.collector.flags & flag::CHECKS != 0;
    if nests || traps::may_kill(pid).is_some() { End::Ret } else { End::Return }
}

/// How collections are seen without probes.
fn unprobed(interpreter: &Interpreter) -> GcSeen {
    if interpreter.python.collector.collecting == 0 { GcSeen::No } else { GcSeen::Sampled }
}

/// A collection lasts until the end of the window at least.
fn clipped(task: Task, collection: &Collection, start_ns: Nanos, end_ns: Nanos) -> GcPause {
    GcPause {
        at: end_ns.saturating_sub(start_ns),
        task,
        lasted: end_ns.saturating_sub(collection.since_ns),
        stack: 0,
        generation: (collection.generation != UNKNOWN).then_some(collection.generation),
        collected: None,
        waiters: None,
    }
}

fn shed(at_ns: Nanos, whose: &str, why: String) -> Shed {
    Shed { at_ns, what: format!("each garbage collection of {whose}"), why }
}
