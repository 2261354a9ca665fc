//! What makes a flight recorder save: rules, a signal, a period.

use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::SIGUSR1;
use signal_hook::flag;

use super::rules::Rule;
use crate::event::Event;

/// What is asked of a flight recorder.
#[derive(Clone, Debug, Default)]
pub struct Triggers {
    rules: Vec<Trigger>,
    every: Option<Duration>,
    /// SIGUSR1 has come.
    asked: Arc<AtomicBool>,
}

impl Triggers {
    /// Each time that one of the rules holds, and so often whatever happens.
    #[must_use]
    pub fn new(rules: Vec<Trigger>, every: Option<Duration>) -> Self {
        Self { rules, every, asked: Arc::default() }
    }

    /// Takes SIGUSR1 from now on, which would end us otherwise: it may come while we attach.
    ///
    /// # Errors
    /// When the system has no room for a handler.
    pub fn watch_for_signal(&self) -> io::Result<()> {
        flag::register(SIGUSR1, self.asked.clone()).map(|_| ())
    }
}

/// A rule that can be seen to hold while a run goes on, and how it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    words: String,
    rule: Rule,
}

impl FromStr for Trigger {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule: Rule = text.parse()?;
        if rule.is_seen_early() {
            Ok(Self { words: text.to_owned(), rule })
        } else {
            Err("it is not seen at once; there are signal:NAME, exit!=0, zombies, orphan, gc.max and loop"
                .to_owned())
        }
    }
}

/// What follows from an event is to be in the recording too: a handler runs soon after its signal was sent.
const AFTERMATH: Duration = Duration::from_millis(500);

/// Whether it is time to save.
pub struct Saves {
    triggers: Triggers,
    /// A rule holds, and has not been answered.
    pending: Option<(String, Instant)>,
    zombies: usize,
    saved: Instant,
}

impl Saves {
    /// Nothing has been saved so far.
    pub fn new(triggers: Triggers, now: Instant) -> Self {
        Self { triggers, pending: None, zombies: 0, saved: now }
    }

    /// Something happened.
    pub fn event(&mut self, event: &Event) {
        self.check(|rule| rule.holds_at(event));
    }

    /// So many children are zombies: a rule holds when they become too many, not for as long as they are.
    pub fn zombies(&mut self, zombies: usize) {
        let before = std::mem::replace(&mut self.zombies, zombies);
        self.check(|rule| rule.holds_with_zombies(zombies) && !rule.holds_with_zombies(before));
    }

    fn check(&mut self, holds: impl Fn(&Rule) -> bool) {
        if self.pending.is_none()
            && let Some(trigger) = self.triggers.rules.iter().find(|trigger| holds(&trigger.rule))
        {
            self.pending = Some((trigger.words.clone(), Instant::now()));
        }
    }

    /// Why it is to be saved now, if it is; to be asked each second, and at the end.
    pub fn due(&mut self, now: Instant, is_end: bool) -> Option<String> {
        let is_late = |(_, at): &mut (String, Instant)| is_end || now.duration_since(*at) >= AFTERMATH;
        let why = if self.triggers.asked.swap(false, Ordering::Relaxed) {
            Some("SIGUSR1".to_owned())
        } else if let Some((why, _)) = self.pending.take_if(is_late) {
            Some(why)
        } else if is_end {
            Some("the end".to_owned())
        } else {
            let passed = now.duration_since(self.saved);
            self.triggers.every.filter(|every| passed >= *every).map(|_| "--every".to_owned())
        };
        if why.is_some() {
            self.saved = now;
        }
        why
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::samples::exit;

    fn saves(rules: &[&str]) -> (Saves, Instant) {
        let now = Instant::now();
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let triggers = Triggers::new(rules, Some(Duration::from_secs(60)));
        (Saves::new(triggers, now), now)
    }

    #[test]
    fn a_rule_saves_once_each_time_that_it_holds() {
        let (mut saves, now) = saves(&["exit!=0", "zombies>1"]);
        let later = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(saves.due(later(1), false), None);
        saves.event(&exit(1, 8, 7, 0));
        assert_eq!(saves.due(later(2), false), None, "it ended well");
        saves.event(&exit(1, 8, 7, 9));
        saves.event(&exit(1, 9, 7, 9));
        assert_eq!(saves.due(now, false), None, "what follows is waited for");
        assert_eq!(saves.due(later(3), false).as_deref(), Some("exit!=0"));
        assert_eq!(saves.due(later(4), false), None);
        for zombies in [1, 2, 3, 3] {
            saves.zombies(zombies);
        }
        assert_eq!(saves.due(later(5), false).as_deref(), Some("zombies>1"));
        saves.zombies(4);
        assert_eq!(saves.due(later(6), false), None, "they are too many still, not again");
        saves.zombies(0);
        saves.zombies(2);
        assert_eq!(saves.due(later(7), false).as_deref(), Some("zombies>1"));
        assert_eq!(saves.due(later(66), false), None);
        assert_eq!(saves.due(later(68), false).as_deref(), Some("--every"));
        assert_eq!(saves.due(later(68), true).as_deref(), Some("the end"));
    }
}
