//! A run between its begin and its end.

use std::time::{Duration, Instant};

use super::baseline::left_out::{DESCRIBING, Unread};
use super::baseline::threads::Threads;
use super::baseline::window;
use super::event_collector::EventCollector;
use super::relay::Relay;
use super::stop::StopSignals;
use super::triggers::Saves;
use super::watchers::{BreakpointCost, Watcher, Watchers};
use super::{Finished, Options, Watch, still_asleep};
use crate::attach::{Aggregates, Cost, Error, Ledger, Probes, SentStacks, total, unfinished};
use crate::clock::{monotonic_ns, nanos, utc_now};
use crate::event::{Event, Nanos, Task};
use crate::recording::Standing;
use crate::report::Ended;
use crate::roots::Root;
use crate::selection::Newcomers;
use cost::Spending;
use pace::Beat;
use reading::RingReader;

mod baseline;
mod cost;
mod held;
mod pace;
mod programs;
mod reading;
mod recording;
mod watchers;

/// Aggregates are drained this often.
const SECOND: Duration = Duration::from_secs(1);
/// What costs far too much is noticed this soon.
const QUARTER: Duration = Duration::from_millis(250);
/// And so often in the first quarter: what costs too much has begun at once.
const SOON: Duration = Duration::from_millis(50);
/// Events after which the maps are drained before their second is over: each thread that is born takes rows of its own.
const CROWD: u64 = 2_000;

/// What is needed between begin and end.
pub struct Run<'a> {
    options: &'a Options,
    roots: &'a [Root],
    probes: Probes,
    tables: KernelTables,
    reader: RingReader,
    collector: EventCollector<Relay<'a>>,
    /// `None` where nothing is selected, or only what is there already.
    newcomers: Option<Newcomers>,
    watchers: Watchers,
    spending: Spending,
    known_cost: recording::KnownCost,
    begin: Begin,
    /// The start of the window, as timers count.
    began: Instant,
}

/// What the probes have counted, and what they have sent.
struct KernelTables {
    aggregates: Aggregates,
    ledger: Ledger,
    sent_stacks: SentStacks,
}

/// When the window began.
pub struct Begin {
    /// Nanoseconds of `CLOCK_MONOTONIC`; what happens before it has a time of 0.
    pub start_ns: Nanos,
    /// On the wall.
    pub start: String,
    /// How long it took to attach.
    pub attach_ns: Nanos,
    /// Switches while the kernel's counts were read at the two ends of the window.
    pub switches_in_doubt: u64,
}

impl Default for Begin {
    fn default() -> Self {
        Self { start_ns: Nanos::MAX, start: String::new(), attach_ns: 0, switches_in_doubt: 0 }
    }
}

impl KernelTables {
    fn new(probes: &mut Probes) -> Result<Self, Error> {
        Ok(Self {
            aggregates: Aggregates::new(probes)?,
            ledger: Ledger::new(probes)?,
            sent_stacks: SentStacks::new(probes)?,
        })
    }
}

impl<'a> Run<'a> {
    /// Attaches, and starts counting.
    pub fn begin(
        options: &'a Options,
        roots: &'a [Root],
        watch: &'a mut dyn Watch,
        signals: Option<&StopSignals>,
    ) -> Result<Self, Error> {
        let began = Instant::now();
        let mut probes = Probes::load(options.plan.clone())?;
        let tables = KernelTables::new(&mut probes)?;
        let reader = RingReader::new(&mut probes)?;
        let watchers = Watchers::new(options, &mut probes, roots)?;
        probes.attach()?;
        for root in roots {
            probes.trace(root.process.pid, &root.target(options.follow))?;
        }
        let saves = options.triggers.clone().map(|triggers| Saves::new(triggers, began));
        let collector = EventCollector::new(Relay::new(watch, options.until.clone(), saves));
        let mut run = Self {
            options,
            roots,
            spending: Spending::new(options.budget, began),
            known_cost: recording::KnownCost::default(),
            probes,
            tables,
            reader,
            watchers,
            collector,
            newcomers: None,
            begin: Begin::default(),
            began,
        };
        run.introduce_interpreters();
        run.each_watcher(Watcher::prepare)?;
        signals.into_iter().for_each(StopSignals::window_begins);
        run.start()?;
        run.begin.attach_ns = nanos(began.elapsed());
        run.begin_recording();
        run.collector.listener.watch.attached(roots, Duration::from_nanos(run.begin.attach_ns));
        Ok(run)
    }

