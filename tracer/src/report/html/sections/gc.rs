//! Pauses of the garbage collector.

use super::Section;
use crate::report::html::table::{Cell, Setting::*, Table, TableRow};
use crate::report::text::gc::summary;
use crate::report::{Gc, GcCollections, GcPauses, Report, Stack};

const HINT: &str = "Pauses by generation and by the line that started them. Collections are what the interpreter counts itself, \
whether a pause was seen or not.";

/// Nothing where pauses were not looked for.
pub fn section(report: &Report, most: usize) -> Option<Section<'_>> {
    let gc = report.gc.as_ref()?;
    let tables = [pauses(gc, most), collections(gc, most)];
    Some(Section::new("gc", "Garbage collector", summary(gc)).hint(HINT).tables(tables))
}

fn pauses(gc: &Gc, most: usize) -> Table<'_> {
    let longest = gc.pauses.rows.iter().map(|row| row.total_ns).max().unwrap_or_default();
    Table::from_rows(
        ("gc-pauses", "Pauses"),
        &[
            ("pid", Figure),
            ("generation", Figure),
            ("pauses", Figure),
            ("total", Figure),
            ("longest", Figure),
            ("freed", Figure),
            ("GIL waiters", Figure),
            ("started by", Word),
        ],
        (&gc.pauses, most),
        |row| pause(row, longest),
        |totals| {
            vec![
                Cell::none(),
                Cell::count(totals.count),
                Cell::duration(totals.total_ns),
                Cell::duration(totals.max_ns),
                Cell::known(totals.collected, Cell::count),
                Cell::none(),
                Cell::none(),
            ]
        },
    )
}

fn pause(row: &GcPauses, longest: u64) -> TableRow<'_> {
    let line: Option<Stack> = row.started_by.clone().map(|line| vec![line]);
    TableRow {
        cells: vec![
            Cell::id(row.pid),
            Cell::known(row.generation.map(u64::from), Cell::count),
            Cell::count(row.count),
            Cell::duration(row.total_ns).share_of(longest),
            Cell::duration(row.max_ns),
            Cell::known(row.collected, Cell::count),
            Cell::known(row.waiters, Cell::count),
            Cell::stack(row.stack.as_ref().or(line.as_ref()), Vec::new()),
        ],
        pids: vec![row.pid],
        frames: row.stack.iter().flatten().chain(&row.started_by).collect(),
        ..TableRow::default()
    }
}

fn collections(gc: &Gc, most: usize) -> Table<'_> {
    Table::from_rows(
        ("gc-collections", "Collections"),
        &[("pid", Figure), ("generation", Figure), ("collections", Figure), ("freed", Figure), ("", Word)],
        (&gc.collections, most),
        |row: &GcCollections| TableRow {
            cells: vec![
                Cell::id(row.pid),
                Cell::count(row.generation.into()),
                Cell::count(row.count),
                Cell::count(row.collected),
                Cell::Word(if row.at_least { "at least" } else { "" }.to_owned()),
            ],
            pids: vec![row.pid],
            ..TableRow::default()
        },
        |totals| vec![Cell::none(), Cell::count(totals.count), Cell::count(totals.collected), Cell::none()],
    )
}
