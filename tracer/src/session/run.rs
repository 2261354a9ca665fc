//! A run between its begin and its end.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use aya::maps::{MapData, RingBuf};
use procfs::process::Stat;
use tokio::io::unix::AsyncFd;
use tracer_common::target::{Target, flag};

use super::budget::Budget;
use super::collections::Collectors;
use super::collector::Collector;
use super::finish::{Ending, assemble};
use super::handlers::Handlers;
use super::part_time::PartTime;
use super::relay::Relay;
use super::roots::{Root, describe};
use super::rules::ZOMBIE_NS;
use super::senders::Senders;
use super::tasks::Tasks;
use super::threads::Threads;
use super::window::{self, KernelCounters};
use super::{Finished, Options, Watch, asleep, pthreads};
use crate::attach::{Aggregates, Cost, Error, Ledger, Loops, Probes, Told, total, unfinished};
use crate::clock::{monotonic_ns, utc_now};
use crate::event::{Event, Nanos, Pid};
use crate::report::Ended;
use crate::sections::Section;
use crate::sys::alarm::Alarm;
use crate::sys::readable;
use crate::target::Process;
use cost::Spent;
use pace::{Beat, Pace};

mod cost;
mod pace;
mod programs;
mod reading;

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
    told: Told,
    ring: AsyncFd<RingBuf<MapData>>,
    pace: Pace,
    alarm: Alarm,
    collector: Collector<Relay<'a>>,
    counters: KernelCounters,
    budget: Budget,
    /// `None` where signals are not asked for.
    handlers: Option<Handlers>,
    senders: Option<Senders>,
    /// `None` where pauses are not asked for.
    collectors: Option<Collectors>,
    /// `None` where the returns of system calls are not seen.
    tasks: Option<Tasks>,
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
}

impl Default for Begin {
    fn default() -> Self {
        Self { start_ns: Nanos::MAX, start: String::new(), attach_ns: 0 }
    }
}

