//! Entries of the evaluation function, counted all the time, or, once the budget is spent, in bursts.

use std::time::Instant;

use tracer_common::counters::Probe;

use super::{Coverage, Watcher, WatcherContext};
use crate::attach::{Error, Probes, TrapCost};
use crate::clock::nanos;
use crate::event::{Nanos, Pid};
use crate::python::eval::EvalFrame;
use crate::roots::Root;
use crate::session::budget::Detail;
use crate::session::part_time::PartTime;

/// Whose entries are counted, and for how long they were.
pub struct CallWatcher {
    places: Vec<(Pid, EvalFrame)>,
    /// Processes that get no breakpoints, and why.
    refused: Vec<(Pid, String)>,
    part: PartTime,
}

impl CallWatcher {
    /// Of these processes.
    pub fn new(roots: &[Root]) -> Self {
        let (mut places, mut refused) = (Vec::new(), Vec::new());
        for root in roots {
            let Some(interpreter) = &root.interpreter else { continue };
            match (interpreter.mapped_too_often(), &interpreter.eval_frame) {
                (Some(why), Some(_)) => refused.push((root.process.pid, why)),
                (None, Some(place)) => places.push((root.process.pid, place.clone())),
                (_, None) => {}
            }
        }
        Self { places, refused, part: PartTime::new(false) }
    }

    fn count(&mut self, probes: &mut Probes, wanted: bool) -> Result<(), Error> {
        if wanted {
            probes.count_entries(self.places.iter().map(|(pid, place)| (*pid, place)))?;
        } else {
            probes.stop_counting_entries();
        }
        self.part.turn(probes.counts_entries(), Instant::now());
        Ok(())
    }
}

impl Watcher for CallWatcher {
    fn prepare(&mut self, context: &mut WatcherContext<'_>) -> Result<(), Error> {
        for (pid, why) in self.refused.drain(..) {
            context.shed(format!("calls of process {pid}"), why);
        }
        self.count(context.probes, true)
    }

    fn poll(&mut self, context: &mut WatcherContext<'_>) -> Result<(), Error> {
        let due = self.part.is_due(!context.given_up.has(Detail::Calls), Instant::now());
        if due == context.probes.counts_entries() {
            return Ok(());
        }
        self.count(context.probes, due)
    }

    fn cover(&self, coverage: &mut Coverage, now: Instant) {
        coverage.entries_ns = nanos(self.part.watched(now));
    }

    fn trap_costs(&self, cost: &TrapCost) -> Vec<(Probe, Nanos)> {
        vec![(Probe::Entry, cost.emulated_ns)]
    }
}
