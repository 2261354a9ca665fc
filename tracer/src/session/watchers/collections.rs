//! Breakpoints where garbage collections begin and end, in processes that do not collect too often for that.

use tracer_common::counters::Probe;
use tracer_common::gc::{Collection, UNKNOWN, flag};

use super::WatcherContext;
use super::breakpoint_cost::{BreakpointCost, may_kill};
use super::breakpoints::{BreakpointKind, State, WatchedProcess, WatchedProcesses, detail};
use super::counted::{CollectionCounts, RateChange};
use crate::attach::{COLLECTION_PROBES, Collections, Error, Probes, Refused, ReturnProbe, TrapCost};
use crate::clock::monotonic_ns;
use crate::event::{Event, GcPause, GcSeen, Nanos, Pid, StackId, Task};
use crate::python::Interpreter;

/// All of them.
pub struct CollectionBreakpoints {
    collections: Collections,
    /// What the dearest of them cost a collection, their programs aside.
    traps_ns: Nanos,
}

/// How a process's collections are seen.
pub struct CollectingProcess {
    how: GcSeen,
    /// When its breakpoints were set last, on `CLOCK_MONOTONIC`.
    probed_ns: Nanos,
    counted: CollectionCounts,
}

impl CollectionBreakpoints {
    /// Takes their map over.
    ///
    /// # Errors
    /// When it has been taken already.
    pub fn new(probes: &mut Probes) -> Result<Self, Error> {
        Ok(Self { collections: Collections::new(probes)?, traps_ns: 0 })
    }

    /// One that collects often loses its breakpoints until it does so no more.
    fn change(
        &mut self,
        context: &mut WatcherContext<'_>,
        pid: Pid,
        process: &mut WatchedProcess<CollectingProcess>,
        change: RateChange,
    ) {
        let RateChange::Often(rate) = change else {
            process.state = State::New; // it has its turn when others have theirs
            return;
        };
        process.state = State::Refused;
        if process.own.how == GcSeen::Probed {
            context.shed_once(detail::<Self>("processes that collect often"), || {
                format!("process {pid} collects {rate} times a second; collections are counted still")
            });
            self.clear(context, pid, process);
        }
    }
}

impl BreakpointKind for CollectionBreakpoints {
    type Process = CollectingProcess;

    const DETAIL: &str = "each garbage collection";
    /// Half of the collections of many show less than all of some.
    const WITHOUT_ROOM: State = State::Refused;
    /// They are counted all the same.
    const REPORTS_MISSED: bool = false;
    const COUNTED: &[Probe] = &[Probe::GcEnd];

    /// How its collections are seen until its breakpoints are set.
    fn come(
        &mut self,
        context: &mut WatcherContext<'_>,
        pid: Pid,
        interpreter: &Interpreter,
    ) -> CollectingProcess {
        let counted = CollectionCounts::begin(pid, &interpreter.python.collector);
        let process = CollectingProcess { how: unprobed(interpreter), probed_ns: 0, counted };
        process.report(context, pid);
        process
    }

    fn gone(
        &mut self,
        context: &mut WatcherContext<'_>,
        pid: Pid,
        process: &WatchedProcess<CollectingProcess>,
    ) {
        self.collections.clear(context.probes, pid);
        context.events.extend(process.own.counted.events(pid, true));
    }

    fn has_places(interpreter: &Interpreter) -> bool {
        interpreter.collecting.is_some()
    }

    fn why_full() -> String {
        format!("there are {COLLECTION_PROBES} probes already, and removing more would take too long")
    }

    fn is_full(&self, probes: &Probes) -> bool {
        self.collections.is_full(probes)
    }

    fn set(
        &mut self,
        context: &mut WatcherContext<'_>,
        pid: Pid,
        process: &mut WatchedProcess<CollectingProcess>,
    ) -> Result<bool, Refused> {
        let Some(place) = &process.interpreter.collecting else { return Ok(false) };
        let end = end(pid, &process.interpreter);
        self.collections.watch(context.probes, pid, place, end)?;
        self.traps_ns = self.traps_ns.max(end.traps_ns());
        (process.own.how, process.own.probed_ns) = (GcSeen::Probed, monotonic_ns());
        process.own.report(context, pid);
        Ok(true)
    }

    fn clear(
        &mut self,
        context: &mut WatcherContext<'_>,
        pid: Pid,
        process: &mut WatchedProcess<CollectingProcess>,
    ) {
        self.collections.clear(context.probes, pid);
        process.own.how = unprobed(&process.interpreter);
        process.own.report(context, pid);
    }

