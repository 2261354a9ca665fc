//! Between the collector and whoever watches: counts events, and notices when a rule is met.

use super::Watch;
use super::collector::Listener;
use super::rules::Rule;
use crate::event::Event;
use crate::timeline::Names;

/// Hands events on.
pub struct Relay<'a> {
    /// Whoever watches.
    pub watch: &'a mut dyn Watch,
    /// Events so far.
    pub events: u64,
    /// The rule was met.
    pub met: bool,
    until: Option<Rule>,
}

impl<'a> Relay<'a> {
    /// To a watcher, until a rule is met.
    pub fn new(watch: &'a mut dyn Watch, until: Option<Rule>) -> Self {
        Self { watch, events: 0, met: false, until }
    }

    /// So many children are zombies.
    pub fn zombies(&mut self, zombies: usize) {
        self.met |= self.until.as_ref().is_some_and(|rule| rule.is_met_by_zombies(zombies));
    }
}

impl Listener for Relay<'_> {
    fn event(&mut self, event: &Event, names: &Names) {
        self.events += 1;
        self.met |= self.until.as_ref().is_some_and(|rule| rule.is_met_by(event));
        self.watch.event(event, names);
    }
}
