//! What a run costs its target, beside its budget.

use std::time::Instant;

use tracer_common::counters::{Counters, Probe};

use super::super::budget::{Budget, BudgetWork, FAR, Second};
use super::super::watchers::BreakpointCost;
use super::{QUARTER, Run, SOON};
use crate::attach::{Error, TrapCost, of_probe, total};
use crate::clock::{monotonic_ns, nanos};
use crate::event::Nanos;

/// Runs of probes for a target that cost nothing worth a thought, whatever they did. A collection is two.
const FEW: u64 = 20;

/// What tracing costs the target.
pub struct Spending {
    pub(super) budget: Budget,
    /// Since when the current second runs, and what had been spent then.
    pub(super) second: (Instant, Spent),
    /// Likewise of the time since the budget was checked last.
    pub(super) quarter: (Instant, Spent),
}

impl Spending {
    /// Nothing yet, by this budget.
    pub(super) fn new(budget: Option<f64>, now: Instant) -> Self {
        let none = (now, Spent::default());
        Self { budget: Budget::new(budget), second: none.clone(), quarter: none }
    }
}

/// Time spent so far.
#[derive(Clone, Default)]
pub struct Spent {
    pub(super) probes: Vec<(Probe, Counters)>,
    target_ns: Nanos,
}

impl Spent {
    /// Of the targets.
    pub(super) fn samples_since(&self, before: &Self) -> u64 {
        let samples = |spent: &Self| of_probe(&spent.probes, Probe::Sample).not_filtered();
        samples(self).saturating_sub(samples(before))
    }
}

impl Run<'_> {
    /// Compares cost and budget between the seconds.
    pub(super) fn check_budget(&mut self) -> Result<(), Error> {
        if self.spending.quarter.0.elapsed() < SOON / 2 {
            return Ok(()); // just checked: of so short a moment, one timed run that stands for others is a large part
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
        self.spending.quarter = (Instant::now(), spent);
        if self.spending.budget.check_briefly(&moment) {
            self.probes.shed(self.spending.budget.given_up().flags(), self.spending.budget.thinning())?;
        }
        let part_ns = Some(nanos(self.spending.second.0.elapsed()));
        let cost = BreakpointCost { second: &moment, limit: self.options.budget, times: FAR, part_ns };
        self.each_watcher(|watcher, context| {
            watcher.check_budget(context, &cost);
            Ok(())
        })
    }

    /// What was done between two reads of the counters.
    pub(super) fn since(&self, began: Instant, before: &Spent, now: &Spent) -> Second {
        let probes = now.probes.iter().map(|&(probe, counters)| {
            let before = of_probe(&before.probes, probe);
            BudgetWork {
                probe,
                hits: counters.hits.saturating_sub(before.hits),
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
        let is_hit = |&(probe, _): &(Probe, Nanos)| of_probe(counters, probe).hits > 0;
        if !self.watchers.trap_costs(&TrapCost::default()).iter().any(is_hit) {
            return Vec::new();
        }
        let cost = TrapCost::measure(&mut self.probes);
        self.watchers.trap_costs(&cost)
    }

    /// What has been spent by now.
    pub(super) fn spent(&mut self) -> Result<Spent, Error> {
        let probes = self.tables.ledger.by_probe()?;
        Ok(self.spent_by(probes))
    }

    fn spent_by(&mut self, probes: Vec<(Probe, Counters)>) -> Spent {
        let target_ns = self.collector.cpu_ns();
        Spent { probes, target_ns }
    }
}
