//! Threads that did not move, and threads that waited for locks.

use super::{Found, at, grouped, own, place, process};
use crate::analysis::lines::is_standard_library;
use crate::report::{Cause, FindingKind, Frame, LockKind, Report, Severity, SwitchCause};
use crate::units::{counted, duration};

/// A window that is shorter proves nothing.
const WORTH_A_LOOK_NS: u64 = 1_000_000_000;
/// Fewer switches are no contention.
const CONTENDED: u64 = 100;

/// Processes in which a thread, or all threads, did not move.
pub fn stuck(report: &Report) -> Vec<Found> {
    let whole = report.switches.causes.rest.is_none();
    if !whole || report.window.duration_ns < WORTH_A_LOOK_NS {
        return Vec::new();
    }
    let processes = grouped(&report.switches.causes.rows, |row| row.pid);
    processes.iter().filter_map(|rows| deadlock(report, rows).or_else(|| idle(report, rows))).collect()
}

/// Without a switch of its own, a row that is still blocked had been so when the window began.
fn is_stuck(row: &SwitchCause) -> bool {
    row.count == 0 && row.still_blocked > 0
}

/// Two or more threads that waited for locks throughout, at lines of one's own: idle workers of a pool wait deep in
/// the standard library.
fn deadlock(report: &Report, rows: &[&SwitchCause]) -> Option<Found> {
    let waits = rows.iter().filter(|row| is_stuck(row) && row.cause == Cause::Lock);
    let own: Vec<_> = waits.filter_map(|row| Some((row, own_code(row)?))).collect();
    let threads: u64 = own.iter().map(|(row, _)| row.still_blocked).sum();
    if threads < 2 {
        return None;
    }
    let nothing_else = rows.iter().all(|row| row.count == 0);
    let severity = if nothing_else { Severity::Critical } else { Severity::Info };
    let lines: Vec<_> = own.iter().map(|(_, frame)| place(frame)).collect();
    let (pid, waited) = (rows[0].pid, duration(report.window.duration_ns));
    let who = process(report, pid);
    let text = format!("{threads} threads of {who} waited for locks for all {waited}: {}", lines.join("; "));
    let found = Found::new(FindingKind::Stuck, severity, pid, text);
    Some(found.costs(report.window.duration_ns).at(Some(own[0].1)).with("threads", threads))
}

fn own_code(row: &SwitchCause) -> Option<&Frame> {
    row.stack.as_ref()?.iter().find(|frame| !is_standard_library(frame.file.as_bytes()))
}

/// A process of which nothing ran at all.
fn idle(report: &Report, rows: &[&SwitchCause]) -> Option<Found> {
    let stuck: Vec<_> = rows.iter().filter(|row| is_stuck(row)).collect();
    if stuck.is_empty() || rows.iter().any(|row| row.count > 0) {
        return None;
    }
    let row = stuck.iter().max_by_key(|row| own_code(row).is_some())?;
    let threads: u64 = stuck.iter().map(|row| row.still_blocked).sum();
    let text = format!(
        "{} did nothing for all {}: {} blocked, {}",
        process(report, row.pid),
        duration(report.window.duration_ns),
        counted(threads, "thread"),
        blocked_in(row),
    );
    let found = Found::new(FindingKind::Stuck, severity_of_idling(row.cause), row.pid, text);
    let found = found.costs(report.window.duration_ns).at(own(row.stack.as_ref()));
    Some(found.with("cause", row.cause.as_str()).with("object", row.object.clone()).with("threads", threads))
}

/// Servers and pools wait for work; what waits for a lock, a disk or a pipe may wait for ever.
fn severity_of_idling(cause: Cause) -> Severity {
    match cause {
        Cause::Poll | Cause::Sleep | Cause::Network | Cause::Wait => Severity::Info,
        _ => Severity::Warn,
    }
}

/// `in read of pipe:[4711] at a.py:3 in f`
fn blocked_in(row: &SwitchCause) -> String {
    let call = row.syscall.as_deref().unwrap_or(row.cause.as_str());
    let object = row.object.as_ref().filter(|_| !matches!(row.cause, Cause::Lock | Cause::Gil));
    let object = object.map_or_else(String::new, |object| format!(" of {object}"));
    format!("in {call}{object}{}", at(row.stack.as_ref()))
}

/// Lines that waited for locks, again and again.
pub fn locks(report: &Report) -> Vec<Found> {
    // That all threads stand still is the collector's doing.
    let rows = contended(report, Cause::Lock).filter(|row| row.lock != Some(LockKind::World));
    let rows = rows.filter(|row| own_code(row).is_some() && !waits_for_news(row));
    let lines = grouped(rows, |row| (row.pid, own_code(row), row.lock == Some(LockKind::Object)));
    lines.iter().filter_map(|waits| lock_of(report, waits)).collect()
}

/// A condition, an event, a queue or a thread's end is waited for by way of a lock, which nobody holds for long; a
/// semaphore is one by itself.
fn waits_for_news(row: &SwitchCause) -> bool {
    let Some([innermost, callers @ ..]) = row.stack.as_deref() else { return false };
    let of_threading = |frame: &Frame| {
        is_standard_library(frame.file.as_bytes()) && frame.file.as_bytes().ends_with(b"/threading.py")
    };
    // Before 3.11 a function's name comes without its class.
    let is_called = |frame: &Frame, names: &[&str]| {
        let function = frame.function.to_string();
        names.contains(&function.rsplit('.').next().unwrap_or_default())
    };
    let waits = of_threading(innermost) && is_called(innermost, &["wait", "join", "_wait_for_tstate_lock"]);
    waits && !callers.first().is_some_and(|caller| of_threading(caller) && is_called(caller, &["acquire"]))
}

fn lock_of(report: &Report, waits: &[&SwitchCause]) -> Option<Found> {
    let (count, waited) = sums(waits);
    if !is_contention(report, count, waited) {
        return None;
    }
    let (pid, frame) = (waits[0].pid, own_code(waits[0])?);
    let (who, times) = (process(report, pid), counted(count, "time"));
    let is_object = waits[0].lock == Some(LockKind::Object);
    let what = if is_object { "an object that others use" } else { "a lock" };
    let text =
        format!("threads of {who} waited {} for {what} at {}, {times}", duration(waited), place(frame));
    let found = Found::new(FindingKind::Lock, Severity::Info, pid, text).costs(waited).at(Some(frame));
    Some(found.with("switches", count).with("off_cpu_ns", waited))
}

pub fn contended(report: &Report, cause: Cause) -> impl Iterator<Item = &SwitchCause> {
    report.switches.causes.rows.iter().filter(move |row| row.cause == cause && row.count > 0)
}

pub fn of_process(report: &Report, pid: u32) -> impl Iterator<Item = &SwitchCause> {
    report.switches.causes.rows.iter().filter(move |row| row.pid == pid)
}

pub fn sums(rows: &[&SwitchCause]) -> (u64, u64) {
    rows.iter().fold((0, 0), |(count, ns), row| (count + row.count, ns + row.off_cpu_ns))
}

fn is_contention(report: &Report, count: u64, waited_ns: u64) -> bool {
    count >= CONTENDED && waited_ns >= report.window.duration_ns / 20
}
