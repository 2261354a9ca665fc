//! A run between its begin and its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until};
use tracer_common::target::{Target, flag};

use super::budget::{Budget, Detail, Second};
use super::collector::Collector;
use super::finish::{Ending, assemble};
use super::handlers::Handlers;
use super::relay::Relay;
use super::roots::{Root, known};
use super::rules::ZOMBIE_NS;
use super::window::{self, KernelCounters};
use super::{Finished, Options, Watch, asleep};
use crate::attach::{Aggregates, Cost, Error, Ledger, Probes, RunTime, unfinished};
use crate::clock::{monotonic_ns, utc_now};
use crate::event::{Event, Nanos, Pid};
use crate::report::Ended;
use crate::sections::Section;
use crate::sys::readable;
use crate::target::{Interpreter, Process};
use crate::timeline::Found;

/// The reader looks this often; a buffer that fills wakes it earlier.
const TICK: Duration = Duration::from_millis(20);
/// Aggregates are drained this often.
const SECOND: Duration = Duration::from_secs(1);
/// A reader that finds so many messages at a time lets others have a turn.
const BATCH: usize = 65_536;

/// What is needed between begin and end.
pub struct Run<'a> {
    options: &'a Options,
    roots: &'a [Root],
    probes: Probes,
    aggregates: Aggregates,
    ledger: Ledger,
    ring: AsyncFd<RingBuf<MapData>>,
    collector: Collector<Relay<'a>>,
    counters: KernelCounters,
    budget: Budget,
    /// `None` where signals are not asked for.
    handlers: Option<Handlers>,
    /// Since when the current second runs, and what had been spent then.
    second: (Instant, Spent),
    begin: Begin,
    covered: Duration,
    _run_time: RunTime,
}

/// When the window began.
pub struct Begin {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub start_ns: Nanos,
    /// On the wall.
    pub start: String,
    /// How long it took to attach.
    pub attach_ns: Nanos,
}

/// Time spent so far.
#[derive(Clone, Copy, Default)]
struct Spent {
    probes_ns: Nanos,
    target_ns: Nanos,
}

impl<'a> Run<'a> {
    /// Attaches, and starts counting.
    pub fn begin(options: &'a Options, roots: &'a [Root], watch: &'a mut dyn Watch) -> Result<Self, Error> {
        let began = Instant::now();
        let mut probes = Probes::load(options.plan.clone())?;
        let (aggregates, ledger) = (Aggregates::of(&mut probes)?, Ledger::of(&mut probes)?);
        let ring =
            readable::ring(probes.events()?).map_err(|error| Error::system("wait for events", &error))?;
        let wants_signals = probes.plan().sections.has(Section::Signals);
        let handlers = wants_signals.then(|| Handlers::of(&mut probes)).transpose()?;
        let run_time = RunTime::count();
        probes.attach()?;
        probes.count_entries(roots.iter().filter_map(place_of_entry))?;
        for root in roots {
            probes.trace(root.process.pid, &root.target(options.follow))?;
        }
        let (start_ns, start) = (monotonic_ns(), utc_now());
        probes.start(start_ns)?;
        let counters = KernelCounters::of(if options.plan.counts_switches() { roots } else { &[] });
        let collector = Collector::new(start_ns, Relay::new(watch, options.until.clone()));
        let begin = Begin { start_ns, start, attach_ns: nanos(began.elapsed()) };
        let mut run = Self {
            budget: Budget::new(options.budget, options.plan.calls),
            handlers,
            second: (Instant::now(), Spent::default()),
            covered: Duration::ZERO,
            _run_time: run_time,
            options,
            roots,
            probes,
            aggregates,
            ledger,
            ring,
            collector,
            counters,
            begin,
        };
        run.describe_roots();
        run.follow_handlers();
        run.look_at_handlers(true);
        run.second.1 = run.spent();
        let pids: Vec<_> = roots.iter().map(|root| root.process.pid).collect();
        run.collector.listener.watch.attached(&pids, began.elapsed());
        Ok(run)
    }

    /// What was there before the window.
    fn describe_roots(&mut self) {
        for root in self.roots {
            if let Some(interpreter) = &root.interpreter {
                self.collector.spaces.insert(root.process.pid, root.space, interpreter.clone());
            }
            self.collector.event(Event::Process(root.describe()));
        }
        for event in window::thread_names(self.roots).into_iter().chain(window::zombies_before(self.roots)) {
            self.collector.event(event);
        }
        for sleeper in asleep::tell(&mut self.probes, self.roots) {
            self.collector.sleeper(sleeper);
        }
    }

    /// Collects until something else ends the run, or its rule is met.
    pub async fn watch(&mut self) -> Result<(), Error> {
        let (mut tick, mut second) = (every(TICK), every(SECOND));
        while !self.collector.listener.met {
            let next_look = self.collector.looks.next();
            tokio::select! {
                woken = self.ring.readable_mut() => {
                    if let Ok(mut woken) = woken {
                        woken.clear_ready();
                    }
                }
                _ = tick.tick() => {}
                _ = second.tick() => self.pass_second()?,
                () = reach(next_look) => {}
            }
            self.read();
            self.look()?;
        }
        Ok(())
    }

    /// Takes in what is in the ring buffer.
    fn read(&mut self) {
        for _ in 0..BATCH {
            let Some(message) = self.ring.get_mut().next() else { break };
            self.collector.message(&message);
        }
        self.collector.listener.watch.caught_up();
    }

