//! What a recording gets beside events: how the run began, and how it stands; and the report, which is made of the same.

use std::time::{Duration, Instant};

use tracer_common::counters::{Counters, Probe};

use super::super::finish::{assemble, opening, overhead, shed_by_names};
use super::Run;
use crate::attach::{Cost, Error};
use crate::clock::monotonic_ns;
use crate::event::Nanos;
use crate::recording::{Standing, Unread, Usage};
use crate::report::{Ended, Report};

/// What the probes take is read anew so often: it means some sixty files.
const COST: Duration = Duration::from_secs(10);

/// What the probes took when that was read last.
#[derive(Default)]
pub struct KnownCost(Option<(Instant, Cost)>);

impl KnownCost {
    fn now(&mut self) -> Cost {
        let fresh = self.0.take().filter(|(read, _)| read.elapsed() < COST);
        self.0.insert(fresh.unwrap_or_else(|| (Instant::now(), Cost::now()))).1.clone()
    }
}

impl Run<'_> {
    /// The run has begun.
    pub(super) fn begin_recording(&mut self) {
        let opening = opening(self.options, self.roots, &self.begin);
        if let Some(recorder) = self.collector.listener.watch.recorder() {
            recorder.open(&opening);
            self.collector.names.symbols.keep_journal();
        }
    }

    /// The run stands like this.
    pub(super) fn record(&mut self) {
        if self.collector.listener.watch.recorder().is_some() {
            let counters = self.spending.second.1.probes.clone();
            self.record_with(counters);
        }
    }

    /// The same between seconds, if much has happened.
    pub(super) fn record_if_much(&mut self) -> Result<(), Error> {
        if self.collector.listener.watch.recorder().is_some_and(|recorder| recorder.is_full()) {
            let counters = self.tables.ledger.by_probe()?;
            self.record_with(counters);
        }
        Ok(())
    }

    /// Saves what a flight recorder has kept, if there is a reason.
    pub(super) fn save_if_due(&mut self) {
        let saves = self.collector.listener.saves.as_mut();
        if let Some(why) = saves.and_then(|saves| saves.due(Instant::now(), false)) {
            let standing = self.standing_now(self.spending.second.1.probes.clone());
            self.save(why, &Standing { ended: Some(Ended::Saved), ..standing });
        }
    }

    fn save(&mut self, why: String, standing: &Standing) {
        let Self { collector, .. } = self;
        if let Some(recorder) = collector.listener.watch.recorder() {
            recorder.save(why, collector.names.symbols.known(), standing);
        }
    }

    fn record_with(&mut self, counters: Vec<(Probe, Counters)>) {
        let standing = self.standing_now(counters);
        self.publish(&standing);
    }

    fn standing_now(&mut self, counters: Vec<(Probe, Counters)>) -> Standing {
        let cost = self.known_cost.now();
        let now = (monotonic_ns(), Instant::now());
        Standing { cost, ..self.standing(counters, now) }
    }

    fn publish(&mut self, standing: &Standing) {
        let entries = self.collector.names.symbols.new_entries();
        if let Some(recorder) = self.collector.listener.watch.recorder() {
            recorder.stand(&entries, standing);
        }
    }

    /// How the run stands. What breakpoints cost, and what was left unread, is known at its end.
    pub(super) fn standing(
        &self,
        counters: Vec<(Probe, Counters)>,
        (at_ns, now): (Nanos, Instant),
    ) -> Standing {
        let by_names = shed_by_names(&self.collector, at_ns.saturating_sub(self.begin.start_ns));
        let shed = [self.spending.budget.shed(), self.watchers.shed.rows()].concat().into_iter();
        let coverage = self.watchers.coverage(now);
        Standing {
            ended: None,
            at_ns,
            counters,
            unread: Unread::default(),
            records: self.collector.records(),
            traps: Vec::new(),
            cost: Cost::default(),
            covered_ns: coverage.entries_ns,
            reads_covered_ns: coverage.reads_ns,
            shed: shed.chain(by_names).collect(),
            switches_in_doubt: self.begin.switches_in_doubt,
            usage: Usage::now(),
        }
    }

    /// The report of a run that stands like this at its end. To make it is work of ours too.
    pub(super) fn report(&mut self, mut standing: Standing) -> Report {
        let opening = opening(self.options, self.roots, &self.begin);
        let analysis = std::mem::take(&mut self.collector.analysis);
        let mut report = assemble(&opening, &standing, analysis, &self.collector.names.symbols);
        standing.usage = Usage::now();
        report.overhead = overhead(opening.attach_ns, &standing);
        self.publish(&standing);
        let saves = self.collector.listener.saves.as_mut();
        if let Some(why) = saves.and_then(|saves| saves.due(Instant::now(), true)) {
            self.save(why, &standing);
        }
        report
    }
}
