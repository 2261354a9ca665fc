//! Why threads left their CPU.

use super::Section;
use crate::report::html::table::{Cell, Setting::*, Table, TableRow, frames};
use crate::report::text::switches::{clipped, summary};
use crate::report::{CauseTotals, Report, SwitchCause, Waker};
use crate::units::{count, counted};

const HINT: &str = "Each row is a cause at one stack. Voluntary: the thread waited for something. Involuntary: it could have \
continued, but another thread got the CPU. The line is where the thread waited; off-CPU times are sums over all threads, \
of which the run queue is the part in which they were ready to run.";

pub fn section(report: &Report, most: usize) -> Section<'_> {
    let switches = &report.switches;
    let longest = switches.causes.rows.iter().map(|row| row.off_cpu_ns).max().unwrap_or_default();
    let table = Table::from_rows(
        ("causes", "Causes"),
        &[
            ("pid", Figure),
            ("cause", Word),
            ("count", Figure),
            ("off-CPU", Figure),
            ("run queue", Figure),
            ("blocked at the end", Figure),
            ("in", Word),
            ("at", Word),
        ],
        (&switches.causes, most),
        |cause| row(cause, longest),
        sums,
    );
    Section::new("switches", "Context switches", summary(switches, report.window.duration_ns))
        .hint(HINT)
        .caveats(estimated(report))
        .tables([table])
}

fn row(cause: &SwitchCause, longest: u64) -> TableRow<'_> {
    TableRow {
        cells: vec![
            Cell::id(cause.pid),
            Cell::word(cause.cause.as_str().replace('_', " ")),
            Cell::count(cause.count),
            Cell::duration(cause.off_cpu_ns).share_of(longest),
            Cell::duration(cause.run_queue_ns),
            Cell::count(cause.still_blocked),
            Cell::word(what(cause)),
            Cell::stack(cause.stack.as_ref(), notes(cause)),
        ],
        pids: vec![cause.pid],
        frames: frames(cause.stack.as_ref()),
        about: cause.cause.as_str().to_owned(),
        ..TableRow::default()
    }
}

fn sums(totals: &CauseTotals) -> Vec<Cell> {
    vec![
        Cell::none(),
        Cell::count(totals.count),
        Cell::duration(totals.off_cpu_ns),
        Cell::duration(totals.run_queue_ns),
        Cell::count(totals.still_blocked),
        Cell::none(),
        Cell::none(),
    ]
}

/// The call and what it was about, which for the GIL is the call that gave it away.
fn what(cause: &SwitchCause) -> String {
    if let Some(call) = &cause.after_call {
        let object = call.object.as_ref().map_or_else(String::new, |object| format!(" {object}"));
        return format!("after {}{object}", call.syscall);
    }
    let object = cause.object.as_ref().map(ToString::to_string);
    [cause.syscall.clone(), object].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn notes(cause: &SwitchCause) -> Vec<String> {
    let error = cause.count_error.map(|error| format!("the count may be off by {} or so", count(error)));
    let wakers = cause.wakers.as_ref().and_then(|wakers| wakers.rows.first()).map(woken);
    [clipped(cause), error, wakers].into_iter().flatten().collect()
}

fn woken(waker: &Waker) -> String {
    format!("woken {} by {} {}", counted(waker.count, "time"), waker.tid, waker.comm)
}

fn estimated(report: &Report) -> Option<String> {
    let callers = report.switches.callers.as_ref()?;
    Some(format!(
        "The callers of {} switches are an estimate: 1 in {} was read, to stay within --budget. Lines are exact.",
        count(callers.estimated),
        count(callers.one_in_at_most)
    ))
}