    /// Looks at what only `/proc` can tell.
    fn look(&mut self) -> Result<(), Error> {
        for (pid, found) in self.collector.looks.look(Instant::now()) {
            match found {
                Found::Python(process, interpreter) => self.found_python(&process, interpreter)?,
                Found::Other => self.found_other(pid)?,
            }
        }
        let now = monotonic_ns().saturating_sub(self.begin.start_ns);
        for event in self.collector.children.reparented(now, window::stat) {
            self.collector.event(event);
        }
        let zombies = self.collector.children.zombies_since(now, ZOMBIE_NS);
        self.collector.listener.zombies(zombies);
        self.follow_handlers();
        self.look_at_handlers(false);
        Ok(())
    }

    fn follow_handlers(&mut self) {
        if let Some(handlers) = &mut self.handlers {
            handlers.follow(&mut self.probes, &self.collector.spaces);
        }
    }

    fn look_at_handlers(&mut self, all: bool) {
        let Some(handlers) = &mut self.handlers else { return };
        let now = || monotonic_ns().saturating_sub(self.begin.start_ns);
        for event in handlers.look(&mut self.probes, all, now) {
            self.collector.event(event);
        }
    }

    /// A traced process has become this Python.
    fn found_python(&mut self, process: &Process, interpreter: Arc<Interpreter>) -> Result<(), Error> {
        // The exec gave it a new address space; a process that is gone is told by its exit.
        if let Some(target) = self.probes.target(process.pid) {
            self.probes.trace(process.pid, &known(&interpreter, target.space, self.options.follow))?;
            self.collector.looked(process, Some((target.space, interpreter)));
        }
        Ok(())
    }

    /// A traced process has become something else.
    fn found_other(&mut self, pid: Pid) -> Result<(), Error> {
        let Some(target) = self.probes.target(pid) else { return Ok(()) };
        self.probes.trace(pid, &Target { flags: target.flags | flag::NOT_PYTHON, ..target })?;
        if let Ok(process) = Process::open(pid) {
            self.collector.looked(&process, None);
        }
        Ok(())
    }

    /// Drains the aggregates, and compares cost and budget.
    fn pass_second(&mut self) -> Result<(), Error> {
        self.drain()?;
        self.look_at_handlers(true);
        let (began, before) = self.second;
        let spent = self.spent();
        self.account(began);
        self.second = (Instant::now(), spent);
        let second = Second {
            at_ns: monotonic_ns() - self.begin.start_ns,
            wall_ns: nanos(began.elapsed()),
            probes_ns: spent.probes_ns.saturating_sub(before.probes_ns),
            target_ns: spent.target_ns.saturating_sub(before.target_ns),
        };
        if let Some(given_up) = self.budget.second(&second) {
            self.probes.shed(given_up.flags())?;
            self.count_entries(!given_up.has(Detail::Calls))?;
        }
        let lost = self.ledger.total().lost();
        let events = self.collector.listener.events;
        self.collector.listener.watch.progress(Duration::from_nanos(second.at_ns), events, lost);
        Ok(())
    }

    fn count_entries(&mut self, wanted: bool) -> Result<(), Error> {
        match (wanted, self.probes.counts_entries()) {
            (true, false) => self.probes.count_entries(self.roots.iter().filter_map(place_of_entry)),
            (false, true) => self.probes.stop_counting_entries(),
            _ => Ok(()),
        }
    }

    /// Entries of the evaluation function were counted since then, if they were.
    fn account(&mut self, since: Instant) {
        if self.probes.counts_entries() {
            self.covered += since.elapsed();
        }
    }

    fn drain(&mut self) -> Result<(), Error> {
        let mut events = Vec::new();
        self.aggregates.drain(&mut self.probes, &mut events)?;
        self.read(); // names come before the rows that use them
        events.into_iter().for_each(|event| self.collector.event(event));
        Ok(())
    }

    fn spent(&self) -> Spent {
        let target_ns = self.collector.pids().filter_map(window::cpu_ns).sum();
        Spent { probes_ns: Cost::of(&self.probes).run_ns, target_ns }
    }

    /// Stops counting, takes in what is left, and puts the report together.
    pub fn finish(mut self, ended: Ended) -> Result<Finished, Error> {
        let kernel = self.counters.since(self.roots);
        self.probes.stop()?;
        let end_ns = monotonic_ns();
        self.account(self.second.0);
        self.collector.listener.watch.ended(ended);
        self.read_all();
        self.drain()?;
        let unfinished = unfinished(&self.probes, self.begin.start_ns, end_ns);
        kernel.into_iter().chain(unfinished).for_each(|event| self.collector.event(event));
        self.collector.end(end_ns.saturating_sub(self.begin.start_ns), window::stat);
        let ending = Ending {
            ended,
            end_ns,
            counters: self.ledger.total(),
            cost: Cost::of(&self.probes),
            covered: self.covered,
            shed: [self.budget.into_shed(), self.handlers.map_or_else(Vec::new, Handlers::into_shed)]
                .concat(),
        };
        let report = assemble(self.options, self.roots, self.begin, self.collector, ending);
        Ok(Finished { report, _probes: self.probes })
    }

    fn read_all(&mut self) {
        while let Some(message) = self.ring.get_mut().next() {
            self.collector.message(&message);
        }
    }
}

/// Where the evaluation function of a root begins.
fn place_of_entry(root: &Root) -> Option<(Pid, &crate::target::eval::EvalFrame)> {
    Some((root.process.pid, root.interpreter.as_ref()?.eval_frame.as_ref()?))
}

async fn reach(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval.reset(); // the first tick is a period away
    interval
}

fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
