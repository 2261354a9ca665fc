//! Signals: where they come from, where they go, and what came of it.
//!
//! A signal begins with its generation and ends with its delivery. A delivery without a generation is no signal: when
//! a process ends, the kernel delivers a SIGKILL to each of its threads that no process has sent. So a SIGKILL that is
//! delivered stands for whichever pending signal kills the process, and the process's own end shows which one it was.
//!
//! ```text
//!  generate(15) ──────── deliver(15): handled             a handler is installed
//!  generate(15) ─ deliver(9) ─ deliver(9) ─ exit(15)      killed at the first deliver(9)
//!  exit_group   ─ deliver(9) ─ deliver(9) ─ exit(0)       no row
//! ```

#[cfg(test)]
mod handler_tests;
mod handlers;
mod open;
mod origin;
mod report_row;
mod row;
mod rows;
#[cfg(test)]
mod tests;
mod waits;

use std::collections::{BTreeSet, HashMap, VecDeque};

use self::handlers::Handlers;
use self::open::OpenSignals;
pub use self::origin::{is_sent, origin, seen};
use self::row::SignalRow;
use self::rows::Rows;
use super::traced::Traced;
use crate::event::{Event, Exit, Nanos, Pid, SignalDeliver, SignalGenerate, SignalsPending, Tid};
use crate::report::{Bounded, Signal};
use crate::symbols::Symbols;

/// How far an event of one CPU may be behind those of another.
const DISORDER: Nanos = 1_000_000;
/// Deliveries whose generation may still come.
const EARLY: usize = 64;

/// Processes that are not traced whose pending signals are kept.
const STRANGERS: usize = 1024;

/// Processes whose pending signals are kept.
const PROCESSES: usize = 16_384;

/// Signals of traced processes, and those that traced processes send.
#[derive(Debug, Default)]
pub struct Signals {
    open: HashMap<Pid, OpenSignals>,
    /// Processes among them that are not traced, whose ends are not seen: oldest first.
    strangers: VecDeque<Pid>,
    early: VecDeque<SignalDeliver>,
    handlers: Handlers,
    rows: Rows,
}

impl Signals {
    /// Takes what happens to signals, and the ends of processes that they are for.
    pub fn fold(&mut self, event: &Event, traced: &Traced) {
        match event {
            Event::SignalGenerate(signal) => self.generate(signal, traced),
            Event::SignalDeliver(delivery) => self.deliver(delivery),
            Event::Exit(exit) if exit.last_thread => self.exit(exit),
            Event::Exit(exit) => self.thread_exit(exit),
            Event::SignalsPending(pending) => self.check(pending),
            Event::Free { pid, .. } => self.free(*pid),
            _ => self.rows.extend(self.handlers.fold(event)),
        }
    }

    /// The rows of the report, in the order of time.
    pub fn finish(mut self, symbols: &Symbols) -> Bounded<Signal> {
        let mut open: Vec<_> = self.open.drain().collect();
        open.sort_by_key(|(pid, _)| *pid);
        open.into_iter().for_each(|(_, open)| self.rows.extend(open.finish()));
        self.rows.extend(self.handlers.finish());
        self.rows.finish(symbols)
    }

    fn generate(&mut self, signal: &SignalGenerate, traced: &Traced) {
        let row = SignalRow::new(signal, traced.contains(signal.target.pid));
        if !(traced.contains(signal.target.pid) || is_sent(row.origin) && traced.contains(signal.current.pid))
        {
            return;
        }
        if row.is_open() {
            self.note_untraced(&row, traced);
            self.open(row);
            self.deliver_early(signal.at);
        } else {
            self.rows.push(row);
        }
    }

    /// Of an untraced process whose signals have been pending for long nothing more is expected.
    fn note_untraced(&mut self, row: &SignalRow, traced: &Traced) {
        let pid = row.aim.target.pid;
        if traced.contains(pid) || self.open.contains_key(&pid) {
            return;
        }
        self.strangers.push_back(pid);
        if self.strangers.len() > STRANGERS
            && let Some(oldest) = self.strangers.pop_front()
            && let Some(open) = self.open.remove(&oldest)
        {
            self.rows.extend(open.finish());
        }
    }

    fn open(&mut self, row: SignalRow) {
        if self.open.len() >= PROCESSES && !self.open.contains_key(&row.aim.target.pid) {
            return self.rows.push(row.give_up());
        }
        let open = self.open.entry(row.aim.target.pid).or_default();
        if let Some(accepted) = open.accepted_before(&row) {
            self.rows.push(accepted);
        }
        let oldest = open.make_room(&row);
        open.push(row);
        self.rows.extend(oldest.map(SignalRow::give_up));
    }

    /// Processes with signals whose outcome has not been seen, and the threads that these are for, where they are for one alone.
    pub fn undecided(&self) -> impl Iterator<Item = (Pid, BTreeSet<Tid>)> {
        let with_signals = self.open.iter().filter(|(_, open)| !open.is_empty());
        with_signals.map(|(pid, open)| (*pid, open.threads().collect()))
    }

    /// What the kernel says at the end.
    fn check(&mut self, pending: &SignalsPending) {
        if let Some(open) = self.open.get_mut(&pending.pid) {
            self.rows.extend(open.check(pending));
        }
    }

    fn deliver(&mut self, delivery: &SignalDeliver) {
        match self.open.get_mut(&delivery.task.pid) {
            Some(open) if open.fits(delivery) => {
                let row = open.deliver(delivery);
                row.into_iter().for_each(|row| self.delivered(row));
            }
            _ => self.wait_for_generation(delivery.clone()),
        }
    }

    /// What Python handles goes on until the handler begins.
    fn delivered(&mut self, row: SignalRow) {
        let row = if row.is_pythons() { self.handlers.delivered(row) } else { Some(row) };
        self.rows.extend(row);
    }

    fn wait_for_generation(&mut self, delivery: SignalDeliver) {
        if self.early.len() == EARLY {
            self.early.pop_front();
        }
        self.early.push_back(delivery);
    }

    /// Deliveries that came before their generation find it now.
    fn deliver_early(&mut self, now: Nanos) {
        for delivery in std::mem::take(&mut self.early) {
            if delivery.at + DISORDER >= now {
                self.deliver(&delivery);
            }
        }
    }

    fn thread_exit(&mut self, exit: &Exit) {
        if let Some(open) = self.open.get_mut(&exit.task.pid) {
            self.rows.extend(open.thread_exit(exit));
        }
    }

    /// What was sent to a zombie is never delivered, and not to the process that has its pid next.
    fn free(&mut self, pid: Pid) {
        self.rows.extend(self.open.remove(&pid).into_iter().flat_map(OpenSignals::finish));
    }

    fn exit(&mut self, exit: &Exit) {
        if let Some(open) = self.open.remove(&exit.task.pid) {
            let mut rows = open.exit(exit);
            if exit.out_of_memory {
                rows.iter_mut().for_each(SignalRow::is_for_memory);
            }
            self.rows.extend(rows);
        }
        self.rows.extend(self.handlers.exit(exit.task.pid));
    }
}
