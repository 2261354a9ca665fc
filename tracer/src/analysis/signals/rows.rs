//! The list of signals: each by itself while there are few, alike ones in one row beyond that.

use std::collections::HashMap;

use super::row::{Begun, Delivery, SignalRow, SignalSender};
use crate::event::{Nanos, Pid, StackId};
use crate::report::{self, Bounded, Disposition, Origin, Outcome, Row as _, Signal};
use crate::symbols::Symbols;

/// Rows that are kept; beyond it only their number.
const ROWS: usize = 4 * Signal::LIMIT;

/// Signals of which nothing more will be seen.
#[derive(Debug, Default)]
pub struct Rows {
    rows: Vec<SignalRow>,
    /// Rows by what makes them alike, from the moment that there are too many to report each.
    alike: Option<HashMap<Alike, usize>>,
    omitted: report::Omitted<report::SignalTotals>,
}

/// What signals have in common that are one row.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Alike {
    signal: u32,
    target: Pid,
    origin: Origin,
    /// The children of a process are alike.
    sender: Option<SignalSender>,
    disposition: Option<Disposition>,
    outcome: Outcome,
    begun: std::mem::Discriminant<Begun>,
}

impl Rows {
    /// Takes a signal.
    pub fn push(&mut self, row: SignalRow) {
        if self.alike.is_none() && self.rows.len() < Signal::LIMIT {
            return self.rows.push(row);
        }
        if self.alike.is_none() {
            self.fold_alike();
        }
        self.fold(row);
    }

    /// Takes several.
    pub fn extend(&mut self, rows: impl IntoIterator<Item = SignalRow>) {
        rows.into_iter().for_each(|row| self.push(row));
    }

    /// The rows of the report, in the order of time.
    pub fn finish(mut self, symbols: &Symbols) -> Bounded<Signal> {
        self.rows.sort_by_key(|row| row.at);
        let mut rows: Bounded<_> = self.rows.iter().map(|row| row.row(symbols)).collect();
        if self.omitted.omitted > 0 {
            let rest = rows.rest.get_or_insert_default();
            rest.omitted += self.omitted.omitted;
            rest.totals.count += self.omitted.totals.count;
        }
        rows
    }

    fn fold_alike(&mut self) {
        self.alike = Some(HashMap::new());
        for row in std::mem::take(&mut self.rows) {
            self.fold(row);
        }
    }

    fn fold(&mut self, row: SignalRow) {
        let alike = self.alike.get_or_insert_default();
        let key = Alike::new(&row);
        if let Some(&first) = alike.get(&key) {
            self.rows[first].join(&row);
        } else if self.rows.len() < ROWS {
            alike.insert(key, self.rows.len());
            self.rows.push(row);
        } else {
            self.omitted.omitted += 1;
            self.omitted.totals.count += row.count;
        }
    }
}

impl Alike {
    fn new(row: &SignalRow) -> Self {
        Self {
            signal: row.signal,
            target: row.aim.target.pid,
            origin: row.origin,
            sender: row.sender.clone().filter(|_| row.origin != Origin::Child),
            disposition: row.disposition,
            outcome: row.outcome,
            begun: std::mem::discriminant(&row.begun),
        }
    }
}

impl SignalRow {
    /// One more like it: what differs is not reported any more, and of two delays the longer one.
    fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.at = Nanos::min(self.at, other.at);
        if other.begun.after() > self.begun.after() {
            self.begun = other.begun;
        }
        same(&mut self.sender, &other.sender);
        if self.sender_stack != other.sender_stack {
            self.sender_stack = StackId::NONE;
        }
        match (&mut self.delivery, other.delivery) {
            (Some(delivery), Some(other)) => delivery.join(&other),
            (Some(delivery), None) => (delivery.receiver, delivery.interrupted) = (None, None),
            (None, other) => {
                self.delivery = other.map(|other| Delivery { receiver: None, interrupted: None, ..other });
            }
        }
    }
}

impl Delivery {
    fn join(&mut self, other: &Self) {
        self.after = self.after.max(other.after);
        same(&mut self.receiver, &other.receiver);
        same(&mut self.interrupted, &other.interrupted);
    }
}

fn same<T: PartialEq>(one: &mut Option<T>, other: &Option<T>) {
    if one != other {
        *one = None;
    }
}
