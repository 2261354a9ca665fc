//! Conditions on the command line: when to end early, and what counts as a failure.

use std::str::FromStr;

use crate::event::{Event, Nanos};
use crate::report::Report;

/// How long a child must have been a zombie to count as one.
pub const ZOMBIE_NS: Nanos = 100_000_000;

/// `signal:TERM`, `zombie`, `zombies>0`, `gc.max>50ms` and the like.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// A signal was generated for a traced process.
    Signal(u32),
    /// A figure of the report exceeds a limit.
    Above(Figure, f64),
}

/// A figure that rules may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Children that were not waited for, or are not.
    Zombies,
    /// Children that outlived their parent.
    Orphans,
    /// Signals.
    Signals,
    /// What the worst section lost of its own hits: a share.
    Loss,
    /// The longest pause for garbage collection, in nanoseconds.
    GcMax,
}

const FIGURES: [(&str, Figure); 5] = [
    ("zombies", Figure::Zombies),
    ("orphans", Figure::Orphans),
    ("signals", Figure::Signals),
    ("loss", Figure::Loss),
    ("gc.max", Figure::GcMax),
];

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("signal:") {
            return signal_number(name)
                .map(Self::Signal)
                .ok_or_else(|| format!("no signal is called {name}"));
        }
        let (name, limit) = match text.split_once('>') {
            Some((name, limit)) => (name.trim(), parse_limit(limit.trim())?),
            None => (text, 0.0),
        };
        let plural = format!("{name}s");
        let figure = FIGURES.iter().find(|(known, _)| *known == name || *known == plural);
        figure.map(|&(_, figure)| Self::Above(figure, limit)).ok_or_else(|| {
            format!(
                "no rule is called {name}; there are signal:NAME, zombies, orphans, signals, loss, gc.max"
            )
        })
    }
}

/// A number, a share (`1%`), or a duration in nanoseconds (`50ms`).
fn parse_limit(text: &str) -> Result<f64, String> {
    let split = text.find(|char: char| !(char.is_ascii_digit() || char == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "" => 1.0,
        "%" => 0.01,
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return Err(format!("{text} is not a limit")),
    };
    number.parse::<f64>().map(|number| number * scale).map_err(|_| format!("{text} is not a limit"))
}

/// By name, with or without `SIG`, or by number.
fn signal_number(name: &str) -> Option<u32> {
    let name = name.strip_prefix("SIG").unwrap_or(name);
    let by_number = name.parse().ok().filter(|number| (1..=64).contains(number));
    by_number.or_else(|| {
        (1..=64).find(|&number| crate::analysis::signal_name(number).strip_prefix("SIG") == Some(name))
    })
}

impl Rule {
    /// Whether an event fulfils it by itself.
    #[must_use]
    pub fn is_met_by(&self, event: &Event) -> bool {
        matches!((self, event), (Self::Signal(number), Event::SignalGenerate(generate)) if generate.signal == *number)
            || matches!((self, event), (Self::Above(Figure::GcMax, limit), Event::GcPause(pause)) if pause.lasted as f64 > *limit)
            || matches!((self, event), (Self::Above(Figure::Orphans, limit), Event::Reparented { .. }) if *limit < 1.0)
    }

    /// Whether so many zombies fulfil it.
    #[must_use]
    pub fn is_met_by_zombies(&self, zombies: usize) -> bool {
        matches!(self, Self::Above(Figure::Zombies, limit) if zombies as f64 > *limit)
    }

    /// Whether the finished report fulfils it. What is not known fulfils nothing.
    #[must_use]
    pub fn is_met_in(&self, report: &Report) -> bool {
        match self {
            Self::Signal(number) => report.signals.rows.iter().any(|row| row.number == *number),
            Self::Above(figure, limit) => figure.value(report).is_some_and(|value| value > *limit),
        }
    }
}

impl Figure {
    fn value(self, report: &Report) -> Option<f64> {
        let quality = &report.quality;
        match self {
            Self::Zombies => Some(count(&report.processes.zombies)),
            Self::Orphans => Some(count(&report.processes.orphans)),
            Self::Signals => Some(report.signals.rows.iter().map(|row| row.count as f64).sum()),
            Self::Loss => Some(quality.worst_loss()),
            Self::GcMax => {
                let gc = report.gc.as_ref()?;
                gc.pauses.rows.iter().map(|pause| pause.max_ns as f64).reduce(f64::max)
            }
        }
    }
}

fn count<T: crate::report::Row>(rows: &crate::report::Bounded<T>) -> f64 {
    rows.rows.len() as f64 + rows.rest.as_ref().map_or(0.0, |rest| rest.omitted as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_as_they_are_written() {
        for (text, expected) in [
            ("signal:TERM", Ok(Rule::Signal(15))),
            ("signal:SIGUSR1", Ok(Rule::Signal(10))),
            ("signal:9", Ok(Rule::Signal(9))),
            ("zombie", Ok(Rule::Above(Figure::Zombies, 0.0))),
            ("zombies>2", Ok(Rule::Above(Figure::Zombies, 2.0))),
            ("loss > 1%", Ok(Rule::Above(Figure::Loss, 0.01))),
            ("gc.max>50ms", Ok(Rule::Above(Figure::GcMax, 5e7))),
            ("zombies>many", Err("many is not a limit".to_owned())),
            ("signal:NONE", Err("no signal is called NONE".to_owned())),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
        assert!("heat".parse::<Rule>().unwrap_err().starts_with("no rule is called heat"));
    }

    #[test]
    fn what_is_not_known_fulfils_nothing() {
        let rule: Rule = "gc.max>0".parse().unwrap();
        assert!(!rule.is_met_in(&Report::default()));
    }
}
