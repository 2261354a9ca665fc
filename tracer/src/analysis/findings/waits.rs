//! Threads that did not move, and threads that waited for locks.

use super::whose::Whose;
use super::{RankedFinding, at, grouped, own, place, process};
use crate::analysis::lines::{self, is_standard_library};
use crate::report::{Cause, FindingKind, Frame, LockKind, Programs, Report, Severity, SwitchCause};
use crate::units::{counted, duration};

/// A window that is shorter proves nothing.
const WORTH_A_FINDING_NS: u64 = 1_000_000_000;
/// Fewer switches are no contention.
const CONTENDED: u64 = 100;

/// Processes in which a thread, or all threads, did not move.
pub fn stuck(report: &Report, programs: &Programs) -> Vec<RankedFinding> {
    let whole = report.switches.causes.rest.is_none();
    if !whole || report.window.duration_ns < WORTH_A_FINDING_NS {
        return Vec::new();
    }
    let processes = grouped(&report.switches.causes.rows, |row| row.pid);
    let (locked, others): (Vec<_>, Vec<_>) = processes.into_iter().partition(|rows| is_locked(rows));
    let idle = others.iter().filter_map(|rows| Idle::new(rows));
    let idle = idle.filter(|idle| !waits_for_children(report, idle));
    let idle = grouped(idle, |idle| (programs.first(idle.row.pid), idle.row.cause, idle.place()));
    let locked = locked.iter().map(|rows| deadlock(report, rows));
    locked.chain(idle.iter().map(|alike| idle_of(report, alike))).collect()
}

/// Without a switch of its own, a row that is still blocked had been so when the window began.
fn is_stuck(row: &SwitchCause) -> bool {
    row.count == 0 && row.still_blocked > 0
}

/// Threads that waited for locks throughout, at lines of one's own: idle workers of a pool wait deep in the standard
/// library, or for a queue that others fill.
fn locked<'a>(rows: &[&'a SwitchCause]) -> Vec<(&'a SwitchCause, &'a Frame)> {
    let waits = rows.iter().filter(|row| is_stuck(row) && row.cause == Cause::Lock && !waits_for_news(row));
    waits.filter_map(|row| Some((*row, own_code(row)?))).collect()
}

fn threads_of(locked: &[(&SwitchCause, &Frame)]) -> u64 {
    locked.iter().map(|(row, _)| row.still_blocked).sum()
}

/// Two of them, or more.
fn is_locked(rows: &[&SwitchCause]) -> bool {
    threads_of(&locked(rows)) >= 2
}

fn deadlock(report: &Report, rows: &[&SwitchCause]) -> RankedFinding {
    /// Lines that a sentence names.
    const NAMED: usize = 4;
    let own = locked(rows);
    let threads = threads_of(&own);
    let nothing_else = rows.iter().all(|row| row.count == 0);
    let severity = if nothing_else { Severity::Critical } else { Severity::Info };
    let lines: Vec<_> = own.iter().take(NAMED).map(|(_, frame)| place(frame)).collect();
    let more = match own.len() - lines.len() {
        0 => String::new(),
        more => format!(" and at {}", counted(more as u64, "other line")),
    };
    let conclusion = if nothing_else { "; nothing else ran: this looks like a deadlock" } else { "" };
    let (pid, waited) = (rows[0].pid, duration(report.window.duration_ns));
    let who = process(report, pid);
    let lines = lines.join(" and at ");
    let text =
        format!("{threads} threads of {who} waited for locks for all {waited} at {lines}{more}{conclusion}");
    let found = RankedFinding::new(FindingKind::Stuck, severity, pid, text);
    found.costs(report.window.duration_ns).at(Some(own[0].1)).with("threads", threads)
}

fn own_code(row: &SwitchCause) -> Option<&Frame> {
    lines::own_code(row.stack.as_ref()?)
}

/// A process of which nothing ran at all.
struct Idle<'a> {
    /// What stands for all that its threads wait for.
    row: &'a SwitchCause,
    threads: u64,
}

impl<'a> Idle<'a> {
    fn new(rows: &[&'a SwitchCause]) -> Option<Self> {
        let stuck: Vec<_> = rows.iter().filter(|row| is_stuck(row)).collect();
        if stuck.is_empty() || rows.iter().any(|row| row.count > 0) {
            return None;
        }
        let row = stuck.iter().max_by_key(|row| own_code(row).is_some())?;
        Some(Self { row, threads: stuck.iter().map(|row| row.still_blocked).sum() })
    }

    fn place(&self) -> Option<&'a Frame> {
        own(self.row.stack.as_ref())
    }
}

/// A shell, a `timeout`, an init that waits for what it has started has nothing else to do; nor has a Python program
/// whose workers work.
fn waits_for_children(report: &Report, idle: &Idle<'_>) -> bool {
    let processes = &report.target.processes.rows;
    let pid = idle.row.pid;
    let is_other = processes.iter().any(|process| process.pid == pid && process.python.is_none());
    let switched = |pid| report.switches.causes.rows.iter().any(|row| row.pid == pid && row.count > 0);
    processes.iter().any(|process| process.ppid == pid && (is_other || switched(process.pid)))
}

