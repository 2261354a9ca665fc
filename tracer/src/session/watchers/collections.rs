//! Which processes' garbage collections are seen one by one, and since when.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tracer_common::gc::{Collection, UNKNOWN, flag};

use super::breakpoint_cost::{self, BreakpointCost};
use super::counted::{CollectionCounts, RateChange};
use crate::attach::{COLLECTION_PROBES, Collections, Error, Probes, Refused, ReturnProbe};
use crate::clock::monotonic_ns;
use crate::event::{Event, GcPause, GcSeen, Nanos, Pid, Task};
use crate::python::Interpreter;
use crate::report::Shed;
use crate::timeline::{Home, Spaces};

/// What is seen.
pub struct CollectionWatcher {
    collections: Collections,
    /// What the breakpoints cost a collection.
    traps_ns: Nanos,
    processes: HashMap<Pid, CollectingProcess>,
    shed: Vec<Shed>,
    /// They cost too much: nothing is attached any more.
    given_up: bool,
    /// That there are too many processes has been told.
    told: bool,
    /// Likewise that one collects too often.
    told_often: bool,
}

/// Since rates were looked at last.
#[derive(Clone, Copy, Debug)]
pub enum Passed {
    /// All of it.
    Second(Nanos),
    /// Some of it.
    Part(Nanos),
}

/// A process whose collections are seen somehow.
struct CollectingProcess {
    interpreter: Arc<Interpreter>,
    home: Home,
    since: Instant,
    how: GcSeen,
    /// When its probes were set last, on `CLOCK_MONOTONIC`.
    probed_ns: Nanos,
    settled: bool,
    counted: CollectionCounts,
}

impl CollectionWatcher {
    /// Takes the probes over.
    ///
    /// # Errors
    /// When they have been taken already.
    pub fn new(probes: &mut Probes) -> Result<Self, Error> {
        let collections = Collections::new(probes)?;
        let (processes, shed) = (HashMap::new(), Vec::new());
        let (given_up, told, told_often) = (false, false, false);
        Ok(Self { collections, traps_ns: 0, processes, shed, given_up, told, told_often })
    }

    /// The window begins now.
    pub fn start(&mut self) {
        for (&pid, seen) in &mut self.processes {
            seen.counted.restart(pid, &seen.interpreter.python.collector);
        }
    }

    /// Looks at what the collectors have counted.
    pub fn count(&mut self) {
        for (&pid, seen) in &mut self.processes {
            seen.counted.look(pid, &seen.interpreter.python.collector);
        }
    }

    /// A second or so has passed, or so much of it: takes the probes out of processes that collect often, and sets them where
    /// they do no longer.
    pub fn rates(&mut self, probes: &mut Probes, passed: Passed, now: Nanos) -> Vec<Event> {
        let turn = |(&pid, seen): (&Pid, &mut CollectingProcess)| {
            let turn = match passed {
                Passed::Second(wall_ns) => seen.counted.second(wall_ns),
                Passed::Part(_) if seen.how != GcSeen::Probed => None,
                Passed::Part(wall_ns) => {
                    seen.counted.look(pid, &seen.interpreter.python.collector);
                    seen.counted.briefly(wall_ns)
                }
            };
            Some((pid, turn?))
        };
        let turns: Vec<_> = self.processes.iter_mut().filter_map(turn).collect();
        turns.into_iter().filter_map(|(pid, turn)| self.turn(probes, pid, turn, now)).collect()
    }

    fn turn(&mut self, probes: &mut Probes, pid: Pid, turn: RateChange, now: Nanos) -> Option<Event> {
        let seen = self.processes.get_mut(&pid)?;
        let RateChange::Often(rate) = turn else {
            seen.settled = false; // it has its turn when others have theirs
            return None;
        };
        let was_probed = seen.how == GcSeen::Probed;
        seen.settled = true;
        if !was_probed {
            return None;
        }
        if !std::mem::replace(&mut self.told_often, true) {
            let why = format!("process {pid} collects {rate} times a second; collections are counted still");
            self.shed.push(shed(now, "processes that collect often", why));
        }
        self.give_up(probes, pid, now)
    }

