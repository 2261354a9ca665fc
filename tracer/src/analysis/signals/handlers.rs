//! Python handlers: which signal each one answers.
//!
//! CPython's own handler, in C, only sets a flag; the main thread calls the Python function when it gets to it. So one
//! call answers every delivery of its signal before it.
//!
//! ```text
//!  deliver(10) ── deliver(15) ── deliver(10) ── start(10) ── start(15)      the 10s began at once; 15 waited for them
//!  deliver(10) ── (the window or the process ends)                          pending
//! ```

use std::collections::{HashMap, VecDeque};

use tracer_common::handler::SIGNALS;

use super::row::{Begun, Row, Started};
use crate::event::{Event, HandlerStart, Nanos, Pid};
use crate::report::Outcome;

/// Signals of one process whose handlers have not begun.
const AWAITED: usize = 1024;
/// Starts that are kept of one process: a signal's events of two CPUs may come after that of its handler.
const STARTS: usize = 64;

/// The handlers of traced processes.
#[derive(Debug, Default)]
pub struct Handlers {
    processes: HashMap<Pid, Process>,
}

#[derive(Debug, Default)]
struct Process {
    /// Since when each signal has been watched.
    watched: HashMap<u32, Nanos>,
    /// Delivered, and watched.
    awaiting: Vec<Row>,
    /// In the order of time.
    starts: VecDeque<HandlerStart>,
}

impl Handlers {
    /// Takes what is seen of handlers; returns signals of which nothing more will be seen.
    pub fn fold(&mut self, event: &Event) -> Vec<Row> {
        match event {
            Event::HandlersWatched { at, pid, signals } => {
                self.processes.entry(*pid).or_default().watch(*at, *signals)
            }
            Event::HandlerStart(start) => self.processes.entry(start.task.pid).or_default().start(start),
            _ => Vec::new(),
        }
    }

    /// A signal was delivered, and Python is to call its handler; returned if that is known already, or will never be.
    pub fn delivered(&mut self, row: Row) -> Option<Row> {
        match self.processes.get_mut(&row.target.pid) {
            Some(process) => process.delivered(row),
            None => Some(row),
        }
    }

    /// The process has ended: what has not begun by now never will.
    pub fn exit(&mut self, pid: Pid) -> Vec<Row> {
        self.processes.remove(&pid).map(Process::finish).unwrap_or_default()
    }

    /// The window has ended.
    pub fn finish(self) -> impl Iterator<Item = Row> {
        let mut processes: Vec<_> = self.processes.into_iter().collect();
        processes.sort_by_key(|(pid, _)| *pid);
        processes.into_iter().flat_map(|(_, process)| process.finish())
    }
}

impl Process {
    fn watch(&mut self, at: Nanos, signals: u64) -> Vec<Row> {
        let is_watched = |signal: u32| contains(signals, signal);
        self.watched.retain(|signal, _| is_watched(*signal));
        for signal in (1..=SIGNALS).filter(|signal| is_watched(*signal)) {
            self.watched.entry(signal).or_insert(at);
        }
        self.awaiting.extract_if(.., |row| !is_watched(row.signal)).collect()
    }

    fn delivered(&mut self, row: Row) -> Option<Row> {
        let since = self.watched.get(&row.signal);
        let is_watched = since.is_some_and(|&since| since <= row.delivered_at());
        let start = self.starts.iter().find(|start| answers(start, &row));
        match start.cloned() {
            Some(start) => Some(self.begin(row, &start)),
            None if is_watched => {
                self.awaiting.push(row);
                (self.awaiting.len() > AWAITED).then(|| self.awaiting.remove(0))
            }
            None => Some(row),
        }
    }

    fn start(&mut self, start: &HandlerStart) -> Vec<Row> {
        let answered: Vec<_> = self.awaiting.extract_if(.., |row| answers(start, row)).collect();
        let begun = answered.into_iter().map(|row| self.begin(row, start)).collect();
        if self.starts.len() == STARTS {
            self.starts.pop_front();
        }
        self.starts.push_back(start.clone());
        begun
    }

    fn begin(&self, mut row: Row, start: &HandlerStart) -> Row {
        let delivered = row.delivered_at();
        let is_first = start.signals.trailing_zeros() + 1 == row.signal;
        let other = |other: &&HandlerStart| !contains(other.signals, row.signal);
        let between = |other: &HandlerStart| (delivered..start.at).contains(&other.at);
        let running = self.starts.iter().rev().find(|other| other.at <= delivered);
        row.begun = Begun::Started(Started {
            after: is_first.then(|| start.at.saturating_sub(row.at)),
            site: is_first.then_some((start.space, start.code)),
            stack: start.stack,
            waited: start.waited,
            follows_other: !is_first || self.starts.iter().filter(other).any(between),
            previous: running.map(|other| (other.space, other.code)),
        });
        row
    }

    fn finish(self) -> Vec<Row> {
        let pending = self.awaiting.into_iter().map(|row| Row {
            begun: Begun::Pending,
            outcome: Outcome::Pending,
            ..row
        });
        pending.collect()
    }
}

/// Whether this start is the answer to a signal that was delivered.
fn answers(start: &HandlerStart, row: &Row) -> bool {
    contains(start.signals, row.signal) && row.delivered_at() <= start.at
}

/// Bit N - 1 is set for signal N.
fn contains(signals: u64, signal: u32) -> bool {
    signals >> (signal.wrapping_sub(1) & 63) & 1 == 1
}
