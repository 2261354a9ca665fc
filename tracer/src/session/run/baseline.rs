//! What was there before the window, and what joins later.

use std::collections::HashSet;
use std::time::Instant;

use procfs::process::Stat;
use tracer_common::target::Target;

use super::super::baseline::left_out::{Count, Unread};
use super::super::baseline::threads::Threads;
use super::super::baseline::{asleep, pthreads, window};
use super::Run;
use crate::attach::Error;
use crate::clock::{monotonic_ns, nanos};
use crate::event::{Event, ProcessDescription};
use crate::process::Process;
use crate::roots::{descendants, describe, follow_flag};

/// Looks for processes that were forked by those that the scan before has found: they are traced by then, so that a
/// second scan mostly finds no more.
const GENERATIONS: usize = 16;

impl Run<'_> {
    /// The roots without descendants that have ended while we attached: the window has nothing of those. Before it, since
    /// one that ends soon after its begin has no command line any more.
    pub(super) fn living_roots(&self) -> Vec<ProcessDescription> {
        let described = self.roots.iter().map(|root| (root, root.describe()));
        let living = described.filter(|(root, known)| root.asked || is_living(&root.process, known));
        living.map(|(_, known)| known).collect()
    }

    /// What was there before the window.
    pub(super) fn describe_roots(
        &mut self,
        living: Vec<ProcessDescription>,
        threads: &[Threads<'_>],
    ) -> Result<(), Error> {
        living.into_iter().for_each(|root| self.collector.event(Event::Process(root)));
        threads.iter().flat_map(Threads::names).for_each(|event| self.collector.event(event));
        self.describe_descendants()?;
        pthreads::register(&mut self.probes, threads)?;
        let (sleeping, left_out) = asleep::seed_sleeping_threads(&mut self.probes, threads)?;
        sleeping.into_iter().for_each(|thread| self.collector.add_sleeping_thread(thread));
        self.report_unread(Unread::Description, threads.iter().map(Threads::left_out));
        self.report_unread(Unread::SleepBefore, left_out);
        Ok(())
    }

    /// Reports what is not known of so many threads of some processes, now.
    pub(super) fn report_unread(&mut self, what: Unread, threads: impl IntoIterator<Item = Count>) {
        let now = monotonic_ns().saturating_sub(self.begin.start_ns);
        let unread = threads.into_iter().filter_map(|of_process| what.of(of_process, now));
        unread.for_each(|shed| self.watchers.shed.push(shed));
    }

    /// Whose children they were when the window began, zombies too.
    fn describe_descendants(&mut self) -> Result<(), Error> {
        for stat in self.roots.iter().filter(|root| !root.asked).filter_map(|root| root.process.stat().ok()) {
            self.collector.event(window::before(&stat));
        }
        let mut known: HashSet<_> = self.roots.iter().map(|root| root.process.pid).collect();
        for _ in 0..GENERATIONS {
            let mut new = descendants(self.roots);
            new.retain(|stat| known.insert(stat.pid.unsigned_abs()));
            let mut joined = false;
            for stat in &new {
                joined |= self.describe_descendant(stat)?;
            }
            if !joined {
                break; // children of those that are traced are, too: there may be new ones without end
            }
        }
        Ok(())
    }

    /// One that was forked while we attached, by a process that was not traced yet, joins in; whether it did.
    fn describe_descendant(&mut self, stat: &Stat) -> Result<bool, Error> {
        let (pid, ppid) = (stat.pid.unsigned_abs(), stat.ppid.unsigned_abs());
        let follows = self.options.follow && stat.state != 'Z';
        let is_child = self.roots.iter().any(|root| root.process.pid == ppid);
        // The birth of one that is traced already is yet to be read.
        let joins = follows && self.probes.target(pid)?.is_none();
        let mut joined = false;
        if joins && let Ok(process) = Process::open(pid) {
            joined = self.join(&process)?;
        }
        if joins || is_child && !follows {
            self.collector.event(window::before(stat));
        }
        Ok(joined)
    }

    /// Traces one more process, unless it has ended: its description would be empty, and its end not seen. Its interpreter
    /// is looked for later. Whether it lives.
    pub(super) fn join(&mut self, process: &Process) -> Result<bool, Error> {
        let described = describe(process, None);
        if !is_living(process, &described) {
            return Ok(false);
        }
        let now = monotonic_ns();
        let target = Target { space: now, flags: follow_flag(self.options.follow), ..Target::default() };
        self.probes.trace(process.pid, &target)?;
        let born = process.age().ok().and_then(|age| now.checked_sub(nanos(age) + self.begin.start_ns));
        self.collector.event(Event::Process(ProcessDescription { born, ..described }));
        self.collector.interpreter_probes.begin(process.pid, Instant::now());
        Ok(true)
    }
}

/// Whether a process has not begun to end: it lets go of its memory, and with it of its command line, before the kernel
/// reports that it has ended.
fn is_living(process: &Process, known: &ProcessDescription) -> bool {
    let has_memory = known.exe.is_some() || !known.title.is_empty();
    has_memory && process.is_alive()
}
