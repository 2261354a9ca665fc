//! What a person should change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::frame::{Frame, Stack};
use super::vocabulary::vocabulary;
use crate::report::{Name, NoTotals, Row, Sentence};

/// One sentence that a person can act on, with the figures behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was found.
    pub kind: FindingKind,
    /// How bad it is.
    pub severity: Severity,
    /// The sentence.
    pub text: Sentence,
    /// The process it is about.
    pub pid: u32,
    /// The line to change: the innermost frame outside the standard library, or the innermost one where there is none.
    pub frame: Option<Frame>,
    /// The figures behind the sentence.
    pub evidence: Evidence,
}

impl Row for Finding {
    type Totals = NoTotals;

    fn add_to(&self, _: &mut NoTotals) {}
}

/// Figures by name, under the names they have elsewhere in the report.
pub type Evidence = BTreeMap<String, Fact>;

/// One figure of a finding's evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact {
    /// Yes or no.
    Flag(bool),
    /// A count, a size or a duration.
    Count(u64),
    /// A number that is not whole.
    Number(f64),
    /// A path, a function, a signal.
    Name(Name),
    /// Processes.
    Pids(Vec<u32>),
    /// A stack.
    Stack(Stack),
    /// Not known.
    Unknown,
}

impl From<u64> for Fact {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<bool> for Fact {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Name> for Fact {
    fn from(name: Name) -> Self {
        Self::Name(name)
    }
}

impl From<&str> for Fact {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<Stack> for Fact {
    fn from(stack: Stack) -> Self {
        Self::Stack(stack)
    }
}

impl<T: Into<Fact>> From<Option<T>> for Fact {
    fn from(known: Option<T>) -> Self {
        known.map_or(Self::Unknown, Into::into)
    }
}

vocabulary! {
    /// What was found.
    FindingKind {
        /// A file is read in pieces that are too small.
        SmallReads = "small_reads",
        /// A child ended and nobody waited for it.
        Zombie = "zombie",
        /// A child outlived its parent.
        Orphan = "orphan",
        /// A signal took long to reach its Python handler.
        SignalDelay = "signal_delay",
        /// A signal killed a process.
        SignalKill = "signal_kill",
        /// A process exited, and not with 0, or since somebody from outside asked it to.
        ProcessEnd = "process_end",
        /// Threads wait for the GIL.
        Gil = "gil",
        /// Threads wait for a CPU.
        RunQueue = "run_queue",
        /// Threads wait for a lock.
        Lock = "lock",
        /// The garbage collector paused the process.
        GcPause = "gc_pause",
        /// An event loop did not turn.
        LoopBlocked = "loop_blocked",
        /// A thread did not move at all.
        Stuck = "stuck",
        /// A child is asked without a pause whether it has ended.
        ChildPoll = "child_poll",
        /// One line took much of the CPU time.
        HotLine = "hot_line",
        /// The trace itself is incomplete.
        Quality = "quality",
    }
}

vocabulary! {
    /// How bad a finding is.
    #[derive(Default)]
    Severity {
        /// Good to know.
        #[default]
        Info = "info",
        /// Costs something.
        Warn = "warn",
        /// Breaks something.
        Critical = "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_plain_values_in_json() {
        let frame = Frame { function: "f".into(), file: "a.py".into(), line: Some(1) };
        for (fact, json) in [
            (Fact::from(true), "true"),
            (Fact::from(7), "7"),
            (Fact::Number(0.5), "0.5"),
            (Fact::from("SIGTERM"), r#""SIGTERM""#),
            (Fact::from(vec![frame]), r#"[{"function":"f","file":"a.py","line":1}]"#),
            (Fact::Pids(vec![7, 8]), "[7,8]"),
            (Fact::from(None::<u64>), "null"),
        ] {
            assert_eq!(serde_json::to_string(&fact).unwrap(), json);
            assert_eq!(serde_json::from_str::<Fact>(json).unwrap(), fact);
        }
    }
}