    /// Counts from now on.
    fn start(&mut self) -> Result<(), Error> {
        // Before the window: a thousand threads take ten milliseconds to read.
        let before = Threads::of_all(self.roots, DESCRIBING);
        let living = self.living_roots();
        (self.begin.start_ns, self.begin.start) = (monotonic_ns(), utc_now());
        self.began = Instant::now();
        self.reader.begin(self.began);
        self.collector.start(self.begin.start_ns);
        self.probes.start(self.begin.start_ns)?;
        self.watchers.list.iter_mut().for_each(|watcher| watcher.start());
        let threads = Threads::of_all(self.roots, DESCRIBING);
        let counted = self.kernel_switches(&threads);
        self.begin.switches_in_doubt = window::switches_between(&self.kernel_switches(&before), &counted);
        let unread = window::unread(&before);
        for (task, voluntary, involuntary) in counted.into_iter().filter(|(task, ..)| !unread.contains(task))
        {
            self.collector.event(Event::KernelSwitchesBefore { task, voluntary, involuntary });
        }
        self.newcomers =
            self.options.selection.clone().map(|selection| Newcomers::new(selection, Instant::now()));
        self.describe_roots(living, &threads)?;
        self.spending.quarter = (Instant::now(), self.spent()?);
        self.spending.second = self.spending.quarter.clone();
        Ok(())
    }

    /// When the time that was asked for is up.
    pub fn end_of_window(&self) -> Option<Instant> {
        Some(self.began + self.options.duration?)
    }

    /// Collects until something else ends the run, its rule holds, or it is not watched any more.
    pub async fn watch(&mut self) -> Result<Ended, Error> {
        let began = self.reader.pace.begin();
        let mut second = Beat::new(SECOND, began);
        let mut budget_check = Beat::new(SOON, began);
        while !self.collector.listener.is_over() {
            if self.collector.listener.watch.is_over() {
                return Ok(Ended::Interrupt);
            }
            let now = Instant::now();
            let own = self.reader.pace.next(now).min(second.next()).min(budget_check.next());
            let next = self.collector.interpreter_probes.next().map_or(own, |at| own.min(at));
            if self.reader.is_behind {
                tokio::task::yield_now().await;
            } else {
                self.wait(next).await?;
            }
            let now = Instant::now();
            if second.is_due(now) {
                self.pass_second()?;
            }
            if budget_check.is_due(now) {
                self.check_budget()?;
                if now.duration_since(began) >= QUARTER {
                    budget_check.slow_down(QUARTER);
                }
            }
            self.read()?;
            if self.collector.listener.events - self.reader.drained_at_event > CROWD {
                self.drain()?;
            }
            self.poll()?;
            if self.is_watched_closely() {
                self.reader.pace.poll_faster(Instant::now());
            }
        }
        Ok(Ended::Until)
    }

    /// Whether there is something to see that no message reports: bursts that are to end in time, and long turns of
    /// event loops.
    fn is_watched_closely(&self) -> bool {
        let spaces = &self.collector.spaces;
        let in_bursts = !self.spending.budget.given_up().is_empty();
        in_bursts || self.watchers.list.iter().any(|watcher| watcher.is_needed_soon(spaces))
    }

