//! A run between its begin and its end.

use std::time::{Duration, Instant};

use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;

use super::baseline::threads::Threads;
use super::baseline::window;
use super::budget::Budget;
use super::event_collector::EventCollector;
use super::finish::{Ending, assemble};
use super::part_time::PartTime;
use super::relay::Relay;
use super::roots::Root;
use super::watchers::{CollectionWatcher, HandlerWatcher, SenderWatcher, TaskWatcher};
use super::{Finished, Options, Watch, still_asleep};
use crate::attach::{Aggregates, Cost, Error, Ledger, Loops, Probes, SentStacks, total, unfinished};
use crate::clock::{monotonic_ns, utc_now};
use crate::event::{Event, Nanos, Pid, Task};
use crate::report::Ended;
use crate::sections::Section;
use crate::selection::Newcomers;
use crate::sys::alarm::Alarm;
use crate::sys::readable;
use cost::Spent;
use held::Held;
use pace::{Beat, Pace};

mod baseline;
mod cost;
mod held;
mod pace;
mod programs;
mod reading;
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
    aggregates: Aggregates,
    ledger: Ledger,
    sent_stacks: SentStacks,
    ring: AsyncFd<RingBuf<MapData>>,
    held: Held,
    pace: Pace,
    alarm: Alarm,
    collector: EventCollector<Relay<'a>>,
    /// `None` where nothing is selected, or only what is there already.
    newcomers: Option<Newcomers>,
    budget: Budget,
    /// `None` where signals are not asked for.
    handlers: Option<HandlerWatcher>,
    senders: Option<SenderWatcher>,
    /// `None` where pauses are not asked for.
    collectors: Option<CollectionWatcher>,
    /// `None` where the returns of system calls are not seen.
    tasks: Option<TaskWatcher>,
    /// The ring buffer was not empty when the reader let others have a turn.
    is_behind: bool,
    /// Events that had been streamed when the maps were drained last.
    drained_at_event: u64,
    /// Since when the current second runs, and what had been spent then.
    second: (Instant, Spent),
    /// Likewise of the time since the budget was looked at last.
    quarter: (Instant, Spent),
    begin: Begin,
    /// The start of the window, as timers count.
    began: Instant,
    calls: PartTime,
    /// `None` where reads are not asked for.
    reads: Option<PartTime>,
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

impl<'a> Run<'a> {
    /// Attaches, and starts counting.
    pub fn begin(options: &'a Options, roots: &'a [Root], watch: &'a mut dyn Watch) -> Result<Self, Error> {
        let began = Instant::now();
        let mut probes = Probes::load(options.plan.clone())?;
        let (aggregates, ledger) = (Aggregates::new(&mut probes)?, Ledger::new(&mut probes)?);
        let sent_stacks = SentStacks::new(&mut probes)?;
        let ring =
            readable::ring(probes.events()?).map_err(|error| Error::system("wait for events", &error))?;
        let alarm = Alarm::new().map_err(|error| Error::system("make a timer", &error))?;
        let wants_signals = probes.plan().sections.has(Section::Signals);
        let handlers = wants_signals.then(|| HandlerWatcher::new(&mut probes)).transpose()?;
        let senders = wants_signals.then(|| SenderWatcher::new(&mut probes, roots)).transpose()?;
        let wants_pauses = probes.plan().sections.has(Section::Gc);
        let collectors = wants_pauses.then(|| CollectionWatcher::new(&mut probes)).transpose()?;
        let sees_turns = probes.plan().sections.has(Section::Reads);
        let tasks = sees_turns.then(|| Loops::new(&mut probes)).transpose()?.map(TaskWatcher::new);
        probes.attach()?;
        probes.count_entries(roots.iter().filter_map(place_of_entry))?;
        for root in roots {
            probes.trace(root.process.pid, &root.target(options.follow))?;
        }
        let collector = EventCollector::new(Relay::new(watch, options.until.clone()));
        let mut run = Self {
            budget: Budget::new(options.budget),
            handlers,
            senders,
            collectors,
            tasks,
            is_behind: false,
            drained_at_event: 0,
            second: (began, Spent::default()),
            quarter: (began, Spent::default()),
            calls: PartTime::new(probes.counts_entries()),
            reads: probes.watches_reads().then(|| PartTime::new(true)),
            options,
            roots,
            probes,
            aggregates,
            ledger,
            sent_stacks,
            ring,
            held: Held::new(options.plan.ring_bytes),
            pace: Pace::new(Instant::now()),
            alarm,
            collector,
            newcomers: None,
            begin: Begin::default(),
            began,
        };
        run.set_breakpoints();
        run.start()?;
        run.begin.attach_ns = nanos(began.elapsed());
        run.collector.listener.watch.attached(roots, Duration::from_nanos(run.begin.attach_ns));
        Ok(run)
    }

