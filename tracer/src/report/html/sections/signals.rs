//! Who sent which signal, and what became of it.

use super::Section;
use crate::report::html::table::{Cell, Setting::*, Table, TableRow};
use crate::report::text::signals::{delay, from, handler, interrupted, to};
use crate::report::{Report, Signal};
use crate::units::counted;

const HINT: &str = "From the call that sent it to the Python handler. Delivered and handler times count from the moment it was sent.";

pub fn section(report: &Report, most: usize) -> Section<'_> {
    let summary = match report.signals.is_empty() {
        true => "none seen".to_owned(),
        false => counted(report.signals.sum().totals.count, "signal"),
    };
    let table = Table::from_rows(
        ("signal-rows", "Signals by time"),
        &[
            ("at", Figure),
            ("signal", Word),
            ("count", Figure),
            ("from", Word),
            ("to", Word),
            ("delivered", Figure),
            ("handler", Figure),
            ("outcome", Word),
            ("sent at", Word),
        ],
        (&report.signals, most),
        row,
        |totals| {
            let none = |cells: usize| (0..cells).map(|_| Cell::none());
            none(1).chain([Cell::count(totals.count)]).chain(none(6)).collect()
        },
    );
    Section::new("signals", "Signals", summary).hint(HINT).tables([table])
}

fn row(signal: &Signal) -> TableRow<'_> {
    let began = signal.handler.as_ref().and_then(|handler| handler.started_after_ns);
    let notes = [handler(signal), delay(signal), interrupted(signal)];
    let interrupted = signal.interrupted.as_ref().and_then(|interrupted| interrupted.frame.as_ref());
    let called = signal.handler.as_ref().and_then(|handler| handler.frame.as_ref());
    TableRow {
        cells: vec![
            Cell::duration(signal.at_ns),
            Cell::word(&signal.signal),
            Cell::count(signal.count),
            Cell::word(from(signal)),
            Cell::word(to(signal.target)),
            Cell::known(signal.delivered_after_ns, Cell::duration),
            Cell::known(began, Cell::duration),
            Cell::word(signal.outcome),
            Cell::stack(signal.sender_stack.as_ref(), notes.into_iter().flatten().collect()),
        ],
        pids: [Some(signal.target.pid), signal.sender.as_ref().and_then(|sender| sender.pid)]
            .into_iter()
            .flatten()
            .collect(),
        frames: signal.sender_stack.iter().flatten().chain(interrupted).chain(called).collect(),
        at_ns: Some(signal.at_ns),
        about: signal.signal.clone(),
    }
}
