//! Event loops, and what blocked them.

use super::and_more;
use super::page::{Ink, Page};
use super::table::{Cell, Setting, Table};
use crate::report::{Bounded, Loop, LoopBlock};
use crate::units::{count, counted, duration};

const SHOWN: usize = 4;

/// Says nothing where there is no loop, or none was watched.
pub fn write(page: &mut Page, loops: Option<&Bounded<Loop>>, names_pids: bool) {
    let Some(loops) = loops.filter(|loops| !loops.is_empty()) else { return };
    let totals = loops.sum().totals;
    let summary = format!(
        "{} took {}, the longest {}",
        counted(totals.turns, "turn"),
        duration(totals.busy_ns),
        duration(totals.max_busy_ns),
    );
    page.section("EVENT LOOP", Ink::Plain, &summary);
    let blocks: Vec<_> =
        loops.rows.iter().flat_map(|row| row.by.rows.iter().map(move |by| (row, by))).collect();
    if blocks.is_empty() {
        return;
    }
    let (shown, others) = blocks.split_at(blocks.len().min(page.most(SHOWN)));
    table(shown, names_pids).write(page);
    if !others.is_empty() {
        let time = others.iter().map(|(_, by)| by.total_ns).sum();
        and_more(page, others.len() as u64, &duration(time));
    }
}

fn table(blocks: &[(&Loop, &LoopBlock)], names_pids: bool) -> Table {
    let mut table = Table::by_process(
        names_pids,
        [
            ("blocked by", Setting::Word),
            ("turns", Setting::Figure),
            ("total", Setting::Figure),
            ("longest", Setting::Figure),
            ("task", Setting::Word),
            ("at", Setting::Flexible),
        ],
    );
    for (row, by) in blocks {
        let task = by.task.as_ref().or(by.callback.as_ref());
        let cells = [
            Cell::from(by.why().to_owned()),
            Cell::from(count(by.count)),
            Cell::from(duration(by.total_ns)),
            Cell::from(duration(by.max_ns)),
            Cell::from(task.map_or_else(|| "-".to_owned(), ToString::to_string)),
            Cell::place(by.frame.as_ref()),
        ];
        table.row_of(row.pid, Ink::Plain, cells);
    }
    table
}
