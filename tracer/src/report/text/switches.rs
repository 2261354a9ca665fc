//! How often and why threads left their CPU, and whether the kernel counted the same.

use super::page::{Ink, Page};
use super::place::{columns, fit_place};
use super::table::{Cell, Setting, Table};
use super::{ProcessLabels, and_more, is_worth};
use crate::report::{Bounded, Cause, LockKind, Pool, Report, Shared, SwitchCause, Switches, Waker, pooled};
use crate::units::{count, counted, duration, percent};

const SHOWN: usize = 4;
/// Of those that slept throughout.
const IDLE_SHOWN: usize = 2;

pub fn write(page: &mut Page, report: &Report, processes: &ProcessLabels) {
    let switches = &report.switches;
    let all = switches.voluntary + switches.involuntary;
    if all == 0 && switches.causes.is_empty() {
        return page.quiet_section("CONTEXT SWITCHES", "none seen");
    }
    page.section("CONTEXT SWITCHES", Ink::Plain, &summary(switches, report.window.duration_ns));
    write_check(page, switches);
    write_callers(page, switches);
    let mut causes = pooled(&switches.causes, &processes.programs);
    if !page.is_full() {
        join_preempted(&mut causes.rows);
    }
    let (idle, switched): (Vec<_>, Vec<_>) = causes.rows.into_iter().partition(is_idle);
    write_switched(page, &Bounded { rows: switched, rest: causes.rest }, all, processes.several);
    write_idle(page, &Bounded { rows: idle, rest: None }, processes.several);
}

/// Where a thread lost its CPU says little, and comes in as many rows as there are lines: they are one.
fn join_preempted(causes: &mut Vec<Pool<SwitchCause>>) {
    let is_preempted = |pool: &Pool<SwitchCause>| pool.row.cause == Cause::Preempted;
    let (preempted, others): (Vec<_>, Vec<_>) = std::mem::take(causes).into_iter().partition(is_preempted);
    *causes = others;
    let joined = preempted.into_iter().reduce(|mut joined, pool| {
        joined.row.absorb(&pool.row);
        (joined.row.stack, joined.row.syscall, joined.row.object) = (None, None, None);
        joined.pids.extend(pool.pids);
        joined
    });
    causes.extend(joined.map(|mut joined| {
        joined.pids.sort_unstable();
        joined.pids.dedup();
        joined
    }));
}

/// Asleep from the begin of the window to its end.
fn is_idle(pool: &Pool<SwitchCause>) -> bool {
    pool.row.count == 0 && pool.row.began_before > 0 && pool.row.began_before == pool.row.still_blocked
}

fn write_switched(page: &mut Page, causes: &Bounded<Pool<SwitchCause>>, all: u64, names_pids: bool) {
    if causes.is_empty() {
        return;
    }
    let slept = causes.sum().totals.off_cpu_ns;
    let is_worth =
        |pool: &Pool<SwitchCause>| is_worth(pool.row.off_cpu_ns, slept) || is_worth(pool.row.count, all);
    let most = page.most_of(SHOWN, &causes.rows, is_worth);
    let cost = |pool: &Pool<SwitchCause>| {
        (is_worth(pool) && !is_chosen(&pool.row), is_worth(pool), pool.row.off_cpu_ns)
    };
    let (shown, rest) = causes.dearest(most, cost);
    table(page, &shown, all, names_pids).write(page);
    if let Some(rest) = rest {
        let totals = rest.totals;
        let what = format!("{}, {} off-CPU", counted_switches(totals.count), duration(totals.off_cpu_ns));
        and_more(page, rest.omitted, &what);
    }
}

/// What did nothing in the window, and where it waits for something to do, or hangs.
fn write_idle(page: &mut Page, causes: &Bounded<Pool<SwitchCause>>, names_pids: bool) {
    if causes.is_empty() {
        return;
    }
    let threads = causes.sum().totals.began_before;
    let slept = format!("{} slept throughout the window:", counted(threads, "thread"));
    page.prose(Ink::Plain, 2, &slept);
    let (shown, rest) = causes.top(page.most(IDLE_SHOWN));
    let columns = [("threads", Setting::Figure), ("cause", Setting::Word), ("in", Setting::Flexible)];
    let mut table = Table::by_process(names_pids, columns);
    for Pool { row, pids } in shown {
        let cells = [count(row.began_before), row.cause.as_str().replace('_', " ")].map(Cell::from);
        table.row_of_all(pids, Ink::Plain, cells.into_iter().chain([what(row)]));
        table.stack(page, "at", row.stack.as_ref());
    }
    table.write(page);
    if let Some(rest) = rest {
        and_more(page, rest.omitted, &counted(rest.totals.began_before, "thread"));
    }
}

/// What a thread waits for because it has nothing to do, most often: it costs nobody anything.
fn is_chosen(cause: &SwitchCause) -> bool {
    matches!(cause.cause, Cause::Poll | Cause::Sleep | Cause::Wait | Cause::Unknown)
}

pub(in crate::report) fn summary(switches: &Switches, window_ns: u64) -> String {
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
        "the kernel counted {} voluntary, {} involuntary for the threads that lived throughout",
        count(kernel.0),
        count(kernel.1)
    );
    let apart = kernel.0.abs_diff(ours.0) + kernel.1.abs_diff(ours.1);
    if 0 < apart && apart <= switches.in_doubt {
        return; // as many fell between the two
    }
    if apart == 0 {
        if page.is_full() {
            page.prose(Ink::Faint, 2, &format!("{counted}; so did tracer"));
        }
    } else {
        let ours = format!("tracer counted {} and {}", count(ours.0), count(ours.1));
        page.prose(Ink::Warn, 2, &format!("{counted}; {ours}"));
    }
}

/// That callers were not read each time.
fn write_callers(page: &mut Page, switches: &Switches) {
    let Some(callers) = &switches.callers else { return };
    let off = switches.causes.rows.iter().filter_map(|cause| cause.count_error).max();
    let off =
        off.map_or_else(String::new, |off| format!("; a row's count may be off by {} or so", count(off)));
    let text = format!(
        "the callers of {} of these are an estimate: 1 in {} was read, to stay within --budget{off}",
        percent(callers.estimated, switches.voluntary + switches.involuntary),
        count(callers.one_in_at_most)
    );
    page.prose(Ink::Faint, 2, &text);
}

fn table(page: &Page, causes: &[&Pool<SwitchCause>], all: u64, names_pids: bool) -> Table {
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
    for Pool { row: cause, pids } in causes {
        let figures = [
            cause.cause.as_str().replace('_', " "),
            count(cause.count),
            percent(cause.count, all),
            duration(cause.off_cpu_ns),
            duration(cause.run_queue_ns),
        ];
        table.row_of_all(pids, Ink::Plain, figures.map(Cell::from).into_iter().chain([what(cause)]));
        table.stack(page, "at", cause.stack.as_ref());
        let notes = [clipped(cause), woken(cause.wakers.as_ref(), Table::note_width(page))];
        let notes = notes.map(|note| note.filter(|_| page.is_full()));
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
        Some(LockKind::World) => ", all threads stopped",
        Some(LockKind::Python) | None => "",
    };
    match (&cause.syscall, &cause.object) {
        // New threads that wait for their first turn have not switched yet.
        (None, None) if cause.cause == Cause::Kernel && cause.count == 0 => {
            Cell::from("new threads, until they first ran")
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
pub(in crate::report) fn clipped(cause: &SwitchCause) -> Option<String> {
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
