//! Waits for the GIL, and who made them long.

use super::and_more;
use super::page::{Ink, Page};
use super::table::{Cell, Setting, Table};
use super::units::{count, counted, duration};
use crate::report::{Bounded, Gil, GilHolder};

const SHOWN: usize = 5;

/// Says nothing about a process that has no GIL.
pub fn write(page: &mut Page, gil: Option<&Gil>, names_pids: bool) {
    let Some(gil) = gil else { return };
    if gil.waits == 0 && gil.holders.is_empty() {
        return page.section("GIL", Ink::Plain, "nobody waited for it");
    }
    page.section("GIL", Ink::Plain, &summary(gil));
    write_holders(page, &gil.holders, names_pids);
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
