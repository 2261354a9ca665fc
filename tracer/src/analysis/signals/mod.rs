//! Signals: who sent them, who took them, and what came of it.
//!
//! A signal begins with its generation and ends with its delivery. A delivery without a generation is no signal: when
//! a process ends, the kernel delivers a SIGKILL to each of its threads that nobody has sent. So a SIGKILL that is
//! delivered stands for whichever pending signal kills the process, and the process's own end tells which one it was.
//!
//! ```text
//!  generate(15) ──────── deliver(15): handled             a handler is installed
//!  generate(15) ─ deliver(9) ─ deliver(9) ─ exit(15)      killed at the first deliver(9)
//!  exit_group   ─ deliver(9) ─ deliver(9) ─ exit(0)       no row
//! ```

#[cfg(test)]
mod handler_tests;
mod handlers;
mod origin;
mod row;
mod rows;
#[cfg(test)]
mod tests;
mod waits;

use std::collections::{HashMap, VecDeque};

use self::handlers::Handlers;
use self::origin::is_sent;
use self::row::Row;
use self::rows::Rows;
use super::signal_names::is_standard;
use super::traced::Traced;
use crate::event::{Event, Exit, Nanos, Pid, SignalDeliver, SignalGenerate};
use crate::report::{Bounded, Signal};
use crate::symbols::Symbols;

const SIGKILL: u32 = 9;
/// How far an event of one CPU may be behind those of another.
const DISORDER: Nanos = 1_000_000;
/// Deliveries whose generation may still come.
const EARLY: usize = 64;

/// Signals of traced processes, and those that traced processes send.
#[derive(Debug, Default)]
pub struct Signals {
    open: HashMap<Pid, Open>,
    early: VecDeque<SignalDeliver>,
    handlers: Handlers,
    rows: Rows,
}

/// What is pending in one process.
#[derive(Debug, Default)]
struct Open {
    rows: Vec<Row>,
    /// The first SIGKILL that was delivered while one of them could have been meant.
    killed: Option<SignalDeliver>,
}

impl Signals {
    /// Takes what happens to signals, and the ends of processes that they are for.
    pub fn fold(&mut self, event: &Event, traced: &Traced) {
        match event {
            Event::SignalGenerate(signal) => self.generate(signal, traced),
            Event::SignalDeliver(delivery) => self.deliver(delivery),
            Event::Exit(exit) if exit.last_thread => self.exit(exit),
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
        let row = Row::new(signal);
        let received = traced.contains(signal.target.pid);
        if received && row.is_open() {
            self.open(row);
            self.deliver_early(signal.at);
        } else if received || is_sent(row.origin) && traced.contains(signal.current.pid) {
            // Decided at once, or for a process whose deliveries are not seen.
            self.rows.push(row);
        }
    }

    fn open(&mut self, row: Row) {
        let open = self.open.entry(row.target.pid).or_default();
        if let Some(accepted) = open.accepted_before(&row) {
            self.rows.push(accepted);
        }
        open.rows.push(row);
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
    fn delivered(&mut self, row: Row) {
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

    fn exit(&mut self, exit: &Exit) {
        if let Some(open) = self.open.remove(&exit.task.pid) {
            self.rows.extend(open.exit(exit.wait_status & 0x7f));
        }
        self.rows.extend(self.handlers.exit(exit.task.pid));
    }
}

impl Open {
    /// Whether a delivery can be that of a signal that is pending here.
    fn fits(&self, delivery: &SignalDeliver) -> bool {
        self.rows.iter().any(|row| row.fits(delivery) || row.is_killed_by(delivery))
    }

    /// The signal that is delivered, if it can be told already: of those that fit, one aimed at the thread comes first,
    /// as the kernel takes these first. <https://github.com/torvalds/linux/blob/v6.12/kernel/signal.c> (`dequeue_signal`)
    fn deliver(&mut self, delivery: &SignalDeliver) -> Option<Row> {
        if delivery.signal == SIGKILL {
            self.killed.get_or_insert_with(|| delivery.clone());
            return None;
        }
        let fitting = self.rows.iter().enumerate().filter(|(_, row)| row.fits(delivery));
        let (index, _) = fitting.min_by_key(|(index, row)| (row.group, *index))?;
        let mut row = self.rows.remove(index);
        row.deliver(delivery);
        Some(row)
    }

    /// A standard signal is queued once. That it is queued again shows that the one before has been taken without
    /// being delivered: by sigwait(2) or through a signalfd(2).
    fn accepted_before(&mut self, again: &Row) -> Option<Row> {
        let index = self.rows.iter().position(|row| is_standard(row.signal) && row.is_in_queue_of(again))?;
        let mut row = self.rows.remove(index);
        row.accept();
        Some(row)
    }

    /// The process has ended: this signal has killed it, or none. The others will never be delivered.
    fn exit(mut self, signal: u32) -> Vec<Row> {
        if let Some(row) = self.rows.iter_mut().find(|row| row.signal == signal) {
            row.kill(self.killed.as_ref());
        }
        self.rows
    }

    /// The window has ended.
    fn finish(mut self) -> impl Iterator<Item = Row> {
        if let Some(delivery) = &self.killed {
            let candidates = self.rows.iter_mut().filter(|row| row.is_killed_by(delivery));
            let kills = candidates.min_by_key(|row| (row.signal != SIGKILL, row.at));
            kills.into_iter().for_each(|row| row.kill(Some(delivery)));
        }
        self.rows.into_iter().map(Row::give_up)
    }
}
