//! Python handlers: which signal each one answers.
//!
//! CPython's own handler, in C, only sets a flag; the main thread calls the Python function when it gets to it. So one
//! call answers every delivery of its signal before it.
//!
//! ```text
//!  deliver(10) ── deliver(15) ── deliver(10) ── start(10) ── start(15)      the 10s began at once; 15 waited for them
//!  deliver(10) ── (the window or the process ends)                          pending
//!  deliver(10) ── start(10) ── start(15) ── end                             10 ended when 15 began
//! ```

use std::collections::{HashMap, VecDeque};

use super::row::{Begun, SignalRow, Started};
use crate::event::{Event, HandlerStart, Nanos, Pid, is_in};
use crate::report::Outcome;

/// Signals of one process whose handlers have not begun: more than a user may have queued on most systems.
const AWAITED: usize = 16_384;
/// Starts that are kept of one process: a signal's events of two CPUs may come after that of its handler.
const STARTS: usize = 64;
/// Processes whose handlers are seen.
const PROCESSES: usize = 16_384;
/// Handlers of one process that run: each inside of another.
const RUNNING: usize = 1_024;

/// The handlers of traced processes.
#[derive(Debug, Default)]
pub struct Handlers {
    processes: HashMap<Pid, ProcessHandlers>,
}

#[derive(Debug, Default)]
struct ProcessHandlers {
    /// Since when handlers are seen to begin.
    watched: Option<Nanos>,
    /// They are seen to end, too.
    ends: bool,
    /// Delivered, and watched.
    awaiting: Vec<SignalRow>,
    /// In the order of time.
    starts: VecDeque<HandlerStart>,
    /// They have begun, and their ends are still to be seen.
    running: Vec<Running>,
}

/// A signal whose handler runs.
#[derive(Debug)]
struct Running {
    row: SignalRow,
    level: u32,
}

impl Handlers {
    /// Takes what is seen of handlers; returns signals of which nothing more will be seen.
    pub fn fold(&mut self, event: &Event) -> Vec<SignalRow> {
        match event {
            Event::HandlersWatched { at, pid, starts: true, ends } => {
                if let Some(process) = self.process(*pid) {
                    process.watch(*at, *ends);
                }
                Vec::new()
            }
            // Also reported for processes that have ended.
            Event::HandlersWatched { pid, .. } => {
                self.processes.get_mut(pid).map_or_else(Vec::new, ProcessHandlers::watch_no_more)
            }
            Event::HandlersPending { pid, signals } => {
                self.processes.get_mut(pid).map_or_else(Vec::new, |process| process.begun_unseen(*signals))
            }
            Event::HandlerStart(start) => {
                self.process(start.task.pid).map_or_else(Vec::new, |process| process.start(start))
            }
            Event::HandlerEnd { at, pid, level } => {
                self.processes.get_mut(pid).map_or_else(Vec::new, |process| process.end(*at, *level))
            }
            _ => Vec::new(),
        }
    }

    /// Of further ones nothing is expected.
    fn process(&mut self, pid: Pid) -> Option<&mut ProcessHandlers> {
        let has_room = self.processes.len() < PROCESSES || self.processes.contains_key(&pid);
        has_room.then(|| self.processes.entry(pid).or_default())
    }

    /// A signal was delivered, and Python is to call its handler; returned if that is known already, or will never be.
    pub fn delivered(&mut self, row: SignalRow) -> Option<SignalRow> {
        match self.processes.get_mut(&row.aim.target.pid) {
            Some(process) => process.delivered(row),
            None => Some(row),
        }
    }

    /// The process has ended: what has not begun by now never will.
    pub fn exit(&mut self, pid: Pid) -> Vec<SignalRow> {
        self.processes.remove(&pid).map(ProcessHandlers::finish).unwrap_or_default()
    }

    /// The window has ended.
    pub fn finish(self) -> impl Iterator<Item = SignalRow> {
        let mut processes: Vec<_> = self.processes.into_iter().collect();
        processes.sort_by_key(|(pid, _)| *pid);
        processes.into_iter().flat_map(|(_, process)| process.finish())
    }
}

