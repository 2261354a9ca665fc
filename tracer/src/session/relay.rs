//! Between the collector and what watches the run: counts events, and notices when a rule is met.

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
    met: Option<Instant>,
}

/// A signal is delivered soon after it was sent, and its handler begins soon after that, unless something is wrong:
/// the report should have both.
const FATE_OF_A_SIGNAL: Duration = Duration::from_millis(200);

impl<'a> Relay<'a> {
    /// To a watcher, until a rule is met.
    pub fn new(watch: &'a mut dyn Watch, until: Option<Rule>, saves: Option<Saves>) -> Self {
        Self { watch, events: 0, saves, until, met: None }
    }

    /// So many children are zombies.
    pub fn zombies(&mut self, zombies: usize) {
        self.check(|rule| rule.is_met_by_zombies(zombies));
        self.saves.iter_mut().for_each(|saves| saves.zombies(zombies));
    }

    /// The rule was met.
    pub fn is_met(&self) -> bool {
        self.met.is_some()
    }

    /// The rule was met, and what follows from it has had its time.
    pub fn is_over(&self) -> bool {
        let patience = match self.until {
            Some(Rule::Signal(_)) => FATE_OF_A_SIGNAL,
            _ => Duration::ZERO,
        };
        self.met.is_some_and(|met| met.elapsed() >= patience)
    }

    fn check(&mut self, is_met: impl FnOnce(&Rule) -> bool) {
        if self.met.is_none() && self.until.as_ref().is_some_and(is_met) {
            self.met = Some(Instant::now());
        }
    }
}

impl Listener for Relay<'_> {
    fn event(&mut self, event: &Event, names: &Names) {
        self.events += 1;
        self.check(|rule| rule.is_met_by(event));
        self.saves.iter_mut().for_each(|saves| saves.event(event));
        self.watch.event(event, names);
        if let Some(recorder) = self.watch.recorder() {
            recorder.event(event);
        }
    }
}
