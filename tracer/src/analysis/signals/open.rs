//! What is pending in one process, as the kernel queues it: for the process, and for each of its threads.

use std::collections::{BTreeMap, VecDeque};

use super::row::SignalRow;
use crate::analysis::signal_names::is_standard;
use crate::event::{Exit, SignalDeliver, SignalsPending, Tid, is_in};

const SIGKILL: u32 = 9;
/// Signals of one number for one thread or process that may wait.
pub const PENDING: usize = 65_536;

/// Signals of one number that wait for a thread, or for any of them.
type SignalQueue = (u32, Option<Tid>);

/// What is pending in one process.
#[derive(Debug, Default)]
pub struct OpenSignals {
    queues: BTreeMap<SignalQueue, VecDeque<SignalRow>>,
    /// The first SIGKILL that was delivered while one of them could have been meant.
    killed: Option<SignalDeliver>,
}

impl OpenSignals {
    /// One more.
    pub fn push(&mut self, row: SignalRow) {
        self.queues.entry(queue_of(&row)).or_default().push_back(row);
    }

    /// The one that has waited longest, if as many wait as a user may have queued on most systems: ends were not seen.
    pub fn make_room(&mut self, next: &SignalRow) -> Option<SignalRow> {
        let queue = queue_of(next);
        let is_full = self.queues.get(&queue).is_some_and(|rows| rows.len() >= PENDING);
        is_full.then(|| self.take(queue)).flatten()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.queues.values().all(VecDeque::is_empty)
    }

    /// The threads that what is pending is for, where it is for one alone.
    pub fn threads(&self) -> impl Iterator<Item = Tid> {
        self.queues.keys().filter_map(|(_, tid)| *tid)
    }

    /// Whether a delivery can be that of a signal that is pending here.
    pub fn fits(&self, delivery: &SignalDeliver) -> bool {
        self.queue_for(delivery).is_some() || self.rows().any(|row| row.is_killed_by(delivery))
    }

    /// The signal that is delivered, if it is known already.
    pub fn deliver(&mut self, delivery: &SignalDeliver) -> Option<SignalRow> {
        if delivery.signal == SIGKILL {
            self.killed.get_or_insert_with(|| delivery.clone());
            return None;
        }
        let mut row = self.take(self.queue_for(delivery)?)?;
        row.deliver(delivery);
        Some(row)
    }

    /// A standard signal is queued once. That it is queued again shows that the one before has been taken without
    /// being delivered: by sigwait(2) or through a signalfd(2).
    pub fn accepted_before(&mut self, again: &SignalRow) -> Option<SignalRow> {
        let mut row = is_standard(again.signal).then(|| self.take(queue_of(again)))??;
        row.accept();
        Some(row)
    }

    /// Those that do not wait in the kernel's own queues any more, at the end.
    pub fn check(&mut self, pending: &SignalsPending) -> Vec<SignalRow> {
        let queues = std::mem::take(&mut self.queues).into_iter();
        let (waiting, gone) = queues.partition(|&((signal, tid), _)| pending.contains(signal, tid));
        self.queues = waiting;
        let gone: BTreeMap<SignalQueue, VecDeque<SignalRow>> = gone;
        let mut rows: Vec<_> = gone.into_values().flatten().collect();
        // What may have killed the process is decided by that.
        if let Some(delivery) = &self.killed {
            let kills: Vec<_> = rows.extract_if(.., |row| row.is_killed_by(delivery)).collect();
            kills.into_iter().for_each(|row| self.push(row));
        }
        rows.iter_mut().for_each(|row| row.vanish(pending));
        rows
    }

    /// The process has ended: a signal has killed it, or none. Of the others, those that still wait will never be
    /// delivered.
    pub fn exit(self, exit: &Exit) -> Vec<SignalRow> {
        let (killed, signal) = (self.killed.clone(), exit.wait_status & 0x7f);
        let mut rows = self.into_rows();
        let killer = rows.iter().position(|row| row.signal == signal);
        let killer = killer.map(|index| rows.remove(index)).map(|mut row| {
            row.kill(killed.as_ref());
            row
        });
        let waits = |row: &SignalRow| {
            is_in(if row.aim.group { exit.pending_shared } else { exit.pending }, row.signal)
        };
        killer.into_iter().chain(rows.into_iter().map(|row| row.end(waits))).collect()
    }

    /// A thread has ended, and others of its process live on: what was aimed at it alone.
    pub fn thread_exit(&mut self, exit: &Exit) -> Vec<SignalRow> {
        let its = self.queues.extract_if(.., |(_, tid), _| *tid == Some(exit.task.tid));
        let rows: Vec<_> = its.flat_map(|(_, rows)| rows).collect();
        // What may have killed the process is decided by that.
        let (kills, rows): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|row| self.killed.as_ref().is_some_and(|delivery| row.is_killed_by(delivery)));
        kills.into_iter().for_each(|row| self.push(row));
        rows.into_iter().map(|row| row.end(|row| is_in(exit.pending, row.signal))).collect()
    }

    /// The window has ended.
    pub fn finish(self) -> impl Iterator<Item = SignalRow> {
        let killed = self.killed.clone();
        let mut rows = self.into_rows();
        if let Some(delivery) = &killed {
            let candidates = rows.iter_mut().filter(|row| row.is_killed_by(delivery));
            let kills = candidates.min_by_key(|row| (row.signal != SIGKILL, row.at));
            kills.into_iter().for_each(|row| row.kill(Some(delivery)));
        }
        rows.into_iter().map(SignalRow::give_up)
    }

    /// Where the signal of a delivery waits: of those that fit, one aimed at the thread comes first, as the kernel takes
    /// these first. <https://github.com/torvalds/linux/blob/v6.12/kernel/signal.c> (`dequeue_signal`)
    fn queue_for(&self, delivery: &SignalDeliver) -> Option<SignalQueue> {
        let queues = [Some(delivery.task.tid), None].map(|tid| (delivery.signal, tid));
        let has_it = |queue: &SignalQueue| {
            self.queues.get(queue).and_then(|rows| rows.front()?.fits(delivery).then_some(()))
        };
        queues.into_iter().find(|queue| has_it(queue).is_some())
    }

    fn take(&mut self, queue: SignalQueue) -> Option<SignalRow> {
        let rows = self.queues.get_mut(&queue)?;
        let row = rows.pop_front();
        if rows.is_empty() {
            self.queues.remove(&queue);
        }
        row
    }

    /// How many are pending.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.rows().count()
    }

    fn rows(&self) -> impl Iterator<Item = &SignalRow> {
        self.queues.values().flatten()
    }

    fn into_rows(self) -> Vec<SignalRow> {
        let mut rows: Vec<_> = self.queues.into_values().flatten().collect();
        rows.sort_by_key(|row| row.at);
        rows
    }
}

fn queue_of(row: &SignalRow) -> SignalQueue {
    (row.signal, (!row.aim.group).then_some(row.aim.target.tid))
}