    /// Counts from now on.
    fn start(&mut self) -> Result<(), Error> {
        // Before the window: a thousand threads take ten milliseconds to read.
        let before = self.kernel_switches(&Threads::of_all(self.roots));
        let ended = self.ended_roots();
        (self.begin.start_ns, self.begin.start) = (monotonic_ns(), utc_now());
        self.began = Instant::now();
        self.collector.start(self.begin.start_ns);
        self.probes.start(self.begin.start_ns)?;
        self.collectors.iter_mut().for_each(CollectionWatcher::start);
        let threads = Threads::of_all(self.roots);
        let counted = self.kernel_switches(&threads);
        self.begin.switches_in_doubt = window::switches_between(&before, &counted);
        for (task, voluntary, involuntary) in counted {
            self.collector.event(Event::KernelSwitchesBefore { task, voluntary, involuntary });
        }
        self.newcomers =
            self.options.selection.clone().map(|selection| Newcomers::new(selection, Instant::now()));
        self.describe_roots(&ended, &threads)?;
        self.senders.iter_mut().for_each(SenderWatcher::follow);
        self.quarter = (Instant::now(), self.spent()?);
        self.second = self.quarter.clone();
        Ok(())
    }

    /// When the time that was asked for is up.
    pub fn end_of_window(&self) -> Option<Instant> {
        Some(self.began + self.options.duration?)
    }