impl<'a> Run<'a> {
    /// Attaches, and starts counting.
    pub fn begin(options: &'a Options, roots: &'a [Root], watch: &'a mut dyn Watch) -> Result<Self, Error> {
        let began = Instant::now();
        let mut probes = Probes::load(options.plan.clone())?;
        let (aggregates, ledger) = (Aggregates::of(&mut probes)?, Ledger::of(&mut probes)?);
        let told = Told::of(&mut probes)?;
        let ring =
            readable::ring(probes.events()?).map_err(|error| Error::system("wait for events", &error))?;
        let alarm = Alarm::new().map_err(|error| Error::system("make a timer", &error))?;
        let wants_signals = probes.plan().sections.has(Section::Signals);
        let handlers = wants_signals.then(|| Handlers::of(&mut probes)).transpose()?;
        let senders = wants_signals.then(|| Senders::of(&mut probes, roots)).transpose()?;
        let wants_pauses = probes.plan().sections.has(Section::Gc);
        let collectors = wants_pauses.then(|| Collectors::of(&mut probes)).transpose()?;
        let sees_turns = probes.plan().sections.has(Section::Reads);
        let tasks = sees_turns.then(|| Loops::of(&mut probes)).transpose()?.map(Tasks::of);
        probes.attach()?;
        probes.count_entries(roots.iter().filter_map(place_of_entry))?;
        for root in roots {
            probes.trace(root.process.pid, &root.target(options.follow))?;
        }
        let collector = Collector::new(Relay::new(watch, options.until.clone()));
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
            told,
            ring,
            pace: Pace::new(Instant::now()),
            alarm,
            collector,
            counters: KernelCounters::default(),
            begin: Begin::default(),
            began,
        };
        run.set_breakpoints();
        run.start()?;
        run.begin.attach_ns = nanos(began.elapsed());
        run.collector.listener.watch.attached(roots, Duration::from_nanos(run.begin.attach_ns));
        Ok(run)
    }

    /// Breakpoints in many processes take long: all are set before the window starts.
    fn set_breakpoints(&mut self) {
        for root in self.roots {
            match &root.interpreter {
                Some(interpreter) => {
                    self.collector.spaces.insert(root.process.pid, root.space, interpreter.clone());
                }
                None if root.asked || root.other => {}
                None => self.collector.looks.begin(root.process.pid, Instant::now()),
            }
        }
        self.follow_handlers();
        self.look_at_handlers(true);
        self.look_at_collectors(true);
    }

    /// Counts from now on.
    fn start(&mut self) -> Result<(), Error> {
        (self.begin.start_ns, self.begin.start) = (monotonic_ns(), utc_now());
        self.began = Instant::now();
        self.collector.start(self.begin.start_ns);
        self.probes.start(self.begin.start_ns)?;
        let threads = Threads::of_all(self.roots);
        let counted = if self.options.plan.counts_switches() { &threads[..] } else { &[] };
        self.counters = KernelCounters::of(counted);
        self.describe_roots(&threads)?;
        self.senders.iter_mut().for_each(Senders::follow);
        self.quarter = (Instant::now(), self.spent()?);
        self.second = self.quarter.clone();
        Ok(())
    }

    /// When the time that was asked for is up.
    pub fn end_of_window(&self) -> Option<Instant> {
        Some(self.began + self.options.duration?)
    }

    /// What was there before the window.
    fn describe_roots(&mut self, threads: &[Threads<'_>]) -> Result<(), Error> {
        self.roots.iter().for_each(|root| self.collector.event(Event::Process(root.describe())));
        threads.iter().flat_map(Threads::names).for_each(|event| self.collector.event(event));
        self.describe_descendants()?;
        pthreads::tell(&mut self.probes, threads)?;
        for sleeper in asleep::tell(&mut self.probes, threads)? {
            self.collector.sleeper(sleeper);
        }
        Ok(())
    }

    /// Whose children they were when the window began, zombies too.
    fn describe_descendants(&mut self) -> Result<(), Error> {
        for stat in self.roots.iter().filter(|root| !root.asked).filter_map(|root| root.process.stat().ok()) {
            self.collector.event(window::before(&stat));
        }
        let mut known: HashSet<_> = self.roots.iter().map(|root| root.process.pid).collect();
        loop {
            let mut news = window::descendants(self.roots);
            news.retain(|stat| known.insert(stat.pid.unsigned_abs()));
            for stat in &news {
                self.describe_descendant(stat)?;
            }
            if news.is_empty() {
                return Ok(());
            }
        }
    }

    /// One that was forked while we attached, by a process that was not traced yet, joins in.
    fn describe_descendant(&mut self, stat: &Stat) -> Result<(), Error> {
        let (pid, ppid) = (stat.pid.unsigned_abs(), stat.ppid.unsigned_abs());
        let follows = self.options.follow && stat.state != 'Z';
        let is_child = self.roots.iter().any(|root| root.process.pid == ppid);
        // The birth of one that is traced already is yet to be read.
        let joins = follows && self.probes.target(pid)?.is_none();
        if joins && let Ok(process) = Process::open(pid) {
            self.join(&process)?;
        }
        if joins || is_child && !follows {
            self.collector.event(window::before(stat));
        }
        Ok(())
    }

    /// Traces one more process; what runs in it is found out by and by.
    fn join(&mut self, process: &Process) -> Result<(), Error> {
        let flags = if self.options.follow { flag::FOLLOW } else { 0 };
        self.probes.trace(process.pid, &Target { space: monotonic_ns(), flags, ..Target::default() })?;
        self.collector.event(Event::Process(describe(process, None)));
        self.collector.looks.begin(process.pid, Instant::now());
        Ok(())
    }

    /// Collects until something else ends the run, its rule is met, or nobody watches any more.
    pub async fn watch(&mut self) -> Result<Ended, Error> {
        let began = self.pace.begin();
        let mut second = Beat::new(SECOND, began);
        let mut glance = Beat::new(SOON, began);
        while !self.collector.listener.is_over() {
            if self.collector.listener.watch.is_over() {
                return Ok(Ended::Interrupt);
            }
            let now = Instant::now();
            let own = self.pace.next(now).min(second.next()).min(glance.next());
            let next = self.collector.looks.next().map_or(own, |look| own.min(look));
            if self.is_behind {
                tokio::task::yield_now().await;
            } else {
                self.wait(next).await?;
            }
            let now = Instant::now();
            if second.is_due(now) {
                self.pass_second()?;
            }
            if glance.is_due(now) {
                self.glance()?;
                if now.duration_since(began) >= QUARTER {
                    glance.slow_down(QUARTER);
                }
            }
            self.read()?;
            if self.collector.listener.events - self.drained_at_event > CROWD {
                self.drain()?;
            }
            self.look()?;
            self.watch_parts()?;
            if self.is_watched_closely() {
                self.pace.hasten(Instant::now());
            }
        }
        Ok(Ended::Until)
    }

    /// Whether there is something to see that no message tells of: bursts that are to end in time, and long turns of
    /// event loops.
    fn is_watched_closely(&self) -> bool {
        let awaited = |tasks: &Tasks| tasks.are_awaited(&self.collector.spaces);
        !self.budget.given_up().is_empty() || self.tasks.as_ref().is_some_and(awaited)
    }

    /// Looks at what only `/proc` can tell.
    fn look(&mut self) -> Result<(), Error> {
        self.look_at_programs()?;
        let now = monotonic_ns().saturating_sub(self.begin.start_ns);
        for event in self.collector.children.reparented(now, window::stat) {
            self.collector.event(event);
        }
        for event in self.collector.children.old_zombies(now, ZOMBIE_NS) {
            self.collector.event(event);
        }
        let zombies = self.collector.children.zombies_since(now, ZOMBIE_NS);
        self.collector.listener.zombies(zombies);
        self.follow_handlers();
        self.look_at_handlers(false);
        self.look_at_collectors(false);
        self.look_at_tasks();
        self.look_at_senders()
    }

    fn look_at_senders(&mut self) -> Result<(), Error> {
        let Some(senders) = &mut self.senders else { return Ok(()) };
        let collector = &mut self.collector;
        let traced: HashSet<_> = collector.pids().collect();
        senders.look(&mut self.probes, &mut collector.spaces, |pid| traced.contains(&pid))
    }

    fn look_at_tasks(&mut self) {
        let Some(tasks) = &mut self.tasks else { return };
        let now_ns = monotonic_ns();
        let events = tasks.look(&self.probes, &self.collector.spaces, self.begin.start_ns, now_ns);
        events.into_iter().for_each(|event| self.collector.event(event));
    }

    fn look_at_collectors(&mut self, all: bool) {
        let Some(collectors) = &mut self.collectors else { return };
        let now = || monotonic_ns().saturating_sub(self.begin.start_ns);
        let mut events = collectors.follow(&mut self.probes, &self.collector.spaces, now());
        events.extend(collectors.look(&mut self.probes, all, now));
        events.into_iter().for_each(|event| self.collector.event(event));
    }

    fn follow_handlers(&mut self) {
        let Some(handlers) = &mut self.handlers else { return };
        let now = || monotonic_ns().saturating_sub(self.begin.start_ns);
        for event in handlers.follow(&mut self.probes, &self.collector.spaces, now) {
            self.collector.event(event);
        }
    }

    fn look_at_handlers(&mut self, all: bool) {
        let Some(handlers) = &mut self.handlers else { return };
        let now = || monotonic_ns().saturating_sub(self.begin.start_ns);
        for event in handlers.look(&mut self.probes, all, now) {
            self.collector.event(event);
        }
    }

    /// Drains the aggregates, and compares cost and budget.
    fn pass_second(&mut self) -> Result<(), Error> {
        self.drain()?;
        self.forget_stacks()?;
        self.senders.iter_mut().for_each(Senders::follow);
        let (began, before) = (self.second.0, &self.second.1);
        let spent = self.spent()?;
        let second = self.since(began, before, &spent);
        let (traps, lost) = (spent.hits_since(before), total(&spent.probes).lost());
        self.quarter = (Instant::now(), spent.clone());
        self.second = (Instant::now(), spent);
        if self.budget.second(&second) {
            self.probes.shed(self.budget.given_up().flags())?;
        }
        self.collector.names.renew();
        self.collector.refresh_grown_up(second.at_ns, nanos(SECOND));
        self.weigh_traps(traps, &second, 1.0);
        let events = self.collector.listener.events;
        self.collector.listener.watch.progress(Duration::from_nanos(second.at_ns), events, lost);
        Ok(())
    }

    /// A recursion makes ever new stacks of the same lines, and a run may last for hours.
    fn forget_stacks(&mut self) -> Result<(), Error> {
        let stacks = &mut self.collector.names.symbols.stacks;
        if stacks.is_full() {
            stacks.forget(&self.told.forget(&self.probes)?);
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<(), Error> {
        let mut events = Vec::new();
        self.drained_at_event = self.collector.listener.events;
        self.aggregates.drain(&mut self.probes, &mut events)?;
        self.read()?; // names come before the rows that use them
        self.probes.show_rows(&mut events)?;
        events.into_iter().for_each(|event| self.collector.event(event));
        Ok(())
    }

    /// Stops counting, takes in what is left, and puts the report together.
    pub fn finish(mut self, ended: Ended) -> Result<Finished, Error> {
        let kernel = self.counters.since(self.roots);
        self.probes.stop()?;
        let end_ns = monotonic_ns();
        let stopped = Instant::now();
        let cost = Cost::now(); // while all of it is there
        let counters = self.ledger.by_probe()?;
        let traps = self.trap_costs(&counters);
        self.detach();
        self.collector.names.renew();
        let unread = self.read_rest()?;
        // What meets the rule may end the target, and be noticed after that.
        let ended = if self.collector.listener.is_met() { Ended::Until } else { ended };
        self.collector.listener.watch.ended(ended);
        self.drain()?;
        let unfinished = unfinished(&mut self.probes, self.begin.start_ns, end_ns)?;
        kernel.into_iter().chain(unfinished).for_each(|event| self.collector.event(event));
        let turned = self.tasks.as_ref().map_or_else(Vec::new, |tasks| tasks.finish(&self.probes));
        turned.into_iter().for_each(|event| self.collector.event(event));
        let finish = |collectors: Collectors| collectors.finish(&self.probes, self.begin.start_ns, end_ns);
        let paused = self.collectors.map(finish);
        let (paused, not_seen) = paused.unwrap_or_default();
        paused.into_iter().for_each(|event| self.collector.event(event));
        for event in self.handlers.iter().flat_map(Handlers::pending) {
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
                self.handlers.map_or_else(Vec::new, Handlers::into_shed),
                not_seen,
            ]
            .concat(),
        };
        let report = assemble(self.options, self.roots, self.begin, self.collector, ending);
        Ok(Finished { report, _probes: self.probes })
    }

    /// Begins to: nobody shall be slowed by a report that nobody reads yet, and it takes a while.
    fn detach(&mut self) {
        self.handlers.iter_mut().for_each(|handlers| handlers.release(&mut self.probes));
        self.collectors.iter_mut().for_each(|collectors| collectors.release(&mut self.probes));
        self.probes.detach();
    }
}

/// Where the evaluation function of a root begins.
fn place_of_entry(root: &Root) -> Option<(Pid, &crate::target::eval::EvalFrame)> {
    Some((root.process.pid, root.interpreter.as_ref()?.eval_frame.as_ref()?))
}

fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
