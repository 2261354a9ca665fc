//! Where the time went, by line and by stack.

use super::Section;
use crate::report::html::table::{Cell, Setting::*, Table, TableRow, frames};
use crate::report::text::frames::summary;
use crate::report::{EntryMetric, Frames, HotLine, HotStack, Report};
use crate::units::{count, duration};

const HINT: &str = "Samples on the CPU with this line innermost, and with it anywhere in the stack. Off-CPU time is not sampled: \
it is all the time that threads were off their CPU there. A dozen samples prove little.";

pub fn section(report: &Report, most: usize) -> Section<'_> {
    let frames = &report.frames;
    Section::new("frames", "Lines and stacks", summary(frames.rate_hz, &report.quality.samples))
        .hint(HINT)
        .tables([lines(frames, most), stacks(frames, most)])
}

fn lines(of: &Frames, most: usize) -> Table<'_> {
    let (hottest, longest) = (
        of.hot.rows.iter().map(|row| row.self_samples).max().unwrap_or_default(),
        of.hot.rows.iter().map(|row| row.off_cpu_ns).max().unwrap_or_default(),
    );
    Table::from_rows(
        ("hot-lines", "Lines"),
        &[
            ("pid", Figure),
            ("samples", Figure),
            ("incl. callees", Figure),
            ("off-CPU", Figure),
            ("line", Word),
        ],
        (&of.hot, most),
        |row: &HotLine| TableRow {
            cells: vec![
                Cell::id(row.pid),
                Cell::count(row.self_samples).share_of(hottest),
                Cell::count(row.total_samples),
                Cell::duration(row.off_cpu_ns).share_of(longest),
                Cell::frame(Some(&row.frame)),
            ],
            pids: vec![row.pid],
            frames: vec![&row.frame],
            ..TableRow::default()
        },
        |totals| {
            // One sample counts for each of its lines: that sum says nothing.
            let (samples, off_cpu) = (Cell::count(totals.self_samples), Cell::duration(totals.off_cpu_ns));
            vec![samples, Cell::none(), off_cpu, Cell::none()]
        },
    )
}

fn stacks(of: &Frames, most: usize) -> Table<'_> {
    Table::from_rows(
        ("hot-stacks", "Stacks"),
        &[
            ("pid", Figure),
            ("thread", Figure),
            ("name", Word),
            ("samples", Figure),
            ("off-CPU", Figure),
            ("at", Word),
        ],
        (&of.stacks, most),
        |row: &HotStack| TableRow {
            cells: vec![
                Cell::id(row.pid),
                Cell::id(row.tid),
                Cell::maybe(row.thread_name.as_ref()),
                Cell::count(row.samples),
                Cell::duration(row.off_cpu_ns),
                Cell::stack(Some(&row.stack), Vec::new()),
            ],
            pids: vec![row.pid],
            frames: frames(Some(&row.stack)),
            ..TableRow::default()
        },
        |totals| {
            let figures = [Cell::count(totals.samples), Cell::duration(totals.off_cpu_ns), Cell::none()];
            [Cell::none(), Cell::none()].into_iter().chain(figures).collect()
        },
    )
}

/// Entries of the evaluation function, if they were counted.
pub fn calls(report: &Report, most: usize) -> Option<Section<'_>> {
    let entries = report.frames.entries.as_ref()?;
    let metric = match entries.metric {
        EntryMetric::PythonCalls => "Python calls",
        EntryMetric::CToPythonEntries => "entries from C into Python",
    };
    let all = count(entries.rows.sum().totals.count);
    let summary = format!("{all} {metric} in the {} that were counted", duration(entries.covered_ns));
    let table = Table::from_rows(
        ("entries", "Functions"),
        &[("pid", Figure), ("count", Figure), ("function", Word)],
        (&entries.rows, most),
        |row| TableRow {
            cells: vec![Cell::id(row.pid), Cell::count(row.count), Cell::frame(Some(&row.frame))],
            pids: vec![row.pid],
            frames: vec![&row.frame],
            ..TableRow::default()
        },
        |totals| vec![Cell::count(totals.count), Cell::none()],
    );
    Some(Section::new("calls", "Calls", summary).tables([table]))
}