    /// Collects until something else ends the run, its rule is met, or nobody watches any more.
    pub async fn watch(&mut self) -> Result<Ended, Error> {
        let began = self.pace.begin();
        let mut second = Beat::new(SECOND, began);
        let mut budget_check = Beat::new(SOON, began);
        while !self.collector.listener.is_over() {
            if self.collector.listener.watch.is_over() {
                return Ok(Ended::Interrupt);
            }
            let now = Instant::now();
            let own = self.pace.next(now).min(second.next()).min(budget_check.next());
            let next = self.collector.interpreter_probes.next().map_or(own, |look| own.min(look));
            if self.is_behind {
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
            if self.collector.listener.events - self.drained_at_event > CROWD {
                self.drain()?;
            }
            self.look()?;
            self.watch_parts()?;
            if self.is_watched_closely() {
                self.pace.poll_faster(Instant::now());
            }
        }
        Ok(Ended::Until)
    }

    /// Whether there is something to see that no message tells of: bursts that are to end in time, and long turns of
    /// event loops.
    fn is_watched_closely(&self) -> bool {
        let awaited = |tasks: &TaskWatcher| tasks.are_awaited(&self.collector.spaces);
        !self.budget.given_up().is_empty() || self.tasks.as_ref().is_some_and(awaited)
    }

    /// Drains the aggregates, and compares cost and budget.
    fn pass_second(&mut self) -> Result<(), Error> {
        self.drain()?;
        self.forget_stacks()?;
        self.senders.iter_mut().for_each(SenderWatcher::follow);
        let spent = self.spent()?;
        let (began, before) = (self.second.0, &self.second.1);
        let second = self.since(began, before, &spent);
        let (traps, lost) = (spent.hits_since(before), total(&spent.probes).lost());
        self.quarter = (Instant::now(), spent.clone());
        self.second = (Instant::now(), spent);
        if self.budget.second(&second) {
            self.probes.shed(self.budget.given_up().flags(), self.budget.thinning())?;
        }
        self.collector.names.renew();
        self.collector.refresh_after(second.at_ns, nanos(SECOND));
        self.check_breakpoints(traps, &second, 1.0);
        self.weigh_collections(&second);
        let events = self.collector.listener.events;
        self.collector.listener.watch.progress(Duration::from_nanos(second.at_ns), events, lost);
        Ok(())
    }

    /// A recursion makes ever new stacks of the same lines, and a run may last for hours.
    fn forget_stacks(&mut self) -> Result<(), Error> {
        let stacks = &mut self.collector.names.symbols.stacks;
        if stacks.is_full() {
            stacks.forget(&self.sent_stacks.forget(&self.probes)?);
        }
        Ok(())
    }

    /// Stops counting, takes in what is left, and puts the report together.
    pub fn finish(mut self, ended: Ended) -> Result<Finished, Error> {
        let kernel = self.kernel_switches(&Threads::of_all(self.roots));
        self.collectors.iter_mut().for_each(CollectionWatcher::count);
        self.probes.stop()?;
        self.detach();
        self.probes.settle();
        let end_ns = monotonic_ns();
        let stopped = Instant::now();
        let cost = Cost::now(); // while the programs are there
        let after = self.kernel_switches(&Threads::of_all(self.roots));
        self.begin.switches_in_doubt += window::switches_between(&kernel, &after);
        let counters = self.ledger.by_probe()?;
        let traps = self.trap_costs(&counters);
        self.collector.names.renew();
        let unread = self.read_rest()?;
        // What meets the rule may end the target, and be noticed after that.
        let ended = if self.collector.listener.is_met() { Ended::Until } else { ended };
        self.collector.listener.watch.ended(ended);
        self.drain()?;
        let mut unfinished = unfinished(&mut self.probes, self.begin.start_ns, end_ns)?;
        still_asleep::look(&mut unfinished, &mut self.collector, self.options.plan.depth as usize);
        // After those of threads that have ended, which may have had the same ids.
        let of_thread =
            |(task, voluntary, involuntary)| Event::KernelSwitches { task, voluntary, involuntary };
        kernel.into_iter().map(of_thread).chain(unfinished).for_each(|event| self.collector.event(event));
        let turned = self.tasks.as_ref().map_or_else(Vec::new, |tasks| tasks.finish(&self.probes));
        turned.into_iter().for_each(|event| self.collector.event(event));
        let finish =
            |collectors: CollectionWatcher| collectors.finish(&self.probes, self.begin.start_ns, end_ns);
        let paused = self.collectors.map(finish);
        let (paused, not_seen) = paused.unwrap_or_default();
        paused.into_iter().for_each(|event| self.collector.event(event));
        for event in self.handlers.iter().flat_map(HandlerWatcher::pending) {
            self.collector.event(event);
        }
        self.collector.end(end_ns.saturating_sub(self.begin.start_ns), window::stat);
        let ending = Ending {
            ended,
            end_ns,
            counters: self.ledger.by_probe()?,
            traps,
            unread,
            cost,
            covered: self.calls.watched(stopped),
            reads_covered: self.reads.map(|reads| reads.watched(stopped)),
            shed: [
                self.budget.into_shed(),
                self.handlers.map_or_else(Vec::new, HandlerWatcher::into_shed),
                not_seen,
            ]
            .concat(),
        };
        let report = assemble(self.options, self.roots, self.begin, self.collector, ending);
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
        self.handlers.iter_mut().for_each(|handlers| handlers.release(&mut self.probes));
        self.collectors.iter_mut().for_each(|collectors| collectors.release(&mut self.probes));
    }
}

/// Where the evaluation function of a root begins.
fn place_of_entry(root: &Root) -> Option<(Pid, &crate::python::eval::EvalFrame)> {
    Some((root.process.pid, root.interpreter.as_ref()?.eval_frame.as_ref()?))
}

fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
