//! What was read, in which pieces.

use super::Section;
use crate::report::html::table::{Cell, Setting::*, Table, TableRow, frames};
use crate::report::text::reads::{UNSEEN, errors, nothing_to_win, sizes, usual};
use crate::report::{Read, ReadTotals, Report};
use crate::units::{bytes, counted};

const HINT: &str = "One row a process, file and line. Many calls that ask for little mean many system calls for little data. A \
read releases the GIL, and then has to wait for it: that wait stands in the row.";

pub fn section(report: &Report, most: usize) -> Section<'_> {
    let totals = report.reads.sum().totals;
    let most_calls = report.reads.rows.iter().map(|row| row.syscalls).max().unwrap_or_default();
    let summary = match report.reads.is_empty() {
        true => "none seen".to_owned(),
        false => format!("{} returned {}", counted(totals.syscalls, "call"), bytes(totals.bytes)),
    };
    let table = Table::from_rows(
        ("read-rows", "Files"),
        &[
            ("pid", Figure),
            ("file", Word),
            ("calls", Figure),
            ("asked/call", Word),
            ("bytes", Figure),
            ("empty", Figure),
            ("switches", Figure),
            ("GIL wait", Figure),
            ("avoidable", Figure),
            ("at", Word),
        ],
        (&report.reads, most),
        |read| row(read, most_calls),
        sums,
    );
    Section::new("reads", "Reads", format!("{summary} ({UNSEEN})")).hint(HINT).tables([table])
}

fn row(read: &Read, most_calls: u64) -> TableRow<'_> {
    TableRow {
        cells: vec![
            Cell::id(read.pid),
            Cell::word(&read.path),
            Cell::count(read.syscalls).share_of(most_calls),
            Cell::maybe(usual(read).map(sizes)),
            Cell::bytes(read.bytes),
            Cell::count(read.eof),
            Cell::count(read.voluntary_switches + read.involuntary_switches),
            Cell::known(read.gil_wait_ns, Cell::duration),
            Cell::known(read.avoidable, Cell::count),
            Cell::stack(read.stack.as_ref(), notes(read)),
        ],
        pids: vec![read.pid],
        frames: frames(read.stack.as_ref()),
        about: read.path.to_string(),
        ..TableRow::default()
    }
}

fn sums(totals: &ReadTotals) -> Vec<Cell> {
    vec![
        Cell::none(),
        Cell::count(totals.syscalls),
        Cell::none(),
        Cell::bytes(totals.bytes),
        Cell::count(totals.eof),
        Cell::count(totals.voluntary_switches + totals.involuntary_switches),
        Cell::known(totals.gil_wait_ns, Cell::duration),
        Cell::known(totals.avoidable, Cell::count),
        Cell::none(),
    ]
}

fn notes(read: &Read) -> Vec<String> {
    let advice = read.advice.as_ref().map(|advice| advice.text.to_string());
    let failed = (!read.errors.is_empty()).then(|| format!("failed: {}", errors(&read.errors)));
    let call = format!("{} of a {}", read.syscall, read.kind);
    [Some(call), advice.or_else(|| nothing_to_win(read)), failed].into_iter().flatten().collect()
}
