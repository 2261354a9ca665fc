//! How often and why threads left their CPU, and whether the kernel counted the same.

use super::and_more;
use super::page::{Ink, Page};
use super::place::{columns, fit_place};
use super::table::{Cell, Setting, Table};
use crate::report::{Bounded, Cause, LockKind, Report, SwitchCause, Switches, Waker};
use crate::units::{count, counted, duration, percent};

const SHOWN: usize = 10;

pub fn write(page: &mut Page, report: &Report, names_pids: bool) {
    let switches = &report.switches;
    let all = switches.voluntary + switches.involuntary;
    if all == 0 && switches.causes.is_empty() {
        return page.section("CONTEXT SWITCHES", Ink::Plain, "none seen");
    }
    page.section("CONTEXT SWITCHES", Ink::Plain, &summary(switches, report.window.duration_ns));
    write_check(page, switches);
    let (shown, rest) = switches.causes.top(SHOWN);
    table(page, shown, all, names_pids).write(page);
    if let Some(rest) = rest {
        let totals = rest.totals;
        let what = format!("{}, {} off-CPU", counted_switches(totals.count), duration(totals.off_cpu_ns));
        and_more(page, rest.omitted, &what);
    }
}

fn summary(switches: &Switches, window_ns: u64) -> String {
    let a_second = switches.voluntary as f64 / (window_ns.max(1) as f64 / 1e9);
    let voluntary = count(switches.voluntary);
    format!(
        "{voluntary} voluntary ({}/s), {} involuntary",
        count(a_second as u64),
        count(switches.involuntary)
    )
}

fn write_check(page: &mut Page, switches: &Switches) {
    let kernel = (switches.kernel_voluntary, switches.kernel_involuntary);
    let ours = (switches.checked_voluntary, switches.checked_involuntary);
    if kernel == (0, 0) && ours == (0, 0) {
        return; // no thread was there throughout
    }
    let counted = format!(
        "kernel counted {} voluntary, {} involuntary for the threads alive throughout",
        count(kernel.0),
        count(kernel.1)
    );
    if kernel == ours {
        page.prose(Ink::Faint, 2, &format!("{counted}; so did we"));
    } else {
        let ours = format!("we counted {} and {}", count(ours.0), count(ours.1));
        page.prose(Ink::Warn, 2, &format!("{counted}; {ours}"));
    }
}

fn table(page: &Page, causes: &[SwitchCause], all: u64, names_pids: bool) -> Table {
    let mut table = Table::by_process(
        names_pids,
        [
            ("cause", Setting::Word),
            ("count", Setting::Figure),
            ("share", Setting::Figure),
            ("off-CPU", Setting::Figure),
            ("run queue", Setting::Figure),
            ("in", Setting::Flexible),
        ],
    );
    for cause in causes {
        let figures = [
            cause.cause.as_str().replace('_', " "),
            count(cause.count),
            percent(cause.count, all),
            duration(cause.off_cpu_ns),
            duration(cause.run_queue_ns),
        ];
        table.row_of(cause.pid, Ink::Plain, figures.map(Cell::from).into_iter().chain([what(cause)]));
        table.stack(page, "at", cause.stack.as_ref());
        let notes = [clipped(cause), woken(cause.wakers.as_ref(), Table::note_width(page))];
        notes.into_iter().flatten().for_each(|note| table.note(Ink::Faint, note));
    }
    table
}

/// The call and what it was about, which for the GIL is the call that gave it away.
fn what(cause: &SwitchCause) -> Cell {
    let path = |object: Option<&_>| object.map_or_else(String::new, ToString::to_string);
    if let Some(call) = &cause.after_call {
        return Cell::Path(format!("after {} ", call.syscall), path(call.object.as_ref()));
    }
    let lock = match cause.lock {
        Some(LockKind::Shared) => ", between processes",
        Some(LockKind::Native) => " of the C library",
        Some(LockKind::Object) => " of an object",
        Some(LockKind::World) => ", all threads stand still",
        Some(LockKind::Python) | None => "",
    };
    match (&cause.syscall, &cause.object) {
        // New threads that wait for their first turn have not switched yet.
        (None, None) if cause.cause == Cause::Kernel && cause.count == 0 => {
            Cell::from("new threads, first turn")
        }
        (None, None) => Cell::from("-"),
        (Some(syscall), object) if !lock.is_empty() => {
            Cell::Path(format!("{syscall}{lock} "), path(object.as_ref()))
        }
        (Some(syscall), object) => Cell::Path(format!("{syscall} "), path(object.as_ref())),
        (None, object) => Cell::Path(String::new(), path(object.as_ref())),
    }
}

/// A gap that was cut off by the window is a lower bound.
fn clipped(cause: &SwitchCause) -> Option<String> {
    let (before, still) = (count(cause.began_before), count(cause.still_blocked));
    if matches!(cause.cause, Cause::Preempted | Cause::Yield | Cause::Kernel) && cause.still_blocked > 0 {
        return Some(format!("{still} waited for a CPU at the end"));
    }
    match (cause.began_before, cause.still_blocked) {
        (0, 0) => None,
        (0, _) => Some(format!("{still} still blocked at the end")),
        (_, 0) => Some(format!("{before} blocked since before the window")),
        _ => Some(format!("{before} blocked since before the window, {still} still blocked at the end")),
    }
}

fn woken(wakers: Option<&Bounded<Waker>>, width: usize) -> Option<String> {
    let first = wakers?.rows.first()?;
    let lead = format!("woken {} by {} {}", counted(first.count, "time"), first.tid, first.comm);
    let room = width.saturating_sub(columns(&lead) + 4);
    Some(first.frame.as_ref().map_or(lead.clone(), |frame| format!("{lead} at {}", fit_place(frame, room))))
}

fn counted_switches(n: u64) -> String {
    if n == 1 { "1 switch".to_string() } else { format!("{} switches", count(n)) }
}
