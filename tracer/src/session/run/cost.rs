//! What a run costs its target, and what it therefore leaves out.

use std::time::{Duration, Instant};

use tracer_common::counters::{Counters, Probe};

use super::super::Options;
use super::super::budget::{Budget, Detail, FAR, Second, Work};
use super::super::neighbours::Neighbours;
use super::super::part_time::PartTime;
use super::super::watchers::{BreakpointCost, CollectionWatcher, HandlerWatcher, Passed};
use super::{QUARTER, Run, SOON, nanos, place_of_entry};
use crate::attach::{Error, Probes, TrapCost, of_probe, total};
use crate::clock::monotonic_ns;
use crate::event::Nanos;

/// Runs of probes for a target that cost nothing worth a thought, whatever they did. A collection is two.
const FEW: u64 = 20;

/// What tracing costs the target, and what is watched for a part of the time because of it.
pub struct Spending {
    pub(super) budget: Budget,
    /// Since when the current second runs, and what had been spent then.
    pub(super) second: (Instant, Spent),
    /// Likewise of the time since the budget was looked at last.
    pub(super) quarter: (Instant, Spent),
    pub(super) calls: PartTime,
    /// `None` where reads are not asked for.
    pub(super) reads: Option<PartTime>,
    pub(super) neighbours: Neighbours,
}

impl Spending {
    /// Nothing yet, by this budget.
    pub(super) fn new(options: &Options, probes: &Probes, now: Instant) -> Self {
        Self {
            budget: Budget::new(options.budget),
            second: (now, Spent::default()),
            quarter: (now, Spent::default()),
            calls: PartTime::new(probes.counts_entries()),
            reads: probes.watches_reads().then(|| PartTime::new(true)),
            neighbours: Neighbours::new(options.budget.is_none() || options.reads_by_name),
        }
    }
}

/// Time spent so far.
#[derive(Clone, Default)]
pub struct Spent {
    pub(super) probes: Vec<(Probe, Counters)>,
    target_ns: Nanos,
    hits: Hits,
    /// For how long reads have been watched.
    reads_watched: Duration,
}

/// Breakpoints that were hit.
#[derive(Clone, Copy, Default)]
pub struct Hits {
    /// Of garbage collections that were seen one by one.
    collections: u64,
    /// Where arguments of handlers, and others, are put together.
    handlers: u64,
}

impl Spent {
    /// Since another moment.
    pub(super) fn hits_since(&self, before: &Self) -> Hits {
        Hits {
            collections: self.hits.collections.saturating_sub(before.hits.collections),
            handlers: self.hits.handlers.saturating_sub(before.hits.handlers),
        }
    }

    /// Of the targets.
    pub(super) fn samples_since(&self, before: &Self) -> u64 {
        let samples = |spent: &Self| of_probe(&spent.probes, Probe::Sample).not_filtered();
        samples(self).saturating_sub(samples(before))
    }

    /// System calls of anybody that were no reads of a target, and for how long they were seen.
    pub(super) fn others_calls_since(&self, before: &Self) -> (u64, Duration) {
        let calls = |spent: &Self| of_probe(&spent.probes, Probe::Syscall).filtered;
        let watched = self.reads_watched.saturating_sub(before.reads_watched);
        (calls(self).saturating_sub(calls(before)), watched)
    }
}

