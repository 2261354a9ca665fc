//! Pauses of the garbage collector.

use super::and_more;
use super::page::{Ink, Page};
use super::table::{Cell, Setting, Table};
use crate::report::{Gc, GcMethod, GcPauses};
use crate::units::{count, counted, duration, known};

const SHOWN: usize = 8;

/// Says nothing where pauses were not looked for.
pub fn write(page: &mut Page, gc: Option<&Gc>, names_pids: bool) {
    let Some(gc) = gc else { return };
    if gc.pauses.is_empty() {
        return page.quiet_section("GC", none(gc.method));
    }
    let totals = gc.pauses.sum().totals;
    let summary = format!(
        "{} took {}, the longest {}{}",
        counted(totals.count, "pause"),
        duration(totals.total_ns),
        duration(totals.max_ns),
        caveat(gc.method)
    );
    page.section("GC", Ink::Plain, &summary);
    let (shown, rest) = gc.pauses.top(page.most(SHOWN));
    table(shown, names_pids).write(page);
    if let Some(rest) = rest {
        and_more(page, rest.omitted, &duration(rest.totals.total_ns));
    }
}

fn none(method: GcMethod) -> &'static str {
    match method {
        GcMethod::Probe => "no pauses",
        GcMethod::Sampled => "no sample fell into a pause (short ones may have been missed)",
    }
}

fn caveat(method: GcMethod) -> &'static str {
    match method {
        GcMethod::Probe => "",
        GcMethod::Sampled => "; sampled: there were more, and longer ones",
    }
}

fn table(pauses: &[GcPauses], names_pids: bool) -> Table {
    let mut table = Table::by_process(
        names_pids,
        [
            ("generation", Setting::Figure),
            ("pauses", Setting::Figure),
            ("total", Setting::Figure),
            ("longest", Setting::Figure),
            ("freed", Setting::Figure),
            ("kept waiting", Setting::Figure),
            ("set off by", Setting::Flexible),
        ],
    );
    for row in pauses {
        let figures = [
            known(row.generation.map(|generation| generation.to_string())),
            count(row.count),
            duration(row.total_ns),
            duration(row.max_ns),
            known(row.collected.map(count)),
            known(row.waiters.map(|threads| counted(threads, "thread"))),
        ];
        let line = Cell::place(row.started_by.as_ref());
        table.row_of(row.pid, Ink::Plain, figures.map(Cell::from).into_iter().chain([line]));
    }
    table
}
