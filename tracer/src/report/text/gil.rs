//! Waits for the GIL, and who made them long.

use super::and_more;
use super::page::{Ink, Page};
use super::table::{Cell, Setting, Table};
use std::cmp::Reverse;

use crate::report::{BlockedHolder, Bounded, Frame, Gil, GilHolder};
use crate::units::{count, counted, duration, percent};

const SHOWN: usize = 3;

/// Says nothing about a process that has no GIL.
pub fn write(page: &mut Page, gil: Option<&Gil>, window_ns: u64, names_pids: bool) {
    let Some(gil) = gil else { return };
    if gil.waits == 0 && gil.holders.is_empty() {
        return page.quiet_section("GIL", "no thread waited for it");
    }
    if !page.is_full() && !super::is_worth(gil.wait_ns, window_ns) {
        return page.quiet_section("GIL", &summary(gil));
    }
    page.section("GIL", Ink::Plain, &summary(gil));
    if let Some(why) = &gil.holders_unknown {
        page.prose(Ink::Faint, 2, why);
    }
    write_holders(page, &gil.holders, names_pids);
    write_blocked(page, &gil.blocked_while_held, window_ns, names_pids);
}

/// Lines that slept without releasing the GIL: while they do, no other thread runs Python.
fn write_blocked(page: &mut Page, blocked: &Bounded<BlockedHolder>, window_ns: u64, names_pids: bool) {
    let is_worth = |row: &BlockedHolder| super::is_worth(row.others_waited_ns, window_ns);
    let (shown, rest) =
        blocked.dearest(page.most_of(SHOWN, &blocked.rows, is_worth), |row| row.others_waited_ns);
    if shown.is_empty() {
        return;
    }
    let mut table = Table::by_process(
        names_pids,
        [
            ("slept without releasing it", Setting::Figure),
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

pub(in crate::report) fn summary(gil: &Gil) -> String {
    let waits = counted(gil.waits, "time");
    format!("threads waited {} for it, {waits}, in {} switches", duration(gil.wait_ns), count(gil.switches))
}

/// A line, and how long it held the GIL while others waited.
struct LineHeld<'a> {
    pid: u32,
    frame: Option<&'a Frame>,
    ns: u64,
    threads: u64,
}

/// By line, whichever thread ran it: a pool has the same lines in all of its threads.
fn by_line(holders: &[GilHolder]) -> Vec<LineHeld<'_>> {
    let mut lines = Vec::<LineHeld>::new();
    for GilHolder { pid, frame, threads, held_while_others_waited_ns: ns, .. } in holders {
        let frame = frame.as_ref();
        match lines.iter_mut().find(|line| line.pid == *pid && line.frame == frame) {
            Some(line) => (line.ns, line.threads) = (line.ns + ns, line.threads + threads),
            None => lines.push(LineHeld { pid: *pid, frame, ns: *ns, threads: *threads }),
        }
    }
    lines.sort_by_key(|line| Reverse(line.ns));
    lines
}

fn write_holders(page: &mut Page, holders: &Bounded<GilHolder>, names_pids: bool) {
    if holders.is_empty() {
        return;
    }
    let all = holders.sum().totals.held_while_others_waited_ns;
    let lines = by_line(&holders.rows);
    let shown = &lines[..lines.len().min(page.most(SHOWN))];
    let mut table = Table::by_process(
        names_pids,
        [
            ("held while others waited", Setting::Figure),
            ("share", Setting::Figure),
            ("threads", Setting::Figure),
            ("line", Setting::Flexible),
        ],
    );
    for line in shown {
        let figures = [duration(line.ns), percent(line.ns, all), count(line.threads)].map(Cell::from);
        table.row_of(line.pid, Ink::Plain, figures.into_iter().chain([Cell::place(line.frame)]));
    }
    table.write(page);
    let rest = all - shown.iter().map(|line| line.ns).sum::<u64>();
    let omitted = lines.len() - shown.len();
    if omitted > 0 {
        and_more(page, omitted as u64, &duration(rest));
    }
}
