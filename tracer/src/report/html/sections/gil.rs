//! Who waited for the GIL, and who held it.

use super::Section;
use crate::report::html::table::{Cell, Setting::*, Table, TableRow};
use crate::report::text::gil::summary;
use crate::report::{BlockedHolder, Gil, GilHolder, Report};

const HINT: &str =
    "Lines that held the GIL while other threads waited for it, and lines that slept without giving it away.";

pub fn section(report: &Report, most: usize) -> Option<Section<'_>> {
    let gil = report.gil.as_ref()?;
    Some(
        Section::new("gil", "GIL", summary(gil))
            .hint(HINT)
            .caveats(gil.holders_unknown.clone())
            .tables([holders(gil, most), blocked(gil, most)]),
    )
}

fn holders(gil: &Gil, most: usize) -> Table<'_> {
    let longest =
        gil.holders.rows.iter().map(|row| row.held_while_others_waited_ns).max().unwrap_or_default();
    Table::from_rows(
        ("gil-holders", "Held while others waited"),
        &[("pid", Figure), ("thread", Figure), ("threads", Figure), ("held", Figure), ("line", Word)],
        (&gil.holders, most),
        |row: &GilHolder| TableRow {
            cells: vec![
                Cell::id(row.pid),
                Cell::id(row.tid),
                Cell::count(row.threads),
                Cell::duration(row.held_while_others_waited_ns).share_of(longest),
                Cell::frame(row.frame.as_ref()),
            ],
            pids: vec![row.pid],
            frames: row.frame.iter().collect(),
            ..TableRow::default()
        },
        |totals| {
            vec![Cell::none(), Cell::none(), Cell::duration(totals.held_while_others_waited_ns), Cell::none()]
        },
    )
}

fn blocked(gil: &Gil, most: usize) -> Table<'_> {
    Table::from_rows(
        ("gil-blocked", "Slept without releasing it"),
        &[
            ("pid", Figure),
            ("times", Figure),
            ("slept", Figure),
            ("others waited", Figure),
            ("in", Word),
            ("line", Word),
        ],
        (&gil.blocked_while_held, most),
        |row: &BlockedHolder| TableRow {
            cells: vec![
                Cell::id(row.pid),
                Cell::count(row.count),
                Cell::duration(row.off_cpu_ns),
                Cell::duration(row.others_waited_ns),
                Cell::word(row.syscall.clone().unwrap_or_else(|| row.cause.as_str().replace('_', " "))),
                Cell::frame(row.frame.as_ref()),
            ],
            pids: vec![row.pid],
            frames: row.frame.iter().collect(),
            about: row.cause.as_str().to_owned(),
            ..TableRow::default()
        },
        |totals| {
            let (count, slept) = (Cell::count(totals.count), Cell::duration(totals.off_cpu_ns));
            vec![count, slept, Cell::none(), Cell::none(), Cell::none()]
        },
    )
}
