//! Conditions on the command line: when to end early, and what counts as a failure.

mod figures;

use std::str::FromStr;

use crate::event::{Event, Nanos};
use crate::report::{Report, TargetProcess};
use figures::{FIGURES, PARTS};

pub use figures::Figure;

/// How long a child must have been a zombie to count as one.
pub const ZOMBIE_NS: Nanos = 100_000_000;

/// `signal:TERM`, `zombie`, `zombies>0`, `gc.max>50ms`, `reads.avoidable/s>100` and the like.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// A signal was generated for a traced process.
    Signal(u32),
    /// A figure of the report exceeds a limit.
    Above(Figure, f64),
    /// A figure of the report exceeds a limit, for each second of the window.
    AboveEachSecond(Figure, f64),
    /// `exit!=0`: a traced process ended with another code than 0, or by a signal.
    Failed,
    /// `worse`: a second run has more of something than the first. A report by itself is no worse than anything.
    Worse,
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("signal:") {
            return signal_number(name)
                .map(Self::Signal)
                .ok_or_else(|| format!("no signal is called {name}"));
        }
        match text {
            "worse" => return Ok(Self::Worse),
            "exit!=0" => return Ok(Self::Failed),
            _ => {}
        }
        let (name, limit) = match text.rsplit_once('>') {
            Some((name, limit)) => (name.trim(), parse_limit(limit.trim())?),
            None => (text, 0.0),
        };
        match name.strip_suffix("/s") {
            Some(name) => Ok(Self::AboveEachSecond(figure(name.trim_end())?, limit)),
            None => Ok(Self::Above(figure(name)?, limit)),
        }
    }
}

