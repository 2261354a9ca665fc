//! Breakpoints where Python signal handlers begin and, if asked for, end.

use std::collections::HashMap;
use std::sync::Arc;

use tracer_common::counters::Probe;

use super::WatcherContext;
use super::breakpoint_cost::may_kill;
use super::breakpoints::{BreakpointKind, State, WatchedProcess, WatchedProcesses};
use crate::attach::{Error, HandlerCalls, Probes, Refused, TrapCost, WATCHED_PROCESSES};
use crate::event::{Event, Nanos, Pid};
use crate::process::Process;
use crate::process::open::DeviceInode;
use crate::python::Interpreter;
use crate::python::handler_call::HandlerCall;
use crate::python::signals::Handlers;
use crate::sys::aside::BRIEFLY;
use crate::sys::memory::ProcessMemory;

/// All of them.
pub struct HandlerBreakpoints {
    calls: HandlerCalls,
    /// What the dearest of them costs, its program aside.
    trap_ns: Nanos,
    /// The kernel has to step over the instruction at a breakpoint, in some process.
    is_stepped: bool,
    /// Where handlers are called, by the interpreter's file: to look for it takes some milliseconds.
    places: HashMap<DeviceInode, Option<Arc<HandlerCall>>>,
}

impl HandlerBreakpoints {
    /// Takes their maps over.
    ///
    /// # Errors
    /// When they have been taken already.
    pub fn new(probes: &mut Probes) -> Result<Self, Error> {
        Ok(Self { calls: HandlerCalls::new(probes)?, trap_ns: 0, is_stepped: false, places: HashMap::new() })
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

    fn clear(&mut self, context: &mut WatcherContext<'_>, pid: Pid) {
        self.calls.clear(context.probes, pid);
        let event = Event::HandlersWatched { at: context.now(), pid, starts: false, ends: false };
        context.events.push(event);
    }
}

impl BreakpointKind for HandlerBreakpoints {
    type Process = ();

    const DETAIL: &str = "starts of the signal handlers";
    const WITHOUT_ROOM: State = State::Waiting;
    const REPORTS_MISSED: bool = true;
    const COUNTED: &[Probe] = &[Probe::Handler, Probe::Check];

    fn come(&mut self, _: &mut WatcherContext<'_>, _: Pid, _: &Interpreter) {}

    fn gone(&mut self, context: &mut WatcherContext<'_>, pid: Pid, _: &WatchedProcess<()>) {
        self.clear(context, pid);
    }

    fn has_places(interpreter: &Interpreter) -> bool {
        interpreter.handlers.is_some()
    }

    fn why_full() -> String {
        format!("{WATCHED_PROCESSES} processes are watched already, and removing more would take too long")
    }

    fn is_full(&self, probes: &Probes) -> bool {
        self.calls.is_full(probes)
    }

    fn set(
        &mut self,
        context: &mut WatcherContext<'_>,
        pid: Pid,
        process: &mut WatchedProcess<()>,
    ) -> Result<bool, Refused> {
        let Some(handlers) = &process.interpreter.handlers else { return Ok(false) };
        // The table is not made before the interpreter is.
        if handlers.functions(&ProcessMemory::new(pid)).is_none() {
            return Ok(false);
        }
        let unknown =
            || Error::Kernel { act: "watch calls of handlers", reason: "no call of theirs is known".into() };
        let call = self.call(context.probes, pid, handlers).ok_or_else(|| Refused::Kernel(unknown()))?;
        let ends = context.probes.plan().handler_ends && may_see_ends(context, pid);
        let ends = self.calls.watch(context.probes, pid, handlers, &call, ends)?.unwrap_or_else(|error| {
            shed_ends(context, pid, error.to_string());
            false
        });
        self.is_stepped |= !call.is_emulated;
        self.trap_ns = self.trap_ns.max(call.trap_ns());
        context.events.push(Event::HandlersWatched { at: context.now(), pid, starts: true, ends });
        Ok(true)
    }

    fn clear(&mut self, context: &mut WatcherContext<'_>, pid: Pid, _: &mut WatchedProcess<()>) {
        Self::clear(self, context, pid);
    }

    fn release(&mut self, probes: &mut Probes) {
        self.calls.release(probes);
    }

    fn trap_ns(&self) -> Nanos {
        self.trap_ns
    }

    fn trap_costs(&self, cost: &TrapCost) -> Vec<(Probe, Nanos)> {
        let call = if self.is_stepped { cost.stepped_ns } else { cost.emulated_ns };
        // Each entry has a return.
        let check = (cost.emulated_ns + cost.returned_ns) / 2;
        vec![(Probe::Handler, call), (Probe::Check, check)]
    }

    /// Handlers that have still to begin.
    fn finish(&mut self, context: &mut WatcherContext<'_>, _: Nanos, processes: &WatchedProcesses<()>) {
        for (&pid, process) in processes.iter().filter(|(_, process)| process.state == State::Watched) {
            let handlers = process.interpreter.handlers.as_ref();
            let pending = handlers.and_then(|handlers| handlers.pending(&ProcessMemory::new(pid)));
            context.events.extend(pending.map(|signals| Event::HandlersPending { pid, signals }));
        }
    }
}

/// A filter of system calls may kill the target for a breakpoint at a return.
fn may_see_ends(context: &mut WatcherContext<'_>, pid: Pid) -> bool {
    let Some(release) = may_kill(pid) else { return true };
    let why = format!("it has a seccomp filter, and Linux {release} could make that kill it");
    shed_ends(context, pid, why);
    false
}

fn shed_ends(context: &mut WatcherContext<'_>, pid: Pid, why: String) {
    context.shed(format!("ends of the signal handlers of process {pid}"), why);
}
