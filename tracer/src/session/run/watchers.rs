//! What no message tells: who must be looked at, and when.

use std::collections::HashSet;
use std::time::Instant;

use super::super::baseline::window;
use super::super::rules::ZOMBIE_NS;
use super::Run;
use crate::attach::Error;
use crate::clock::monotonic_ns;
use crate::timeline::LifeId;

impl Run<'_> {
    /// Breakpoints in many processes take long: all are set before the window starts.
    pub(super) fn set_breakpoints(&mut self) {
        for root in self.roots {
            match &root.interpreter {
                Some(interpreter) => {
                    let (pid, life) = (root.process.pid, LifeId::default());
                    self.collector.spaces.insert(pid, life, root.space, interpreter.clone());
                }
                None if root.asked || root.other => {}
                None => self.collector.interpreter_probes.begin(root.process.pid, Instant::now()),
            }
        }
        self.follow_handlers();
        self.look_at_handlers(true);
        self.look_at_collectors(true);
    }

    /// Looks at what only `/proc` can tell.
    pub(super) fn look(&mut self) -> Result<(), Error> {
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
        self.admit_newcomers()?;
        self.look_at_senders()
    }

    /// Processes that are selected and have come since; one may descend from a traced one, and be traced already.
    fn admit_newcomers(&mut self) -> Result<(), Error> {
        let newcomers = self.newcomers.as_mut().map(|newcomers| newcomers.look(Instant::now()));
        for (process, interpreter) in newcomers.unwrap_or_default() {
            if self.probes.target(process.pid)?.is_none() {
                self.join(&process)?;
                // At once: it may end before the next look.
                if let Some(target) = self.probes.target(process.pid)? {
                    self.found_python(&process, &target, interpreter)?;
                }
                self.collector.listener.watch.joined(process.pid);
            }
        }
        Ok(())
    }

    fn look_at_senders(&mut self) -> Result<(), Error> {
        let Some(senders) = &mut self.watchers.senders else { return Ok(()) };
        let collector = &mut self.collector;
        let traced: HashSet<_> = collector.pids().collect();
        senders.look(&mut self.probes, &mut collector.spaces, |pid| traced.contains(&pid))
    }

    fn look_at_tasks(&mut self) {
        let Some(tasks) = &mut self.watchers.tasks else { return };
        let now_ns = monotonic_ns();
        let events = tasks.look(&self.probes, &self.collector.spaces, self.begin.start_ns, now_ns);
        events.into_iter().for_each(|event| self.collector.event(event));
    }

    fn look_at_collectors(&mut self, all: bool) {
        let Some(collectors) = &mut self.watchers.collectors else { return };
        let now = || monotonic_ns().saturating_sub(self.begin.start_ns);
        let mut events = collectors.follow(&mut self.probes, &self.collector.spaces, now());
        events.extend(collectors.look(&mut self.probes, all, now));
        events.into_iter().for_each(|event| self.collector.event(event));
    }

    fn follow_handlers(&mut self) {
        let Some(handlers) = &mut self.watchers.handlers else { return };
        let now = || monotonic_ns().saturating_sub(self.begin.start_ns);
        for event in handlers.follow(&mut self.probes, &self.collector.spaces, now) {
            self.collector.event(event);
        }
    }

    fn look_at_handlers(&mut self, all: bool) {
        let Some(handlers) = &mut self.watchers.handlers else { return };
        let now = || monotonic_ns().saturating_sub(self.begin.start_ns);
        for event in handlers.look(&mut self.probes, all, now) {
            self.collector.event(event);
        }
    }
}