impl ProcessHandlers {
    fn watch(&mut self, at: Nanos, ends: bool) {
        self.ends = ends;
        self.watched.get_or_insert(at);
    }

    fn watch_no_more(&mut self) -> Vec<SignalRow> {
        (self.ends, self.watched) = (false, None);
        std::mem::take(&mut self.awaiting)
    }

    fn delivered(&mut self, row: SignalRow) -> Option<SignalRow> {
        let is_watched = self.watched.is_some_and(|since| since <= row.delivered_at());
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

    fn start(&mut self, start: &HandlerStart) -> Vec<SignalRow> {
        let before = self.running.extract_if(.., |running| running.is_before(start));
        let mut done: Vec<_> = before.map(|running| running.ended(start.at)).collect();
        let answered: Vec<_> = self.awaiting.extract_if(.., |row| answers(start, row)).collect();
        let begun = answered.into_iter().map(|row| self.begin(row, start)).collect::<Vec<_>>();
        if self.ends && self.running.len() + begun.len() <= RUNNING {
            let level = start.level;
            self.running.extend(begun.into_iter().map(|row| Running { row, level }));
        } else {
            done.extend(begun);
        }
        if self.starts.len() == STARTS {
            self.starts.pop_front();
        }
        self.starts.push_back(start.clone());
        done
    }

    fn begin(&self, mut row: SignalRow, start: &HandlerStart) -> SignalRow {
        let delivered = row.delivered_at();
        let other = |other: &&HandlerStart| other.signal != row.signal;
        let between = |other: &HandlerStart| (delivered..start.at).contains(&other.at);
        let running = self.starts.iter().rev().find(|other| other.at <= delivered);
        row.begun = Begun::Started(Started {
            after: start.at.saturating_sub(row.at),
            site: (start.space, start.code),
            stack: start.stack,
            waited: start.waited,
            follows_other: self.starts.iter().filter(other).any(between),
            previous: running.map(|other| (other.space, other.code)),
            ended: None,
        });
        row
    }

    /// Handlers have returned that were called at this level.
    fn end(&mut self, at: Nanos, level: u32) -> Vec<SignalRow> {
        self.running
            .extract_if(.., |running| running.level == level)
            .map(|running| running.ended(at))
            .collect()
    }

    /// At the end these have still to begin; when the others began was lost.
    fn begun_unseen(&mut self, pending: u64) -> Vec<SignalRow> {
        self.awaiting.extract_if(.., |row| !is_in(pending, row.signal)).collect()
    }

    fn finish(self) -> Vec<SignalRow> {
        let pending = self.awaiting.into_iter().map(|row| SignalRow {
            begun: Begun::Pending,
            outcome: Outcome::Pending,
            ..row
        });
        pending.chain(self.running.into_iter().map(|running| running.row)).collect()
    }
}

impl Running {
    /// Of handlers that are called one after another, the one before has ended.
    fn is_before(&self, start: &HandlerStart) -> bool {
        self.level == start.level && start.signal != self.row.signal
    }

    fn ended(mut self, at: Nanos) -> SignalRow {
        self.row.end_handler(at);
        self.row
    }
}

/// Whether this start is the answer to a signal that was delivered.
fn answers(start: &HandlerStart, row: &SignalRow) -> bool {
    start.signal == row.signal && row.delivered_at() <= start.at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_whose_ends_are_not_seen_take_no_more_room() {
        let mut handlers = Handlers::default();
        for pid in 0..2 * PROCESSES as u32 {
            handlers.fold(&Event::HandlersWatched { at: 1, pid, starts: true, ends: false });
        }
        assert_eq!(handlers.processes.len(), PROCESSES);
        handlers.exit(7);
        handlers.fold(&Event::HandlersWatched { at: 2, pid: u32::MAX, starts: true, ends: false });
        assert!(handlers.processes.contains_key(&u32::MAX), "there is room again");
    }
}