impl Run<'_> {
    /// Attaches and detaches what the budget has room for in bursts only.
    pub(super) fn watch_parts(&mut self) -> Result<(), Error> {
        let given_up = self.spending.budget.given_up();
        let calls = given_up.has(Detail::Calls);
        let reads = given_up.has(Detail::Reads) || self.spending.neighbours.are_spared();
        if self.options.plan.calls {
            let due = self.spending.calls.is_due(!calls, Instant::now());
            if due != self.probes.counts_entries() {
                self.count_entries(due)?;
                self.spending.calls.turn(self.probes.counts_entries(), Instant::now());
            }
        }
        if let Some(part) = &mut self.spending.reads {
            let due = part.is_due(!reads, Instant::now());
            if due != self.probes.watches_reads() {
                self.probes.watch_reads(due)?;
                part.turn(due, Instant::now());
            }
        }
        Ok(())
    }

    /// Compares cost and budget between the seconds.
    pub(super) fn check_budget(&mut self) -> Result<(), Error> {
        if self.spending.quarter.0.elapsed() < SOON / 2 {
            return Ok(()); // just looked: of so short a moment, one timed run that stands for others is a large part
        }
        let probes = self.tables.ledger.by_probe()?;
        let of_targets = |probes: &[(Probe, Counters)]| total(probes).not_filtered();
        if of_targets(&probes).saturating_sub(of_targets(&self.spending.quarter.1.probes)) < FEW {
            return Ok(()); // what the target has used meanwhile need not be looked up
        }
        let spent = self.spent_by(probes);
        let mut moment = self.since(self.spending.quarter.0, &self.spending.quarter.1, &spent);
        if moment.wall_ns < nanos(QUARTER) / 2 {
            // Its CPU time is known by the hundredth of a second: what keeps a whole CPU busy is far over the budget.
            moment.target_ns = moment.target_ns.max(moment.wall_ns);
        }
        let traps = spent.hits_since(&self.spending.quarter.1);
        self.spending.quarter = (Instant::now(), spent);
        if self.spending.budget.check_briefly(&moment) {
            self.probes.shed(self.spending.budget.given_up().flags(), self.spending.budget.thinning())?;
        }
        self.check_breakpoints(traps, &moment, FAR);
        self.weigh_collections(Passed::Part(nanos(self.spending.second.0.elapsed())), moment.at_ns);
        Ok(())
    }

    /// Compares what so many breakpoints have cost with the budget, or with so many times that.
    pub(super) fn check_breakpoints(&mut self, hits: Hits, second: &Second, times: f64) {
        let (wall_ns, target_ns, limit) = (second.wall_ns, second.target_ns, self.options.budget);
        let cost = |hits| BreakpointCost { hits, wall_ns, target_ns, limit, times };
        if let Some(collectors) = &mut self.watchers.collectors {
            let events = collectors.second(&mut self.probes, &cost(hits.collections), second.at_ns);
            events.into_iter().for_each(|event| self.collector.event(event));
        }
        if let Some(handlers) = &mut self.watchers.handlers {
            let events = handlers.second(&mut self.probes, &cost(hits.handlers), second.at_ns);
            events.into_iter().for_each(|event| self.collector.event(event));
        }
    }

    /// Takes breakpoints out of processes that collect often, unless cost does not matter.
    pub(super) fn weigh_collections(&mut self, passed: Passed, at_ns: Nanos) {
        let Some(collectors) = &mut self.watchers.collectors else { return };
        if matches!(passed, Passed::Second(_)) {
            collectors.count();
        }
        if self.options.budget.is_some() {
            let events = collectors.rates(&mut self.probes, passed, at_ns);
            events.into_iter().for_each(|event| self.collector.event(event));
        }
    }

    pub(super) fn since(&self, began: Instant, before: &Spent, now: &Spent) -> Second {
        let probes = now.probes.iter().map(|&(probe, counters)| {
            let before = of_probe(&before.probes, probe);
            Work {
                probe,
                runs: counters.not_filtered().saturating_sub(before.not_filtered()),
                run_ns: counters.time.own_ns.saturating_sub(before.time.own_ns),
            }
        });
        Second {
            at_ns: monotonic_ns() - self.begin.start_ns,
            wall_ns: nanos(began.elapsed()),
            probes: probes.collect(),
            target_ns: now.target_ns.saturating_sub(before.target_ns),
        }
    }

    /// What one hit of each breakpoint costs beside its program; empty where none was hit.
    pub(super) fn trap_costs(&mut self, counters: &[(Probe, Counters)]) -> Vec<(Probe, Nanos)> {
        const BREAKPOINTS: [Probe; 5] =
            [Probe::Entry, Probe::Handler, Probe::Check, Probe::GcBegin, Probe::GcEnd];
        if BREAKPOINTS.iter().all(|&probe| of_probe(counters, probe).hits == 0) {
            return Vec::new();
        }
        let cost = TrapCost::measure(&mut self.probes);
        let handlers_stepped = self.watchers.handlers.as_ref().is_some_and(HandlerWatcher::are_stepped);
        let ends_stepped = self.watchers.collectors.as_ref().is_some_and(CollectionWatcher::are_stepped);
        let of = |probe| match probe {
            Probe::Handler if handlers_stepped => cost.stepped_ns,
            Probe::GcEnd if ends_stepped => cost.stepped_ns,
            Probe::GcEnd => cost.returned_ns,
            // Each entry has a return.
            Probe::Check => (cost.emulated_ns + cost.returned_ns) / 2,
            _ => cost.emulated_ns,
        };
        BREAKPOINTS.into_iter().map(|probe| (probe, of(probe))).collect()
    }

    fn count_entries(&mut self, wanted: bool) -> Result<(), Error> {
        match (wanted, self.probes.counts_entries()) {
            (true, false) => self.probes.count_entries(self.roots.iter().filter_map(place_of_entry)),
            (false, true) => {
                self.probes.stop_counting_entries();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn spent(&mut self) -> Result<Spent, Error> {
        let probes = self.tables.ledger.by_probe()?;
        Ok(self.spent_by(probes))
    }

    fn spent_by(&mut self, probes: Vec<(Probe, Counters)>) -> Spent {
        let target_ns = self.collector.cpu_ns();
        let hits_of = |probe| of_probe(&probes, probe).hits;
        let handlers = hits_of(Probe::Handler) + hits_of(Probe::Check);
        let hits = Hits { collections: hits_of(Probe::GcEnd), handlers };
        let reads = self.spending.reads.as_ref();
        let reads_watched = reads.map_or(Duration::ZERO, |reads| reads.watched(Instant::now()));
        Spent { probes, target_ns, hits, reads_watched }
    }
}
