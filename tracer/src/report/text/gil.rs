//! Waits for the GIL, and who made them long.

use super::and_more;
use super::page::{Ink, Page};
use super::table::{Cell, Setting, Table};
use crate::report::{BlockedHolder, Bounded, Gil, GilHolder};
use crate::units::{count, counted, duration};

const SHOWN: usize = 5;

/// Says nothing about a process that has no GIL.
pub fn write(page: &mut Page, gil: Option<&Gil>, names_pids: bool) {
    let Some(gil) = gil else { return };
    if gil.waits == 0 && gil.holders.is_empty() {
        return page.section("GIL", Ink::Plain, "nobody waited for it");
    }
    page.section("GIL", Ink::Plain, &summary(gil));
    if let Some(why) = &gil.holders_unknown {
        page.prose(Ink::Faint, 2, why);
    }
    write_holders(page, &gil.holders, names_pids);
    write_blocked(page, &gil.blocked_while_held, names_pids);
}

/// Lines that slept with the GIL in hand: while they do, nobody else runs Python.
fn write_blocked(page: &mut Page, blocked: &Bounded<BlockedHolder>, names_pids: bool) {
    let (shown, rest) = blocked.top(SHOWN);
    if shown.is_empty() {
        return;
    }
    let mut table = Table::by_process(
        names_pids,
        [
            ("asleep with the GIL", Setting::Figure),
            ("times", Setting::Figure),
            ("in", Setting::Word),
            ("line", Setting::Flexible),
        ],
    );
    for row in shown {
        let what = row.syscall.clone().unwrap_or_else(|| row.cause.as_str().replace('_', " "));
        let cells = [duration(row.off_cpu_ns), count(row.count), what].map(Cell::from);
        table.row_of(row.pid, Ink::Plain, cells.into_iter().chain([Cell::place(row.frame.as_ref())]));
    }
    table.write(page);
    if let Some(rest) = rest {
        and_more(page, rest.omitted, &duration(rest.totals.off_cpu_ns));
    }
}

fn summary(gil: &Gil) -> String {
    let held = gil.held_ns.map_or_else(String::new, |held| format!("; held for {}", duration(held)));
    let waits = counted(gil.waits, "acquisition");
    format!(
        "waited {} for it: {waits} slept, with {} switches{held}",
        duration(gil.wait_ns),
        count(gil.switches)
    )
}

fn write_holders(page: &mut Page, holders: &Bounded<GilHolder>, names_pids: bool) {
    if holders.is_empty() {
        return;
    }
    let (shown, rest) = holders.top(SHOWN);
    let mut table = Table::by_process(
        names_pids,
        [
            ("held while others waited", Setting::Figure),
            ("thread", Setting::Figure),
            ("line", Setting::Flexible),
        ],
    );
    for holder in shown {
        let figures = [duration(holder.held_while_others_waited_ns), holder.tid.to_string()].map(Cell::from);
        table.row_of(holder.pid, Ink::Plain, figures.into_iter().chain([Cell::place(holder.frame.as_ref())]));
    }
    table.write(page);
    if let Some(rest) = rest {
        and_more(page, rest.omitted, &duration(rest.totals.held_while_others_waited_ns));
    }
}
