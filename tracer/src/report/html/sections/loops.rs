//! What kept event loops from their sockets.

use super::Section;
use crate::report::html::table::{Cell, Setting, Setting::*, Table, TableRow, frames};
use crate::report::{Loop, LoopBlock, Report};
use crate::units::{counted, duration};

const HINT: &str = "How long a loop of asyncio, trio or Twisted could not serve its sockets. Only turns of 50 ms and more are listed.";
const COLUMNS: &[(&str, Setting)] = &[
    ("pid", Figure),
    ("thread", Figure),
    ("blocked by", Word),
    ("turns", Figure),
    ("total", Figure),
    ("longest", Figure),
    ("task", Word),
    ("at", Word),
];

/// Nothing where there is no loop, or none was watched.
pub fn section(report: &Report, most: usize) -> Option<Section<'_>> {
    let loops = report.loops.as_ref().filter(|loops| !loops.is_empty())?;
    let totals = loops.sum().totals;
    let summary = format!(
        "{} took {}, the longest {}",
        counted(totals.turns, "turn"),
        duration(totals.busy_ns),
        duration(totals.max_busy_ns),
    );
    let tables = loops.rows.iter().take(most).map(|of| table(of, most)).reduce(joined);
    Some(Section::new("loops", "Event loops", summary).hint(HINT).tables(tables))
}

fn table(of: &Loop, most: usize) -> Table<'_> {
    let row = |by| row(of, by);
    let mut table =
        Table::from_rows(("loop-rows", "What blocked them"), COLUMNS, (&of.by, most), row, |totals| {
            let figures =
                [Cell::count(totals.count), Cell::duration(totals.total_ns), Cell::duration(totals.max_ns)];
            [Cell::none(), Cell::none()]
                .into_iter()
                .chain(figures)
                .chain([Cell::none(), Cell::none()])
                .collect()
        });
    table.all = None; // of one loop alone
    table
}

fn joined<'a>(mut one: Table<'a>, other: Table<'a>) -> Table<'a> {
    one.rows.extend(other.rows);
    one
}

fn row<'a>(of: &'a Loop, by: &'a LoopBlock) -> TableRow<'a> {
    let task = by.task.as_ref().or(by.callback.as_ref());
    TableRow {
        cells: vec![
            Cell::id(of.pid),
            Cell::id(of.tid),
            Cell::word(by.why()),
            Cell::count(by.count),
            Cell::duration(by.total_ns).share_of(of.busy_ns),
            Cell::duration(by.max_ns),
            Cell::maybe(task),
            Cell::stack(by.stack.as_ref(), Vec::new()),
        ],
        pids: vec![of.pid],
        frames: frames(by.stack.as_ref()).into_iter().chain(&by.frame).collect(),
        about: by.why().to_owned(),
        ..TableRow::default()
    }
}