    fn release(&mut self, probes: &mut Probes) {
        self.collections.release(probes);
    }

    fn trap_ns(&self) -> Nanos {
        self.traps_ns
    }

    fn trap_costs(&self, cost: &TrapCost) -> Vec<(Probe, Nanos)> {
        let is_stepped = self.traps_ns >= ReturnProbe::Ret.traps_ns();
        let end = if is_stepped { cost.stepped_ns } else { cost.returned_ns };
        vec![(Probe::GcBegin, cost.emulated_ns), (Probe::GcEnd, end)]
    }

    fn start(&mut self, processes: &mut WatchedProcesses<CollectingProcess>) {
        for (&pid, process) in processes {
            process.own.counted.restart(pid, &process.interpreter.python.collector);
        }
    }

    /// One that collects very often is noticed before the second is over.
    fn check_briefly(
        &mut self,
        context: &mut WatcherContext<'_>,
        cost: &BreakpointCost<'_>,
        part_ns: Nanos,
        processes: &mut WatchedProcesses<CollectingProcess>,
    ) {
        let is_limited = cost.limit.is_some();
        let probed = processes.iter_mut().filter(|(_, process)| process.own.how == GcSeen::Probed);
        for (&pid, process) in probed.filter(|_| is_limited) {
            process.own.counted.read(pid, &process.interpreter.python.collector);
            if let Some(change) = process.own.counted.briefly(part_ns) {
                self.change(context, pid, process, change);
            }
        }
    }

    fn pass_second(
        &mut self,
        context: &mut WatcherContext<'_>,
        cost: &BreakpointCost<'_>,
        processes: &mut WatchedProcesses<CollectingProcess>,
    ) {
        self.stop(processes);
        if cost.limit.is_none() {
            return; // then each collection is seen, whatever that costs
        }
        for (&pid, process) in processes {
            if let Some(change) = process.own.counted.second(cost.second.wall_ns) {
                self.change(context, pid, process, change);
            }
        }
    }

    /// Reads what the collectors have counted.
    fn stop(&mut self, processes: &mut WatchedProcesses<CollectingProcess>) {
        for (&pid, process) in processes {
            process.own.counted.read(pid, &process.interpreter.python.collector);
        }
    }

    /// Collections that go on, and what was counted.
    fn finish(
        &mut self,
        context: &mut WatcherContext<'_>,
        end_ns: Nanos,
        processes: &WatchedProcesses<CollectingProcess>,
    ) {
        let sees_end = |(task, collection): &(Task, Collection)| {
            processes.get(&task.pid).is_some_and(|process| process.own.sees_end(collection.since_ns))
        };
        let start_ns = context.start_ns;
        let clipped = |(task, collection): (Task, Collection)| {
            Event::GcPause(clipped(task, &collection, start_ns, end_ns))
        };
        let unfinished = self.collections.unfinished(context.probes).filter(sees_end);
        context.events.extend(unfinished.map(clipped));
        for (&pid, process) in processes {
            context.events.extend(process.own.counted.events(pid, false));
        }
    }
}

impl CollectingProcess {
    /// Whether the end of a collection that began then would have been seen: while breakpoints are removed, some begin
    /// that are not seen to end.
    fn sees_end(&self, began_ns: Nanos) -> bool {
        self.how == GcSeen::Probed && began_ns >= self.probed_ns
    }

    fn report(&self, context: &mut WatcherContext<'_>, pid: Pid) {
        context.events.push(Event::Collections { at: context.now(), pid, seen: self.how });
    }
}

/// A uretprobe is safe where no second call begins before the first returns, and where no filter of system calls kills
/// the process for it.
fn end(pid: Pid, interpreter: &Interpreter) -> ReturnProbe {
    let nests = interpreter.python.collector.flags & flag::CHECKS != 0;
    if nests || may_kill(pid).is_some() { ReturnProbe::Ret } else { ReturnProbe::Return }
}

/// How collections are seen without breakpoints.
fn unprobed(interpreter: &Interpreter) -> GcSeen {
    if interpreter.python.collector.collecting == 0 { GcSeen::No } else { GcSeen::Sampled }
}

/// A collection lasts until the end of the window at least.
fn clipped(task: Task, collection: &Collection, start_ns: Nanos, end_ns: Nanos) -> GcPause {
    GcPause {
        at: end_ns.saturating_sub(start_ns),
        task,
        lasted: end_ns.saturating_sub(collection.since_ns),
        stack: StackId::NONE,
        generation: (collection.generation != UNKNOWN).then_some(collection.generation),
        collected: None,
        waiters: None,
    }
}