    /// Drains the aggregates, and compares cost and budget.
    fn pass_second(&mut self) -> Result<(), Error> {
        self.drain()?;
        self.forget_stacks()?;
        let spent = self.spent()?;
        let (began, before) = (self.spending.second.0, &self.spending.second.1);
        let second = self.since(began, before, &spent);
        let samples = spent.samples_since(before);
        let lost = total(&spent.probes).lost();
        self.probes.clocks_follow(samples > 0);
        self.spending.quarter = (Instant::now(), spent.clone());
        self.spending.second = (Instant::now(), spent);
        if self.spending.budget.second(&second) {
            self.probes.shed(self.spending.budget.given_up().flags(), self.spending.budget.thinning())?;
        }
        self.collector.names.renew();
        self.collector.refresh_after(second.at_ns, nanos(SECOND));
        let limit = self.options.budget;
        let cost = BreakpointCost { second: &second, limit, times: 1.0, part_ns: None };
        self.each_watcher(|watcher, context| {
            watcher.check_budget(context, &cost);
            watcher.pass_second(context, &cost);
            Ok(())
        })?;
        self.record();
        self.save_if_due();
        let events = self.collector.listener.events;
        self.collector.listener.watch.progress(Duration::from_nanos(second.at_ns), events, lost);
        Ok(())
    }

    /// A recursion makes ever new stacks of the same lines, and a run may last for hours.
    fn forget_stacks(&mut self) -> Result<(), Error> {
        let stacks = &mut self.collector.names.symbols.stacks;
        if stacks.is_full() {
            stacks.forget(&self.tables.sent_stacks.forget(&self.probes)?);
        }
        Ok(())
    }

    /// Stops counting, takes in what is left, and puts the report together.
    pub fn finish(mut self, ended: Ended) -> Result<Finished, Error> {
        let last = Threads::of_all(self.roots, DESCRIBING);
        self.watchers.list.iter_mut().for_each(|watcher| watcher.stop());
        self.probes.stop()?;
        self.detach();
        self.probes.settle();
        let end_ns = monotonic_ns();
        let stopped = Instant::now();
        let cost = Cost::now(); // while the programs are there
        let after = Threads::of_all(self.roots, DESCRIBING);
        let mut kernel = self.kernel_switches(&last);
        self.begin.switches_in_doubt += window::switches_between(&kernel, &self.kernel_switches(&after));
        // How far one may be apart from ours is not known without both.
        let unread = window::unread(&after);
        kernel.retain(|(task, ..)| !unread.contains(task));
        self.report_unread(Unread::CountAtEnd, after.iter().map(Threads::left_out));
        let counters = self.tables.ledger.by_probe()?;
        let traps = self.trap_costs(&counters);
        self.collector.names.renew();
        let unread = self.read_rest()?;
        // What meets the rule may end the target, and be noticed after that.
        let ended = if self.collector.listener.holds() { Ended::Until } else { ended };
        self.collector.listener.watch.ended(ended);
        self.drain()?;
        let mut unfinished = unfinished(&mut self.probes, self.begin.start_ns, end_ns)?;
        let depth = self.options.plan.depth as usize;
        let left_out = still_asleep::collect(&mut unfinished, &mut self.collector, depth);
        self.report_unread(Unread::CallersAtEnd, left_out);
        // After those of threads that have ended, which may have had the same ids.
        let of_thread =
            |(task, voluntary, involuntary)| Event::KernelSwitches { task, voluntary, involuntary };
        kernel.into_iter().map(of_thread).chain(unfinished).for_each(|event| self.collector.event(event));
        self.each_watcher(|watcher, context| {
            watcher.finish(context, end_ns);
            Ok(())
        })?;
        self.collector.end(end_ns.saturating_sub(self.begin.start_ns), window::stat);
        let standing = Standing {
            ended: Some(ended),
            unread,
            traps,
            cost,
            ..self.standing(self.tables.ledger.by_probe()?, (end_ns, stopped))
        };
        let report = self.report(standing);
        Ok(Finished { report, _probes: self.probes })
    }

    /// What the kernel has counted of threads, where switches are counted.
    fn kernel_switches(&self, threads: &[Threads<'_>]) -> Vec<(Task, u64, u64)> {
        let counted = if self.options.plan.counts_switches() { threads } else { &[] };
        window::kernel_counts(counted).collect()
    }

    /// Begins to detach: it takes a while, in which the report is made.
    fn detach(&mut self) {
        self.probes.detach();
        self.watchers.list.iter_mut().for_each(|watcher| watcher.release(&mut self.probes));
    }
}
