//! Reads, watched all the time, or in bursts: once the budget is spent, or where that costs the whole machine much.

use std::time::{Duration, Instant};

use tracer_common::counters::Probe;

use super::neighbours::Neighbours;
use super::{BreakpointCost, Coverage, Watcher, WatcherContext};
use crate::attach::Error;
use crate::clock::nanos;
use crate::session::Options;
use crate::session::budget::Detail;
use crate::session::part_time::PartTime;
use crate::timeline::Spaces;

/// For how long they were watched.
pub struct ReadWatcher {
    part: PartTime,
    /// For how long when the current second began.
    before: Duration,
    neighbours: Neighbours,
}

impl ReadWatcher {
    /// None yet.
    pub fn new(options: &Options) -> Self {
        let neighbours = Neighbours::new(options.budget.is_none() || options.reads_by_name);
        Self { part: PartTime::new(false), before: Duration::ZERO, neighbours }
    }
}

impl Watcher for ReadWatcher {
    /// Their hook has been attached with the others.
    fn prepare(&mut self, _: &mut WatcherContext<'_>) -> Result<(), Error> {
        self.part = PartTime::new(true);
        Ok(())
    }

    fn start(&mut self) {
        self.before = self.part.watched(Instant::now());
    }

    fn poll(&mut self, context: &mut WatcherContext<'_>) -> Result<(), Error> {
        let in_bursts = context.given_up.has(Detail::Reads) || self.neighbours.are_spared();
        let due = self.part.is_due(!in_bursts, Instant::now());
        if due != context.probes.watches_reads() {
            context.probes.watch_reads(due)?;
            self.part.turn(due, Instant::now());
        }
        Ok(())
    }

    /// Bursts are to end in time.
    fn is_needed_soon(&self, _: &Spaces) -> bool {
        self.neighbours.are_spared()
    }

    fn pass_second(&mut self, context: &mut WatcherContext<'_>, cost: &BreakpointCost<'_>) {
        let watched = self.part.watched(Instant::now());
        let lately = watched.saturating_sub(std::mem::replace(&mut self.before, watched));
        let shed = self.neighbours.second(cost.second.filtered(Probe::Syscall), lately);
        shed.into_iter().for_each(|(what, why)| context.shed(what, why));
    }

    fn cover(&self, coverage: &mut Coverage, now: Instant) {
        coverage.reads_ns = Some(nanos(self.part.watched(now)));
    }
}