fn idle_of(report: &Report, alike: &[Idle<'_>]) -> RankedFinding {
    let whose = Whose::new(alike.iter().map(|idle| (idle.row.pid, report.window.duration_ns)));
    let row = alike[0].row;
    let threads: u64 = alike.iter().map(|idle| idle.threads).sum();
    let each = if threads > alike.len() as u64 { ", one" } else { "" };
    let text = format!(
        "{} did nothing for all {}: {} asleep{each} {}",
        whose.text(report),
        duration(report.window.duration_ns),
        counted(threads, "thread"),
        blocked_in(row),
    );
    let found = RankedFinding::new(FindingKind::Stuck, severity_of_idling(row), row.pid, text).whose(&whose);
    let found = found.costs(report.window.duration_ns).at(own(row.stack.as_ref()));
    found.with("cause", row.cause.as_str()).with("object", row.object.clone()).with("threads", threads)
}

/// Servers and pools wait for work, and so do helpers of the standard library; what waits for a lock, a disk or a pipe in
/// code of one's own may wait forever.
fn severity_of_idling(row: &SwitchCause) -> Severity {
    match row.cause {
        Cause::Poll | Cause::Sleep | Cause::Network | Cause::Wait => Severity::Info,
        _ if waits_for_news(row) || (row.stack.is_some() && own_code(row).is_none()) => Severity::Info,
        _ => Severity::Warn,
    }
}

/// `in read of pipe:[4711] at a.py:3 in f`
pub fn blocked_in(row: &SwitchCause) -> String {
    let call = row.syscall.as_deref().unwrap_or(row.cause.as_str());
    let object = row.object.as_ref().filter(|_| !matches!(row.cause, Cause::Lock | Cause::Gil));
    let object = object.map_or_else(String::new, |object| format!(" of {object}"));
    format!("in {call}{object}{}", at(row.stack.as_ref()))
}

/// Lines that waited for locks, again and again.
pub fn locks(report: &Report, programs: &Programs) -> Vec<RankedFinding> {
    // That all threads stand still is the collector's doing.
    let rows = contended(report, Cause::Lock).filter(|row| row.lock != Some(LockKind::World));
    let rows = rows.filter(|row| own_code(row).is_some() && !waits_for_news(row));
    let lines = grouped(rows, |row| (row.pid, own_code(row), row.lock == Some(LockKind::Object)));
    let dear = lines.into_iter().filter(|waits| is_contention(report, waits)).flatten();
    let alike = |row: &&SwitchCause| {
        (programs.first(row.pid), own_code(row).cloned(), row.lock == Some(LockKind::Object))
    };
    grouped(dear, alike).iter().filter_map(|waits| lock_of(report, waits)).collect()
}

/// A condition, an event, a queue or a thread's end is waited for by way of a lock, which is not held for long; a
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

fn lock_of(report: &Report, waits: &[&SwitchCause]) -> Option<RankedFinding> {
    let whose = Whose::new(waits.iter().map(|row| (row.pid, row.off_cpu_ns)));
    let (count, waited) = sums(waits);
    let frame = own_code(waits[0])?;
    let is_object = waits[0].lock == Some(LockKind::Object);
    let what = if is_object { "an object that others use" } else { "a lock" };
    let text = format!(
        "threads of {} waited {} for {what} at {}, {}{}{}",
        whose.text(report),
        duration(waited),
        place(frame),
        counted(count, "time"),
        whose.outliers(report, duration),
        release(waits),
    );
    let found = RankedFinding::new(FindingKind::Lock, Severity::Info, whose.pid(), text)
        .costs(waited)
        .at(Some(frame));
    Some(found.with("switches", count).with("off_cpu_ns", waited).whose(&whose))
}

/// `; most often released at cache.py:80 in put: hold it for less time there`
fn release(waits: &[&SwitchCause]) -> String {
    let wakers = waits.iter().filter_map(|row| row.wakers.as_ref()).flat_map(|wakers| &wakers.rows);
    let lines =
        grouped(wakers.filter_map(|waker| Some((waker.frame.as_ref()?, waker.count))), |(frame, _)| *frame);
    let count = |line: &[(&Frame, u64)]| line.iter().map(|(_, count)| count).sum::<u64>();
    let most = lines.iter().max_by_key(|line| count(line)).map(|line| line[0].0);
    let hold = |frame| format!("; most often released at {}: hold it for less time there", place(frame));
    most.map_or_else(String::new, hold)
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

fn is_contention(report: &Report, waits: &[&SwitchCause]) -> bool {
    let (count, waited_ns) = sums(waits);
    count >= CONTENDED && waited_ns >= report.window.duration_ns / 20
}
