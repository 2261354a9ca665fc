//! Watchers: what they see costs the target something, or is found only by polling; each decides in which processes it is
//! worth that. A run goes through all of them at each step.

mod breakpoint_cost;
mod breakpoints;
mod calls;
mod collections;
mod counted;
mod handlers;
mod neighbours;
mod reads;
mod senders;
mod tasks;

use std::time::Instant;

use tracer_common::counters::Probe;

pub use breakpoint_cost::BreakpointCost;

use super::Options;
use super::budget::GivenUp;
use super::shed_list::ShedList;
use crate::attach::{Error, Loops, Probes, TrapCost};
use crate::clock::monotonic_ns;
use crate::event::{Event, Nanos};
use crate::report::Shed;
use crate::roots::Root;
use crate::sections::Section;
use crate::timeline::Spaces;
use breakpoints::BreakpointWatcher;
use calls::CallWatcher;
use collections::CollectionBreakpoints;
use handlers::HandlerBreakpoints;
use reads::ReadWatcher;
use senders::SenderWatcher;
use tasks::TaskWatcher;

/// One kind of thing that no message of the probes reports by itself, or that the probes see only where they are asked to.
pub trait Watcher {
    /// Before the window: what would take long in it.
    ///
    /// # Errors
    /// When the kernel refuses what was asked for by name.
    fn prepare(&mut self, _: &mut WatcherContext<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// The window begins.
    fn start(&mut self) {}

    /// Does what is due: up to fifty times a second.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn poll(&mut self, context: &mut WatcherContext<'_>) -> Result<(), Error>;

    /// Whether there is something to see that no message announces.
    fn is_needed_soon(&self, _: &Spaces) -> bool {
        false
    }

    /// Gives up what has cost too much.
    fn check_budget(&mut self, _: &mut WatcherContext<'_>, _: &BreakpointCost<'_>) {}

    /// A second has passed.
    fn pass_second(&mut self, _: &mut WatcherContext<'_>, _: &BreakpointCost<'_>) {}

    /// For how long it has watched what is watched for a part of the time.
    fn cover(&self, _: &mut Coverage, _now: Instant) {}

    /// The window is about to end.
    fn stop(&mut self) {}

    /// Begins to remove breakpoints; what they have counted is known still.
    fn release(&mut self, _: &mut Probes) {}

    /// The window has ended: reports what goes on still.
    fn finish(&mut self, _: &mut WatcherContext<'_>, _end_ns: Nanos) {}

    /// What a hit of each of its breakpoints costs beside the program, if traps cost this.
    fn trap_costs(&self, _: &TrapCost) -> Vec<(Probe, Nanos)> {
        Vec::new()
    }
}

/// What watchers may use of a run, and where what they see goes.
pub struct WatcherContext<'a> {
    /// The probes.
    pub probes: &'a mut Probes,
    /// Which interpreter lives where.
    pub spaces: &'a mut Spaces,
    /// The start of the window.
    pub start_ns: Nanos,
    /// What the budget has given up.
    pub given_up: &'a GivenUp,
    /// What has been seen.
    pub events: Vec<Event>,
    /// What cannot be seen, or is seen no more.
    pub shed: &'a mut ShedList,
}

impl WatcherContext<'_> {
    /// Since the start of the window.
    #[must_use]
    pub fn now(&self) -> Nanos {
        monotonic_ns().saturating_sub(self.start_ns)
    }

    /// Reports what is given up.
    pub fn shed(&mut self, what: String, why: String) {
        self.shed.push(Shed { at_ns: self.now(), what, why });
    }

    /// The same, unless it has been reported.
    pub fn shed_once(&mut self, what: String, why: impl FnOnce() -> String) {
        if self.shed.rows().iter().all(|shed| shed.what != what) {
            self.shed(what, why());
        }
    }
}

/// For how long was seen what is watched for a part of the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coverage {
    /// Entries of the evaluation function.
    pub entries_ns: Nanos,
    /// Reads, if they were asked for.
    pub reads_ns: Option<Nanos>,
}

/// All watchers whose sections are asked for, and what has come of them so far.
pub struct Watchers {
    /// Those.
    pub list: Vec<Box<dyn Watcher>>,
    /// What they cannot see, or see no more.
    pub shed: ShedList,
}

impl Watchers {
    /// Takes their maps and programs over.
    ///
    /// # Errors
    /// When they have been taken already.
    pub fn new(options: &Options, probes: &mut Probes, roots: &[Root]) -> Result<Self, Error> {
        let sections = options.plan.sections;
        let mut list: Vec<Box<dyn Watcher>> = Vec::new();
        if options.plan.calls {
            list.push(Box::new(CallWatcher::new(roots)));
        }
        if options.plan.watches_reads() {
            list.push(Box::new(ReadWatcher::new(options)));
        }
        if sections.has(Section::Gc) {
            list.push(Box::new(BreakpointWatcher::new(CollectionBreakpoints::new(probes)?)));
        }
        if sections.has(Section::Signals) {
            list.push(Box::new(BreakpointWatcher::new(HandlerBreakpoints::new(probes)?)));
            list.push(Box::new(SenderWatcher::new(probes, roots)?));
        }
        if sections.has(Section::Reads) {
            // Turns are seen at the returns of system calls.
            list.push(Box::new(TaskWatcher::new(Loops::new(probes)?)));
        }
        Ok(Self { list, shed: ShedList::default() })
    }

    /// For how long was seen by now what is watched for a part of the time.
    #[must_use]
    pub fn coverage(&self, now: Instant) -> Coverage {
        let mut coverage = Coverage::default();
        self.list.iter().for_each(|watcher| watcher.cover(&mut coverage, now));
        coverage
    }

    /// What a hit of each breakpoint costs beside its program, if traps cost this.
    #[must_use]
    pub fn trap_costs(&self, cost: &TrapCost) -> Vec<(Probe, Nanos)> {
        self.list.iter().flat_map(|watcher| watcher.trap_costs(cost)).collect()
    }
}
