//! Between the collector and what watches the run: counts events, and notices when a rule holds.

use std::time::{Duration, Instant};

use super::Watch;
use super::event_collector::Listener;
use super::rules::Rule;
use super::triggers::Saves;
use crate::event::Event;
use crate::timeline::Names;

/// Hands events on.
pub struct Relay<'a> {
    /// What watches the run.
    pub watch: &'a mut dyn Watch,
    /// Events so far.
    pub events: u64,
    /// When what is recorded is to be saved, if only the last of it is kept.
    pub saves: Option<Saves>,
    until: Option<Rule>,
    held_since: Option<Instant>,
}

/// A signal is delivered soon after it was sent, and its handler begins soon after that, unless something is wrong:
/// the report should have both.
const OUTCOME_OF_A_SIGNAL: Duration = Duration::from_millis(200);

impl<'a> Relay<'a> {
    /// To a watcher, until a rule holds.
    pub fn new(watch: &'a mut dyn Watch, until: Option<Rule>, saves: Option<Saves>) -> Self {
        Self { watch, events: 0, saves, until, held_since: None }
    }

    /// So many children are zombies.
    pub fn zombies(&mut self, zombies: usize) {
        self.check(|rule| rule.holds_with_zombies(zombies));
        self.saves.iter_mut().for_each(|saves| saves.zombies(zombies));
    }

    /// The rule holds.
    pub fn holds(&self) -> bool {
        self.held_since.is_some()
    }

    /// The rule holds, and what follows from it has had its time.
    pub fn is_over(&self) -> bool {
        let patience = match self.until {
            Some(Rule::Signal(_)) => OUTCOME_OF_A_SIGNAL,
            _ => Duration::ZERO,
        };
        self.held_since.is_some_and(|since| since.elapsed() >= patience)
    }

    fn check(&mut self, holds: impl FnOnce(&Rule) -> bool) {
        if self.held_since.is_none() && self.until.as_ref().is_some_and(holds) {
            self.held_since = Some(Instant::now());
        }
    }
}

impl Listener for Relay<'_> {
    fn event(&mut self, event: &Event, names: &Names) {
        self.events += 1;
        self.check(|rule| rule.holds_at(event));
        self.saves.iter_mut().for_each(|saves| saves.event(event));
        self.watch.event(event, names);
        if let Some(recorder) = self.watch.recorder() {
            recorder.event(event);
        }
    }
}