/// `gc.max`, `zombie`, `frame.self("json/encoder.py")`.
fn figure(name: &str) -> Result<Figure, String> {
    if let Some((part, place)) = name.strip_suffix(')').and_then(|name| name.split_once('(')) {
        let place = place.trim().trim_matches(['"', '\'']);
        let known = PARTS.iter().find(|(known, _)| *known == part.trim() && !place.is_empty());
        return known.map(|&(_, part)| Figure::Frame(part, place.to_owned())).ok_or_else(|| unknown(name));
    }
    let plural = format!("{name}s");
    let known = FIGURES.iter().find(|(known, _)| *known == name || *known == plural);
    known.map(|(_, figure)| figure.clone()).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> String {
    let figures = FIGURES.map(|(name, _)| name).join(", ");
    let parts = PARTS.map(|(name, _)| format!("{name}(\"FILE.py\")")).join(", ");
    format!(
        "no rule is called {name}; there are signal:NAME, exit!=0, {figures}, {parts}; each may have /s behind it"
    )
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
    pub fn holds_at(&self, event: &Event) -> bool {
        match (self, event) {
            (Self::Signal(number), Event::SignalGenerate(generate)) => generate.signal == *number,
            (Self::Failed, Event::Exit(exit)) => exit.last_thread && exit.wait_status != 0,
            (Self::Above(Figure::GcMax, limit), Event::GcPause(pause)) => pause.lasted as f64 > *limit,
            (Self::Above(Figure::Loop, limit), Event::LoopTurn { busy, .. }) => *busy as f64 > *limit,
            (Self::Above(Figure::Orphans, limit), Event::Reparented { .. }) => *limit < 1.0,
            _ => false,
        }
    }

    /// Whether so many zombies fulfil it.
    #[must_use]
    pub fn holds_with_zombies(&self, zombies: usize) -> bool {
        matches!(self, Self::Above(Figure::Zombies, limit) if zombies as f64 > *limit)
    }

    /// Whether the finished report fulfils it. What is not known fulfils nothing.
    #[must_use]
    pub fn holds_in(&self, report: &Report) -> bool {
        match self {
            Self::Signal(number) => report.signals.rows.iter().any(|row| row.number == *number),
            Self::Above(figure, limit) => figure.value(report).is_some_and(|value| value > *limit),
            Self::Failed => report.target.processes.rows.iter().any(failed),
            Self::Worse => false,
            Self::AboveEachSecond(figure, limit) => {
                let seconds = report.window.duration_ns.max(1) as f64 / 1e9;
                figure.value(report).is_some_and(|value| value / seconds > *limit)
            }
        }
    }

    /// Whether it is known before the end of the window that it is fulfilled.
    #[must_use]
    pub fn is_seen_early(&self) -> bool {
        match self {
            Self::Signal(_)
            | Self::Failed
            | Self::Above(Figure::Zombies | Figure::GcMax | Figure::Loop, _) => true,
            Self::Above(Figure::Orphans, limit) => *limit < 1.0,
            _ => false,
        }
    }
}

fn failed(process: &TargetProcess) -> bool {
    process.exit_code.is_some_and(|code| code != 0) || process.exit_signal.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Read, Signal, bounded};

    fn own(place: &str) -> Figure {
        Figure::Frame(figures::FrameShare::Own, place.to_owned())
    }

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
            ("reads.avoidable/s > 100", Ok(Rule::AboveEachSecond(Figure::ReadsAvoidable, 100.0))),
            ("gil.wait/s>200ms", Ok(Rule::AboveEachSecond(Figure::GilWait, 2e8))),
            ("loop>500ms", Ok(Rule::Above(Figure::Loop, 5e8))),
            ("exit!=0", Ok(Rule::Failed)),
            ("fork", Ok(Rule::Above(Figure::Forks, 0.0))),
            ("frame.self(\"json/encoder.py\")>20%", Ok(Rule::Above(own("json/encoder.py"), 0.2))),
            ("frame.self(a>b.py) > 1%", Ok(Rule::Above(own("a>b.py"), 0.01))),
            ("zombies>many", Err("many is not a limit".to_owned())),
            ("signal:NONE", Err("no signal is called NONE".to_owned())),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
        for name in ["heat", "frame.self()>1%", "heat(a.py)>1", "gc.max/h>1", "frame.self(a.py"] {
            let refused = name.parse::<Rule>().unwrap_err();
            assert!(refused.starts_with(&format!("no rule is called {}", name.split('>').next().unwrap())));
        }
    }

    /// What the rows do not show is in their totals.
    #[test]
    fn figures_are_those_of_all_rows() {
        let mut report = Report::default();
        report.window.duration_ns = 2_000_000_000;
        let read = |syscalls| Read { syscalls, avoidable: Some(syscalls - 1), ..Read::default() };
        report.reads = bounded((1..=4).map(read), 2);
        report.signals = bounded([Signal { count: 3, ..Signal::default() }], 1);
        for (text, expected) in [
            ("reads>9", true),
            ("reads>10", false),
            ("reads/s>4.9", true),
            ("reads/s>5", false),
            ("reads.avoidable>5", true),
            ("reads.avoidable/s>3", false),
            ("signals>2", true),
            ("signals>3", false),
            ("gc.max>0", false),
            ("loop>0", false),
        ] {
            assert_eq!(text.parse::<Rule>().unwrap().holds_in(&report), expected, "{text}");
        }
    }

    #[test]
    fn only_what_is_seen_at_once_ends_a_run() {
        for (text, expected) in [
            ("signal:TERM", true),
            ("zombies>3", true),
            ("orphan", true),
            ("orphans>3", false),
            ("gc.max>50ms", true),
            ("loop>500ms", true),
            ("exit!=0", true),
            ("gc.max/s>50ms", false),
            ("reads/s>100", false),
            ("loss>1%", false),
        ] {
            assert_eq!(text.parse::<Rule>().unwrap().is_seen_early(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_fulfils_nothing() {
        let rule: Rule = "gc.max>0".parse().unwrap();
        assert!(!rule.holds_in(&Report::default()));
    }
}