    /// Forgets processes that have gone or run another program, and takes note of new ones; tells how their collections
    /// are seen until somebody has had a look.
    pub fn follow(&mut self, probes: &mut Probes, spaces: &Spaces, now: Nanos) -> Vec<Event> {
        let stays = |pid: Pid, seen: &CollectingProcess| spaces.home_of(pid) == Some(seen.home);
        let mut events = Vec::new();
        for (pid, seen) in self.processes.extract_if(|&pid, seen| !stays(pid, seen)) {
            self.collections.clear(probes, pid);
            events.extend(seen.counted.events(pid, true));
        }
        for (pid, home, interpreter) in spaces.processes() {
            self.processes.entry(pid).or_insert_with(|| {
                let seen = CollectingProcess::new(pid, interpreter.clone(), home);
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
            breakpoint_cost::due(new.map(|(pid, seen)| (*pid, seen.since)), probes.is_removing())
        };
        breakpoint_cost::in_time(due).filter_map(|pid| self.settle(probes, pid, &now)).collect()
    }

    fn settle(&mut self, probes: &mut Probes, pid: Pid, now: &impl Fn() -> Nanos) -> Option<Event> {
        let is_full = self.collections.is_full(probes);
        let seen = self.processes.get_mut(&pid)?;
        seen.settled = true;
        let place = seen.interpreter.collecting.as_ref().filter(|_| !self.given_up)?;
        if is_full {
            if !std::mem::replace(&mut self.told, true) {
                let why = format!(
                    "there are {COLLECTION_PROBES} probes already, and removing more would take too long"
                );
                self.shed.push(shed(now(), "further processes", why));
            }
            return None;
        }
        let end = end(pid, &seen.interpreter);
        match self.collections.watch(probes, pid, place, end) {
            Ok(()) => (seen.how, seen.probed_ns) = (GcSeen::Probed, monotonic_ns()),
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
        self.traps_ns >= ReturnProbe::Ret.traps_ns()
    }

    /// A second or so has passed: takes the probes out if they cost the target more than it may spend on them.
    pub fn second(&mut self, probes: &mut Probes, second: &BreakpointCost, now: Nanos) -> Vec<Event> {
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
        let counted = self.processes.iter().flat_map(|(&pid, seen)| seen.counted.events(pid, false));
        let goes_on = |(task, collection): &(Task, Collection)| {
            self.processes.get(&task.pid).is_some_and(|seen| seen.sees_end(collection.since_ns))
        };
        let unfinished = self.collections.unfinished(probes).filter(goes_on);
        (unfinished.map(clipped).chain(counted).collect(), self.shed)
    }

    /// What is not seen, and why.
    pub fn shed_so_far(&self) -> &[Shed] {
        &self.shed
    }
}

impl CollectingProcess {
    fn new(pid: Pid, interpreter: Arc<Interpreter>, home: Home) -> Self {
        let (how, counted) =
            (unprobed(&interpreter), CollectionCounts::begin(pid, &interpreter.python.collector));
        Self { interpreter, home, since: Instant::now(), how, probed_ns: 0, settled: false, counted }
    }

    /// Whether the end of a collection that began then would have been seen: while probes are taken out, some begin that
    /// are not seen to end.
    fn sees_end(&self, began_ns: Nanos) -> bool {
        self.how == GcSeen::Probed && began_ns >= self.probed_ns
    }

    fn event(&self, at: Nanos, pid: Pid) -> Event {
        Event::Collections { at, pid, seen: self.how }
    }
}

/// A uretprobe is safe where no second call begins before the first returns, and where no filter of system calls kills
/// the process for it.
fn end(pid: Pid, interpreter: &Interpreter) -> ReturnProbe {
    let nests = interpreter.python.collector.flags & flag::CHECKS != 0;
    if nests || breakpoint_cost::may_kill(pid).is_some() { ReturnProbe::Ret } else { ReturnProbe::Return }
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
