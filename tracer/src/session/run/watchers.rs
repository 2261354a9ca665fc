//! What no message of the probes reports, and is read from time to time.

use std::time::Instant;

use super::super::baseline::window;
use super::super::rules::ZOMBIE_NS;
use super::super::watchers::{Watcher, WatcherContext};
use super::Run;
use crate::attach::Error;
use crate::clock::monotonic_ns;

impl Run<'_> {
    /// Reads what only `/proc` shows.
    pub(super) fn poll(&mut self) -> Result<(), Error> {
        self.probe_programs()?;
        let now = monotonic_ns().saturating_sub(self.begin.start_ns);
        for event in self.collector.children.reparented(now, window::stat) {
            self.collector.event(event);
        }
        for event in self.collector.children.old_zombies(now, ZOMBIE_NS) {
            self.collector.event(event);
        }
        let zombies = self.collector.children.zombies_since(now, ZOMBIE_NS);
        self.collector.listener.zombies(zombies);
        self.admit_newcomers()?;
        self.each_watcher(Watcher::poll)
    }

    /// Has every watcher do this, and takes in what they have seen.
    pub(super) fn each_watcher(
        &mut self,
        mut act: impl FnMut(&mut (dyn Watcher + 'static), &mut WatcherContext<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for watcher in &mut self.watchers.list {
            let mut context = WatcherContext {
                probes: &mut self.probes,
                spaces: &mut self.collector.spaces,
                start_ns: self.begin.start_ns,
                given_up: self.spending.budget.given_up(),
                events: Vec::new(),
                shed: &mut self.watchers.shed,
            };
            act(&mut **watcher, &mut context)?;
            let events = context.events;
            events.into_iter().for_each(|event| self.collector.event(event));
        }
        Ok(())
    }

    /// Processes that are selected and have come since; one may descend from a traced one, and be traced already.
    fn admit_newcomers(&mut self) -> Result<(), Error> {
        let newcomers = self.newcomers.as_mut().map(|newcomers| newcomers.scan(Instant::now()));
        for (process, interpreter) in newcomers.unwrap_or_default() {
            if self.probes.target(process.pid)?.is_none() {
                self.join(&process)?;
                // At once: it may end before the next scan.
                if let Some(target) = self.probes.target(process.pid)? {
                    self.found_python(&process, &target, interpreter)?;
                }
                self.collector.listener.watch.joined(process.pid);
            }
        }
        Ok(())
    }
}
